"""What this computer has for seqcls and what is missing, with the command that brings it; one page for a report.

Everything is imported late and one by one: a library that is missing or broken becomes a finding, never an error. The
page holds no paths, no names of users or computers, and nothing is fetched from a network.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import seqcls
from seqcls.cores import cores
from seqcls.third_party import library

#: Distribution and module of what every installation has, and of what brings more: then the command and the purpose.
NEEDED = {
    "numpy": "numpy", "opencv-python": "cv2", "av": "av", "pydicom": "pydicom", "pillow": "PIL",
    "safetensors": "safetensors", "torch": "torch", "torchvision": "torchvision", "scikit-learn": "sklearn",
    "matplotlib": "matplotlib", "typer": "typer", "rich": "rich",
}  # fmt: skip
OPTIONAL = {
    "openvino": ("openvino", "pip install openvino", "the fastest engine on a CPU"),
    "onnx": ("onnx", "pip install 'seqcls[onnx]'", "ONNX models"),
    "onnxruntime": ("onnxruntime", "pip install 'seqcls[onnx]'", "--engine onnx"),
    "pylibjpeg": ("pylibjpeg", "pip install 'seqcls[dicom]'", "compressed DICOM"),
    "pylibjpeg-openjpeg": ("openjpeg", "pip install 'seqcls[dicom]'", "JPEG 2000 in DICOM"),
    "pylibjpeg-rle": ("rle", "pip install 'seqcls[dicom]'", "fast RLE in DICOM"),
    "pyjpegls": ("jpeg_ls", "pip install 'seqcls[dicom]'", "JPEG-LS in DICOM"),
    "dicom-anonymizer": ("dicomanonymizer", "pip install 'seqcls[deidentify]'", "de-identified DICOM"),
    # The first module of each is imported, where that does not take longer than all the others together.
    "nncf": ("", "pip install 'seqcls[int8]'", "int8 models"),
    "pandas": ("", "pip install 'seqcls[tables]'", "DataFrames"),
    "pyarrow": ("", "pip install 'seqcls[tables]'", "Parquet"),
    "fsspec": ("", "pip install 'seqcls[cloud]'", "clips in object stores"),
    "s3fs": ("", "pip install 'seqcls[cloud]'", "clips in S3"),
    "ray": ("", "pip install 'seqcls[cluster]'", "--workers ray"),
    "duckdb": ("", "pip install 'seqcls[archive]'", "seqcls find"),
    "opentimelineio": ("opentimelineio", "pip install 'seqcls[editing]'", "timelines of video editors"),
    "otio-cmx3600-adapter": ("otio_cmx3600_adapter", "pip install 'seqcls[editing]'", "EDL"),
    "otio-fcp-adapter": ("otio_fcp_adapter", "pip install 'seqcls[editing]'", "Final Cut Pro XML"),
    "captum": ("", "pip install 'seqcls[explain]'", "what the network looked at"),
    "highdicom": ("", "pip install 'seqcls[dicom-sr]'", "DICOM structured reports"),
    "paho-mqtt": ("paho.mqtt.client", "pip install 'seqcls[mqtt]'", "--mqtt"),
    "optuna": ("optuna", "pip install 'seqcls[tune]'", "searching hyper-parameters with tune"),
    "tensorboardX": ("", "pip install 'seqcls[tensorboard]'", "curves of a training in TensorBoard"),
    "segno": ("segno", "pip install 'seqcls[phone]'", "the QR code of the live page"),
}
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
#: Name of a codec, and FFmpeg's decoders for it.
VIDEO = {
    "H.264": ("h264",), "HEVC": ("hevc",), "MPEG-2": ("mpeg2video",), "MPEG-4": ("mpeg4",), "MJPEG": ("mjpeg",),
    "AV1": ("libdav1d", "libaom-av1"), "VP9": ("vp9", "libvpx-vp9"), "VP8": ("vp8", "libvpx"),
}  # fmt: skip
#: Transfer syntaxes of DICOM that a library for pydicom must decode; FFmpeg decodes those of video and lossless JPEG.
DICOM = {
    "JPEG": "1.2.840.10008.1.2.4.50",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
    "RLE": "1.2.840.10008.1.2.5",
}
_FEATURES = (
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16", "asimd", "sve", "bf16",
)  # fmt: skip
#: What may name folders: all that stands in brackets around a path, and a path's folders, also of one in quotes.
_BRACKETS = re.compile(r"\s*\([^()]*[/\\][^()]*\)")
_FOLDERS = re.compile(r"(?<=['\"])[^'\"]*[/\\](?=[^'\"]*['\"])|(?:[A-Za-z]:|~)?[/\\]?(?:[^\s:'\"()/\\]+[/\\])+")

Problem = Literal["", "optional", "needed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    problem: empty where all is well, "optional" for what some tasks lack, "needed" for what must be mended. remedy: the
    command that does it, as a shell takes it, or empty.
    """

    section: str
    name: str
    value: str = ""
    problem: Problem = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings, in the order of the page."""

    findings: tuple[Finding, ...]

    @property
    def broken(self) -> bool:
        """Whether something is missing or broken that seqcls needs."""
        return any(finding.problem == "needed" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {"format": 1, "broken": self.broken, "findings": [asdict(finding) for finding in self.findings]}

    def page(self, width: int = 80) -> str:
        """Text of at most ``width`` columns: what there is by section, then what is missing and its remedy."""
        rows: list[tuple[str, str]] = []
        for section in dict.fromkeys(f.section for f in self.findings):
            found = [f"{f.name} {f.value}".strip() for f in self.findings if f.section == section and not f.problem]
            rows.append((section, ", ".join(found) or "none"))
        for title, problem in (("Needed", "needed"), ("Optional", "optional")):
            for f in self.findings:
                if f.problem == problem:
                    rows += [(title, f"{f.name}: {f.value}"), *([("", f"-> {f.remedy}")] if f.remedy else [])]
        rows.append(("Verdict", "something that seqcls needs is broken" if self.broken else "ready"))
        page = textwrap.TextWrapper(width, subsequent_indent=" " * 12, break_on_hyphens=False)
        return "\n".join(page.fill(f"{label:<12}{text}") for label, text in rows)


def examine() -> Examination:
    """Look at everything; takes a few seconds, because every library is imported and every engine scores an image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Examination(
            (*_system(), *_libraries(), *_devices(), *_engines(), *_video(), *_dicom(), *_screen(), *_cameras())
        )


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(*names: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() in names), "")


