"""The command line: parse, call, print. Results go to stdout, progress and messages to stderr.

Exit codes: 0 done; 1 a seqcls error, in one line; 2 wrong usage; 3 finished, but an input was incomplete,
damaged or never came; 4 the disk filled up during a live run; 130 interrupted, with everything so far written.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import seqcls
from seqcls.cli import console
from seqcls.cli.commands import COMMANDS, ListedCommand
from seqcls.cores import set_libraries
from seqcls.errors import SeqclsError, UsageError, one_line
from seqcls.text.foreign_text import for_terminal

#: What follows ``--serve`` besides a port: an address of this machine, with one.
_SERVE_AT = re.compile(r"[\w.-]+:\d{1,5}")
#: The disk takes no such name, or does not let one look.
_NO_ANSWER = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES)
_MOST_SHOWN = 60


class _InterruptedError(SeqclsError):
    """Ctrl-C, which typer would end without a message."""

    exit_code = 130


class Commands(TyperGroup):
    """Refuses wrong usage without repeating the secrets of an address."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Without a frame: importing what draws one takes longer than all else that is needed to show the list."""
        super(TyperGroup, self).format_help(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        with _without_secrets():
            return super().parse_args(ctx, _with_any_port(args))

    def invoke(self, ctx: Any) -> Any:
        try:
            with _without_secrets(), console.naming_nobody(), _without_names_that_no_disk_takes():
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise _InterruptedError(stop) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands and ("://" in args[0] or Path(args[0]).exists()):
            ctx.fail(f"{args[0]} is no command; to find when each organ is in view: seqcls run {args[0]}")
        name, found, rest = super().resolve_command(ctx, args)
        return name, found.whole() if isinstance(found, ListedCommand) else found, rest


def _with_any_port(args: list[str]) -> list[str]:
    """``--serve`` without a port means any free one; typer has no option whose value may be left out."""
    whole: list[str] = []
    for argument, following in itertools.zip_longest(args, args[1:], fillvalue="-"):
        whole.append(argument)
        if argument == "--serve" and not (following.lstrip("-").isdecimal() or _SERVE_AT.fullmatch(following)):
            if not (following.startswith("-") or "://" in following or Path(following).exists()):
                raise UsageError(
                    f"--serve takes a port up to 65535, ADDRESS:PORT, or nothing for any free port, not {following!r}"
                )
            whole.append("0")
    return whole


@contextmanager
def _without_names_that_no_disk_takes() -> Iterator[None]:
    """Whether something is there is asked of each name that is given; of some the disk does not even say no."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ANSWER or error.filename is None:
            raise
        name = console.shown(os.fsdecode(error.filename))  # under its pseudonym before it is cut
        shown = name if len(name) <= _MOST_SHOWN else f"{name[:_MOST_SHOWN]}…"
        raise UsageError(f"{shown}: {one_line(error)}; name another") from error


@contextmanager
def _without_secrets() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message"):  # a mistake in the arguments; its class depends on typer's version
            from seqcls.sources.redact import redact

            error.message = for_terminal(redact(str(error.message)))  # type: ignore[attr-defined]
        raise


app = typer.Typer(
    name="seqcls",
    cls=Commands,
    help=f"From an ultrasound clip to a timeline of when each organ is in view.\n\n{seqcls.DISCLAIMER}",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for _name, (_, _line) in COMMANDS.items():
    app.command(_name, cls=ListedCommand, help=_line)(lambda: None)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"seqcls {seqcls.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def _silence_libraries() -> None:
    """Libraries warn in words for programmers, often with a whole path; what matters to a user is reported by seqcls.

    Python's own switches (-W, PYTHONWARNINGS) and OpenCV's (OPENCV_LOG_LEVEL) still show it.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())  # without any, Python prints what is logged as a warning
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")


def main() -> None:
    """Entry point: errors raised on purpose become one line on stderr and their exit code."""
    loud = sys.argv[1:2] == ["run"] and not {"-h", "--help", "-q", "--quiet"} & set(sys.argv)
    with console.starting() if loud else nullcontext():
        _main()


def _main() -> None:
    set_libraries()  # before any of them is loaded
    _silence_libraries()
    if any("://" in argument or argument.startswith("--on-event") for argument in sys.argv):
        from seqcls.cli.hide_arguments import cover_arguments, holds_secrets

        if not cover_arguments() and holds_secrets(sys.argv):
            console.warn(
                "other users see the secrets in these arguments in the list of processes: put them into the environment"
                " or a file, see `Secrets` in docs/live.md"
            )
    # Windows consoles and pipes may not know the strip's glyphs; better a question mark than a crash.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    try:
        app()
    except (SeqclsError, KeyboardInterrupt) as error:  # the latter while the commands were still being set up
        print(f"seqcls: {for_terminal(console.in_flags(str(error))) or 'interrupted'}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code if isinstance(error, SeqclsError) else 130)
