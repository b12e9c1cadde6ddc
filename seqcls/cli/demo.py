"""`seqcls demo`: the whole path on a bare machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from seqcls.cli import console, tables
from seqcls.cli.options import INPUT, OUTPUT, Overwrite
from seqcls.files import require_free
from seqcls.files.output_lock import only_writer


def demo(
    seed: Annotated[int, INPUT("N", "Another number draws other sweeps.", min=0)] = 0,
    output: Annotated[Path, OUTPUT("DIR", "Folder for everything.", "-o", "--output")] = Path("seqcls-demo"),
    overwrite: Overwrite = False,
) -> None:
    """Draw synthetic neck sweeps, train on them, run on a patient never seen, compare. At most 4 minutes on 2 cores.

    Training starts from early layers that learned these organs on other synthetic patients; real training starts from
    ImageNet's.
    """
    from seqcls.cli.evaluation_table import show_evaluation
    from seqcls.cli.train import EpochLines
    from seqcls.demo import MODEL, RUN, DemoOptions
    from seqcls.demo import demo as run_demo
    from seqcls.files import require_writable

    with only_writer(output, is_folder=True):
        require_free(output / MODEL, overwrite)
        require_writable(output)
        options = DemoOptions(seed=seed)
        console.notify(
            "training will start from early layers that learned these organs on other synthetic patients, where real "
            "training starts from ImageNet's; neither has seen the patient that the model is run on"
        )
        result = run_demo(
            output,
            options,
            stage=lambda label, total: console.progress(label, total if total else None, "steps"),
            on_epoch=EpochLines(options.epochs),
        )
        console.notify(result.twin)
        console.notify(f"engine {result.timeline.provenance.engine}")
        out = console.results()
        tables.show_timeline(out, result.timeline)
        out.print(tables.truth_strips(result.evaluation.clips[0], out.width))
        show_evaluation(result.evaluation)
        console.notify(f"everything is in {output}; look at {output / RUN / 'timeline.png'}")
        console.notify(f"next: seqcls run {output / 'unseen.mp4'} -m {output / MODEL} -o result")
