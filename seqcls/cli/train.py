"""`seqcls train` and `seqcls evaluate`."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from seqcls.cli import console
from seqcls.cli.options import Overwrite
from seqcls.cli.tables import range_of
from seqcls.errors import ModelError, OutputError, UsageError
from seqcls.training.options import SIZE_PRETRAINED, SIZE_SCRATCH, AugmentOptions, TrainOptions

if TYPE_CHECKING:
    from seqcls.datasets.dataset import FrameSet
    from seqcls.evaluation.evaluate import ClipTruth, Evaluation
    from seqcls.training.crossvalidation import CrossValidation, Fold
    from seqcls.training.train import Epoch, TrainResult

_T = TrainOptions()
_A = AugmentOptions()


def train(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Folder of frames, or with --labels a folder of clips (or one clip).")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="MODEL", help="Model file to write.")] = Path(
        "organ.safetensors"
    ),
    labels: Annotated[
        Path | None, typer.Option("--labels", "-l", help="Label file: train straight from clips.")
    ] = None,
    patients: Annotated[
        str | None, typer.Option(help="With --labels: regular expression whose group is the patient in a file name.")
    ] = None,
    organ: Annotated[list[str] | None, typer.Option(help="Train on this organ only; may be repeated.")] = None,
    folds: Annotated[
        str | None,
        typer.Option(
            "--folds", help="Cross-validate first, leaving out patients: a number, or 'groups' for each alone."
        ),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="Where to start: auto (imagenet, else none), imagenet, none, or a file.")
    ] = _T.weights,
    import_pickle: Annotated[
        bool, typer.Option("--import-pickle", help="Let --weights be a .pth from someone you trust.")
    ] = _T.import_pickle,
    size: Annotated[
        int | None,
        typer.Option(
            min=32, help=f"Side of the square picture. [default: {SIZE_PRETRAINED}; {SIZE_SCRATCH} from random weights]"
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = _T.epochs,
    samples_per_epoch: Annotated[int, typer.Option(min=0, help="0: as many as frames.")] = _T.samples_per_epoch,
    batch_size: Annotated[int, typer.Option(min=2)] = _T.batch_size,
    lr: Annotated[float, typer.Option("--lr", help="Highest learning rate.")] = _T.lr,
    optimizer: Annotated[str, typer.Option(help="adamw, adam or sgd.")] = _T.optimizer,
    weight_decay: Annotated[float, typer.Option()] = _T.weight_decay,
    schedule: Annotated[str, typer.Option(help="cosine or constant, after the warm-up.")] = _T.schedule,
    warmup: Annotated[float, typer.Option(help="Share of all steps.")] = _T.warmup,
    loss: Annotated[str, typer.Option(help="bce or focal.")] = _T.loss,
    focal_gamma: Annotated[float, typer.Option()] = _T.focal_gamma,
    label_smoothing: Annotated[float, typer.Option()] = _T.label_smoothing,
    balance: Annotated[bool, typer.Option("--balance/--no-balance", help="Draw classes and clips alike.")] = _T.balance,
    augment: Annotated[float, typer.Option(min=0, help="Strength of augmentation; 0 for none.")] = _A.strength,
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="Mirror pictures left to right.")] = _A.flip,
    mixup: Annotated[float, typer.Option(min=0, help="Alpha; 0 for none.")] = _T.mixup,
    dropout: Annotated[float, typer.Option()] = _T.dropout,
    ema: Annotated[float, typer.Option(help="Decay of the averaged weights; 0 keeps the last.")] = _T.ema,
    freeze_epochs: Annotated[int, typer.Option(min=0, help="Of the last layer alone.")] = _T.freeze_epochs,
    progressive: Annotated[
        float, typer.Option(help="Share of the steps with pictures of half the side: quicker.")
    ] = _T.progressive,
    patience: Annotated[int, typer.Option(min=0, help="Epochs without gain; 0 never stops.")] = _T.patience,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = _T.device,
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = _T.precision,
    seed: Annotated[int, typer.Option(min=0)] = _T.seed,
    skip_corrupt: Annotated[bool, typer.Option("--skip-corrupt", help="Leave out unreadable pictures.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the model file.")] = False,
) -> None:
    """Fine-tune ResNet-18 on labelled frames or clips; calibrate; choose the operating point; save one file."""
    options = TrainOptions(
        epochs=epochs,
        samples_per_epoch=samples_per_epoch,
        batch_size=batch_size,
        lr=lr,
        optimizer=optimizer,  # type: ignore[arg-type]  # checked by TrainOptions
        weight_decay=weight_decay,
        schedule=schedule,  # type: ignore[arg-type]
        warmup=warmup,
        loss=loss,  # type: ignore[arg-type]
        focal_gamma=focal_gamma,
        label_smoothing=label_smoothing,
        balance=balance,
        augment=AugmentOptions(strength=augment, flip=flip),
        mixup=mixup,
        dropout=dropout,
        ema=ema,
        freeze_epochs=freeze_epochs,
        progressive=progressive,
        patience=patience,
        weights=weights,
        import_pickle=import_pickle,
        device=device,
        precision=precision,
        seed=seed,
    )
    _check_output(output, overwrite)
    from seqcls.models.file import write_model
    from seqcls.training.plots import write_history
    from seqcls.training.train import train as train_frames

    options = resolve_weights(options)
    side = size if size is not None else SIZE_SCRATCH if options.weights == "none" else SIZE_PRETRAINED
    frames = load(data, labels, patients, organ, side, skip_corrupt)
    with console.ends_in_order() as should_stop:
        unseen = None if folds is None else cross_validate(frames, options, folds, output, should_stop)
        if not should_stop():
            with console.progress("training", total_steps(frames, options), "steps") as advance:
                result = train_frames(
                    frames,
                    options,
                    out_of_fold=unseen,
                    on_epoch=EpochLines(options.epochs),
                    on_step=lambda done, total: advance(done),
                    should_stop=should_stop,
                )
            write_model(output, result.header, result.tensors)
            folder = output.with_name(f"{output.stem}-training")
            write_history(result.history, folder)
            show_result(result, frames)
            console.say(f"wrote {output}; learning curves in {folder}")
        if should_stop():
            raise typer.Exit(130)


def _check_output(output: Path, overwrite: bool) -> None:
    from seqcls.files import prove_writable

    if output.suffix != ".safetensors":
        raise UsageError(f"-o must end in .safetensors, not {output.name}")
    if output.exists() and not overwrite:
        raise OutputError(f"{output} is there already: add --overwrite, or choose another file with -o")
    prove_writable(output.parent)


def resolve_weights(options: TrainOptions) -> TrainOptions:
    """Decide `auto` before the pictures are read, because their size depends on it."""
    if options.weights != "auto":
        return options
    from seqcls.models.resnet import build

    try:
        build(1, weights="imagenet")
    except ModelError as error:
        console.say(f"starting from random weights: {error}")
        return replace(options, weights="none")
    return replace(options, weights="imagenet")


def load(
    data: Path,
    labels: Path | None,
    patients: str | None,
    organs: list[str] | None,
    size: int,
    skip_corrupt: bool,
) -> FrameSet:
    """Frames from a folder or straight from clips, with what a person should know about them said."""
    from seqcls.cli.extract import labelled_clips
    from seqcls.datasets.dataset import frames_from_clips, leakage, load_frames
    from seqcls.geometry import Geometry

    geometry = Geometry(size=size)
    if labels is None:
        with console.progress("reading frames", None) as advance:
            frames = load_frames(data, geometry, skip_corrupt=skip_corrupt, progress=lambda done, total: advance(done))
    else:
        clips = labelled_clips(data, labels, patients)
        with console.progress("reading clips", len(clips), "clips") as advance:
            frames = frames_from_clips(clips, geometry, progress=lambda done, total: advance(done))
    for message in frames.messages:
        console.warn(message)
    same, held = leakage(frames), int((frames.split == "validation").sum())
    if same:
        console.warn(
            f"{same} of {held} validation frames look the same as a training frame: the validation figures flatter"
        )
    frames = frames if not organs else frames.of_organs(organs)
    trained = len(frames.split) - held
    console.say(f"{trained} training and {held} validation frames of {size} pixels: {', '.join(frames.organs)}")
    return frames


def total_steps(frames: FrameSet, options: TrainOptions) -> int:
    rows = int((frames.split == "train").sum())
    samples = options.samples_per_epoch if options.samples_per_epoch else rows
    return options.epochs * max(1, samples // options.batch_size)


class EpochLines:
    """One line per epoch on stderr, under one heading."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def __call__(self, epoch: Epoch) -> None:
        if epoch.number == 1:
            console.say("  epoch    loss   val loss   val AUROC         lr   images/s")
        console.say(
            f"{epoch.number:>4}/{self._epochs:<4}{epoch.loss:>6.3f}{_or_dash(epoch.validation_loss, 11, 3)}"
            f"{_or_dash(epoch.auroc, 12, 4)}{epoch.lr:>11.2g}{epoch.images_per_s:>11.0f}"
            f"{'  best' if epoch.best and not math.isnan(epoch.auroc) else ''}"
        )


