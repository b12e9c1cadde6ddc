"""`seqcls import-labels`: what an annotation tool wrote becomes a label file that extract and train take."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.commands import Seqcls, bright_clip, one_line

from seqcls.timemap import TimeMap

#: Frames 3 to 5, counted from 1: at 10 Hz from 0.2 to 0.5 s.
STUDIO = [
    {
        "id": 7,
        "data": {"video": "/data/upload/2/1a2b3c4d-neck01.mp4"},
        "annotations": [
            {"result": [{"id": "r", "value": {"ranges": [{"start": 3, "end": 5}], "timelinelabels": ["node"]}}]}
        ],
    }
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studio.json").write_text(json.dumps(STUDIO), encoding="utf-8")
    (tmp_path / "neck01.txt").write_text("0.200000\t0.500000\tnode\n0.6\t0.7\tnode?\n", encoding="utf-8")
    return tmp_path


def test_frames_become_seconds_of_the_clip(here: Path, seqcls: Seqcls) -> None:
    bright_clip(here / "clips" / "neck01.mp4", [True] * 8)
    done = seqcls("import-labels", "studio.json", "--clip", "clips", "-o", "labels.csv")
    assert done.code == 0 and "wrote labels.csv: 3 labels of 1 clip" in done.err
    assert (here / "labels.csv").read_text(encoding="utf-8").splitlines() == [
        "file,organ,start_s,end_s,state",
        "neck01.mp4,node,0.000000,0.200000,absent",
        "neck01.mp4,node,0.200000,0.500000,present",
        "neck01.mp4,node,0.500000,0.800000,absent",
    ]


def test_a_file_that_names_no_clip_is_of_the_one_that_is_named(here: Path, seqcls: Seqcls) -> None:
    bright_clip(here / "scan.avi", [True] * 8)
    assert seqcls("import-labels", "neck01.txt", "--clip", "scan.avi").code == 0
    rows = (here / "neck01-labels.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [row.split(",")[2:] for row in rows] == [
        ["0.000000", "0.200000", "absent"],
        ["0.200000", "0.500000", "present"],
        ["0.500000", "0.600000", "absent"],
        ["0.600000", "0.700000", "ignore"],
        ["0.700000", "0.800000", "absent"],
    ]
    assert rows[0].startswith("scan.avi,node,")


def test_a_clip_that_is_named_without_its_suffix_gets_it(here: Path, seqcls: Seqcls) -> None:
    bright_clip(here / "clips" / "P1" / "neck01.avi", [True] * 4)
    body = {"labels": {"P1/neck01": [{"label": "node", "support": [1, 4]}]}}
    (here / "fiftyone.json").write_text(json.dumps(body), encoding="utf-8")
    assert seqcls("import-labels", "fiftyone.json", "--clip", "clips", "-o", "labels.csv").code == 0
    rows = (here / "labels.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert rows == ["P1/neck01.avi,node,0.000000,0.400000,present"]


def test_without_the_clip_what_is_known_is_written_and_the_rest_is_said(here: Path, seqcls: Seqcls) -> None:
    done = seqcls("import-labels", "neck01.txt")
    assert done.code == 0 and "nothing behind 0.70 s is labelled as absent; add --clip" in done.err
    assert len((here / "neck01-labels.csv").read_text(encoding="utf-8").splitlines()) == 5
    done = seqcls("import-labels", "studio.json")
    assert done.code == 1 and "its labels count frames, whose times only the clip tells: add --clip" in one_line(done)
    done = seqcls("import-labels", "studio.json", "-o", "labels.json")
    assert done.code == 0 and "how many frames it has is not known" in done.err
    segments = [{"start": 0, "end": 1, "label": 0}, {"start": 2, "end": 4, "label": 1}]
    written = {"clips": [{"task": "node", "file": "neck01.mp4", "segments": segments}]}
    assert json.loads((here / "labels.json").read_text(encoding="utf-8")) == written


def test_labels_of_a_proxy_become_those_of_its_clip(here: Path, seqcls: Seqcls) -> None:
    """The clip's frames 0 to 3 at 0, 0.1, 0.5 and 0.6 s: its proxy at 10 Hz shows the second one four times."""
    timemap = TimeMap.of_frames(np.array([0, 0.1, 0.5, 0.6]), 0.7)
    assert timemap.source_index.tolist() == [0, 1, 1, 1, 1, 2, 3]
    timemap.write(here / "timemap.csv")
    (here / "scan.avi").write_bytes(b"")  # its times stand in the map
    done = seqcls("import-labels", "studio.json", "--clip", "scan.avi", "--timemap", "timemap.csv", "-o", "l.csv")
    assert done.code == 0 and "no frame of the clip begins within studio.json, task 7, region r: left out" in done.err
    assert (here / "l.csv").read_text(encoding="utf-8").splitlines()[1:] == ["scan.avi,node,0.000000,0.700000,absent"]
    wider = json.dumps(STUDIO).replace('"start": 3, "end": 5', '"start": 2, "end": 6')
    (here / "studio.json").write_text(wider, encoding="utf-8")
    seqcls(
        "import-labels", "studio.json", "--clip", "scan.avi", "--timemap", "timemap.csv", "-o", "l.csv", "--overwrite"
    )
    assert "scan.avi,node,0.100000,0.600000,present" in (here / "l.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["studio.json", "-o", "l.txt"], 2, "ends in neither .csv nor .json"),
        (["studio.json", "--timemap", "t.csv"], 2, "--timemap needs --clip too"),
        (["studio.json", "--timemap", "t.csv", "-o", "l.json"], 2, "gives times, and a .json holds frames"),
        (["neck01.txt", "-o", "l.json"], 1, "are in seconds: write a .csv"),
        (["gone.eaf"], 1, "no label file at gone.eaf"),
        (["neck01.txt", "-o", "neck01.txt"], 2, "ends in neither"),
    ],
    ids=["suffix", "no clip", "frames of a proxy", "seconds as frames", "gone", "itself"],
)
def test_what_cannot_be_is_one_line(here: Path, seqcls: Seqcls, arguments: list[str], code: int, message: str) -> None:
    done = seqcls("import-labels", *arguments)
    assert done.code == code and message in one_line(done)
