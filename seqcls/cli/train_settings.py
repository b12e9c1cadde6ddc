"""``--set NAME=VALUE`` of `train` and of a search over its options: what is too rare for a flag of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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


def with_settings(options: TrainOptions, parts: Sequence[str], *, searched: Collection[str] = ()) -> TrainOptions:
    """The options with each ``NAME=VALUE`` of --set. searched: names over which a search goes. Raises UsageError."""
    stated = parse_settings(parts, (*RARE, *RARE_AUGMENT), "--set", flags=FLAGS)
    for name in stated:
        if name in searched:
            raise UsageError(f"{name} is searched: fix it with --search {name}={stated[name]}")
    augment = changed(options.augment, {n: v for n, v in stated.items() if n in RARE_AUGMENT}, "--set")
    return changed(replace(options, augment=augment), {n: v for n, v in stated.items() if n in RARE}, "--set")
