"""Model files: what is written comes back, and nothing unsound is ever loaded."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from seqcls.errors import ModelError
from seqcls.geometry import Geometry
from seqcls.intervals import IntervalOptions
from seqcls.models.file import (
    FORMAT,
    FORMAT_OF_SEVERAL,
    KEY,
    ModelHeader,
    Tensors,
    read_header,
    read_model,
    resnet18_shapes,
    write_model,
)
from seqcls.smoothing import SmoothingOptions

ORGANS = ("thyroid", "trachea")


def header(**changes: object) -> ModelHeader:
    values: dict = {
        "organs": ORGANS,
        "geometry": Geometry(size=32),
        "calibration": ((1.5, -0.25), (1.0, 0.0)),
        "smoothing": SmoothingOptions(kind="median", window_s=0.6, look_ahead_s=0.3),
        "intervals": (IntervalOptions(onset=0.6, offset=0.4), IntervalOptions()),
        "training": {"epochs": 3, "note": "Schilddrüse"},
        "dataset_hash": "abc",
        "version": "0.0.1",
    }
    return ModelHeader(**{**values, **changes})


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    rng = np.random.default_rng(0)
    return {
        name: np.abs(rng.normal(size=shape)).astype(np.float32) for name, shape in resnet18_shapes(len(ORGANS)).items()
    }


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, tensors: Tensors) -> bytes:
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    write_model(path, header(), tensors)
    return path.read_bytes()


def test_a_model_comes_back_as_it_was(tmp_path: Path, tensors: Tensors) -> None:
    path = tmp_path / "new" / "organ.safetensors"
    write_model(path, header(), tensors)
    read, arrays = read_model(path)
    assert read == header() == read_header(path)
    assert arrays.keys() == tensors.keys()
    assert all(np.array_equal(arrays[name], tensors[name]) for name in tensors)
    assert [entry.name for entry in path.parent.iterdir()] == ["organ.safetensors"]


def test_half_precision_is_stored_as_float32(tmp_path: Path, tensors: Tensors) -> None:
    path = tmp_path / "m.safetensors"
    write_model(path, header(), {name: value.astype(np.float16) for name, value in tensors.items()})
    assert {value.dtype for value in read_model(path)[1].values()} == {np.dtype(np.float32)}


def test_untuned_parts_get_stated_defaults() -> None:
    plain = ModelHeader(organs=ORGANS, geometry=Geometry(size=32))
    assert plain.calibration == ((1.0, 0.0), (1.0, 0.0))
    assert plain.intervals == (IntervalOptions(), IntervalOptions())


def test_probabilities() -> None:
    # sigmoid(2 * 0.5 - 1) = 0.5; sigmoid(ln 3) = 0.75; far out there is neither overflow nor NaN
    model = header(calibration=((2.0, -1.0), (1.0, 0.0)))
    logits = np.array([[0.5, np.log(3)], [-1e9, 1e9]], np.float32)
    assert model.probabilities(logits) == pytest.approx(np.array([[0.5, 0.75], [0.0, 1.0]]))
    assert model.probabilities(logits).dtype == np.float32
    assert model.probabilities(np.zeros((0, 2), np.float32)).shape == (0, 2)


def _rewritten(path: Path, *, metadata: Callable[[dict], object] | None = None, **arrays: np.ndarray | None) -> None:
    """Rewrite a sound file with a changed header record, or arrays replaced (None: removed)."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        record = json.loads(file.metadata()[KEY])
    held = load_file(path)
    for name, array in arrays.items():
        key = name.replace("__", ".")
        held.pop(key, None)
        if array is not None:
            held[key] = array
    if metadata is not None:
        metadata(record)
    save_file(held, path, metadata={KEY: json.dumps(record)})


def _set(**values: object) -> Callable[[dict], object]:
    return lambda record: record.update(values)


