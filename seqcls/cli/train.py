"""`seqcls train`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seqcls.cli import check, console, options, tables
from seqcls.cli.options import OUTPUT, Panel
from seqcls.cli.train_resume import goes_on, require_unfinished, write_result
from seqcls.cli.train_settings import stated_over
from seqcls.cli.training_data import known_clips, load
from seqcls.errors import DataError, UsageError
from seqcls.files.disk_room import free_bytes, require_room
from seqcls.files.output_lock import only_writer
from seqcls.models.twin import twin_files
from seqcls.text.wording import count_of, size_of
from seqcls.training.checkpoints import FOLDER, Checkpoints
from seqcls.training.epoch_logs import TABLE, EpochTable, each_of
from seqcls.training.options import (
    NAMED_WEIGHTS,
    SIZE_PRETRAINED,
    SIZE_SCRATCH,
    AugmentOptions,
    TrainOptions,
    default_size,
    options_from,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seqcls.datasets.data_checks import DataCheck
    from seqcls.datasets.dataset import FrameSet
    from seqcls.evaluation.metrics import Estimate
    from seqcls.training.crossvalidation import Fold
    from seqcls.training.epoch import Epoch
    from seqcls.training.tensorboard_log import TensorBoardLog
    from seqcls.training.train import TrainResult

DATA = Panel("Data: what to learn from")
TRAINING = Panel("Training: where the validation figures are poor")
AUGMENTATION = Panel("Augmentation: more for few patients, less where it hides what matters")
#: On the disk: the model (45 MB) and its twin (11 MB); and the last two checkpoints (225 MB each) with the next one.
MODEL_BYTES, CHECKPOINTS_BYTES = 60_000_000, 700_000_000
SPEED = Panel("Speed: where training takes too long")
_T, _E = TrainOptions(), options_from("early")
_A = AugmentOptions()


def train(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Folder of frames, or with --labels a folder of clips (or one clip).")
    ],
    labels: Annotated[Path | None, DATA("FILE", "Labels: train straight from clips.", "--labels", "-l")] = None,
    patients: Annotated[str | None, DATA("REGEX", "With --labels: its group is the patient in a file name.")] = None,
    organ: Annotated[list[str] | None, DATA("NAME", "Learn this organ only; may be repeated.")] = None,
    layouts: options.Layouts = None,
    keep_odd: Annotated[
        bool, DATA("", "Keep images that the checks call odd: menus, outliers in colour and so on.", "--keep-odd")
    ] = False,
    allow_leakage: Annotated[
        bool,
        DATA("", "Train although patients or frames stand on both sides: the figures flatter.", "--allow-leakage"),
    ] = False,
    cache: Annotated[
        bool, DATA("", "Keep many frames in DATA/.seqcls-cache, for a next start in seconds.", "--cache/--no-cache")
    ] = True,
    folds: Annotated[
        str | None, DATA("N|groups", "Cross-validate first, leaving out patients: in N groups, or each alone.")
    ] = None,
    split: Annotated[
        Path | None,
        DATA("FILE", "Who is for training, for validation, and in which fold: from `seqcls split`.", "--split"),
    ] = None,
    weights: Annotated[
        str,
        TRAINING("auto|imagenet|early|none|FILE", "Where to start. auto: imagenet if downloaded before, else early."),
    ] = _T.weights,
    size: Annotated[
        int | None,
        TRAINING(
            "PIXELS", f"Side of the image. Default: {SIZE_PRETRAINED}; {SIZE_SCRATCH} from early or none.", min=32
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        TRAINING(
            "N", f"More where the curves still rise at the end. Default: {_T.epochs}; {_E.epochs} from early.", min=1
        ),
    ] = None,
    patience: Annotated[
        int,
        TRAINING("N", "Stop after so many epochs without gain, with --folds on patients left out; 0: never.", min=0),
    ] = _T.patience,
    batch_size: Annotated[
        int | None,
        TRAINING(
            "N",
            f"Images per step. Default: {_T.batch_size}; {_E.batch_size} from early. Less needs less memory.",
            min=2,
        ),
    ] = None,
    samples_per_epoch: Annotated[
        int | None,
        TRAINING(
            "N",
            "Images in an epoch; 0: as many as there are."
            f" Default: {_T.samples_per_epoch}; {_E.samples_per_epoch} from early.",
            min=0,
        ),
    ] = None,
    lr: Annotated[float, TRAINING("RATE", "Highest learning rate; lower where the loss jumps.", "--lr")] = _T.lr,
    optimizer: Annotated[str, TRAINING("adamw|adam|sgd", "How the weights move.")] = _T.optimizer,
    loss: Annotated[str, TRAINING("bce|focal", "focal where hard frames are rare.")] = _T.loss,
    seed: Annotated[int, TRAINING("N", "The same seed and machine give the same model.", min=0)] = _T.seed,
    settings: Annotated[
        list[str] | None,
        TRAINING("NAME=VALUE", "Anything rarer, as weight_decay=0.01; may be repeated. '?' lists them.", "--set"),
    ] = None,
    augment: Annotated[float, AUGMENTATION("FACTOR", "How strong; 0: none.", min=0)] = _A.strength,
    flip: Annotated[
        bool, AUGMENTATION("", "Mirror images; not where the side of the body matters.", "--flip/--no-flip")
    ] = _A.flip,
    progressive: Annotated[
        float, SPEED("SHARE", "Of the steps, with half-size images; 0.75 halves the time.")
    ] = _T.progressive,
    device: Annotated[str, SPEED("auto|cpu|cuda|mps", "Where it computes.")] = _T.device,
    tensorboard: Annotated[
        Path | None, OUTPUT("DIR", "Also write curves there, in DIR/MODEL, for TensorBoard.", "--tensorboard")
    ] = None,
    output: Annotated[Path, OUTPUT("MODEL", "Model file to write.", "-o", "--output")] = Path("organ.safetensors"),
    resume: Annotated[
        bool, OUTPUT("", "Go on with a training that was killed or stopped, with the same options.", "--resume")
    ] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Fine-tune ResNet-18 on labelled frames or clips; calibrate; choose the operating point; save one file."""
    given = locals() | {"augment": AugmentOptions(strength=augment, flip=flip)}
    settings = settings or []
    stated_over(TrainOptions(weights=weights), given, settings)  # what is wrong is refused before anything is loaded
    if folds not in (None, "groups") and not (folds.isdigit() and int(folds) >= 2):
        raise UsageError(f"--folds takes 2 or more, or 'groups', not {folds!r}")
    if output.suffix != ".safetensors":
        raise UsageError(f"-o must end in .safetensors, not {output.name}")
    options.refuse_inputs(output, Path(weights))
    if not data.exists():  # before weights are asked for
        raise DataError(f"{data}: no such file or folder; check the name")
    folder = output.with_name(f"{output.stem}-training")
    # Scores of a command with folds are no part of one without, though the frames are the same.
    command = {"folds": "none" if folds is None else folds}
    checkpoints = Checkpoints(folder / FOLDER, resume=resume, command=command, on_message=console.warn)
    from seqcls.training.process_group import joined

    with joined(device) as processes, only_writer(output if processes.is_first else None, is_folder=False):
        if processes.count > 1 and folds is not None:
            raise UsageError("--folds trains in one process: cross-validate without torchrun")
        if processes.is_first:
            going_on = goes_on(checkpoints, output, resume=resume, overwrite=overwrite)
            options.check_outputs(output, *twin_files(output), overwrite=overwrite or going_on)
            require_room(output.parent, MODEL_BYTES, "a model with its int8 twin")
            if (free := free_bytes(output.parent)) < MODEL_BYTES + CHECKPOINTS_BYTES:
                console.warn(
                    f"{size_of(free)} of disk are left, too little for checkpoints: make room to be able to resume"
                )
            curves = None if tensorboard is None else _curves(tensorboard / output.stem)
        else:
            console.be_quiet()
        import numpy as np

        from seqcls.datasets.frame_table import CACHE_FOLDER
        from seqcls.datasets.split_file import read_split
        from seqcls.training.plots import remove_history, write_history
        from seqcls.training.train import train as train_frames
        from seqcls.training.train import train_along
        from seqcls.training.training_state import bound_to, record_of

        # Of clips: frames have the names that `extract` gave them. A flag of its own would be one too many.
        key = "" if labels is None else os.environ.get(options.HASH_NAMES, "")
        names = options.pseudonyms(Path(key) if key else None, [data], [labels, output])
        clips = known_clips(data, labels, patients, organ, names)
        kept = None if split is None else read_split(split)
        if kept is not None and folds is not None:
            kept.parts("groups" if folds == "groups" else int(folds))
        train_options = stated_over(options_from(resolve_weights(weights)), given, settings)
        processes.part_of(train_options.batch_size)
        side = default_size(train_options.weights) if size is None else size
        if not processes.is_first:
            processes.wait()  # until the first one has read and checked the frames, and kept for all what takes long
        beside = data if data.is_dir() else data.parent
        frames = load(data, clips, organ, side, options.known_layouts(layouts), kept, cache=beside if cache else None)
        where = beside / CACHE_FOLDER if cache and frames.is_mapped else None
        found = check.checked(frames, keep_odd=keep_odd, labels=folds is None, folder=where)
        if processes.is_first:
            processes.wait()
        if not processes.is_first:
            with console.stops_cleanly() as should_stop:
                interrupted = train_along(found.frames, train_options, processes, should_stop=should_stop)
            raise typer.Exit(130 if interrupted else 0)
        rows, held_out = (np.flatnonzero(found.frames.split == name) for name in ("train", "validation"))
        begun_with = record_of(command | bound_to(found.frames, rows, held_out, train_options, processes.count))
        if resume and output.exists() and not checkpoints.exist():
            require_unfinished(output, begun_with)
        check.warn_of(found)
        report = check.write_check(found, folder)
        if not allow_leakage:
            check.refuse(found, report)
        frames = found.frames
        if not resume:
            checkpoints.remove()
        kept_epochs = "the epochs that ended are kept: repeat the command with --resume to go on"
        with console.stops_cleanly(kept_epochs) as should_stop, curves or nullcontext():
            unseen, result = None, None
            if folds is not None:
                unseen, train_options = cross_validate(found, train_options, folds, folder, should_stop, checkpoints)
            if not should_stop():
                lines, table = EpochLines(train_options.epochs), EpochTable(folder / TABLE, console.warn)
                logs = (lines, table) if curves is None else (lines, table, curves)
                with console.progress("training", total_steps(frames, train_options), "steps") as advance:
                    result = train_frames(
                        frames,
                        train_options,
                        out_of_fold=unseen,
                        on_epoch=each_of(*logs),
                        on_step=lambda done, total: advance(done),
                        should_stop=should_stop,
                        checkpoints=checkpoints,
                        processes=processes,
                        leaked=found.leaked,
                    )
                if not result.steps:
                    console.notify("interrupted before the first step: nothing is learned, and no model is written")
                    raise typer.Exit(130)
                remove_history(folder, scores=folds is None)
                write_result(output, result, begun_with, checkpoints)
                write_history(result.history, folder)
                if curves is not None and result.metrics is not None:
                    curves.add_figures(result.best_epoch, frames.organs, result.metrics)
                show_result(result, frames)
                console.notify(f"wrote {output}; learning curves in {folder}")
                _leave_twin(output, frames, interrupted=should_stop())
            if should_stop():
                if checkpoints.exist():
                    console.notify("repeat the command with --resume to go on from here")
                elif result is not None and result.interrupted:
                    console.notify("no checkpoint could be kept: with --resume, the training begins anew")
                raise typer.Exit(130)
        checkpoints.remove()


