"""Subtitles as players read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.timelines import timeline

from seqcls.datasets.labels import read_labels
from seqcls.exports import export
from seqcls.exports import subtitles as module


def test_vtt(tmp_path: Path) -> None:
    export(timeline(liver="..PPPP..", kidney="....PPPP"), tmp_path, "vtt")
    assert (tmp_path / "timeline.vtt").read_text(encoding="utf-8") == (
        "WEBVTT\n\nNOTE Research software, not a medical device: not for diagnosis or treatment.\n\n"
        "NOTE clip.mp4: input complete, 100.0% scorable\n\n"
        "00:00:00.200 --> 00:00:00.400\nliver\n\n"
        "00:00:00.400 --> 00:00:00.600\nliver · kidney\n\n"
        "00:00:00.600 --> 00:00:00.800\nkidney\n"
    )


def test_vtt_says_what_a_reader_must_know(tmp_path: Path) -> None:
    """A note ends at an empty line, and holds no arrow."""
    made = timeline(liver="PPPP??")
    report = replace(made.report, verdict="truncated", reasons=("60 frames --> 6",))
    source = replace(made.source, path="P01/clip.mp4")
    export(replace(made, report=report, source=source, warnings=("a\n\nb",)), tmp_path, "vtt")
    blocks = (tmp_path / "timeline.vtt").read_text(encoding="utf-8").split("\n\n")
    assert blocks[2:5] == [
        "NOTE P01/clip.mp4: input truncated, 66.7% scorable",
        "NOTE 60 frames --&gt; 6",
        "NOTE a b",
    ]


def test_srt_numbers_cues_and_marks_the_unknown(tmp_path: Path) -> None:
    export(timeline(liver="PPPP????"), tmp_path, "srt")
    text = (tmp_path / "timeline.srt").read_text(encoding="utf-8")
    assert text == "1\n00:00:00,000 --> 00:00:00,400\nliver\n\n2\n00:00:00,400 --> 00:00:00,800\nliver?\n"


def test_vtt_escapes_markup(tmp_path: Path) -> None:
    export(timeline(**{"<b>&": "PPPP"}), tmp_path, "vtt")
    assert "&lt;b&gt;&amp;\n" in (tmp_path / "timeline.vtt").read_text(encoding="utf-8")


def test_cues_are_found_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mark was held against all intervals: of 20,000 that took two minutes."""
    made = timeline(liver="PPP..." * 60, node="..PPP." * 60)
    asked = list[int]()
    monkeypatch.setattr(
        module, "sorted", lambda *of, **how: asked.append(len(of[0])) or sorted(*of, **how), raising=False
    )
    cues = module._cues(made)
    assert [organs for _, _, organs in cues[:3]] == [("liver",), ("liver", "node"), ("node",)] and len(cues) == 180
    assert sum(asked) < 8 * len(made.intervals)


def test_a_dot_in_a_name_parts_no_organs(tmp_path: Path) -> None:
    """SubRip knows no escapes, so there the name has another dot; one between letters stays what it is."""
    made = timeline(**{"a · b": "PP", "l·l ·": "PP", "c &amp; d": "PP"})
    (vtt,), (srt,) = export(made, tmp_path, "vtt"), export(made, tmp_path, "srt")
    assert "\na &#183; b · l·l &#183; · c &amp;amp; d\n" in vtt.read_text(encoding="utf-8")
    assert read_labels(vtt)[0].organs == ("a · b", "c &amp; d", "l·l ·")
    assert read_labels(srt)[0].organs == ("a \u2027 b", "c &amp; d", "l·l \u2027")