def _unless(problem: str, section: str, name: str, value: str = "", *, remedy: str) -> Finding:
    """The value of something that not every task needs, or what is wrong with it and the command that mends it."""
    return Finding(section, name, problem, "optional", remedy) if problem else Finding(section, name, value)


def _system() -> Iterator[Finding]:
    yield Finding("System", "seqcls", seqcls.__version__)
    yield Finding("System", "Python", platform.python_version())
    release = platform.release().partition("-")[0]  # without what its builder added
    yield Finding("System", platform.system(), f"{release} {platform.machine()}")
    flags = _cpuinfo("flags", "Features").split()
    features = " ".join(flag for flag in _FEATURES if flag in flags)
    yield Finding("Processor", processor(), f"with {cores()} usable cores")
    yield Finding("Processor", "instructions:", features if features else "not known here")


def _libraries() -> Iterator[Finding]:
    for distribution, module in NEEDED.items():
        _, problem = _imported(module)
        installed = [name for name in OPENCV if _version(name)] if module == "cv2" else []
        name = installed[0] if installed else distribution
        if problem:
            yield Finding("Libraries", distribution, problem, "needed", _remedy(distribution, problem))
        else:
            yield Finding("Libraries", name, _version(name) or "of unknown version")
        if len(installed) > 1:
            remedy = f"pip uninstall -y {' '.join(installed)} && pip install {distribution}"
            yield _unless("overwrite each other; keep one", "Libraries", " and ".join(installed), remedy=remedy)
    for distribution, (module, command, purpose) in OPTIONAL.items():
        version = _version(distribution)
        problem = (_imported(module)[1] if module else "") if version else "not installed"
        problem = f"{problem} (for {purpose})" if problem else ""
        yield _unless(problem, "Libraries", distribution, version, remedy=command)


def _devices() -> Iterator[Finding]:
    torch, _ = _imported("torch")
    if torch is None:
        yield Finding("GPU", "not known, because PyTorch cannot be imported")
        return
    try:
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        found = [Finding("GPU", name, f"with CUDA {torch.version.cuda}") for name in names]
        found += [Finding("GPU", "Apple", "with MPS")] if torch.backends.mps.is_available() else []
    except Exception as error:  # a driver that does not fit raises nearly anything
        found = [Finding("GPU", "PyTorch", without_paths(error), "optional")]
    yield from found if found else [Finding("GPU", "none that PyTorch can use")]