def _curves(folder: Path) -> TensorBoardLog:
    from seqcls.training.tensorboard_log import TensorBoardLog

    return TensorBoardLog(folder, console.warn)


def _leave_twin(model: Path, frames: FrameSet, *, interrupted: bool) -> None:
    """Beside the model, and say so."""
    from seqcls.convert.make_twin import make_twin, remove_twin

    if interrupted:
        remove_twin(model)
        return
    console.notify("making its int8 twin, which `seqcls run` takes where that is faster")
    _, line = make_twin(model, frames)
    console.notify(line)


def resolve_weights(weights: str) -> str:
    """Decide `auto` before the images are read, because their size depends on it; refuse a file that will not do."""
    from seqcls.models.resnet import build, read_weights

    if weights not in NAMED_WEIGHTS:
        read_weights(Path(weights))
    if weights != "auto":
        return weights
    _, origin = build(1, weights="auto")
    if origin.startswith("early"):
        console.notify(f"starting from {origin}")
        return "early"
    return "imagenet"


def total_steps(frames: FrameSet, train_options: TrainOptions) -> int:
    return train_options.epochs * train_options.steps_per_epoch(int((frames.split == "train").sum()))


class EpochLines:
    """One line per epoch on stderr, under one heading."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def __call__(self, epoch: Epoch) -> None:
        if epoch.number == 1:
            console.notify("  epoch    loss   val loss   val AUROC         lr   images/s")
        console.notify(
            f"{epoch.number:>4}/{self._epochs:<4}{epoch.loss:>6.3f}{tables.figure(epoch.validation_loss, 3):>11}"
            f"{tables.figure(epoch.auroc):>12}{epoch.lr:>11.2g}{epoch.images_per_s:>11.0f}"
            f"{'  best' if epoch.best and not math.isnan(epoch.auroc) else ''}"
        )


def show_result(result: TrainResult, frames: FrameSet) -> None:
    out = console.results()
    for message in result.messages:
        console.notify(message)
    if result.metrics is not None:
        out.print(tables.frame_table("validation", frames.organs, result.metrics))
    for organ, interval in zip(result.header.organs, result.header.intervals, strict=True):
        out.print(f"{organ}: presence begins at {interval.onset:.2f}, ends below {interval.offset:.2f}")


def _range(estimate: Estimate, unit: str) -> str:
    """The interval, nothing where there are too few groups for one: that is said once a line."""
    from seqcls.evaluation.metrics import refusal

    return "" if refusal(estimate.groups, unit) else tables.range_of(estimate, unit)


def cross_validate(
    checked: DataCheck,
    train_options: TrainOptions,
    folds: str,
    folder: Path,
    should_stop: Callable[[], bool],
    checkpoints: Checkpoints,
) -> tuple[NDArray[np.float32] | None, TrainOptions]:
    """Train once per fold, show the metrics, and keep the scores in ``folder``; name labels that they contradict.

    Returns the scores to calibrate on, or None: with few patients each fold is a task of its own, and what it tells of
    the scale of scores does not carry over to a model that has seen them all. And the options of the model: with as
    many epochs as the folds say are enough, where that was asked for and no validation will say so.
    """
    from seqcls.datasets.data_checks import WRONG_LABEL, check_labels
    from seqcls.evaluation.metrics import refusal
    from seqcls.training import crossvalidation
    from seqcls.training.embedding import embed

    frames = checked.frames
    count: int | Literal["groups"] = "groups" if folds == "groups" else int(folds)
    out = console.results()
    steps, finished = total_steps(frames, train_options), 0

    def show(fold: Fold) -> None:
        nonlocal finished
        finished += 1
        for name, metrics in zip(frames.organs, fold.metrics, strict=True):
            if metrics is not None:
                out.print(
                    f"left out {', '.join(fold.groups)}: {name} AUROC {tables.figure(metrics.auroc)},"
                    f" accuracy {tables.figure(metrics.accuracy)} on {count_of(metrics.count, 'frame')}",
                )

    rounds = len(crossvalidation.split_groups(frames, crossvalidation.grouping(frames)[1], count))
    with console.progress("cross-validation", rounds * steps, "steps") as advance:
        result = crossvalidation.cross_validate(
            frames,
            train_options,
            count,
            on_fold=show,
            on_step=lambda done, total: advance(finished * steps + done),
            should_stop=should_stop,
            checkpoints=checkpoints,
        )
    if result.interrupted:
        return None, train_options
    out.print(tables.frame_table(f"cross-validation by {result.unit}, pooled", frames.organs, result.metrics))
    for name, area, share in zip(frames.organs, result.auroc, result.accuracy, strict=True):
        out.print(
            f"{name}: AUROC {area.value:.4f}{_range(area, result.unit)}, accuracy {share.value:.4f}"
            f"{_range(share, result.unit)} (95 % intervals"
            f" {refusal(area.groups, result.unit) or f'over {count_of(area.groups, result.unit)}'})",
        )
    for note in result.notes:
        console.warn(note)
    console.notify(f"wrote {crossvalidation.write_scores(result, frames, folder)}")
    relabelled = check_labels(checked, result.scores, embed)
    for finding in relabelled.of("look"):
        if finding.kind == WRONG_LABEL:
            console.warn(finding.text)
    check.write_check(relabelled, folder)
    if result.epochs is not None and not (frames.split == "validation").any():
        console.notify(
            f"patients left out gain nothing after epoch {result.epochs}: the model is trained for so many epochs, not"
            f" {train_options.epochs}"
        )
        train_options = replace(train_options, epochs=result.epochs)
    if not crossvalidation.can_calibrate(frames):
        console.notify("too few patients to calibrate on their scores: default thresholds are kept")
        return None, train_options
    return result.scores, train_options
