"""Subtitles as players read them."""

from __future__ import annotations

from pathlib import Path

from support.timelines import timeline

from seqcls.exports import export


def test_vtt(tmp_path: Path) -> None:
    export(timeline(liver="..PPPP..", kidney="....PPPP"), tmp_path, "vtt")
    assert (tmp_path / "timeline.vtt").read_text(encoding="utf-8") == (
        "WEBVTT\n\nNOTE Research software, not a medical device.\n\n"
        "00:00:00.200 --> 00:00:00.400\nliver\n\n"
        "00:00:00.400 --> 00:00:00.600\nliver · kidney\n\n"
        "00:00:00.600 --> 00:00:00.800\nkidney\n"
    )


def test_srt_numbers_cues_and_marks_the_unknown(tmp_path: Path) -> None:
    export(timeline(liver="PPPP????"), tmp_path, "srt")
    text = (tmp_path / "timeline.srt").read_text(encoding="utf-8")
    assert text == "1\n00:00:00,000 --> 00:00:00,400\nliver\n\n2\n00:00:00,400 --> 00:00:00,800\nliver?\n"


def test_vtt_escapes_markup(tmp_path: Path) -> None:
    export(timeline(**{"<b>&": "PPPP"}), tmp_path, "vtt")
    assert "&lt;b&gt;&amp;\n" in (tmp_path / "timeline.vtt").read_text(encoding="utf-8")
