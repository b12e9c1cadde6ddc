"""What is exported for annotation tools, read by the tools' own code: BORIS, Label Studio's SDK, Datumaro (for CVAT),
FiftyOne.

    python scripts/read_by_tools.py write FOLDER      with seqcls: runs of several kinds, exported for each tool
    python scripts/read_by_tools.py read FOLDER       in an environment with one of the tools: what that makes of them

None of them can be installed beside seqcls (they ask for another OpenCV, or bring Qt). Each has an environment of its
own: `pip install label-studio-sdk`, `pip install boris-behav-obs`, `pip install datumaro`,
`pip install fiftyone` (of which no database is started). BORIS needs no screen: its
windows and its player are left out. Exit code 1 where a tool reads something else, or where there is no tool.
"""

from __future__ import annotations

import argparse
import csv
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("boris", "boris-tsv", "elan", "label-studio", "label-studio-annotations", "cvat", "fiftyone")
NEVER = "b<&'\"c"
#: Of the table of aggregated events; the others hold what BORIS alone knows.
COLUMNS = (
    "Behavior", "Behavior type", "Start (s)", "Stop (s)", "Duration (s)", "Media file name", "Image index start",
    "Image index stop",
)  # fmt: skip


def write(folder: Path) -> None:
    """One folder per run, a file per tool in it."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from support.timelines import timeline

    from seqcls.exports import export
    from seqcls.types import Gap

    lost = (Gap(0.4, 1.0, "lost"), Gap(1.3, 2.2, "lost"))
    runs = {
        "plain": timeline(liver="..PPP.PPP....", node="PPPPP........"),
        "unknown": timeline("P1/a b.mp4", liver="PPPP????PP....", node=".............."),
        "gaps": timeline(gaps=lost, liver="PPPPPPP.......PPP", node="..........PPPP..."),
        "names": timeline("<b>'&.mp4", **{"left lobe": "..PPP..", NEVER: "......."}),
    }
    for name, made in runs.items():
        export(made, folder / name, KINDS, overwrite=True)


def read_by_label_studio(folder: Path) -> list[str]:
    """Its validation, and its own converter to JSON-MIN, which must hold the same ranges."""
    from label_studio_sdk.converter import Converter
    from label_studio_sdk.label_interface import LabelInterface

    faults = []
    for name in ("label-studio", "label-studio-annotations"):
        (task,) = json.loads((folder / f"timeline.{name}.json").read_text(encoding="utf-8"))
        (one,) = task.get("predictions", []) + task.get("annotations", [])
        values = [result["value"] for result in one["result"]]
        labels = "".join(f"<Label value={quoteattr(v)}/>" for v in {value["timelinelabels"][0] for value in values})
        timeline = f'<TimelineLabels name="timelineLabels" toName="video">{labels}</TimelineLabels>'
        view = f'<View><Video name="video" value="$video"/>{timeline}</View>'
        faults += LabelInterface(view).validate_prediction(one, return_errors=True)
        if "annotations" not in task:
            continue
        stamps = {"id": 1, "created_at": "", "updated_at": "", "completed_by": 1, "lead_time": 1}  # that it adds itself
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "task.json"
            source.write_text(json.dumps([{**task, "id": 1, "annotations": [{**one, **stamps}]}]), encoding="utf-8")
            Converter(view, scratch, download_resources=False).convert_to_json_min(str(source), scratch, is_dir=False)
            (short,) = json.loads((Path(scratch) / "result.json").read_text(encoding="utf-8"))
        if short["timelineLabels"] != values or short["file"] != task["data"]["file"]:
            faults.append(f"{name}: JSON-MIN holds {short}")
    return faults


def read_by_datumaro(folder: Path) -> list[str]:
    """Its reader of CVAT's format must find the same boxes."""
    import datumaro

    text = (folder / "timeline.cvat.xml").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "images").mkdir()
        (Path(scratch) / "annotations.xml").write_text(text, encoding="utf-8")
        items = datumaro.Dataset.import_from(scratch, "cvat")
        names = items.categories()[datumaro.AnnotationType.label]
        found = sorted(
            (names[box.label].name, item.attributes["frame"], bool(box.attributes.get("outside")))
            for item in items
            for box in item.annotations
        )
    tracks = ElementTree.fromstring(text).findall("track")
    expected = sorted(
        (track.attrib["label"], int(box.attrib["frame"]), box.attrib["outside"] == "1")
        for track in tracks
        for box in track
    )
    return [] if found == expected else [f"CVAT: {found} instead of {expected}"]


