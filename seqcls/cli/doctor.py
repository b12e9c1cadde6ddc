"""`seqcls doctor`: what this computer has for seqcls, and what is missing."""

from __future__ import annotations

import faulthandler
import json
from contextlib import suppress
from typing import Annotated

import typer

from seqcls.cli.options import OUTPUT
from seqcls.text.foreign_text import for_terminal


def doctor(as_json: Annotated[bool, OUTPUT("", "For programs: all findings as JSON.", "--json")] = False) -> None:
    """Show versions, devices, engines and codecs, and the commands that bring what is missing.

    The page holds no paths and no names of people or computers: paste it into
    a report. Exit code 1 where something that seqcls needs is broken.
    """
    from seqcls.doctor import examine

    with suppress(OSError, RuntimeError, AttributeError):  # stderr may be no file
        faulthandler.enable()  # a library for another processor ends the program: then at least its name is shown
    found = examine()
    print(json.dumps(found.to_dict(), indent=1) if as_json else "\n".join(map(for_terminal, found.page().splitlines())))  # noqa: T201
    if found.broken:
        raise typer.Exit(1)
