"""Files for annotation tools: read by the tool's own library where one can be installed beside seqcls, else held
against the numbers that its documentation asks for. `scripts/read_by_tools.py` has them read by the others."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.timelines import timeline

from seqcls.errors import UsageError
from seqcls.exports import export

#: At 10 Hz: in view from 0.2 to 0.5 s, unknown from 0.8 s on; the other never in view.
MADE = timeline("P1/neck 1.mp4", **{"left lobe": "..PPP...????", "b<&'\"c": "............"})
NEVER = "b<&'\"c"


def written(folder: Path, kind: str, made: Any = MADE) -> str:
    (path,) = export(made, folder, kind)
    return path.read_text(encoding="utf-8")


def test_elan_by_pympi(tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi").Elan
    made = timeline("P1/neck 1.mp4", **{"left lobe": "..PPP...????", NEVER: "........PP.."})
    (path,) = export(made, tmp_path, "elan")
    read = elan.Eaf(str(path))
    assert read.adocument["FORMAT"] == "3.0" and sorted(read.get_tier_names()) == [NEVER, "left lobe"]
    of_lobe = [row[:3] for row in sorted(read.get_annotation_data_for_tier("left lobe"))]
    assert of_lobe == [(0, 200, "absent"), (200, 500, "present"), (500, 800, "absent"), (800, 1200, "unknown")]
    (medium,) = read.get_linked_files()
    assert medium["MEDIA_URL"] == medium["RELATIVE_MEDIA_URL"] == "./P1/neck 1.mp4"
    assert medium["MIME_TYPE"] == "video/mp4"


def test_label_studio(tmp_path: Path) -> None:
    """https://labelstud.io/tags/timelinelabels: ranges of frames from 1, both inside."""
    (task,) = json.loads(written(tmp_path, "label-studio"))
    data = {"video": "/data/local-files/?d=P1/neck%201.mp4", "file": "P1/neck 1.mp4", "frames": 12, "fps": 10.0}
    assert task["data"] == data and list(task) == ["data", "predictions"]
    results = task["predictions"][0]["result"]
    assert [one["value"] for one in results] == [
        {"ranges": [{"start": 3, "end": 5}], "timelinelabels": ["left lobe"]},
        {"ranges": [{"start": 9, "end": 12}], "timelinelabels": ["left lobe?"]},
        {"ranges": [{"start": 9, "end": 12}], "timelinelabels": [f"{NEVER}?"]},
    ]
    assert {(one["type"], one["from_name"], one["to_name"]) for one in results} == {
        ("timelinelabels", "timelineLabels", "video")
    }
    assert len({one["id"] for one in results}) == 3
    (task,) = json.loads(written(tmp_path, "label-studio-annotations"))
    assert list(task) == ["data", "annotations"] and task["annotations"][0]["result"] == results


def test_fiftyone(tmp_path: Path) -> None:
    """FiftyOneTemporalDetectionDataset: a clip by its path without suffix, `support` in frames from 1, both inside."""
    body = json.loads(written(tmp_path, "fiftyone", timeline("P1/neck 1.mp4", liver="..PPP.", node="......")))
    assert body == {
        "labels": {
            "P1/neck 1": [
                {"label": "node: absent", "support": [1, 6]},
                {"label": "liver", "support": [3, 5], "confidence": 0.9},
            ]
        }
    }


def test_cvat(tmp_path: Path) -> None:
    """CVAT for video 1.1: a box over the image from the first frame on, `outside` at the first one behind."""
    root = ElementTree.fromstring(written(tmp_path, "cvat", timeline("a.mp4", liver="..PPP..PPP", **{NEVER: "." * 10})))
    task = root.find("meta/task")
    assert task is not None and root.findtext("version") == "1.1"
    assert (task.findtext("size"), task.findtext("stop_frame"), task.findtext("source")) == ("10", "9", "a.mp4")
    assert (task.findtext("original_size/width"), task.findtext("original_size/height")) == ("640", "480")
    labels = [label.findtext("name") for label in task.findall("labels/label")]
    assert labels == ["liver", NEVER, f"{NEVER}: absent"]
    boxes = [[(b.get("frame"), b.get("outside"), b.get("xbr"), b.get("ybr")) for b in t] for t in root.findall("track")]
    assert boxes == [
        [("0", "0", "640.00", "480.00")],  # it ends with the clip
        [("2", "0", "640.00", "480.00"), ("5", "1", "640.00", "480.00")],
        [("7", "0", "640.00", "480.00")],
    ]
    assert not root.findall(".//tag")


def test_cvat_needs_the_size(tmp_path: Path) -> None:
    made = replace(MADE, source=replace(MADE.source, width=0))
    with pytest.raises(UsageError, match=r"CVAT needs the size of the images, which P1/neck 1\.mp4 does not state"):
        export(made, tmp_path, "cvat")


def test_boris(tmp_path: Path) -> None:
    """Columns and fields of BORIS 9; a project's events are the table's rows, begin and end apart."""
    made = timeline("P1/neck 1.mp4", liver="..PPP.....", node="..........")
    head, *rows = csv.reader(written(tmp_path, "boris-tsv", made).splitlines(), delimiter="\t")
    table = [dict(zip(head, row, strict=True)) for row in rows]
    assert [(r["Behavior"], r["Start (s)"], r["Stop (s)"], r["Duration (s)"]) for r in table] == [
        ("node: absent", "0.000", "1.000", "1.000"),
        ("liver", "0.200", "0.500", "0.300"),
    ]
    assert {(r["Behavior type"], r["Media file name"], r["Source"]) for r in table} == {
        ("STATE", "P1/neck 1.mp4", "player #1:P1/neck 1.mp4")
    }
    assert [(r["Image index start"], r["Image index stop"]) for r in table] == [("0", "10"), ("2", "5")]
    project = json.loads(written(tmp_path, "boris", made))
    assert project["project_format_version"] == "7.0"
    codes = {b["code"]: b["type"] for b in project["behaviors_conf"].values()}
    assert codes == dict.fromkeys(("liver", "node", "node: absent"), "State event")
    (observation,) = project["observations"].values()
    assert observation["type"] == "MEDIA" and observation["file"] == {"1": ["P1/neck 1.mp4"]}
    assert observation["events"] == [
        [0.0, "", "node: absent", "", "", 0],
        [0.2, "", "liver", "", "", 2],
        [0.5, "", "liver", "", "", 5],
        [1.0, "", "node: absent", "", "", 10],
    ]
    assert observation["media_info"]["length"] == {"P1/neck 1.mp4": 1.0}
    assert observation["media_info"]["fps"] == {"P1/neck 1.mp4": 10.0}


def test_no_file_leads_to_somebodys_disk(tmp_path: Path) -> None:
    for kind in ("boris", "boris-tsv", "elan", "label-studio", "cvat", "fiftyone"):
        assert str(tmp_path) not in written(tmp_path, kind) and "file://" not in written(tmp_path / "b", kind)