def read_by_fiftyone(folder: Path) -> list[str]:
    """Its importer must find the ranges that the file of Label Studio has, which counts frames alike."""
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "1"
    from fiftyone.utils.data.importers import FiftyOneTemporalDetectionDatasetImporter

    labels, faults = folder / "timeline.fiftyone.json", []
    (name,) = json.loads(labels.read_text(encoding="utf-8"))["labels"]
    (task,) = json.loads((folder / "timeline.label-studio.json").read_text(encoding="utf-8"))
    values = [result["value"] for result in task["predictions"][0]["result"]]
    wanted = {(v["timelinelabels"][0], (r["start"], r["end"])) for v in values for r in v["ranges"]}
    with tempfile.TemporaryDirectory() as scratch:
        clip = Path(scratch) / f"{name}.mp4"
        clip.parent.mkdir(parents=True, exist_ok=True)
        clip.touch()
        importer = FiftyOneTemporalDetectionDatasetImporter(data_path=scratch, labels_path=str(labels))
        with importer:
            found = [(path, label) for path, _, label, _ in importer]
    if [Path(path).name for path, _ in found] != [clip.name]:
        faults.append(f"clips {[path for path, _ in found]}")
    read = {(one.label, tuple(one.support)) for _, label in found for one in label.detections}
    return faults if read == wanted else [*faults, f"{sorted(read)} instead of {sorted(wanted)}"]


def read_by_boris(folder: Path) -> list[str]:
    """It must open the project without a change or a complaint, and export the table of aggregated events from it."""
    from boris import config, export_observation, project_functions

    path = folder / "timeline.boris"
    _, changed, project, message = project_functions.open_project_json(str(path))
    complaint = project.get("error") or project_functions.check_project_integrity(project, "s", str(path), False)
    if changed or message or complaint:
        return [f"BORIS: {complaint or message or 'it changes the project'}"]
    (name,) = project["observations"]
    asked = {
        "time": config.TIME_FULL_OBS,
        config.SELECTED_SUBJECTS: [config.NO_FOCAL_SUBJECT],
        config.SELECTED_BEHAVIORS: [behavior["code"] for behavior in project["behaviors_conf"].values()],
    }
    made = export_observation.export_aggregated_events(project, asked, name)
    rows = list(made[0] if isinstance(made, tuple) else made)
    with (folder / "timeline.boris.tsv").open(encoding="utf-8", newline="") as stream:
        head, *own = csv.reader(stream, delimiter="\t")
    kept = [head.index(column) for column in COLUMNS]
    found, expected = (sorted([str(row[at]) for at in kept] for row in table) for table in (rows, own))
    same = found == expected and all(len(row) == len(head) for row in rows)
    return [] if same else [f"BORIS: {found} instead of {expected}"]


class _NoScreen(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Empty modules for what BORIS shows and plays with."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        windows = name.split(".")[0] in ("PyQt5", "PySide6", "sip", "pyqtgraph", "matplotlib")
        own = name in ("boris.mpv", "boris.mpv2", "boris.dialog") or name.startswith("boris.plot_")
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if windows or own else None

    def create_module(self, spec: Any) -> types.ModuleType:
        made = _Empty(spec.name)
        made.__path__ = []
        return made

    def exec_module(self, module: types.ModuleType) -> None:
        module.sofile = "libmpv.so.2"  # type: ignore[attr-defined]


class _Any(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing


class _Nothing(metaclass=_Any):
    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return _Nothing()

    def __call__(self, *_: Any, **__: Any) -> Any:
        return _Nothing()


class _Empty(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing


def _without_screen() -> None:
    found = importlib.util.find_spec("boris")
    assert found is not None and found.submodule_search_locations, "asked for where it is installed"
    sys.meta_path.insert(0, _NoScreen())
    package = types.ModuleType("boris")  # its own __init__ opens the window
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["boris"] = package


READERS: dict[str, Callable[[Path], list[str]]] = {
    "label_studio_sdk": read_by_label_studio,
    "datumaro": read_by_datumaro,
    "boris": read_by_boris,
    "fiftyone": read_by_fiftyone,
}


def read(folder: Path) -> int:
    tools = [name for name in READERS if importlib.util.find_spec(name) is not None]
    if "boris" in tools:
        _without_screen()
    faults = 0
    for tool in tools:
        for run in sorted(path for path in folder.iterdir() if path.is_dir()):
            found = READERS[tool](run)
            print(f"{tool}: {run.name}: {'; '.join(found) or 'the same'}")
            faults += len(found)
    if not tools:
        print(f"none of {', '.join(READERS)} is installed here")
    return int(not tools or bool(faults))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("write", "read"))
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    sys.exit(write(given.folder) if given.what == "write" else read(given.folder))
