"""What libraries would do besides: no report, no trace, and nothing taken from the program around seqcls."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from seqcls import third_party
from seqcls.third_party import library


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ``library`` imports, instead of importing it."""
    names: list[str] = []

    def load(name: str) -> ModuleType:
        names.append(name)
        assert os.environ["ORT_DISABLE_TELEMETRY"] == "1" and sys.modules["openvino_telemetry"] is None
        return ModuleType(name)

    monkeypatch.setattr(importlib, "import_module", load)
    return names


def test_reports_are_off_before_anything_is_imported(imported: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    monkeypatch.delitem(sys.modules, "openvino_telemetry", raising=False)
    for name in ("openvino", "onnxruntime", "matplotlib.figure"):
        assert library(name).__name__ == name
    assert imported == ["openvino", "onnxruntime", "matplotlib.figure"]
    assert importlib.util.find_spec("openvino_telemetry") is None
    with pytest.raises(ImportError):
        import openvino_telemetry  # noqa: F401


def test_onnx_runtime_is_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process that had imported it before, the environment comes too late."""
    asked: list[bool] = []
    module = ModuleType("onnxruntime")
    module.disable_telemetry_events = lambda: asked.append(True)  # type: ignore[attr-defined]
    monkeypatch.setattr(importlib, "import_module", lambda _name: module)
    assert library("onnxruntime") is module and asked == [True]


def test_pytorchs_compiler_gets_a_folder_that_is_there_and_only_while_it_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str | None] = []
    monkeypatch.setattr(
        importlib, "import_module", lambda _name: seen.append(os.environ.get("TORCHINDUCTOR_CACHE_DIR"))
    )
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    library("torchvision.models")
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ and seen[0] is not None and Path(seen[0], "nn").is_dir()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "stated")
    library("torch._dynamo")
    assert seen[1] == os.environ["TORCHINDUCTOR_CACHE_DIR"] == "stated"
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.setattr(third_party, "find_spec", lambda _name: None)  # not installed: its own error is what counts
    library("torch")
    assert seen[2] is None


def test_pydicom_does_without_requests_and_other_threads_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, object] = {}

    def look(who: str) -> None:
        try:
            found[who] = importlib.util.find_spec("requests")
        except ModuleNotFoundError as error:
            found[who] = error.name

    def load(_name: str) -> None:
        look("pydicom")
        other = threading.Thread(target=look, args=("another thread",))
        other.start()
        other.join()

    monkeypatch.delitem(sys.modules, "requests", raising=False)
    monkeypatch.setattr(importlib, "import_module", load)
    before = list(sys.meta_path)
    library("pydicom")
    assert found["pydicom"] == "requests" and found["another thread"] != "requests" and sys.meta_path == before


def test_openvino_comes_without_its_converter_until_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody around seqcls may want it; the import of the converter is no part of importing the library."""
    refused: list[bool] = []
    module, converter = ModuleType("openvino"), ModuleType("openvino.tools.ovc")
    converter.convert_model = "converts"  # type: ignore[attr-defined]

    def load(name: str) -> ModuleType:
        if name == "openvino.tools.ovc":
            return converter
        try:
            importlib.util.find_spec("openvino.tools.ovc")
        except ModuleNotFoundError:
            refused.append(True)
        monkeypatch.setitem(sys.modules, "openvino", module)
        return module

    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    tools = ModuleType("openvino.tools")
    tools.__path__ = []
    monkeypatch.setitem(sys.modules, "openvino.tools", tools)
    monkeypatch.delitem(sys.modules, "openvino.tools.ovc", raising=False)
    monkeypatch.setattr(importlib, "import_module", load)
    assert library("openvino") is module and refused == [True]
    assert module.convert_model == "converts" and not hasattr(module, "convert_models")