def _engines() -> Iterator[Finding]:
    """Each engine opened with a model of random weights, and the one that ``auto`` means."""
    try:
        import numpy as np

        from seqcls.engines import ENGINES, choose_engine, open_engine
        from seqcls.models.untrained import random_model

        chosen, why = choose_engine()
        model = random_model(size=32)
    except Exception as error:  # whatever is broken is a finding of its own
        yield Finding("Engines", "engines", f"cannot be tried ({without_paths(error)})", "needed")
        return
    yield Finding("Engines", "auto", f"is {chosen} ({why})")
    for name in ENGINES:
        try:
            engine = open_engine(model, engine=name)
            engine.scores(np.zeros((1, 32, 32), np.uint8))
        except Exception as error:  # an engine that cannot be used is a finding, whatever it raises
            problem: Problem = "needed" if name == chosen else "optional"
            yield Finding("Engines", f"engine {name}", without_paths(error), problem)
        else:
            yield Finding("Engines", f"{name}:", engine.description.replace(", ", " "))


def _video() -> Iterator[Finding]:
    av, _ = _imported("av")
    if av is None:
        return  # it is among the libraries
    codec = ".".join(map(str, av.library_versions.get("libavcodec", ())))
    yield Finding("Video", "FFmpeg", f"libavcodec {codec}")
    for name, decoders in VIDEO.items():
        problem = "" if av.codecs_available.intersection(decoders) else "this FFmpeg has no decoder for it"
        yield _unless(problem, "Video", name, remedy="pip install --force-reinstall --only-binary :all: av")
    yield Finding("Video", "records as", "H.264" if "libx264" in av.codecs_available else "MPEG-4")


def _dicom() -> Iterator[Finding]:
    if _imported("pydicom")[0] is None:
        return
    for name, syntax in DICOM.items():
        try:
            available = library("pydicom.pixels").get_decoder(syntax).is_available
            problem = "" if available else "no decoder is installed"
        except Exception as error:  # plugins of other makers raise what they like
            problem = without_paths(error)
        yield _unless(problem, "DICOM", f"DICOM {name}" if problem else name, remedy="pip install 'seqcls[dicom]'")


def _screen() -> Iterator[Finding]:
    cv2, _ = _imported("cv2")
    if cv2 is not None:
        found = re.search(r"GUI:[ \t]*(\S+)", cv2.getBuildInformation())
        windows = found[1] if found else "NONE"
        headless = "this OpenCV is headless, so --show has no window; --serve needs none"
        remedy = "pip uninstall -y opencv-python-headless && pip install opencv-python"
        yield _unless(headless if windows == "NONE" else "", "Screen", "windows", f"by {windows}", remedy=remedy)
    seen = sys.platform in ("win32", "darwin") or any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY"))
    yield Finding("Screen", "display", "found" if seen else "none (use --serve, not --show)")
    yield Finding("Screen", "terminal", str(getattr(sys.stdout, "encoding", None) or "none"))


def _cameras() -> Iterator[Finding]:
    cv2, _ = _imported("cv2")
    if cv2 is None:
        return
    for backend in cv2.videoio_registry.getCameraBackends():
        yield Finding("Cameras", cv2.videoio_registry.getBackendName(backend))
    if sys.platform == "linux":
        yield Finding("Cameras", "devices:", str(len(list(Path("/dev").glob("video*")))))


def _imported(module: str) -> tuple[Any, str]:
    """The module, or None and why it cannot be imported."""
    try:
        return library(module), ""
    except ModuleNotFoundError as error:
        return None, "not installed" if error.name == module else f"cannot be imported ({without_paths(error)})"
    except Exception as error:  # OSError for a DLL, and nearly anything where two libraries do not fit each other
        return None, f"cannot be imported ({without_paths(error)})"


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _remedy(distribution: str, problem: str) -> str:
    if distribution == "opencv-python" and re.search(r"libGL|libgthread|libglib|\.so\b", problem):
        return "apt install libgl1 libglib2.0-0"
    again = "" if problem == "not installed" else "--force-reinstall "
    return f"pip install {again}{'torch torchvision' if distribution.startswith('torch') else distribution}"


def without_paths(error: BaseException) -> str:
    """The error in one line of at most 160 letters, with the folders of paths left out: they name people."""
    text, home = " ".join(str(error).split()), os.path.expanduser("~")  # noqa: PTH111 - raises nothing without a home
    text = text.replace(home, "~") if len(home) > 1 else text
    return _FOLDERS.sub("", _BRACKETS.sub("", text))[:160] or type(error).__name__