def _or_dash(value: float, width: int, digits: int) -> str:
    return f"{'-' if math.isnan(value) else f'{value:.{digits}f}':>{width}}"


def show_result(result: TrainResult, frames: FrameSet) -> None:
    out = console.results()
    for message in result.messages:
        console.say(message)
    if result.metrics is not None:
        out.print(_frame_table("validation", frames.organs, result.metrics))
    for organ, options in zip(result.header.organs, result.header.intervals, strict=True):
        out.print(f"{organ}: presence begins at {options.onset:.2f}, ends below {options.offset:.2f}", markup=False)


def _frame_table(title: str, organs: tuple[str, ...], metrics: Any) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("organ")
    for name in ("frames", "present", "AUROC", "accuracy", "sensitivity", "specificity"):
        table.add_column(name, justify="right")
    for organ, m in zip(organs, metrics, strict=True):
        figures = (m.auroc, m.accuracy, m.sensitivity, m.specificity)
        table.add_row(organ, str(m.count), str(m.present), *(_or_dash(f, 0, 4) for f in figures))
    return table


def cross_validate(
    frames: FrameSet, options: TrainOptions, folds: str, output: Path, should_stop: Any
) -> NDArray[np.float32] | None:
    """Train once per fold, show the figures, and keep them beside the model.

    Returns the scores to calibrate on, or None: with few patients each fold is a task of its own, and what it says of
    the scale of scores does not carry over to a model that has seen them all.
    """
    from seqcls.datasets.split import MIN_GROUPS
    from seqcls.files import write_text
    from seqcls.training.crossvalidation import cross_validate as validate
    from seqcls.training.crossvalidation import grouping, split_groups

    if folds != "groups" and not (folds.isdigit() and int(folds) >= 2):
        raise UsageError(f"--folds takes 2 or more, or 'groups', not {folds!r}")
    count: int | Literal["groups"] = "groups" if folds == "groups" else int(folds)
    out = console.results()
    steps, finished = total_steps(frames, options), 0

    def show(fold: Fold) -> None:
        nonlocal finished
        finished += 1
        for name, metrics in zip(frames.organs, fold.metrics, strict=True):
            if metrics is not None:
                out.print(
                    f"left out {', '.join(fold.groups)}: {name} AUROC {_or_dash(metrics.auroc, 0, 4)},"
                    f" accuracy {_or_dash(metrics.accuracy, 0, 4)} on {metrics.count} frames",
                    markup=False,
                )

    rounds = len(split_groups(frames, grouping(frames)[1], count))
    with console.progress("cross-validation", rounds * steps, "steps") as advance:
        result: CrossValidation = validate(
            frames,
            options,
            count,
            on_fold=show,
            on_step=lambda done, total: advance(finished * steps + done),
            should_stop=should_stop,
        )
    if result.interrupted:
        return None
    out.print(_frame_table(f"cross-validation by {result.unit}, pooled", frames.organs, result.metrics))
    for name, area, share in zip(frames.organs, result.auroc, result.accuracy, strict=True):
        out.print(
            f"{name}: AUROC {area.value:.4f}{range_of(area)}, accuracy {share.value:.4f}{range_of(share)}"
            f" (95 %, {area.groups} {result.unit}s)",
            markup=False,
        )
    for note in result.notes:
        console.warn(note)
    rows = ["clip,patient,frame," + ",".join(frames.organs)]
    path = output.with_name(f"{output.stem}-training") / "cross-validation.csv"
    for at in range(len(result.scores)):
        cells = ("" if math.isnan(s) else f"{s:.6g}" for s in result.scores[at])
        rows.append(f"{frames.clip[at]},{frames.patient[at]},{frames.time_s[at]}," + ",".join(cells))
    write_text(path, "\n".join(rows) + "\n")
    console.say(f"wrote {path}")
    groups = grouping(frames)[1]
    carriers = [
        len(np.unique(groups[frames.mask[:, k] & ((frames.targets[:, k] > 0.5) == state)]))
        for k in range(len(frames.organs))
        for state in (True, False)
    ]
    if min(carriers) < MIN_GROUPS:
        console.say("too few patients to calibrate on their scores: default thresholds are kept")
        return None
    return result.scores


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Model file.")],
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="Folder with labelled clips, or one clip.")],
    labels: Annotated[Path, typer.Option("--labels", "-l", help="Label file, CSV or JSON.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Also write evaluation.json there.")
    ] = None,
    patients: Annotated[
        str | None, typer.Option(help="Regular expression whose group is the patient in a file name.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Run a model on labelled clips: frame and interval figures, with confidence intervals over patients."""
    from seqcls.cli.extract import labelled_clips
    from seqcls.detector import load as load_detector
    from seqcls.evaluation.evaluate import evaluate_clips

    if output is not None and (output / "evaluation.json").exists() and not overwrite:
        raise OutputError(f"{output} already holds an evaluation: add --overwrite, or choose another with -o")
    found = labelled_clips(clips, labels, patients)
    detector = load_detector(model, device=device, precision=precision)
    out = console.results()
    with console.progress("evaluating", len(found), "clips") as advance:
        done = 0

        def show(truth: ClipTruth) -> None:
            nonlocal done
            done += 1
            advance(done)
            out.print(clip_line(truth), markup=False)

        evaluation = evaluate_clips(detector, found, on_clip=show)
    show_evaluation(evaluation)
    if output is not None:
        write_evaluation(evaluation, output / "evaluation.json")
        console.say(f"wrote {output / 'evaluation.json'}")


def show_evaluation(evaluation: Evaluation) -> None:
    """Two tables: by frame, by interval."""
    out = console.results()
    for o in evaluation.organs:
        m, i = o.frames, o.intervals
        out.print(
            f"{o.organ}: AUROC {m.auroc:.4f}{range_of(o.auroc)}, accuracy {m.accuracy:.4f}{range_of(o.accuracy)},"
            f" sensitivity {m.sensitivity:.4f}, specificity {m.specificity:.4f}"
            f" ({m.count} labelled frames, {m.present} present)",
            markup=False,
        )
        out.print(
            f"{' ' * len(o.organ)}  presences found {i.found} of {i.presences}, false events {i.false_events}"
            f" ({i.false_events_per_min:.2f}/min), segmental F1@10/25/50"
            f" {'/'.join(_or_dash(f, 0, 3) for f in i.f1_at)}, edit {i.edit:.3f},"
            f" onset/offset error median {_or_dash(i.onset_median_s, 0, 3)}/{_or_dash(i.offset_median_s, 0, 3)} s,"
            f" p90 {_or_dash(i.onset_p90_s, 0, 3)}/{_or_dash(i.offset_p90_s, 0, 3)} s",
            markup=False,
        )


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    from seqcls.json_text import write_json

    write_json(path, evaluation.to_dict())


def clip_line(truth: ClipTruth) -> str:
    timeline = truth.timeline
    shares = (f"{organ} {truth.accuracy(k):.3f}" for k, organ in enumerate(timeline.organs))
    found = sum(i.state == "present" for i in timeline.intervals)
    return f"{timeline.source.name}: frame accuracy {', '.join(shares)}; {found} presences reported"
