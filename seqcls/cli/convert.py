"""`seqcls convert`: a model for another library, or in int8."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, tables
from seqcls.cli.options import OUTPUT, Overwrite, Panel
from seqcls.errors import UsageError
from seqcls.files.output_lock import only_writer
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.convert.parity import Parity

FORM = Panel("Form: for which library, how exact, compared on what")


def convert(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Model file that `seqcls train` wrote.")],
    to: Annotated[str, FORM("openvino|onnx", "For which library.")] = "openvino",
    precision: Annotated[str, FORM("fp32|fp16|int8", "int8 is the fastest, and needs --calibrate.")] = "fp32",
    calibrate: Annotated[
        Path | None, FORM("DATA", "Frames for the calibration of int8 and to compare on, as for `seqcls train`.")
    ] = None,
    max_drift: Annotated[float, FORM("NUMBER", "Largest mean change of the scores that is accepted.")] = 0.02,
    output: Annotated[Path | None, OUTPUT("FILE", "Default: beside MODEL.", "-o", "--output")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Convert a model and compare it with the original; refused if the outputs differ by more than --max-drift.

    Other programs can run the ONNX form.
    """
    from seqcls.convert.convert import ConvertOptions, check_output, output_of
    from seqcls.convert.convert import convert as convert_model
    from seqcls.datasets.dataset import load_frames
    from seqcls.models.file import read_header

    options = ConvertOptions(target=to, precision=precision, max_drift=max_drift)  # type: ignore[arg-type]
    if precision == "int8" and calibrate is None:
        raise UsageError("int8 needs frames for its calibration: --calibrate DATA, the folder that was trained on")
    header = read_header(model)
    out = output_of(model, options) if output is None else output
    with only_writer(out, is_folder=False):
        check_output(out, options, overwrite)
        frames = None
        if calibrate is not None:
            with console.progress("reading frames", None) as advance:
                frames = load_frames(
                    calibrate, header.geometry, skip_corrupt=True, progress=lambda done, total: advance(done)
                )
            for message in frames.messages:
                console.warn(message)
        parity = convert_model(model, out, options, frames=frames, overwrite=overwrite, on_step=console.notify)
        _show(parity, max_drift)
        console.notify(f"wrote {out} and {out.name}.parity.json")
        console.notify(f"next: seqcls run CLIP -m {out}")


def _show(parity: Parity, max_drift: float) -> None:
    out = console.results()
    if parity.origin == "random":
        out.print("compared on random images: --calibrate DATA compares on real ones, with AUROC and intervals")
    else:
        frames = count_of(parity.frames, f"{parity.origin} frame")
        out.print(f"compared on {frames} of {count_of(parity.clips, 'clip')} with {parity.reference}")
    rows = (
        (
            organ.organ,
            f"{organ.largest:.4f}",
            f"{organ.mean:.5f}",
            "-" if organ.auroc_after is None else f"{organ.auroc_before:.4f} -> {organ.auroc_after:.4f}",
            f"{organ.flipped} of {parity.frames}",
            f"+{organ.gained} -{organ.lost} of {organ.intervals}" if parity.clips else "-",
        )
        for organ in parity.organs
    )
    out.print(tables.table(("organ", "max |dp|", "mean |dp|", "AUROC", "frames flipped", "intervals +/-"), rows))
    if parity.default == parity.converted:
        out.print(f"compared in {parity.converted}; this machine runs it so by default")
        return
    largest = max(organ.default_largest for organ in parity.organs)
    mean = max(organ.default_mean for organ in parity.organs)
    out.print(f"compared in {parity.converted}")
    out.print(
        f"by default this machine runs it in {parity.default}; that adds {mean:.5f} on average, {largest:.4f} at most"
    )
    if not mean <= max_drift:
        out.print(f"this is more than {max_drift:g}: run it with --precision fp32")
