"""Every format read back, by its own library where there is one: each frame of each organ has the state it had.

A new format needs a reader in READERS: from the files that were written to spans, or to a state per frame.
"""

from __future__ import annotations

import csv
import html
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.algebra.where import where
from seqcls.datasets.label_formats import found_labels
from seqcls.exports.formats import FORMATS, Format, export
from seqcls.exports.timebase import on_proxy
from seqcls.frame_states import ABSENT, PRESENT, UNKNOWN, frame_states
from seqcls.text.foreign_text import for_csv, for_dicom, for_terminal, from_csv
from seqcls.timeline import Timeline
from seqcls.timemap import TimeMap
from seqcls.types import FrameCounts, Gap, Interval, ScoreTable

CODES = {"present": PRESENT, "absent": ABSENT, "unknown": UNKNOWN, "": PRESENT, "?": UNKNOWN, ": absent": ABSENT}
#: By organ, as the format names it: (state, start_s, end_s) of what is marked, or the state of each frame in turn.
Spans = dict[str, list[tuple[int, float, float]]]
PerFrame = dict[str, list[int]]


def named(spans: Sequence[tuple[str, int, float, float]]) -> Spans:
    found: Spans = {}
    for organ, *span in spans:
        found.setdefault(organ, []).append(tuple(span))  # type: ignore[arg-type]
    return found


def read_marks(marks: Sequence[tuple[str, float, float]]) -> Spans:
    """`liver`, `liver?` and `liver: absent`; none of the names here ends so."""

    def split(text: str) -> tuple[str, int]:
        sign = next((sign for sign in ("?", ": absent") if text.endswith(sign)), "")
        return text.removesuffix(sign), CODES[sign]

    return named([(*split(text), start_s, end_s) for text, start_s, end_s in marks])


def read_csv(paths: Sequence[Path], delimiter: str = ",") -> Spans:
    with paths[0].open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter=delimiter))
    return named([(r["organ"], CODES[r["state"]], float(r["start_s"]), float(r["end_s"])) for r in rows])


def read_records(records: Sequence[dict[str, Any]]) -> Spans:
    return named([(r["organ"], CODES[r["state"]], r["start_s"], r["end_s"]) for r in records])


def read_json(paths: Sequence[Path]) -> Spans:
    return read_records(json.loads(paths[0].read_text(encoding="utf-8"))["intervals"])


def read_jsonl(paths: Sequence[Path]) -> Spans:
    lines = paths[0].read_text(encoding="utf-8").splitlines()
    pandas = pytest.importorskip("pandas")
    assert len(pandas.read_json(paths[0], lines=True)) == len(lines)
    return read_records([json.loads(line) for line in lines])


def read_parquet(paths: Sequence[Path]) -> Spans:
    pandas = pytest.importorskip("pandas")
    return read_records(pandas.read_parquet(paths[0], engine="pyarrow").to_dict("records"))


def read_wide(paths: Sequence[Path]) -> PerFrame:
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(paths[0])
    assert list(table)[:2] == ["frame", "time_s"]
    return {organ: table[organ].fillna(UNKNOWN).astype(int).tolist() for organ in list(table)[2:]}


def read_subtitles(paths: Sequence[Path]) -> Spans:
    webvtt = pytest.importorskip("webvtt")
    read = webvtt.read if paths[0].suffix == ".vtt" else webvtt.from_srt
    captions = [(c.raw_text, _seconds(c.start), _seconds(c.end)) for c in read(paths[0])]
    return read_marks([(part, a, b) for text, a, b in captions for part in text.split(" · ")])


def _seconds(clock: str) -> float:
    hours, minutes, seconds = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def read_audacity(paths: Sequence[Path]) -> Spans:
    with paths[0].open(encoding="utf-8", newline="\n") as stream:
        rows = [line.rstrip("\n").split("\t") for line in stream]
    assert all(len(row) == 3 for row in rows)
    return read_marks([(from_csv(text), float(start), float(end)) for start, end, text in rows])