NAN = np.full((2, 512), np.nan, np.float32)
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda p: p.unlink(), "no model at"),
    "a folder": (lambda p: (p.unlink(), p.mkdir()), "no model at"),
    "empty": (lambda p: p.write_bytes(b""), "not a whole safetensors"),
    "text": (lambda p: p.write_text("not a model"), "not a whole safetensors"),
    "cut in the header": (lambda p: p.write_bytes(p.read_bytes()[:100]), "not a whole safetensors"),
    "cut in the tensors": (lambda p: p.write_bytes(p.read_bytes()[:-1000]), "not a whole safetensors"),
    "something behind": (lambda p: p.write_bytes(p.read_bytes() + b"x" * 64), "not a whole safetensors"),
    "pickle in disguise": (lambda p: p.write_bytes(pickle.dumps({"fc.bias": [1.0]})), "not a whole safetensors"),
    "no seqcls header": (lambda p: save_file({"a": np.zeros(2, np.float32)}, p), "no seqcls header"),
    "header not JSON": (
        lambda p: save_file({"a": np.zeros(2, np.float32)}, p, metadata={KEY: "{"}),
        "not the JSON",
    ),
    "newer format": (lambda p: _rewritten(p, metadata=_set(format=FORMAT_OF_SEVERAL + 1)), "update seqcls"),
    "format before the first": (lambda p: _rewritten(p, metadata=_set(format=-3)), "format -3"),
    "format no number": (lambda p: _rewritten(p, metadata=_set(format="one")), "format one"),
    "unknown network": (lambda p: _rewritten(p, metadata=_set(arch="vit")), "unknown network 'vit'"),
    "no organs": (lambda p: _rewritten(p, metadata=_set(organs=[])), "organ names"),
    "one organ twice": (lambda p: _rewritten(p, metadata=_set(organs=["a", "a"])), "distinct organ names"),
    "unknown field": (lambda p: _rewritten(p, metadata=_set(colour="blue")), "damaged (colour is unknown); copy the model again, or update seqcls"),
    "field missing": (lambda p: _rewritten(p, metadata=lambda r: r.pop("geometry")), "damaged (geometry is missing)"),
    "geometry damaged": (lambda p: _rewritten(p, metadata=_set(geometry=7)), "cannot be used"),
    "smoothing unknown": (lambda p: _rewritten(p, metadata=_set(smoothing={"kind": "magic"})), "magic"),
    "thresholds crossed": (
        lambda p: _rewritten(p, metadata=_set(intervals=[{"onset": 0.2, "offset": 0.6}, {}])),
        "thresholds must",
    ),
    "intervals for one organ": (lambda p: _rewritten(p, metadata=_set(intervals=[{}])), "interval options"),
    "calibration for one organ": (lambda p: _rewritten(p, metadata=_set(calibration=[[1, 0]])), "calibration"),
    "calibration upside down": (
        lambda p: _rewritten(p, metadata=_set(calibration=[[-1, 0], [1, 0]])),
        "calibration",
    ),
    "calibration infinite": (
        lambda p: _rewritten(p, metadata=_set(calibration=[[1, float("inf")], [1, 0]])),
        "Infinity is no number",
    ),
    "std of zero": (lambda p: _rewritten(p, metadata=_set(std=0.0)), "std must lie in 1/1000..1000, not be 0"),
    "std that float32 does not know": (lambda p: _rewritten(p, metadata=_set(std=1e-300)), "std must lie in 1/1000..1000, not be 1e-300"),
    "std without contrast": (lambda p: _rewritten(p, metadata=_set(std=1001.0)), "std must lie in"),
    "mean far away": (lambda p: _rewritten(p, metadata=_set(mean=-10.5)), "mean must lie within 10 of 0, not be -10.5"),
    "mean beyond numbers": (lambda p: _rewritten(p, metadata=_set(mean=1e38)), "mean is 1e+38, not in"),
    "calibration beyond numbers": (lambda p: _rewritten(p, metadata=_set(calibration=[[1, 0], [1e308, 1e308]])), "calibration[1][0] is 1e+308, not in"),
    "calibration without a slope": (lambda p: _rewritten(p, metadata=_set(calibration=[[1, 0], [0.0009, 0]])), "calibration of trachea must be (a, b) with a in 1/1000..1000"),
    "calibration shifted away": (lambda p: _rewritten(p, metadata=_set(calibration=[[1, 0], [1, -1001]])), "b within 1000 of 0, not (1, -1001)"),
    "a weight beyond use": (lambda p: _rewritten(p, fc__bias=np.array([0, 3.4e38], np.float32)), "fc.bias holds a weight of 3.4e+38, more than 1,000,000"),
    "a weight too negative": (lambda p: _rewritten(p, fc__weight=np.full((2, 512), -1.1e6, np.float32)), "fc.weight holds a weight of 1.1e+06"),
    "tensor missing": (lambda p: _rewritten(p, fc__bias=None), "1 tensors are missing, fc.bias"),
    "tensor too many": (lambda p: _rewritten(p, extra=np.zeros(1, np.float32)), "extra"),
    "another number of outputs": (lambda p: _rewritten(p, metadata=_set(organs=["a"], calibration=[], intervals=[])), "shape (2, 512) instead of (1, 512)"),
    "NaN": (lambda p: _rewritten(p, fc__weight=NAN), "NaN or infinite"),
    "infinite": (lambda p: _rewritten(p, fc__bias=np.array([1, np.inf], np.float32)), "NaN or infinite"),
    "negative variance": (lambda p: _rewritten(p, bn1__running_var=np.full(64, -1, np.float32)), "negative variance"),
    "double precision": (lambda p: _rewritten(p, fc__bias=np.zeros(2)), "fc.bias is F64 instead of F32"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "reason"), DAMAGE.values(), ids=DAMAGE.keys())
