"""There and back: what is exported for a tool gives every frame the state that it has in the timeline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.timelines import timeline

from seqcls.datasets.import_labels import ClipTimes, in_frames, in_seconds, write_labels_csv, write_labels_json
from seqcls.datasets.labels import ClipLabels, read_labels
from seqcls.exports import FORMATS, export
from seqcls.exports.timebase import on_proxy
from seqcls.timeline import Timeline
from seqcls.timemap import TimeMap
from seqcls.types import Gap

FORMATS_READ = (
    "audacity", "tsv", "boris", "boris-tsv", "cvat", "csv", "elan", "fiftyone", "json", "label-studio", "label-studio-annotations", "vtt",
)  # fmt: skip


def shown_at(made: Timeline, times_s: list[float], end_s: float) -> Timeline:
    """The timeline with frames at other times, and its intervals with them."""
    ends_s = np.append(times_s, end_s)
    moved = tuple(
        replace(i, start_s=float(ends_s[i.start_index]), end_s=float(ends_s[i.end_index + 1])) for i in made.intervals
    )
    scores = replace(made.scores, time_s=np.array(times_s), duration_s=np.diff(ends_s))
    return replace(made, intervals=moved, scores=scores, start_s=times_s[0], end_s=end_s)


def irregular() -> Timeline:
    made = timeline("P01/a b.mp4", liver="..PPPPP....PPPP", node="PPPPP.......PPP", lobe="...............")
    steps_s = np.random.default_rng(1).uniform(0.0013, 0.09, 15)
    return shown_at(made, (np.cumsum(steps_s) + 0.04).tolist(), 2.0)


def many_frames() -> Timeline:
    pattern = "".join(np.random.default_rng(2).choice(["PPPPP", ".....", "????"], 100))
    made = timeline("IM000001", liver=pattern, node=pattern[::-1].replace("?", "."))
    return shown_at(made, [k / 120 for k in range(len(pattern))], len(pattern) / 120)


CASES = {
    "short": timeline(liver="..PPPP.."),
    "unknown stretches, and an organ never in view": timeline(liver="PPPP????PP", node=".........."),
    "gaps": timeline(gaps=(Gap(0.4, 1.0, "lost"), Gap(1.3, 2.2, "lost")), liver="PPPPPPP.......PPP", node="..........PPPP..."),
    "in view all the time": timeline("clip.webm", liver="PPPPPPPP"),
    "one frame": timeline(liver="P"),
    "never in view": timeline(liver="........", node="........"),
    "variable rate": irregular(),
    "120 Hz, DICOM without a suffix": many_frames(),
    "names that break files": timeline("<b>\"'&;\t\u2028$.mp4", **{"left lobe": "..PPP..", "Schilddrüse": ".......", "a'b&c;d": "PPP..PP"}),
}  # fmt: skip
_LABELS = {"present": "present", "absent": "absent", "unknown": "ignore"}


def states(made: Timeline) -> dict[str, list[str]]:
    """Every frame's state, by the interval that holds its number."""
    found = {organ: [""] * len(made.scores.index) for organ in made.organs}
    for i in made.intervals:
        for row, index in enumerate(made.scores.index):
            if i.start_index <= index <= i.end_index:
                found[i.organ][row] = _LABELS[i.state]
    return found


def labelled(labels: ClipLabels, made: Timeline) -> dict[str, list[str | None]]:
    frames = list(zip(made.scores.index.tolist(), made.scores.time_s.tolist(), strict=True))
    return {organ: [labels.state_at(organ, index, time_s) for index, time_s in frames] for organ in made.organs}


@pytest.mark.parametrize("kind", FORMATS_READ)
@pytest.mark.parametrize("case", CASES)
def test_every_frame_keeps_its_state(tmp_path: Path, case: str, kind: str) -> None:
    """Read from the tool's file, and from the label files that are made of it."""
    made, expected = CASES[case], states(CASES[case])
    (path,) = export(made, tmp_path, kind)
    (labels,) = read_labels(path)
    assert labelled(labels, made) == expected
    if labels.names_clip:
        suffix = Path(made.source.title).suffix if kind == "fiftyone" else ""
        assert f"{labels.file}{suffix}" == made.source.title
    times = ClipTimes(made.scores.index, made.scores.time_s, made.end_s, made.report)
    mapped = in_seconds(labels, times)
    write_labels_csv(tmp_path / "own.csv", [mapped])
    (own,) = read_labels(tmp_path / "own.csv")
    assert own.rest is None and labelled(own, made) == expected
    assert not any("long" in note for note in mapped.notes)
    if labels.spans[0].by_frame:
        write_labels_json(tmp_path / "own.json", [in_frames(labels, times)])
        (own,) = read_labels(tmp_path / "own.json")
        assert own.rest is None and labelled(own, made) == expected


@pytest.mark.parametrize("kind", FORMATS_READ)
@pytest.mark.parametrize("case", ["gaps", "variable rate", "120 Hz, DICOM without a suffix"])
def test_labels_of_a_proxy_come_back_to_the_clip(tmp_path: Path, case: str, kind: str) -> None:
    made = CASES[case]
    timemap = TimeMap.of_frames(made.scores.time_s, made.end_s)
    shown = on_proxy(made, timemap)
    shown = replace(shown, source=replace(shown.source, width=64, height=48))  # as where the proxy is at hand
    (path,) = export(shown, tmp_path, kind)
    (labels,) = read_labels(path)
    write_labels_csv(tmp_path / "own.csv", [in_seconds(labels, timemap=timemap)])
    (own,) = read_labels(tmp_path / "own.csv")
    assert labelled(own, made) == states(made)


def test_every_format_that_is_read_is_one_that_is_written() -> None:
    assert set(FORMATS_READ) <= {one.name for one in FORMATS}