def read_mstcn(paths: Sequence[Path]) -> PerFrame:
    found: PerFrame = {}
    for path in paths:
        lines = path.read_text(encoding="utf-8").split("\n")
        assert lines.pop() == "" and not any(" " in line or not line for line in lines)
        code = {"background": ABSENT, "unknown": UNKNOWN}
        found[path.stem] = [code.get(line, PRESENT) for line in lines]
    return found


def read_editing(paths: Sequence[Path]) -> Spans:
    otio = pytest.importorskip("opentimelineio")
    marks = []
    for path in paths:
        rate = {"rate": TELEVISION_HZ} if path.suffix == ".edl" else {}
        for clip in otio.adapters.read_from_file(str(path), **rate).find_clips():
            shown = clip.source_range
            marks.append((clip.name, shown.start_time.to_seconds(), shown.end_time_exclusive().to_seconds()))
    return read_marks(marks)


def read_report(paths: Sequence[Path]) -> Spans:
    sr = pytest.importorskip("highdicom.sr")
    found = []
    for group in sr.srread(str(paths[0])).content.get_image_measurement_groups():
        values = {item.name.value: item.value for item in group.get_measurements()}
        [state] = [item.value.meaning.lower() for item in group.get_qualitative_evaluations()]
        text = group.tracking_identifier.removesuffix({"present": "", "unknown": "?", "absent": ": absent"}[state])
        found.append((text, CODES[state], float(values["START"]), float(values["END"])))
    return named(found)


#: Of an EDL of a clip of 10 frames per second: it does not state its rate.
TELEVISION_HZ = 30.0


def read_labels(paths: Sequence[Path]) -> Spans | PerFrame:
    """As `import-labels`: what tools' own libraries make of these is in tests of each."""
    found = found_labels(paths[0].read_text(encoding="utf-8"), paths[0])
    codes = {"present": PRESENT, "absent": ABSENT, "ignore": UNKNOWN}
    if any(span.by_frame for span in found.spans):
        count = next(iter(found.frames.values()), max(span.end_index for span in found.spans) + 1)
        states: PerFrame = {span.organ: [ABSENT] * count for span in found.spans}
        for span in found.spans:
            states[span.organ][span.start_index : span.end_index + 1] = [codes[span.state]] * (
                span.end_index + 1 - span.start_index
            )
        return states
    return named([(span.organ, codes[span.state], span.start_s, span.end_s) for span in found.spans])


#: From which no state is read back.
PICTURES = ("dicom-picture",)
READERS: dict[str, Callable[[Sequence[Path]], Spans | PerFrame]] = {
    "csv": read_csv,
    "tsv": lambda paths: read_csv(paths, "\t"),
    "json": read_json,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "wide": read_wide,
    "vtt": read_subtitles,
    "srt": read_subtitles,
    "audacity": read_audacity,
    "mstcn": read_mstcn,
    "otio": read_editing,
    "edl": read_editing,
    "fcp-xml": read_editing,
    "dicom-sr": read_report,
    **dict.fromkeys(
        ("boris", "boris-tsv", "elan", "label-studio", "label-studio-annotations", "cvat", "fiftyone"), read_labels
    ),
}


def renamed(made: Timeline, *organs: str) -> Timeline:
    names = dict(zip(made.organs, organs, strict=True))
    intervals = tuple(replace(i, organ=names[i.organ]) for i in made.intervals)
    return replace(made, organs=organs, intervals=intervals, scores=replace(made.scores, organs=organs))


def no_frames() -> Timeline:
    """A live run whose feed never came."""
    made = timeline(liver="?", node="?")
    none = np.zeros((0, 2), np.float32)
    scores = ScoreTable(made.organs, np.zeros(0, np.int64), np.zeros(0), np.zeros(0), none, none, (), np.zeros(0, bool))
    intervals = tuple(Interval(o, "unknown", 0.0, 2.0, -1, -1, np.nan, np.nan, "lost") for o in made.organs)
    return replace(made, end_s=2.0, intervals=intervals, scores=scores, frame_counts=FrameCounts())


