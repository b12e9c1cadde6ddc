"""Every command alone with patients' data: nothing is sent, nothing lies elsewhere, no folder, user or host is named.

One process runs them all, in folders whose every name holds a secret word.
"""

from __future__ import annotations

import json
import os
import platform
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from pydicom.uid import MPEG4HP41
from support.commands import TRAIN
from support.dicom_files import dataset, save
from support.drawn import labelled_folder, picture, write_clip

from seqcls.cli import app
from seqcls.models.file import write_model
from seqcls.models.untrained import random_model
from seqcls.phantom import SweepOptions, write_sweep

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not all(
            map(
                find_spec,
                (
                    "openvino",
                    "onnx",
                    "onnxruntime",
                    "dicomanonymizer",
                    "duckdb",
                    "pyarrow",
                    "opentimelineio",
                    "highdicom",
                ),
            )
        ),
        reason="needs every library",
    ),
]
SECRET = "Mustermann"
ROOT = Path(__file__).resolve().parent
TINY = [*TRAIN, "--epochs", "1", "--samples-per-epoch", "8", "--batch-size", "8"]
#: Below HOME: the lists of fonts of matplotlib and of the system, which docs/privacy-and-security.md states.
CACHES = (".cache/matplotlib", ".config/matplotlib", ".matplotlib", ".cache/fontconfig")
#: umask, exit code, command; outputs lie below {wide} or {private} by their umask.
PLAN = """
077 0 --help
077 0 doctor
077 0 deidentify {clip} --to dicom -o {private}/{s}-passed/on
022 0 deidentify {video} -o {wide}/{s}-passed/on --mapping {wide}/{s}-mapping/mapping.csv
077 0 extract {clips} --labels {labels} -o {data}
077 0 proxy {clip} {screen} -o {private}/{s}-proxies/many
022 0 proxy {video} -o {wide}/{s}-proxies/one.mp4
077 0 inspect {screen} -o {private}/{s}-sheets/sheet.png --remember --layouts {layouts}
022 0 split {data} --folds 2 -o {wide}/{s}-splits/split.json
077 0 check {data} -o {private}/{s}-check/c
022 0 train {data} -o {model} {tiny} --folds 2 --weights {start} --split {wide}/{s}-splits/split.json
077 0 folds show {clip} -m {model} -o {private}/{s}-folds/f
077 0 run {clip} -m {model} -o {run} --region {layouts} --overlay --cut
077 0 report {run} --clip {clip} -m {model}
022 3 run {clips} {video} {cut} -m {model} -o {wide}/{s}-runs/many --report
077 3 run {stills} -m {model} -o {private}/{s}-runs/stills
022 0 run {clip} -m {model} -o {live} --realtime --keep every --clips --record {live}/feed.mp4
022 3 run {cut} -m {model} -o {wide}/{s}-runs/cut --realtime --keep every
022 0 find {wide}/{s}-runs/many node --maybe --to json
077 0 replay {live}/run.journal -o {private}/{s}-runs/replayed
077 0 export {run} --to srt,boris,elan,tsv,jsonl,parquet,wide,audacity,mstcn,otio,edl,fcp-xml,dicom-sr,dicom-picture --clip {clip}
022 0 import-labels {run}/timeline.eaf -o {wide}/{s}-labels/labels.csv --clip {clip}
022 0 review {run} {clips} {wide}/{s}-review/r
077 1 tune {model} {clips} --labels {labels} -o {private}/{s}-tuned/t.safetensors
022 0 merge {start} {second} -o {wide}/{s}-merged/mean.safetensors
077 0 import {old} --organs node --mean 0 --std 1 --size 32 -o {private}/{s}-imported/node.safetensors
077 0 evaluate {model} {clips} --labels {labels} -o {private}/{s}-evaluation/e
077 0 info {model} --card {private}/{s}-card/c
077 0 agree {labels} {labels} --clips {clips} -o {private}/{s}-agreement/a
022 0 convert {model} -o {wide}/{s}-converted/node.xml
077 0 convert {model} --to onnx -o {private}/{s}-converted/node.onnx
022 0 bench {video} -m {model} --repeats 1 -o {wide}/{s}-bench/b
077 0 demo {private}/{s}-demo/d
077 1 run {clips}/gone.mp4 -m {model}
077 1 run {start} -m {model}
"""


