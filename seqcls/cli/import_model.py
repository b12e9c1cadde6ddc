"""`seqcls import`: a checkpoint of another program as a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from seqcls.cli import console, options
from seqcls.cli.options import OUTPUT, Panel
from seqcls.datasets.organ_names import require_fit
from seqcls.errors import UsageError
from seqcls.files.output_lock import only_writer
from seqcls.geometry import Geometry

MEANING = Panel("Meaning: what a checkpoint does not say of itself")
IMAGES = Panel("Images: as the old program gave them to the network")
#: What people have labels in, which another command imports.
_LABELS = (".csv", ".json", ".eaf", ".boris", ".srt", ".vtt", ".txt", ".xml", ".tsv")


def import_(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="OLD", help="What torch.save wrote (.pth, .pt, .ckpt), or a .safetensors.")
    ],
    output: Annotated[Path, OUTPUT("MODEL", "File to write.", "-o", "--output")],
    organs: Annotated[
        str | None,
        MEANING(
            "NAME,NAME",
            "The organs, in the order of the outputs. Without: no model, but weights for train --weights.",
            "--organs",
        ),
    ] = None,
    present_class: Annotated[
        int | None,
        MEANING("0..1", "Of a softmax over two classes, which is presence. Default: 1.", min=0, max=1),
    ] = None,
    size: Annotated[int | None, IMAGES("PIXELS", "Side of the image. Default: 224.", min=32)] = None,
    region: options.Region = None,
    mean: Annotated[
        str | None, IMAGES("NUMBERS", "Taken off pixel / 255: one number, or three. Default: ImageNet's.", "--mean")
    ] = None,
    std: Annotated[
        str | None, IMAGES("NUMBERS", "What the rest was divided by: one number, or three.", "--std")
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Make a model of a ResNet-18 that another program trained: of gray images it gives the same probabilities.

    Takes torchvision's ResNet-18 with one sigmoid per organ, or with a softmax over two classes for one organ. This is
    the only command that opens pickles, and of those it loads tensors alone.
    """
    if output.suffix != ".safetensors":
        raise UsageError(f"-o must end in .safetensors, not {output.name}")
    if checkpoint.suffix.lower() in _LABELS:
        raise UsageError(f"{checkpoint.name} is no checkpoint; labels of other tools are for `seqcls import-labels`")
    options.refuse_inputs(output, checkpoint)
    if organs is None:
        meant = {"--present-class": present_class, "--size": size, "--region": region, "--mean": mean, "--std": std}
        if given := [flag for flag, value in meant.items() if value is not None]:
            raise UsageError(f"{given[0]} says how a model reads images: name its organs, too, with --organs")
        _import_start(checkpoint, output, overwrite=overwrite)
        return
    names = tuple(name.strip() for name in organs.split(","))
    for name in names:
        require_fit(name, "--organs")
    means, stds = numbers(mean, "--mean"), numbers(std, "--std")
    area = options.parse_region(region)
    side = Geometry().size if size is None else size
    with only_writer(output, is_folder=False):
        options.check_outputs(output, overwrite=overwrite)
        from seqcls.models.file import write_model
        from seqcls.models.imported import ImportOptions, import_checkpoint

        chosen = ImportOptions(
            organs=names,
            present_class=cast("Literal[0, 1] | None", present_class),
            geometry=Geometry(size=side, region=area),
            mean=means,
            std=stds,
        )
        imported = import_checkpoint(checkpoint, chosen)
        for note in imported.notes:
            console.warn(note)
        write_model(output, imported.header, imported.tensors)
        out = console.results()
        out.print(f"{', '.join(names)}: {imported.head}")
        if present_class is None and "softmax" in imported.head:
            console.notify(
                "class 1 is presence where the folders were named like `thyroid absent` and `thyroid present`, which"
                " torchvision's ImageFolder numbers by the alphabet; otherwise import it again with --present-class 0"
            )
        console.notify(
            f"images are scaled into {side} × {side} pixels without stretching; torchvision's"
            f" Resize(({side}, {side})) stretches them, and CenterCrop cuts: where the old program did, scores of the"
            " same clip are not quite its own"
        )
        console.notify(
            "calibration, thresholds and smoothing are the defaults, frames unlike its training are not noticed, and"
            " evaluate cannot know what it was trained on: a checkpoint says nothing of these"
        )
        console.notify(f"wrote {output}")
        console.notify(f"next: seqcls tune {output} CLIPS --labels LABELS")


def _import_start(checkpoint: Path, output: Path, *, overwrite: bool) -> None:
    """Weights alone, which a training can start from."""
    with only_writer(output, is_folder=False):
        options.check_outputs(output, overwrite=overwrite)
        from seqcls.models.checkpoint import write_weights
        from seqcls.models.imported import import_weights

        write_weights(output, import_weights(checkpoint))
    console.notify(f"wrote {output}: weights to start from, and no model, because no --organs were named")
    console.notify(f"next: seqcls train DATA --weights {output}")


def numbers(text: str | None, flag: str) -> tuple[float, ...] | None:
    """Numbers separated by commas. Raises UsageError."""
    return None if text is None else tuple(options.parse_number(part, flag) for part in text.split(","))
