"""The JSON schemas in docs/schema describe what is written, and nothing else."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.fakes import detector, frames
from support.journals import Clock, begin, frame, write_small

from seqcls.convert.parity import OrganParity, Parity
from seqcls.datasets.labels import ClipLabels, LabelledSpan
from seqcls.evaluation.clip_truth import align_labels
from seqcls.evaluation.evaluate import pooled_metrics
from seqcls.exports import write_timeline_json
from seqcls.files.json_text import json_text
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry, Region
from seqcls.journal import RunSummary, resume
from seqcls.live.notify import event_json
from seqcls.live.snapshot import LiveView, OrganView
from seqcls.live.state_changes import StateChanges
from seqcls.models.file import ModelHeader
from seqcls.models.trained_on import TrainedOn
from seqcls.timeline import VideoPart
from seqcls.types import Event, FrameCounts

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "schema"
NAMES = sorted(path.name.removesuffix(".schema.json") for path in FOLDER.iterdir())
REGION = Region(1, 2, 30, 40, 64, 48, ((1, 2), (29, 2), (15, 39)), "convex")


@cache
def validator(name: str) -> Draft202012Validator:
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def timeline_json(folder: Path) -> list[Any]:
    timeline = detector(gate=True).analyze(frames([0.1, None, 0.9, 0.9, 0.9, 0.9, 0.2]))
    videos = (VideoPart("feed.mp4", 0.8), VideoPart("clips/liver-00-00-00.200.mp4", 0.0, "liver"))
    write_timeline_json(replace(timeline, provenance=replace(timeline.provenance, videos=videos)), folder / "t.json")
    return [json.loads((folder / "t.json").read_text(encoding="utf-8"))]


def header_json(folder: Path) -> list[Any]:
    header = ModelHeader(
        organs=("liver",),
        geometry=Geometry(),
        regions=(REGION,),
        training={"best_epoch": 3},
        trained_on=(TrainedOn.of("abc", [], ["digest"], ["P1"]),),
    )
    return [json.loads(one.to_json()) for one in (header, replace(header, networks=("a" * 64, "b" * 64)))]


def evaluation_json(folder: Path) -> list[Any]:
    timeline = detector().analyze(frames([0.1] * 5 + [0.9] * 5))
    labels = ClipLabels("a.mp4", "P1", (LabelledSpan("a.mp4", "liver", "present", 0.5, 1.0),))
    return [json.loads(json_text(pooled_metrics([align_labels(timeline, labels)]).to_dict()))]


def event_lines(folder: Path) -> list[Any]:
    return [json.loads(event_json(Event("liver", "unknown", 0.5, 5, 0.7, "black"), datetime.now(timezone.utc)))]


def state_lines(folder: Path) -> list[Any]:
    """Told by an event, and before the first state is known."""
    lines: list[Any] = []
    changes = StateChanges(lambda organ, line: lines.append(json.loads(line)))
    organ = OrganView("liver", "unknown", 0.0, None, 0.5, 0.35, (), (), 0, "feed connecting")
    view = LiveView(
        source="feed", feed="connecting", last_frame_s=0.0, now_s=0.0, organs=(organ,), frame_counts=FrameCounts(),
        rate_hz=0.0, latency_ms=(math.nan, math.nan, math.nan),
    )  # fmt: skip
    changes.view(view)
    changes.event(Event("liver", "present", 0.5, 5, 0.7))
    changes.view(replace(view, now_s=0.8, organs=(replace(organ, state="present", score=0.75),)))
    return lines


def journal_lines(folder: Path) -> list[Any]:
    path, clock = write_small(folder / "small"), Clock(50.0)
    resumed = resume(path, monotonic=clock.monotonic, wall=clock.wall)
    resumed.writer.state("stalled", "no frame within 2 s")
    resumed.writer.action("snapshot", 50.5, "snapshot-00-00-50.500.png")
    resumed.writer.video("feed.mp4", 50.25)
    counts = FrameCounts(received=6, classified=5, rejected=1)
    resumed.writer.finish(
        RunSummary(
            end_s=60.0, frame_counts=counts, verdict="complete", regions=(REGION,), latency_ms=(1.0, 2.0, math.nan)
        )
    )
    with begin(folder / "other", clock, gate=GateOptions(), geometry=Geometry(), model="m.safetensors") as writer:
        writer.write(frame(0, liver=math.nan))
    lines = path.read_bytes().splitlines() + (folder / "other").read_bytes().splitlines()
    return [json.loads(line[9:]) for line in lines]


def parity_json(folder: Path) -> list[Any]:
    organ = OrganParity(
        organ="liver", largest=0.01, mean=0.001, default_largest=0.02, default_mean=0.002, auroc_before=0.9,
        auroc_after=None, flipped=1, intervals=3, gained=0, lost=0,
    )  # fmt: skip
    parity = Parity(
        frames=10, clips=2, origin="validation", reference="PyTorch", converted="ONNX", default="ONNX", organs=(organ,)
    )
    return [json.loads(json_text(asdict(parity)))]


def history_json(folder: Path) -> list[Any]:
    from seqcls.training.epoch import Epoch, OrganFigure
    from seqcls.training.plots import write_history

    epoch = Epoch(
        number=1, loss=0.5, validation_loss=math.nan, auroc=math.nan, lr=1e-3, seconds=2.0, images_per_s=80.0, best=True,
        organs=(OrganFigure("liver", math.nan), OrganFigure("spleen", 0.9)),
    )  # fmt: skip
    return [json.loads(write_history([epoch], folder)[1].read_text(encoding="utf-8"))]


WRITTEN: dict[str, Callable[[Path], list[Any]]] = {
    "evaluation": evaluation_json,
    "event": event_lines,
    "history": history_json,
    "journal-record": journal_lines,
    "model-header": header_json,
    "parity": parity_json,
    "state": state_lines,
    "timeline": timeline_json,
}


def test_every_schema_is_tried() -> None:
    assert sorted(WRITTEN) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_what_the_schema_says(name: str, tmp_path: Path) -> None:
    bodies = WRITTEN[name](tmp_path)
    for body in bodies:
        assert [error.message for error in validator(name).iter_errors(body)] == [], body
        for wrong in wrongs(body):
            assert not validator(name).is_valid(wrong), wrong
    if name == "journal-record":
        kinds = {"open", "frame", "gap", "event", "state", "action", "video", "resume", "close"}
        assert {body["kind"] for body in bodies} == kinds


def wrongs(body: Any) -> list[Any]:
    """The same with a field that nobody knows, and with each field of the outermost object gone or of another type."""
    outer = body[0] if isinstance(body, list) else body
    found = []
    for name in [*outer, ""]:
        for change in ("lost", "other") if name else ("more",):
            if change == "lost" and name in ("reason", "measured") and outer.get("kind") == "frame":
                continue  # optional
            wrong = copy.deepcopy(outer)
            if change == "lost":
                del wrong[name]
            else:
                wrong[name or "surprise"] = {"surprise": []} if name != "training" else 5
            found.append([wrong] if isinstance(body, list) else wrong)
    return found


def test_a_wrong_value_deep_inside_is_refused(tmp_path: Path) -> None:
    (body,) = timeline_json(tmp_path)
    for path, value in [
        (("intervals", 0, "state"), "maybe"),
        (("intervals", 0, "mean_score"), 1.5),
        (("provenance", "smoothing", "kind"), "magic"),
        (("provenance", "regions", 0, "x0"), -1),
        (("frame_counts", "received"), 1.5),
        (("report", "verdict"), "fine"),
        (("format",), 1),
    ]:
        wrong = copy.deepcopy(body)
        inner = wrong
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        assert not validator("timeline").is_valid(wrong), path
