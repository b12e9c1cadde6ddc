"""The options of training from the command line of `train`, and of a search over them: what is stated by flags and, too
rare for a flag of its own, by ``--set NAME=VALUE``, over the defaults of where it starts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace

from seqcls.cli.options import changed, parse_settings
from seqcls.errors import UsageError
from seqcls.training.options import AugmentOptions, TrainOptions

#: Fields of the options that --set takes: those without a flag of their own.
RARE = (
    "weight_decay", "schedule", "warmup", "focal_gamma", "label_smoothing", "balance",
    "clip_norm", "freeze_epochs", "frozen_stages", "precision", "fingerprints",
)  # fmt: skip
RARE_AUGMENT = tuple(field.name for field in fields(AugmentOptions) if field.name not in ("strength", "flip"))
#: What is looked for under --set by whoever knows the option's name in Python, and has a flag.
FLAGS = {field.name: f"--{field.name.replace('_', '-')}" for field in fields(TrainOptions)} | {
    "strength": "--augment",
    "flip": "--no-flip",
}


def stated_over(
    start: TrainOptions, given: Mapping[str, object], settings: Sequence[str], *, searched: Collection[str] = ()
) -> TrainOptions:
    """``start`` with what the command line states: ``given`` by the name of a field, None where it says nothing, and
    each NAME=VALUE of --set. The weights stay. searched: names over which a search goes. Raises UsageError."""
    named = {one.name: given[one.name] for one in fields(TrainOptions) if given.get(one.name) is not None}
    options = replace(start, **{**named, "weights": start.weights})  # type: ignore[arg-type]
    return _with_settings(options, settings, searched)


def _with_settings(options: TrainOptions, parts: Sequence[str], searched: Collection[str]) -> TrainOptions:
    stated = parse_settings(parts, (*RARE, *RARE_AUGMENT), "--set", flags=FLAGS)
    for name in stated:
        if name in searched:
            raise UsageError(f"{name} is searched: fix it with --search {name}={stated[name]}")
    augment = changed(options.augment, {n: v for n, v in stated.items() if n in RARE_AUGMENT}, "--set")
    return changed(replace(options, augment=augment), {n: v for n, v in stated.items() if n in RARE}, "--set")