ODD = ("a\tb\nc", "<script>alert('1')</script>&{}", '=1+1,2;-3 "x"', "\u2028y\x1b[31m", "-->")
GAP = timeline(liver="..PPPP..PPPP", node="PPP.....PPP.", gaps=(Gap(0.8, 1.3, "lost"),))
PROXY = on_proxy(GAP, TimeMap.of_frames(GAP.scores.time_s, GAP.end_s))
CASES = {
    "plain": timeline(thyroid="...PPPP?PPP...???...", trachea="PPPPPPP?...........m", gaps=(Gap(1.2, 2.0, "lost"),)),
    "odd names": renamed(
        timeline(a="..PPPP", b="PPPP..", c="...PPP", d="PPPPPP", e="PPP..."), *ODD
    ),
    "never in view": timeline(liver="......", node="PPP..."),
    "nobody can tell": timeline(liver="??????", node="??????"),
    "no frames": no_frames(),
    "one frame": timeline(liver="P", node="."),
    "made of others": where(timeline(liver="..PPPP??", node="PPPPP..."), "both = liver and node"),
    "of the proxy": replace(PROXY, source=replace(PROXY.source, width=64, height=48)),
    "late": replace(
        timeline(liver="..PPP.", gaps=(Gap(0.0, 0.4, "lost"),)), start_s=0.4,
        intervals=tuple(i for i in timeline(liver="..PPP.", gaps=(Gap(0.0, 0.4, "lost"),)).intervals if i.reason != "lost"),
    ),
}  # fmt: skip


def expected_name(kind: Format, organ: str) -> str:
    """What each makes of a name; a test of ``foreign_text`` says why."""
    if kind.name in ("json", "jsonl", "parquet"):
        return organ
    if kind.name in ("csv", "tsv", "wide"):
        return for_csv(organ)
    if kind.name == "boris-tsv":
        return for_csv(organ).removeprefix("'")
    if kind.name == "vtt":
        return html.escape(for_terminal(organ), quote=False)
    if kind.name == "srt":
        return for_terminal(organ).translate(str.maketrans("<>{}", "＜＞｛｝"))
    if kind.name == "dicom-sr":
        return for_dicom(organ)
    return for_terminal(organ)


def states_of(spans: list[tuple[int, float, float]], timeline: Timeline) -> list[int]:
    """What holds at each frame's time."""
    found = []
    for time_s in timeline.scores.time_s.tolist():
        own = [state for state, start_s, end_s in spans if start_s <= time_s + 2e-6 and time_s + 2e-6 < end_s]
        found.append(own[-1] if own else ABSENT)
    return found


def test_every_format_has_a_reader() -> None:
    assert {*READERS, *PICTURES} == {kind.name for kind in FORMATS}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind.name in READERS], ids=lambda kind: kind.name)
def test_every_frame_has_the_state_it_had(tmp_path: Path, kind: Format, name: str) -> None:
    made = CASES[name]
    paths = export(made, tmp_path / "out", kind.name)
    assert len(paths) == (len(made.organs) if kind.per_organ else 1)
    read = READERS[kind.name](paths)
    for column, organ in enumerate(made.organs):
        own = paths[column].stem if kind.name == "mstcn" else expected_name(kind, organ)
        wanted = frame_states(made)[:, column].tolist()
        found = read.get(own, [])
        if found and isinstance(found[0], int):
            states = found + [ABSENT] * (kind.name == "fiftyone") * (len(wanted) - len(found))  # it states no length
        else:
            states = states_of(found, made)  # type: ignore[arg-type]
        assert states == wanted, organ
    assert set(read) <= {expected_name(kind, organ) for organ in made.organs} | {p.stem for p in paths}
