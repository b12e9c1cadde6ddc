"""`seqcls demo`: the whole path on a bare machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqcls.cli import console
from seqcls.cli import tables as show
from seqcls.cli.options import Overwrite


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for everything that is made.")
    ] = Path("seqcls-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Draws other sweeps.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Draw synthetic neck sweeps, train on them, run on a patient never seen, compare. About 3 minutes on 2 cores."""
    from seqcls.cli.train import EpochLines, show_evaluation
    from seqcls.demo import MODEL, RUN, DemoOptions
    from seqcls.demo import demo as run_demo
    from seqcls.errors import OutputError
    from seqcls.files import require_writable

    if (output / MODEL).exists() and not overwrite:
        raise OutputError(f"{output} already holds a demo: add --overwrite, or choose another folder with -o")
    require_writable(output)
    options = DemoOptions(seed=seed)
    result = run_demo(
        output,
        options,
        stage=lambda label, total: console.progress(label, total if total else None, "steps"),
        on_epoch=EpochLines(options.epochs),
    )
    out = console.results()
    show.show_timeline(out, result.timeline)
    out.print(show.truth_strips(result.evaluation.clips[0], out.width))
    show_evaluation(result.evaluation)
    console.say(f"all of it is in {output}; look at {output / RUN / 'timeline.png'}")
    console.say(f"next: seqcls run {output / 'unseen.mp4'} -m {output / MODEL} -o result")