def test_unsound_files_are_refused_in_one_line(tmp_path: Path, sound: bytes, damage: Callable, reason: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(sound)
    damage(path)
    with pytest.raises(ModelError) as caught:
        read_model(path)
    message = str(caught.value)
    assert reason in message
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 400 + len(str(path))


def test_a_header_is_read_without_the_tensors(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(sound)
    _rewritten(path, fc__weight=NAN)
    assert read_header(path).organs == ORGANS  # only reading the model looks at the numbers


@pytest.mark.parametrize("name", ["m.pt", "m.PTH", "m.pkl"])
def test_a_pickle_is_never_loaded_and_the_import_is_named(tmp_path: Path, sound: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(sound)  # even if it were a model: the name alone refuses it
    with pytest.raises(ModelError, match="`seqcls import m"):
        read_model(path)


@pytest.mark.parametrize("bad", ["nan", "shape", "missing"])
def test_nothing_unsound_is_written_and_the_old_file_stays(tmp_path: Path, tensors: Tensors, bad: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"old")
    broken = dict(tensors)
    if bad == "missing":
        del broken["fc.bias"]
    else:
        broken["fc.bias"] = np.full(2, np.nan) if bad == "nan" else np.zeros(3)
    with pytest.raises(ModelError, match=r"refusing to write .*fc\.bias"):
        write_model(path, header(), broken)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.safetensors"]


def test_reading_a_model_needs_no_torch() -> None:
    code = "import sys, seqcls.models.file; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


FORMAT_1 = """{"organs": ["thyroid"], "geometry": {"size": 112, "region": "auto"}, "mean": 0.449, "std": 0.226,
"arch": "resnet18", "calibration": [[1.5, -0.25]],
"smoothing": {"kind": "mean", "window_s": 0.5, "look_ahead_s": 0.25, "time_constant_s": 0.2, "dwell_s": 2.0},
"intervals": [{"onset": 0.3, "offset": 0.21, "min_present_s": 0.3, "min_absent_s": 0.2, "pad_s": 0.0}],
"training": {"best_epoch": 3, "regions": [{"x0": 18, "y0": 18, "x1": 378, "y1": 290, "width": 400, "height": 300,
"polygon": [[18, 18], [378, 18], [200, 289]], "kind": "convex"}]},
"dataset_hash": "d07", "version": "0.1.0", "format": 1}"""


def test_a_header_of_format_1_is_still_read() -> None:
    old = ModelHeader.from_json(FORMAT_1)
    assert old.organs == ("thyroid",) and old.calibration == ((1.5, -0.25),) and old.dataset_hash == "d07"
    assert [(region.kind, region.box) for region in old.regions] == [("convex", (18, 18, 378, 290))]
    assert old.training == {"best_epoch": 3}
    assert old.format == FORMAT == 2 and ModelHeader.from_json(old.to_json()) == old
