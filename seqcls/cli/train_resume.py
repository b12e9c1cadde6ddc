"""What `seqcls train` finds of an earlier training, and what it leaves for a later one: `--resume`, `--overwrite`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcls.cli import console
from seqcls.errors import OutputError, UsageError
from seqcls.files.json_text import json_line, parse_json
from seqcls.training.checkpoints import Checkpoints

if TYPE_CHECKING:
    from seqcls.training.train import TrainResult

#: What the header of a model says of the training that made it, for --resume.
BEGUN_WITH = "begun_with"


def write_result(output: Path, result: TrainResult, begun_with: Mapping[str, Any], checkpoints: Checkpoints) -> None:
    """The model, and which training it is of. Raises OutputError, which says how it can still be had."""
    from seqcls.models.file import write_model

    try:
        header = replace(result.header, training={**result.header.training, BEGUN_WITH: dict(begun_with)})
        write_model(output, header, result.tensors)
    except OutputError as error:
        if checkpoints.exist():
            raise OutputError(f"{error}; or make room there, and repeat the command with resume=True") from error
        raise


def goes_on(checkpoints: Checkpoints, output: Path, *, resume: bool, overwrite: bool) -> bool:
    """Whether an unfinished training is taken up, or its model replaced. Raises UsageError, and OutputError where one
    lies that nobody has said what to do with."""
    if resume and overwrite:
        raise UsageError("--resume goes on with what is there, --overwrite begins anew: give one of them")
    if checkpoints.exist():
        if not (resume or overwrite):
            raise OutputError(
                f"{checkpoints.folder} holds an unfinished training: add --resume to go on with it, or --overwrite to"
                " begin anew"
            )
        if resume:
            checkpoints.require_command()
        return resume
    if resume and output.exists():
        return True  # whether it is finished is known once the frames are: see ``require_unfinished``
    if resume:
        console.notify("nothing to resume: the training begins")
    return False


def require_unfinished(output: Path, begun_with: Mapping[str, Any]) -> None:
    """Of a model without checkpoints, for --resume: raises OutputError unless this very training made it and was
    interrupted. begun_with: what it would be trained with now."""
    from seqcls.models.file import read_header
    from seqcls.training.checkpoints import difference

    training = read_header(output).training
    was, anew = training.get(BEGUN_WITH), "add --overwrite to train anew"
    if not isinstance(was, Mapping):
        raise OutputError(f"{output} does not say which training made it, there is nothing to resume: {anew}")
    if differs := difference(dict(was), parse_json(json_line(begun_with))):
        raise OutputError(f"{output} is of another training ({differs}), there is nothing to resume: {anew}")
    if training.get("interrupted") is not True:
        raise OutputError(f"{output} is complete, there is nothing to resume: {anew}")
    console.notify(f"{output} is of an interrupted training without checkpoints: the training begins anew")
