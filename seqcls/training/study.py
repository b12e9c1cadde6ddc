"""A study as Optuna keeps it: opened or gone on with, trials that were cut off put back, what mattered."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqcls.errors import OutputError, UsageError, one_line
from seqcls.third_party import library
from seqcls.training.search_space import Parameter, Value

#: Trials before any is given up, and points of one before it is.
MIN_TRIALS, MIN_POINTS = 4, 2
#: Complete trials from which on it is said what mattered.
MIN_FOR_IMPORTANCE = 10
_NAME = "seqcls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One that ended: ``state`` is complete, pruned or failed; auroc is NaN but for the first; of each fold too."""

    number: int
    state: str
    auroc: float
    folds: tuple[float, ...]
    values: dict[str, Value]
    seconds: float
    reason: str = ""


@contextmanager
def quiet_optuna() -> Iterator[Any]:
    """The library, whose notes go the way of all logging. Raises UsageError where it is missing."""
    try:
        optuna = library("optuna")
    except ImportError as error:
        raise UsageError(f"searching needs Optuna ({error}); pip install 'seqcls[tune]'") from error
    optuna.logging.disable_default_handler()
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield optuna


def open_study(optuna: Any, database: Path, about: Mapping[str, Any], *, trials: int, seed: int) -> Any:
    """The study, new or gone on with."""
    url = library("sqlalchemy.engine").URL.create("sqlite", database=str(database)).render_as_string()
    try:
        storage = optuna.storages.RDBStorage(url)
        # A run that goes on draws other numbers than the one before it did.
        known = optuna.get_all_study_names(storage)
        begun = len(optuna.load_study(study_name=_NAME, storage=storage).trials) if _NAME in known else 0
        study = optuna.create_study(
            study_name=_NAME,
            storage=storage,
            load_if_exists=True,
            direction="maximize",
            sampler=optuna.samplers.TPESampler(
                seed=seed + begun, n_startup_trials=max(MIN_TRIALS, min(10, trials // 3))
            ),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=MIN_TRIALS, n_warmup_steps=MIN_POINTS),
        )
        kept = study.user_attrs
    except (library("sqlalchemy.exc").SQLAlchemyError, optuna.exceptions.OptunaError, ValueError, KeyError) as error:
        raise OutputError(f"{database} cannot be used as a study ({one_line(error)}); choose another folder") from error
    plain = json.loads(json.dumps(about))
    for name, value in plain.items():
        if (name in kept or begun) and kept.get(name) != value:
            raise UsageError(
                f"{database} is a study with other {name}: the same command goes on with it; name another folder, or"
                " add overwrite=True to begin anew"
            )
        if name not in kept:
            study.set_user_attr(name, value)
    return study


class Kept:
    """Figures of what was tried outside of trials, kept in a study under ``name``, so that a run that goes on has
    them."""

    def __init__(self, study: Any, name: str) -> None:
        self._study, self._name = study, name
        self._figures: dict[str, float] = dict(study.user_attrs.get(name, {}))

    def get(self, values: Mapping[str, Value]) -> float | None:
        return self._figures.get(_key(values))

    def add(self, values: Mapping[str, Value], figure: float) -> None:
        self._figures[_key(values)] = figure
        self._study.set_user_attr(self._name, self._figures)


def _key(values: Mapping[str, Value]) -> str:
    return json.dumps(values, sort_keys=True)


def distribution(optuna: Any, parameter: Parameter) -> Any:
    kinds = optuna.distributions
    if parameter.choices:
        return kinds.CategoricalDistribution(parameter.choices)
    if parameter.is_whole:
        return kinds.IntDistribution(int(parameter.low), int(parameter.high))
    return kinds.FloatDistribution(parameter.low, parameter.high, log=parameter.is_logarithmic)


def put_back(optuna: Any, study: Any, trial: Any) -> None:
    """A trial that was cut off is marked so, and what it tried comes first again."""
    study._storage.set_trial_user_attr(trial._trial_id, "cut off", True)
    study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    if trial.params:
        study.enqueue_trial(trial.params)


def ended(study: Any) -> list[Trial]:
    """Trials that are done, but for those cut off, by number of all."""
    states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    return [
        Trial(
            number=one.number,
            state=states[one.state.name],
            auroc=float(one.value) if one.state.name == "COMPLETE" else math.nan,
            folds=tuple(one.user_attrs.get("folds", ())),
            values=dict(one.user_attrs.get("values", {})),
            seconds=float(one.user_attrs.get("seconds", math.nan)),
            reason=str(one.user_attrs.get("reason", "")),
        )
        for one in study.trials
        if one.state.name in states and "cut off" not in one.user_attrs
    ]


def importance(optuna: Any, study: Any, complete: int, seed: int) -> tuple[dict[str, float], str]:
    """By functional ANOVA (Hutter et al. 2014), and why it is missing."""
    if complete < MIN_FOR_IMPORTANCE:
        return {}, (f"what mattered cannot be told of {complete} complete trials: from {MIN_FOR_IMPORTANCE} on it is")
    if len({one.value for one in study.trials if one.state.name == "COMPLETE"}) < 2:
        return {}, "all trials are equally good: nothing mattered"
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {str(name): float(share) for name, share in found.items()}, ""
