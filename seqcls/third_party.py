"""Libraries that do more than they are asked for, imported in this one place, with that switched off before.

openvino         imports its converter, a third of its time, which imports everything that it converts from
openvino, nncf   their import posts to Google Analytics; a number of this user is kept in ~/intel
onnxruntime      native threads post to Microsoft; a number of this computer and a database in ~/.cache/Microsoft
torchvision      brings PyTorch's compiler, which makes a folder named after the user in the folder for temporary files
tensorboardX     brings comet_ml, where there is such, which reports
pydicom          brings requests, where there is such, which opens a socket to see whether this computer has IPv6
matplotlib       asks the system for its fonts and keeps the list in ~/.cache/matplotlib: that stays, and is documented

Seen with OpenVINO 2026.4, NNCF 3.4, ONNX Runtime 1.32, torch 2.14, pydicom 3.0 and matplotlib 3.11. What a program
around seqcls imported before has done all this already.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_CONVERTER = "openvino.tools.ovc"


def library(name: str) -> Any:
    """The module of that name. Raises ImportError where it is not installed, and whatever its own import raises."""
    switch_off_reporting()
    with _PRECAUTIONS.get(name.partition(".")[0], nullcontext)():
        module = importlib.import_module(name)
    if name == "onnxruntime":
        # Asked of a process that had imported it before; the other way, below, is for all of its life.
        getattr(module, "disable_telemetry_events", lambda: None)()
    return module


def switch_off_reporting() -> None:
    """From now on nothing imported in this process, or by its children, can report. Idempotent."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # OpenVINO and NNCF take a stub where this cannot be imported; they know no other switch.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]


@contextmanager
def _without_compiler_folder() -> Iterator[None]:
    """PyTorch's compiler is told to use a folder that is there: it is not used, so nothing comes to lie in it."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    spec = None if name in os.environ else find_spec("torch")
    if spec is None or spec.origin is None:
        yield
        return
    os.environ[name] = str(Path(spec.origin).parent)
    try:
        yield
    finally:
        os.environ.pop(name, None)


@contextmanager
def _without(name: str) -> Iterator[None]:
    """The import within does without the module of that name, and nothing else does."""
    refusal = _Refusal(name, threading.get_ident())
    sys.meta_path.insert(0, refusal)
    try:
        yield
    finally:
        sys.meta_path.remove(refusal)


@contextmanager
def _without_converter() -> Iterator[None]:
    """``openvino.convert_model`` is imported when somebody around seqcls asks for it."""
    if "openvino" in sys.modules:
        yield
        return
    with _without(_CONVERTER):
        yield
    openvino = sys.modules.get("openvino")
    if openvino is not None and not hasattr(openvino, "convert_model"):
        openvino.__getattr__ = _from_converter  # type: ignore[method-assign]  # PEP 562


def _from_converter(name: str) -> Any:
    if name != "convert_model":
        raise AttributeError(f"module 'openvino' has no attribute {name!r}")
    return importlib.import_module(_CONVERTER).convert_model


class _Refusal:
    """An importer by which one module is not found by one thread; a program around seqcls may import it meanwhile."""

    def __init__(self, name: str, thread: int) -> None:
        self._name, self._thread = name, thread

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name == self._name and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


_PRECAUTIONS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "torch": _without_compiler_folder,
    "torchvision": _without_compiler_folder,
    # It takes requests for downloads of examples only.
    "pydicom": partial(_without, "requests"),
    "tensorboardX": partial(_without, "comet_ml"),
    "openvino": _without_converter,
    "nncf": _without_converter,
}