@dataclass
class Alone:
    """What the commands left: ``out`` by umask, ``record`` of the process, ``inputs`` as they were before."""

    base: Path
    out: Path
    record: dict[str, Any]
    inputs: dict[str, tuple[int, int]]


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all that is in there."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size if path.is_file() else 0, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def write_inputs(folder: Path) -> dict[str, Path]:
    """One of each kind, each in a folder of its own."""
    place = {name: folder / f"{SECRET}-{name}" for name in ("labelled", "labels", "screen", "stills", "video", "cut", "start")}  # fmt: skip
    for one in place.values():
        one.mkdir()
    clips, labels = labelled_folder(place["labelled"])
    write_sweep(place["screen"] / "sweep.mp4", SweepOptions(patient=3, duration_s=1.0, rate_hz=8.0))
    stills = place["stills"] / "stills"
    stills.mkdir()
    for number in range(2):  # of two sizes: no frames of one clip
        PIL.Image.fromarray(picture(True, number)[: 80 - 8 * number]).save(stills / f"{number}.png")
    (stills / "broken.png").write_bytes((stills / "0.png").read_bytes()[:400])
    inside = write_clip(folder / "inside.mp4", [True] * 8)
    video = save(dataset(MPEG4HP41, "YBR_PARTIAL_420", count=8), place["video"] / "video.dcm", [inside.read_bytes()])
    inside.unlink()
    cut = write_clip(place["cut"] / "cut.avi", [True] * 20)
    cut.write_bytes(cut.read_bytes()[:-9000])
    header, tensors = random_model(size=32)
    write_model(place["start"] / "start.safetensors", header, tensors)
    write_model(place["start"] / "second.safetensors", header, {**tensors, "fc.bias": tensors["fc.bias"] + 1})
    torch.save({f"module.{name}": torch.from_numpy(one) for name, one in tensors.items()}, place["start"] / "old.pth")
    return {
        "clips": clips, "clip": clips / "neck 1.mp4", "labels": labels.replace(place["labels"] / "labels.csv"),
        "screen": place["screen"] / "sweep.mp4", "stills": stills, "video": video, "cut": cut,
        "start": place["start"] / "start.safetensors", "second": place["start"] / "second.safetensors",
        "old": place["start"] / "old.pth",
    }  # fmt: skip


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    base = tmp_path_factory.mktemp(f"{SECRET}-base")
    home, scratch, cwd, inputs, out = (base / f"{SECRET}-{name}" for name in ("home", "tmp", "cwd", "in", "out"))
    for folder in (home, scratch, cwd, inputs, out):
        folder.mkdir()
    names: dict[str, object] = {"s": SECRET, **write_inputs(inputs), "wide": out / "022", "private": out / "077"}
    wide, private = out / "022", out / "077"
    names |= {"data": private / f"{SECRET}-data/frames", "model": wide / f"{SECRET}-models/node.safetensors"}
    names |= {"run": private / f"{SECRET}-runs/one", "live": wide / f"{SECRET}-runs/live"}
    names |= {"layouts": private / f"{SECRET}-layouts/screens.json"}
    before = state_of(inputs)
    closed = [home, inputs, *(folder for folder in inputs.rglob("*") if folder.is_dir())]
    for folder in closed:
        folder.chmod(0o555)
    plan, expected = [], []
    for mask, code, *words in map(str.split, PLAN.strip().splitlines()):
        whole = [part.format(**names) for word in words for part in (TINY if word == "{tiny}" else [word])]
        plan.append({"umask": int(mask, 8), "arguments": whole})
        expected.append(int(code))
    (base / "plan.json").write_text(json.dumps(plan))
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ},
        "HOME": str(home), "USERPROFILE": str(home), "TMPDIR": str(scratch), "USER": f"{SECRET}-user", "LOGNAME": f"{SECRET}-user",
        "PYTHONPATH": os.pathsep.join([str(ROOT.parent), str(ROOT)]), "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1", "COLUMNS": "200",
    }  # fmt: skip
    command = [sys.executable, "-m", "support.guarded", str(base / "plan.json"), str(base / "record.json")]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=580)
    for folder in closed:  # or pytest could not remove them
        folder.chmod(0o755)
    assert done.returncode == 0, (done.returncode, done.stderr)  # -31: a native library wanted to reach out
    record = json.loads((base / "record.json").read_text())
    yield Alone(base, out, {**record, "expected": expected}, before)


def test_every_command_does_its_work(alone: Alone) -> None:
    named = {one["arguments"][0] for one in alone.record["done"]}
    assert {str(command.name) for command in app.registered_commands} <= named
    ends = [(one["arguments"], one["code"], one["err"]) for one in alone.record["done"]]
    assert [end for end, code in zip(ends, alone.record["expected"], strict=True) if end[1] != code] == []
    assert not [err for _, _, err in ends if "Traceback" in err]


def test_nothing_is_sent_and_no_name_is_looked_up(alone: Alone) -> None:
    assert alone.record["tried"] == [] and alone.record["reporting"] == []


def test_nothing_lies_elsewhere(alone: Alone) -> None:
    home, scratch, cwd = (set(state_of(alone.base / f"{SECRET}-{name}")) for name in ("home", "tmp", "cwd"))
    assert {path for path in home if not path.startswith(CACHES)} <= {".cache", ".config"}
    assert scratch == cwd == set()
    assert not alone.record["open_home"] or sys.platform == "win32"
    assert state_of(alone.base / f"{SECRET}-in") == alone.inputs


def test_no_folder_no_user_and_no_host_is_named_in_any_output(alone: Alone) -> None:
    words = [SECRET, str(ROOT.parent), sys.prefix, *(node for node in [platform.node()] if len(node) > 3)]
    files = [path for path in alone.out.rglob("*") if path.is_file()]
    expected = {".json", ".csv", ".png", ".journal", ".srt", ".mp4", ".safetensors", ".xml", ".bin", ".onnx", ".md"}
    assert expected <= {path.suffix for path in files}
    named = [(path.name, word) for path in files for word in words if word.encode() in path.read_bytes()]
    for path in files:
        if path.suffix == ".png":
            with PIL.Image.open(path) as image:  # its texts may be compressed
                named += [(path.name, word) for word in words if word in str(image.info)]
    assert not named
    # Three commands print where their file is.
    printed = [one for one in alone.record["done"] if one["arguments"][0] not in ("export", "proxy", "report")]
    assert not [one["out"] for one in printed if SECRET in one["out"]]  # what other programs are given, as live events


def test_outputs_have_the_rights_that_the_umask_gives(alone: Alone) -> None:
    for mask in (0o077, 0o022):
        paths = list((alone.out / f"{mask:03o}").rglob("*"))
        found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}
        wanted = {path.name: (0o777 if path.is_dir() else 0o666) & ~mask for path in paths}
        wanted |= {"mapping.csv": 0o600} if "mapping.csv" in found else {}  # it says whose clips they are
        assert len(paths) > 20 and (found == wanted or sys.platform == "win32")
