"""Which hyper-parameters a search tries, and over what: apart from the search, so that options need no library.

A range is written ``1e-4..3e-3`` (of lr in logarithms), a choice ``64,112`` or ``adamw,sgd``; one value fixes.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import get_args

from seqcls.errors import UsageError
from seqcls.training.options import (
    SIZE_PRETRAINED,
    SIZE_SCRATCH,
    Loss,
    Optimizer,
    TrainOptions,
    default_size,
    options_from,
)

Value = float | str
#: By name: least and greatest that may be asked for, and whether it is a whole number.
_BOUNDS: dict[str, tuple[float, float, bool]] = {
    "epochs": (1, 1000, True),
    "lr": (1e-7, 10, False),
    "augment": (0, 5, False),
    "frozen_stages": (0, 4, True),
    "size": (32, 1024, True),
}
_WORDS: dict[str, tuple[str, ...]] = {"optimizer": get_args(Optimizer), "loss": get_args(Loss)}
NAMES = ("epochs", "lr", "optimizer", "loss", "augment", "frozen_stages", "size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One of ``NAMES``: a range from ``low`` to ``high``, both included, or ``choices``."""

    name: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[Value, ...] = ()

    @property
    def is_whole(self) -> bool:
        return self.name in _BOUNDS and _BOUNDS[self.name][2]

    @property
    def is_logarithmic(self) -> bool:
        return self.name == "lr"

    @property
    def is_fixed(self) -> bool:
        return len(self.choices) == 1 or (not self.choices and self.low == self.high)

    def holds(self, value: Value) -> bool:
        """Whether a search may try it."""
        if self.choices:
            return value in self.choices
        return isinstance(value, (int, float)) and self.low <= value <= self.high

    def nearest(self, value: Value) -> Value:
        """The value itself where it may be tried, else what is nearest to it: the first of words."""
        if self.holds(value):
            return value
        if not isinstance(value, (int, float)):
            return self.choices[0]
        if self.choices:
            return min(self.choices, key=lambda one: abs(float(one) - value))
        within = min(max(value, self.low), self.high)
        return int(within) if self.is_whole else within

    def __str__(self) -> str:
        return ",".join(map(str, self.choices)) if self.choices else f"{self.low:g}..{self.high:g}"


def default_space(options: TrainOptions) -> dict[str, Parameter]:
    """What is searched where nothing is stated; sizes are around what the weights begin well from."""
    small = default_size(options.weights) == SIZE_SCRATCH
    sizes = (64, 96, SIZE_SCRATCH) if small else (SIZE_SCRATCH, 160, SIZE_PRETRAINED)
    return {
        "epochs": Parameter(name="epochs", low=4, high=24),
        "lr": Parameter(name="lr", low=1e-4, high=5e-3),
        "optimizer": Parameter(name="optimizer", choices=_WORDS["optimizer"]),
        "loss": Parameter(name="loss", choices=_WORDS["loss"]),
        "augment": Parameter(name="augment", low=0.0, high=1.5),
        "frozen_stages": Parameter(name="frozen_stages", low=0, high=3),
        "size": Parameter(name="size", choices=sizes),
    }


def narrowed(space: Mapping[str, Parameter], texts: Sequence[str]) -> dict[str, Parameter]:
    """The space with ``NAME=RANGE`` in place of some of its parameters. Raises UsageError."""
    found, stated = dict(space), set[str]()
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if name not in NAMES or not equals or not value:
            raise UsageError(f"--search takes NAME=RANGE with one of {', '.join(NAMES)}, not {text!r}")
        if name in stated:
            raise UsageError(f"--search states {name} twice; leave one out")
        stated.add(name)
        found[name] = _words(name, value) if name in _WORDS else _numbers(name, value)
    return found


def _words(name: str, text: str) -> Parameter:
    choices = tuple(part.strip() for part in text.split(","))
    if len({*choices}) < len(choices) or not {*choices} <= {*_WORDS[name]}:
        raise UsageError(f"--search {name} takes one or more of {', '.join(_WORDS[name])}, not {text!r}")
    return Parameter(name=name, choices=choices)


