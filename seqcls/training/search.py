"""A search for hyper-parameters: trials by Optuna, each the mean AUROC of folds by patient; kept in SQLite, resumable.

A trial trains once per fold without the fold's patients and is the mean of the AUROCs of the last epochs, which nothing
selected. It is given up (pruned) where its mean so far lies below the median of the trials before it at the same point.
The first trial is `seqcls train` as it is. Patients who are held out take part in no trial: the best and the defaults
are trained anew on all others with several seeds and compared on them.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls import __version__
from seqcls.datasets.dataset import FrameSet
from seqcls.datasets.split import grouping_of
from seqcls.errors import DataError, UsageError, one_line
from seqcls.evaluation.metrics import auroc
from seqcls.training.crossvalidation import score_frames
from seqcls.training.epoch import Epoch
from seqcls.training.options import TrainOptions
from seqcls.training.search_parts import Parts, Rows, divided
from seqcls.training.search_space import NAMES, Parameter, Value, changed, defaults_of, record_of
from seqcls.training.study import Kept, Trial, distribution, ended, importance, open_study, put_back, quiet_optuna
from seqcls.training.train import train
from seqcls.training.training_state import of_frames, start_digest

#: Points of a training at which its AUROC so far is compared with other trials, whatever the number of epochs.
POINTS = 5
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How a search goes. Raises UsageError."""

    trials: int = 20
    """So many in all, those of earlier runs included."""
    timeout_s: float = math.inf
    """No trial begins later than this after the start."""
    folds: int = 3
    """Parts of the patients, each left out once by every trial."""
    seeds: int = 3
    """Trainings each of the best and the defaults for the comparison; 0: none."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("trials", 1), ("folds", 2), ("seeds", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be {least} or more, not {getattr(self, name)}")
        if not self.timeout_s > 0:
            raise UsageError(f"timeout must be above 0, not {self.timeout_s:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """AUROC of the defaults and of the best, a figure per seed; ``held_out``: patients that the search never saw, 0
    where there are none: then both are judged on what the best was chosen by, which flatters it."""

    default: tuple[float, ...]
    best: tuple[float, ...]
    held_out: int

    @property
    def gain(self) -> float:
        return statistics.mean(self.best) - statistics.mean(self.default)

    @property
    def spread(self) -> float:
        """The larger of the two standard deviations over seeds; NaN of a single seed."""
        if len(self.best) < 2:
            return math.nan
        return max(statistics.stdev(self.default), statistics.stdev(self.best))

    @property
    def verdict(self) -> str:
        """One line."""
        shown = f"gain {self.gain:+.4f}, spread of seeds {self.spread:.4f}"
        if math.isnan(self.spread):
            return f"gain {self.gain:+.4f} of one seed, which says nothing: ask for three seeds or more"
        if self.gain > self.spread:
            return f"the best beats the defaults by more than the spread of seeds: {shown}"
        return f"no gain beyond the noise of seeds: {shown}; keep the defaults, or search longer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """trials: all that ended, by number. importance: share of each searched parameter, empty where too few trials tell.
    comparison: None where none was asked for, or the search was interrupted."""

    trials: tuple[Trial, ...]
    best: Trial
    defaults: dict[str, Value]
    importance: dict[str, float]
    comparison: Comparison | None
    notes: tuple[str, ...]
    interrupted: bool


class _StoppedError(Exception):
    """Ctrl-C within a trial."""


class _PrunedError(Exception):
    """The trial is given up."""


def search(
    load: Callable[[int], FrameSet],
    options: TrainOptions,
    space: Mapping[str, Parameter],
    database: Path,
    chosen: SearchOptions,
    *,
    size: int,
    on_trial: Callable[[Trial, Sequence[Trial]], None] | None = None,
    on_step: Callable[[str], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> SearchResult:
    """Go on until there are ``chosen.trials``, or begin. load: the frames at a side in pixels. size: of the defaults.

    on_trial gets every trial that ends and those before it, of earlier runs, too. Raises UsageError where Optuna is
    missing or the study in ``database`` is of other data, another space or other options, DataError where too little
    can be left out.
    """
    frames = _Loaded(load)
    defaults = defaults_of(space, options, size)
    first = frames(int(defaults["size"]))
    parts = divided(first, chosen.folds, chosen.seed)
    began_s, interrupted = time.monotonic(), False
    searched = [name for name in NAMES if not space[name].is_fixed]
    if not searched:
        raise UsageError("nothing is left to search: every parameter is fixed to one value")
    about = {
        **of_frames(first),
        "organs": list(first.organs),
        "space": record_of(space),
        "folds": chosen.folds,
        "seed": chosen.seed,
        "options": asdict(replace(options, weights=Path(options.weights).name)),
        "weights": start_digest(options),
        "version": __version__,
    }
    with quiet_optuna() as optuna:
        study = open_study(optuna, database, about, trials=chosen.trials, seed=chosen.seed)
        if not study.trials:
            study.enqueue_trial({name: defaults[name] for name in searched})
        for trial in study.trials:
            if trial.state == optuna.trial.TrialState.RUNNING:  # killed: nobody else has the folder's lock
                put_back(optuna, study, trial)
        distributions = {name: distribution(optuna, space[name]) for name in searched}
        fixed = {name: space[name].nearest(defaults[name]) for name in NAMES if name not in searched}
        while len(ended(study)) < chosen.trials and time.monotonic() - began_s < chosen.timeout_s:
            if interrupted := should_stop():
                break
            asked = study.ask(distributions)
            values = {name: {**asked.params, **fixed}[name] for name in NAMES}
            asked.set_user_attr("values", values)
            try:
                _try(asked, values, frames, options, parts, chosen.seed, should_stop)
            except _StoppedError:
                put_back(optuna, study, asked)
                interrupted = True
                break
            except _PrunedError:
                study.tell(asked, state=optuna.trial.TrialState.PRUNED)
            except DataError as error:
                asked.set_user_attr("reason", one_line(error))
                study.tell(asked, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(asked, statistics.mean(asked.user_attrs["folds"]))
            done = ended(study)
            if on_trial is not None:
                on_trial(done[-1], done[:-1])
        trials = tuple(ended(study))
        complete = [trial for trial in trials if trial.state == "complete"]
        if not complete:
            raise DataError(
                "interrupted before a trial was finished: the same command goes on"
                if interrupted
                else f"no trial could be finished ({trials[-1].reason if trials else 'none was begun'}): search smaller"
                " learning rates, or other values"
            )
        best = max(complete, key=lambda trial: trial.auroc)
        mattered, note = importance(optuna, study, len(complete), chosen.seed)
        comparison = None
        if chosen.seeds and not interrupted:
            kept = Kept(study, "compared")
            comparison = _compare(frames, options, parts, defaults, best.values, chosen, kept, on_step, should_stop)
            interrupted = comparison is None
    return SearchResult(
        trials=trials,
        best=best,
        defaults=defaults,
        importance=mattered,
        comparison=comparison,
        notes=tuple(filter(None, (*parts.notes, note))),
        interrupted=interrupted,
    )


class _Loaded:
    """Frames at the sides that were asked for, the latest alone: others would fill the memory."""

    def __init__(self, load: Callable[[int], FrameSet]) -> None:
        self._load, self._side = load, 0
        self._frames: FrameSet | None = None

    def __call__(self, side: int) -> FrameSet:
        if self._frames is None or side != self._side:
            self._frames = None
            self._frames, self._side = self._load(side), side
        return self._frames


def _try(
    asked: Any,
    values: Mapping[str, Value],
    frames: _Loaded,
    options: TrainOptions,
    parts: Parts,
    seed: int,
    should_stop: Callable[[], bool],
) -> None:
    """Train once per fold and keep each AUROC with the trial."""
    own, images = changed(options, values, seed), frames(int(values["size"]))
    areas: list[float] = []
    began_s = time.perf_counter()
    for number, fold in enumerate(parts.folds):
        told = number * POINTS - 1

        def look(epoch: Epoch, done: tuple[float, ...] = tuple(areas), number: int = number) -> None:
            nonlocal told
            point = number * POINTS + (POINTS * epoch.number) // own.epochs - 1
            if point <= told or math.isnan(epoch.auroc):
                return
            told = point
            asked.report(statistics.mean([*done, epoch.auroc]), point)
            if asked.should_prune():
                asked.set_user_attr("seconds", time.perf_counter() - began_s)
                raise _PrunedError

        rows = np.setdiff1d(parts.searched, fold)
        result = train(
            images,
            own,
            train_index=rows,
            validation_index=fold,
            on_epoch=look,
            should_stop=should_stop,
            for_scores=True,
        )
        if result.interrupted or should_stop():
            raise _StoppedError
        areas.append(result.history[-1].auroc)
        asked.set_user_attr("folds", [*areas])
    asked.set_user_attr("seconds", time.perf_counter() - began_s)


def _compare(
    frames: _Loaded,
    options: TrainOptions,
    parts: Parts,
    defaults: Mapping[str, Value],
    best: Mapping[str, Value],
    chosen: SearchOptions,
    kept: Kept,
    on_step: Callable[[str], None] | None,
    should_stop: Callable[[], bool],
) -> Comparison | None:
    """None where it was interrupted. Seeds are others than that of the search. kept: what an earlier run found."""
    figures: dict[str, list[float]] = {"defaults": [], "best": []}
    pairs = (
        [(parts.searched, parts.held_out)]
        if len(parts.held_out)
        else [(np.setdiff1d(parts.searched, fold), fold) for fold in parts.folds]
    )
    for name, values in (("defaults", defaults), ("best", best)):
        for seed in range(chosen.seed + 1, chosen.seed + 1 + chosen.seeds):
            tried = {**values, "seed": seed}
            area = kept.get(tried)
            if area is None:
                images, own, areas = frames(int(values["size"])), changed(options, values, seed), []
                for rows, tested in pairs:
                    result = train(
                        images,
                        own,
                        train_index=rows,
                        validation_index=_NONE,
                        should_stop=should_stop,
                        for_scores=True,
                    )
                    if result.interrupted or should_stop():
                        return None
                    areas.append(_area(images, tested, score_frames(result, images.images[tested], own)))
                area = statistics.mean(areas)
                kept.add(tried, area)
            figures[name].append(area)
            if on_step is not None:
                on_step(f"{name}, seed {seed}: AUROC {area:.4f}")
    images = frames(int(defaults["size"]))
    groups = grouping_of(images.patient, images.clip)[1]
    held_out = len(np.unique(groups[parts.held_out]))
    return Comparison(default=tuple(figures["defaults"]), best=tuple(figures["best"]), held_out=held_out)


def _area(frames: FrameSet, rows: Rows, scores: NDArray[np.float32]) -> float:
    """Mean over the organs of which the rows show both states. Raises DataError where there is none."""
    known = frames.mask[rows]
    areas = [auroc(frames.targets[rows[use], k], scores[use, k]) for k, use in enumerate(known.T)]
    defined = [area for area in areas if not math.isnan(area)]
    if not defined:
        raise DataError("the patients held out show no organ both present and absent; label more")
    return float(np.mean(defined))
