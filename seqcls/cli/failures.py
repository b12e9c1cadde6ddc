"""Of many clips or runs one that fails is reported, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from seqcls.cli import console
from seqcls.errors import OutputError, SeqclsError
from seqcls.files.output_lock import OutputBusyError


class Failures:
    """How many have failed.

    alone: there is one only, whose error ends the command. ends: errors that end it in any case, as the next one would
    meet the same: a full or forbidden disk, but not a place where another run is writing. count: failed before.
    """

    def __init__(
        self, *, alone: bool = False, ends: tuple[type[SeqclsError], ...] = (OutputError,), count: int = 0
    ) -> None:
        self.count = count
        self._alone, self._ends = alone, ends

    @contextmanager
    def reported(self, on_failure: Callable[[SeqclsError], None] | None = None) -> Iterator[None]:
        """Around the work on one; ``on_failure`` is called with an error that does not end the command."""
        try:
            yield
        except SeqclsError as error:
            if self._alone or (isinstance(error, self._ends) and not isinstance(error, OutputBusyError)):
                raise
            self.count += 1
            console.fail(str(error))
            if on_failure is not None:
                on_failure(error)