def _numbers(name: str, text: str) -> Parameter:
    low, dots, high = text.partition("..")
    if high.startswith("."):  # 1..2 has two dots; of three, the last would begin a number
        raise UsageError(f"--search {name} has a dot too many: {text!r}; write LOW..HIGH, as 0.0001..0.001")
    parts = [low, high] if dots else text.split(",")
    values = [_number(name, part) for part in parts]
    if dots:
        if values[0] > values[1]:
            raise UsageError(f"--search {name} begins above its end: {text!r}")
        return Parameter(name=name, low=values[0], high=values[1])
    if len({*values}) < len(values):
        raise UsageError(f"--search {name} has a value twice: {text!r}")
    return Parameter(name=name, choices=tuple(int(one) if _BOUNDS[name][2] else one for one in values))


def _number(name: str, text: str) -> float:
    least, greatest, whole = _BOUNDS[name]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= greatest or (whole and value != int(value)):
        kind = "whole numbers" if whole else "numbers"
        raise UsageError(f"--search {name} takes {kind} from {least:g} to {greatest:g}, not {text.strip()!r}")
    return value


def defaults_of(space: Mapping[str, Parameter], options: TrainOptions, size: int) -> dict[str, Value]:
    """What ``seqcls train`` would take, as near as the space allows."""
    given: dict[str, Value] = {
        "epochs": options.epochs,
        "lr": options.lr,
        "optimizer": options.optimizer,
        "loss": options.loss,
        "augment": options.augment.strength,
        "frozen_stages": options.frozen_stages,
        "size": size,
    }
    return {name: space[name].nearest(value) for name, value in given.items()}


def changed(options: TrainOptions, values: Mapping[str, Value], seed: int) -> TrainOptions:
    """Options with what a trial tries; its size is that of the images."""
    own = {name: value for name, value in values.items() if name not in ("augment", "size")}
    augment = replace(options.augment, strength=float(values["augment"]))
    return replace(options, **own, augment=augment, seed=seed)  # type: ignore[arg-type]


def record_of(space: Mapping[str, Parameter]) -> dict[str, object]:
    """For JSON: the same space gives the same record."""
    return {name: asdict(space[name]) | {"choices": list(space[name].choices)} for name in NAMES}


#: Options of a search that are those of `train` by the same flag.
_FLAGS = ("weights", "samples_per_epoch", "batch_size", "device")


def command_of(values: Mapping[str, Value], options: TrainOptions, inputs: Sequence[str] | None = None) -> str:
    """The `seqcls train` that trains with these values, for a shell.

    inputs: the data and the options that say what is learned from. None: for a file, which holds no folders, so the
    data and the weights' folder are left to be filled in.
    """
    plain = replace(options_from(options.weights), weights=TrainOptions().weights)
    if inputs is None:
        inputs, options = ("DATA",), replace(options, weights=Path(options.weights).name)
    flags = [
        f"--{name.replace('_', '-')} {_shown(values[name])}"
        for name in ("size", "epochs", "lr", "optimizer", "loss", "augment")
    ]
    for name in _FLAGS:
        if getattr(options, name) != getattr(plain, name):
            flags.append(f"--{name.replace('_', '-')} {shlex.quote(str(getattr(options, name)))}")
    rare = {name: value for name, value in asdict(options).items() if name not in (*values, *_FLAGS)}
    usual = asdict(plain)
    rare |= {name: value for name, value in asdict(options.augment).items() if name != "strength"}
    usual |= asdict(plain.augment)
    flags.append(f"--set frozen_stages={values['frozen_stages']}")
    flags += [f"--set {name}={_shown(value)}" for name, value in rare.items() if value != usual[name]]
    return " ".join(["seqcls train", *map(shlex.quote, inputs), *flags])


def _shown(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
