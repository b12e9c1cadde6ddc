"""Everything seqcls raises on purpose.

    SeqclsError                 base; the command line prints its one line and exits with ``exit_code``
    ├── UsageError              an option or argument that cannot be right (exit 2)
    ├── SourceError             an input that cannot be opened or read at all
    │   ├── NoFramesError       it opened, but holds no frame
    │   └── FinalError          a feed that would fail in the same way if it were tried again
    ├── GeometryError           no ultrasound region can be found, or the stated one does not fit
    ├── ModelError              a model file that is missing, damaged, of another format, or does not fit the task
    ├── DataError               labels, frames or folders that cannot be trained on
    ├── EngineError             the inference library or the device refuses
    └── OutputError             a result cannot be written
        └── DiskFullError       the disk gave out during a run, which went on without writing everything (exit 4)

Every message is one line that says what is wrong and what to do next.
"""

from __future__ import annotations

import errno

from seqcls.text.foreign_text import for_terminal

#: Of a message, more or less: a screen full. Paths have up to 4096, lists of names are cut where they are made.
MAX_CHARACTERS = 8000
_OF_THE_DISK = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO") if hasattr(errno, name)}


class SeqclsError(Exception):
    """Base of all errors raised on purpose; ``str(error)`` is one line for a person, whatever names stand in it."""

    exit_code = 1

    def __str__(self) -> str:
        text = super().__str__()
        if len(text) > MAX_CHARACTERS:  # whatever a file stated: its begin says where, its end what to do
            text = f"{text[: MAX_CHARACTERS - 1000]} … {text[-1000:]}"
        return for_terminal(text)


class UsageError(SeqclsError):
    """An option or argument that cannot be right."""

    exit_code = 2


class SourceError(SeqclsError):
    """An input that cannot be opened or read at all."""


class NoFramesError(SourceError):
    """The input opened, but holds no frame."""


class FinalError(SourceError):
    """A feed that would fail in the same way, or do harm, if it were tried again: a refused login, a clip's address."""


class GeometryError(SeqclsError):
    """No ultrasound region can be found, or the stated one does not fit the picture."""


class ModelError(SeqclsError):
    """A model file that is missing, damaged, of another format, or made for another task."""


class DataError(SeqclsError):
    """Labels, frames or folders that cannot be trained on."""


class EngineError(SeqclsError):
    """The inference library or the device refuses."""


class OutputError(SeqclsError):
    """A result cannot be written."""


class DiskFullError(OutputError):
    """The disk is full, over quota or broken: the run went on, but something that it was to write is incomplete."""

    exit_code = 4


def is_of_the_disk(error: BaseException | None) -> bool:
    """Whether the cause is a disk that is full, over quota or broken, or a file that may not grow."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error is not None and error.errno in _OF_THE_DISK


def one_line(error: BaseException, max_chars: int = 200) -> str:
    """What the error says, in one line; the name of its class where it says nothing.

    Of an error of the operating system or FFmpeg only its own words: the address or path that Python adds may hold a
    password, or be too long to be read.
    """
    text = getattr(error, "strerror", None)
    return " ".join(str(text if text else error).split())[:max_chars] or type(error).__name__
