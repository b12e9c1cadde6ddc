"""`seqcls merge`: the mean of several models as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqcls.cli import console, options
from seqcls.cli.options import OUTPUT
from seqcls.errors import UsageError
from seqcls.files.output_lock import only_writer


def merge(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL MODEL...", help="2 to 8 model files that `seqcls train` wrote.")
    ],
    output: Annotated[Path, OUTPUT("MODEL", "Model file to write.", "-o", "--output")],
    overwrite: options.Overwrite = False,
) -> None:
    """Make one model of several: the mean of their calibrated logits, which takes as many times as long to score.

    The models must be of the same organs and see the same image, such as trainings that differ in --seed alone.
    """
    from seqcls.models.file import write_model
    from seqcls.models.merged import merge as merge_models

    if output.suffix != ".safetensors":
        raise UsageError(f"-o must end in .safetensors, not {output.name}")
    options.refuse_inputs(output, *models)
    with only_writer(output, is_folder=False):
        options.check_outputs(output, overwrite=overwrite)
        merged = merge_models(models)
        for note in merged.notes:
            console.warn(note)
        write_model(output, merged.header, merged.tensors)
        count = merged.header.network_count
        out = console.results()
        out.print(f"the mean of {count} networks: a frame takes {count} times as long to score as with one")
        for organ, one in zip(merged.header.organs, merged.header.intervals, strict=True):
            out.print(f"{organ}: presence begins at {one.onset:g} and ends below {one.offset:g}")
        console.notify(f"wrote {output}")
        made = f"seqcls convert {output} --precision int8 --calibrate DATA"
        console.notify(f"it has no int8 twin, which needs frames: `{made}` makes one")
        console.notify(f"next: seqcls run CLIP -m {output}")
