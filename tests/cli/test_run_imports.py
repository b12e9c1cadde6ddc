"""What `seqcls run` imports: of a cine of 3 s, importing was most of the time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.commands import bright_clip
from support.networks import HEADER, disc_frames, fitted, needs

RUN = """
import sys
sys.argv = ["seqcls", "run", "clip.mp4", "-m", "m-int8.xml", "-o", "out"]
from seqcls.cli import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print(*(name for name, module in sys.modules.items() if module is not None), sep="\\n", file=sys.stderr)
"""
HELP = """
import sys
from seqcls.cli import main
for arguments in (["--help"], ["run", "--help"]):
    sys.argv = ["seqcls", *arguments]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, stop.code
    print(*(name for name, module in sys.modules.items() if module is not None), file=sys.stderr)
"""
#: Of what seqcls depends on, the libraries that such a run uses, and no other.
USED = {"PIL", "av", "cv2", "numpy", "openvino", "rich", "typer"}
#: All else that it depends on, or that those bring.
UNUSED = {
    "highdicom", "matplotlib", "nncf", "onnx", "onnxruntime", "openvino_telemetry", "pandas", "pyarrow", "pydicom",
    "safetensors", "scipy", "sklearn", "torch", "torchvision",
}  # fmt: skip


@needs("openvino")
def test_a_run_in_int8_imports_what_it_uses(tmp_path: Path) -> None:
    from seqcls.engines.openvino_graph import build, write
    from seqcls.models.folded import network

    frames = disc_frames()
    bright_clip(tmp_path / "clip.mp4", [True] * 20)
    tensors = fitted(frames.images[:80], frames.targets[:80]).tensors()
    write(tmp_path / "m-int8.xml", build(network(HEADER, tensors)), HEADER, "int8")
    done = subprocess.run([sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, check=True)
    names = set(done.stderr.split())
    assert (tmp_path / "out" / "timeline.png").is_file()
    assert {name.partition(".")[0] for name in names} & (USED | UNUSED) == USED
    assert not [name for name in names if name.startswith(("openvino.tools.", "seqcls.training", "seqcls.convert"))]
    # Of seqcls itself no other command, and neither live runs' servers nor DICOM but for what knows its files.
    dicom = {name.rpartition(".")[2] for name in names if name.startswith("seqcls.sources.dicom")}
    assert dicom == {"dicom_fields", "dicom_header", "dicom_instances", "dicom_times"}
    assert not names & {"asyncio", "ssl", "seqcls.exports.dicom_objects"}
    commands = {name for name in names if name.startswith("seqcls.cli.")}
    assert not commands & {
        f"seqcls.cli.{name}" for name in ("train", "evaluate", "bench", "demo", "review", "dashboard")
    }


def test_help_imports_what_shows_it() -> None:
    """The list of commands neither draws frames nor knows a command; `run --help` reads no frame."""
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    listed, of_run = (set(line.split()) for line in done.stderr.splitlines())
    assert "Find when each organ is in view." in done.stdout and "--sampling" in done.stdout
    assert {name.partition(".")[0] for name in listed | of_run} & (USED | UNUSED) == {"rich", "typer"}
    assert not listed & {"typer.rich_utils", "rich.markdown", "seqcls.cli.run", "seqcls.cli.tables"}
    assert not [name for name in of_run if name.startswith(("seqcls.sources", "seqcls.processes", "seqcls.engines"))]
