"""The doctor: one page that fits a report and names nobody, on a machine where anything may be missing or broken."""

from __future__ import annotations

import getpass
import importlib
import json
import platform
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from seqcls import doctor, engines
from seqcls.cli import main
from seqcls.doctor import Examination, Finding

ROOT = Path(__file__).resolve().parent.parent


def only(findings: Any, name: str) -> Finding:
    (found,) = (finding for finding in findings if finding.name == name)
    return found


@pytest.fixture
def one_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO alone: opening all of them takes seconds."""
    monkeypatch.setattr(engines, "ENGINES", {"openvino": engines.ENGINES["openvino"]})


def without(monkeypatch: pytest.MonkeyPatch, error: BaseException, *modules: str) -> None:
    """These modules raise the error when imported."""
    load = importlib.import_module

    def load_or_raise(name: str) -> Any:
        if name in modules:
            raise error
        return load(name)

    monkeypatch.setattr(importlib, "import_module", load_or_raise)


def test_the_page_of_this_machine(one_engine: None) -> None:
    found = doctor.examine()
    lines = found.page().splitlines()
    assert not found.broken and lines[-1].split() == ["Verdict", "ready"]
    assert len(lines) <= 45 and max(map(len, lines)) <= 80
    for private in (getpass.getuser(), platform.node(), str(Path.home()), str(ROOT)):
        assert len(private) < 4 or private not in found.page()
    assert not re.search(r"(?<!\S)/\w+/\w", found.page())
    assert "H.264, HEVC, MPEG-2" in found.page() and "JPEG-LS" in found.page()
    assert only(found.findings, "openvino:").value.startswith("OpenVINO 2")
    assert only(found.findings, "auto").value.startswith("is openvino (")


def test_it_works_where_torch_and_opencv_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
    without(monkeypatch, missing, "cv2", "torch")
    monkeypatch.setattr(doctor, "_engines", lambda: ())
    found = doctor.examine()
    assert found.broken and only(found.findings, "opencv-python").remedy == "apt install libgl1 libglib2.0-0"
    assert only(found.findings, "torch").remedy == "pip install --force-reinstall torch torchvision"
    assert only(found.findings, "not known, because PyTorch cannot be imported").section == "GPU"
    assert "-> apt install libgl1 libglib2.0-0" in found.page()
    assert found.page().splitlines()[-1].endswith("something that seqcls needs is broken")


def test_what_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ModuleNotFoundError("No module named 'pydicom'", name="pydicom"), "pydicom")
    monkeypatch.setattr(doctor, "_version", lambda name: "" if name in ("nncf", "pyjpegls", "pydicom") else "1.0")
    found = tuple(doctor._libraries())
    assert (only(found, "pydicom").problem, only(found, "pydicom").remedy) == ("needed", "pip install pydicom")
    assert only(found, "nncf").problem == "optional" and only(found, "nncf").remedy == "pip install 'seqcls[int8]'"
    assert only(found, "pyjpegls").value == "not installed (for JPEG-LS in DICOM)"
    twice = only(found, " and ".join(doctor.OPENCV))
    assert twice.remedy == f"pip uninstall -y {' '.join(doctor.OPENCV)} && pip install opencv-python"


def test_engines_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Any:
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(engines, "ENGINES", {"openvino": refuse, "onnx": refuse})
    monkeypatch.setattr(engines, "choose_engine", lambda: ("openvino", "no GPU"))
    found = tuple(doctor._engines())
    assert only(found, "auto").value == "is openvino (no GPU)"
    assert only(found, "engine openvino") == Finding(
        section="Engines", name="engine openvino", value="no such instruction", problem="needed"
    )
    assert only(found, "engine onnx").problem == "optional"


def test_codecs_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import av

    monkeypatch.setattr(av, "codecs_available", {"h264", "libdav1d"})
    found = tuple(doctor._video())
    assert [f.name for f in found if not f.problem] == ["FFmpeg", "H.264", "AV1", "records as"]
    assert only(found, "records as").value == "MPEG-4" and only(found, "HEVC").problem == "optional"
    monkeypatch.setattr(doctor, "DICOM", {"JPEG 2000": "1.2.3"})
    (syntax,) = doctor._dicom()
    assert syntax.problem == "optional" and syntax.remedy == "pip install 'seqcls[dicom]'"


@pytest.mark.parametrize(
    ("gui", "value"), [("  GUI:                           QT5\n", "by QT5"), ("    GUI:   NONE\n", "headless")]
)
def test_windows(monkeypatch: pytest.MonkeyPatch, gui: str, value: str) -> None:
    import cv2

    monkeypatch.setattr(cv2, "getBuildInformation", lambda: f"  Media I/O:\n{gui}    QT:  YES\n")
    assert value in only(tuple(doctor._screen()), "windows").value


def test_the_page_wraps_and_lists_remedies_last() -> None:
    found = Examination(
        (
            Finding(section="Libraries", name="numpy", value="2.0"),
            Finding(section="Libraries", name="onnx", value="not installed", problem="optional", remedy="pip x"),
            Finding(section="GPU", name="none", value=""),
        )
    )
    assert found.page().splitlines() == [
        "Libraries   numpy 2.0",
        "GPU         none",
        "Optional    onnx: not installed",
        "            -> pip x",
        "Verdict     ready",
    ]
    assert max(map(len, found.page(30).splitlines())) <= 30


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("cannot import name 'x' from 'cv2' (/home/jane doe/lib/cv2/__init__.py)", "cannot import name 'x' from 'cv2'"),
        ("/opt/jane/lib/x.so: undefined symbol", "x.so: undefined symbol"),
        (r"DLL load failed: 'C:\Users\Jane Doe\x.dll'", "DLL load failed: 'x.dll'"),
        ("libGL.so.1: no such file", "libGL.so.1: no such file"),
        ("two\nlines", "two lines"),
        ("", "ImportError"),
    ],
)
def test_errors_lose_their_folders(message: str, shown: str) -> None:
    assert doctor.without_paths(ImportError(message)) == shown


@pytest.mark.parametrize("home", [None, ""])
def test_a_user_without_a_home_has_errors_too(home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path if home is None else "/")
    assert doctor.without_paths(ImportError("a/b failed: 1 / 2")) == "b failed: 1 / 2"


def test_the_lists_are_those_of_the_project() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.M | re.S)
    extras = re.search(r"^dicom = .*?^dev", text, re.M | re.S)
    assert needed is not None and extras is not None
    named = set(re.findall(r'^  "([\w-]+)', needed[1], re.M))
    more = set(re.findall(r'"([\w-]+)>', extras[0]))
    assert named | more == set(doctor.NEEDED) | set(doctor.OPTIONAL)


@pytest.mark.parametrize(("problem", "code"), [("optional", 0), ("needed", 1)])
def test_the_command(
    problem: Any, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Examination((Finding(section="Libraries", name="onnx", value="not installed", problem=problem),))
    monkeypatch.setattr(doctor, "examine", lambda: found)
    for arguments in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", ["seqcls", "doctor", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == code
        out = capsys.readouterr().out
        if arguments:
            assert json.loads(out) == found.to_dict() and found.to_dict()["broken"] == bool(code)
        else:
            assert out == found.page() + "\n"
