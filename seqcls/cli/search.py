"""`seqcls tune DATA`: a search for the hyper-parameters of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from seqcls.cli import console, options, tables
from seqcls.errors import DataError, UsageError
from seqcls.files.output_lock import only_writer
from seqcls.text.wording import count_of
from seqcls.training.options import TrainOptions, default_size, options_from

if TYPE_CHECKING:
    from seqcls.training.search import SearchResult
    from seqcls.training.study import Trial

#: Rows of the table of trials.
_BEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says of a search; None: nothing."""

    data: Path
    labels: Path | None
    patients: str | None
    spaces: list[str]
    trials: int
    timeout_min: float | None
    folds: int
    seeds: int
    seed: int
    organs: list[str]
    split: Path | None
    layouts: Path | None
    settings: list[str]
    weights: str
    samples_per_epoch: int | None
    batch_size: int | None
    device: str
    output: Path | None
    overwrite: bool

    @property
    def inputs(self) -> list[str]:
        """What is learned from, as `train` is told it."""
        stated = (
            ("labels", self.labels),
            ("patients", self.patients),
            ("split", self.split),
            ("layouts", self.layouts),
        )
        named = [part for name, value in stated if value is not None for part in (f"--{name}", str(value))]
        return [str(self.data), *named, *(part for name in self.organs for part in ("--organ", name))]


def search_command(asked: Asked) -> None:
    """Search, or go on with a search, and show what came of it."""
    from seqcls.cli.train import resolve_weights
    from seqcls.cli.train_settings import stated_over
    from seqcls.cli.training_data import known_clips, load
    from seqcls.training.search_space import NAMES, default_space, narrowed

    if not asked.data.exists():
        raise DataError(f"{asked.data}: no such file or folder; check the name")
    given = {name: getattr(asked, name) for name in ("samples_per_epoch", "batch_size", "device")}
    train_options = stated_over(TrainOptions(weights=asked.weights), given, asked.settings, searched=NAMES)
    narrowed(default_space(train_options), asked.spaces)
    folder = asked.output if asked.output is not None else Path(f"{asked.data.resolve().name}-study")
    if folder.resolve().is_relative_to(asked.data.resolve()):
        raise UsageError(f"{folder} lies within the data: name another folder with -o")
    layouts, split = options.known_layouts(asked.layouts), None
    if asked.split is not None:
        from seqcls.datasets.split_file import read_split

        split = read_split(asked.split)
    with only_writer(folder, is_folder=True):
        from seqcls.training.search import SearchOptions, search
        from seqcls.training.search_files import DATABASE, FILES, write_search

        chosen = SearchOptions(
            trials=asked.trials, folds=asked.folds, seeds=asked.seeds, seed=asked.seed,
            **({} if asked.timeout_min is None else {"timeout_s": asked.timeout_min * 60}),
        )  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        options.check_outputs(
            *(folder / name for name in FILES), overwrite=asked.overwrite or (folder / DATABASE).is_file()
        )
        if asked.overwrite:
            for name in (DATABASE, *FILES):
                (folder / name).unlink(missing_ok=True)
        start = options_from(resolve_weights(asked.weights))
        train_options = stated_over(start, given, asked.settings, searched=NAMES)
        space = narrowed(default_space(train_options), asked.spaces)
        clips = known_clips(asked.data, asked.labels, asked.patients, asked.organs)
        with (
            console.stops_cleanly("the trials that ended are kept: the same command goes on") as should_stop,
            console.progress("trials", chosen.trials, "trials") as advance,
        ):
            lines = _Lines(advance)
            result = search(
                lambda side: load(asked.data, clips, asked.organs, side, layouts, split),
                train_options,
                space,
                folder / DATABASE,
                chosen,
                size=default_size(train_options.weights),
                on_trial=lines,
                on_step=console.notify,
                should_stop=should_stop,
            )
        paths = write_search(result, space, train_options, folder)
        show_search(result, train_options, asked.inputs)
        console.notify(f"wrote {', '.join(path.name for path in paths)} into {folder}")
        if result.interrupted:
            console.notify("interrupted: the same command goes on")
            raise typer.Exit(130)


class _Lines:
    """One line per trial on stderr."""

    def __init__(self, advance: console.Advance) -> None:
        self._advance = advance

    def __call__(self, trial: Trial, before: Sequence[Trial]) -> None:
        from seqcls.training.search_space import NAMES

        found = f"AUROC {trial.auroc:.4f}" if trial.state == "complete" else trial.state
        mark = "  best" if is_best(trial, before) else ""
        values = ", ".join(f"{name} {_shown(trial.values[name])}" for name in NAMES)
        console.notify(f"trial {trial.number}: {found}{mark}; {values}; {trial.seconds:.0f} s")
        self._advance(len(before) + 1)


def is_best(trial: Trial, before: Sequence[Trial]) -> bool:
    """Whether it is complete, and better than all complete ones ``before``."""
    return trial.state == "complete" and all(trial.auroc > one.auroc for one in before if one.state == "complete")


def show_search(result: SearchResult, train_options: TrainOptions, inputs: Sequence[str]) -> None:
    """The best trials, what mattered, the comparison, and the command that trains with the best."""
    from seqcls.training.search_space import NAMES, command_of

    out = console.results()
    complete = sorted((one for one in result.trials if one.state == "complete"), key=lambda one: -one.auroc)
    states = [one.state for one in result.trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("complete", "pruned", "failed"))
    rows = [(str(one.number), f"{one.auroc:.4f}", *(_shown(one.values[name]) for name in NAMES)) for one in complete]
    title = f"best of {count_of(len(result.trials), 'trial')} ({counts})"
    out.print(tables.table(("trial", "AUROC", *NAMES), rows[:_BEST], title=title))
    for name, share in result.importance.items():
        out.print(f"{name}: {share:.0%} of the differences")
    for note in result.notes:
        console.warn(note)
    compared = result.comparison
    if compared is not None:
        where = f"{count_of(compared.held_out, 'group')} held out from the search" if compared.held_out else "the folds"
        means = [sum(one) / len(one) for one in (compared.default, compared.best)]
        seeds = count_of(len(compared.best), "seed")
        out.print(f"on {where}, mean of {seeds}: defaults {means[0]:.4f}, best {means[1]:.4f}")
        out.print(compared.verdict)
    out.print(command_of(result.best.values, train_options, inputs), soft_wrap=True)  # to be copied as it is


def _shown(value: float | str) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
