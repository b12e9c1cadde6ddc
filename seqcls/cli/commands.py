"""The commands by name; the module of one is imported when it is used, so that the others cost it no time."""

from __future__ import annotations

import functools
import keyword
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from seqcls.errors import UsageError
from seqcls.files import on_disk

#: In the order of use, which is that of the list in the help: the module of ``cli`` in which a command stands, and the
#: first paragraph of its help.
COMMANDS = {
    "demo": (
        "demo",
        "Draw synthetic neck sweeps, train on them, run on a patient never seen, compare. At most 4 minutes "
        "on 2 cores.",
    ),
    "inspect": (
        "extract",
        "Show a clip's facts, and draw a contact sheet with the ultrasound region found in it.",
    ),
    "extract": (
        "extract",
        "Cut labelled clips into frames for training: cropped to the ultrasound region, split by patient.",
    ),
    "split": (
        "split",
        "Decide once who is for training and validation, and in which fold: for extract, train and check --split.",
    ),
    "check": (
        "check",
        "Look for what spoils a training: damaged and odd images, leakage between the sides of the split, "
        "wrong labels.",
    ),
    "train": (
        "train",
        "Fine-tune ResNet-18 on labelled frames or clips; calibrate; choose the operating point; save one file.",
    ),
    "folds": (
        "folds",
        "Show a clip's timeline by the fold that did not see it, beside its labels; after `train --folds`.",
    ),
    "tune": (
        "tune",
        "Choose a model's smoothing, thresholds and durations together, on whole labelled clips, within a delay.",
    ),
    "import": (
        "import_model",
        "Make a model of a ResNet-18 that another program trained: of gray images it gives the same probabilities.",
    ),
    "merge": (
        "merge",
        "Make one model of several: the mean of their calibrated logits, which takes as many times as long to score.",
    ),
    "evaluate": (
        "evaluate",
        "Run a model on labelled clips or frames: metrics by frame and by presence, with confidence "
        "intervals over patients.",
    ),
    "info": (
        "info",
        "Show what a model is and knows: organs, input, training, thresholds, calibration, operating points, digests.",
    ),
    "agree": (
        "agree",
        "Compare two readers, or readers and a model: Cohen's kappa, events found, differences at the edges.",
    ),
    "run": (
        "run",
        "Find when each organ is in view. Writes intervals.csv, scores.csv, timeline.json and timeline.png.",
    ),
    "replay": (
        "results",
        "Smooth and find intervals again, from a run's scores, with other options; needs no model and no clip.",
    ),
    "report": (
        "report",
        "Write a finished run as one page that opens from disk: strips, scores, sliders, intervals, the clip in step.",
    ),
    "find": (
        "find",
        "Find the clips of an archive in which organs are in view as an expression says.",
    ),
    "review": (
        "review",
        "Look at clips in a browser, correct what a model found, or label from nothing; every edit is kept at once.",
    ),
    "export": (
        "results",
        "Write a finished run's timeline in other formats; without --to and -o FILE as WebVTT.",
    ),
    "import-labels": (
        "import_labels",
        "Make a label file of what an annotation tool wrote, for extract, train and evaluate.",
    ),
    "proxy": (
        "proxy",
        "Write a twin of a clip for tools that mis-time it: the ultrasound region alone, H.264 at a constant rate.",
    ),
    "deidentify": (
        "deidentify",
        "Write clips that can be passed on: the ultrasound region alone, without names in tags, metadata and "
        "file names.",
    ),
    "convert": (
        "convert",
        "Convert a model and compare it with the original; refused if the outputs differ by more than --max-drift.",
    ),
    "bench": (
        "bench",
        "Measure reading, preprocessing, each engine and the whole way in turns; rates are median frames per second.",
    ),
    "doctor": (
        "doctor",
        "Show versions, devices, engines and codecs, and the commands that bring what is missing.",
    ),
}


class CommandWithValues(TyperCommand):
    """Refuses an empty value: that of a variable which is not set. An empty path would be the working directory."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        given = self.make_parser(ctx).parse_args(list(args))[0] if "" in args or any(map(_ends_empty, args)) else {}
        for param in self.params:
            value = given.get(param.name)
            if value == "" or (isinstance(value, (list, tuple)) and "" in value):
                is_option = param.param_type_name == "option"
                name = max(param.opts, key=len) if is_option else param.metavar or str(param.name).upper()
                raise UsageError(f"{name} is empty: state a value, or set the variable that was to hold it")
        return super().parse_args(ctx, args)


def _ends_empty(argument: str) -> bool:
    """Of ``--output=``."""
    return argument.startswith("--") and argument.endswith("=")


class ListedCommand(TyperCommand):
    """A command as the list in the help shows it."""

    def whole(self) -> Any:
        """The command itself."""
        return command(str(self.name))


@functools.cache
def command(name: str) -> Any:
    """The command of that name, with its options; a ``TyperCommand``."""
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    function = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
    found = getattr(import_module(f"seqcls.cli.{COMMANDS[name][0]}"), function)
    alone.command(name, cls=CommandWithValues)(spelt_as_on_disk(found))
    return typer.main.get_command(alone)


def spelt_as_on_disk(command: Callable[..., None]) -> Callable[..., None]:
    """The command with every path in the Unicode form of the disk, on which an umlaut may be one character or two."""

    @functools.wraps(command)
    def run_command(**given: Any) -> None:
        command(**{name: on_disk(value) if isinstance(value, Path) else value for name, value in given.items()})

    return run_command
