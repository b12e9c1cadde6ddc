"""What an organ may be called: its name becomes a folder's, a column's, and a line on a terminal."""

from __future__ import annotations

from seqcls.errors import DataError, UsageError
from seqcls.text.foreign_text import for_terminal
from seqcls.types import UNFIT_IN_ORGANS, require_organs


def require_fit(organ: str, where: str) -> None:
    """Raises DataError, which begins with ``where``, for a name that cannot be an organ's."""
    try:
        require_organs((organ,))
    except UsageError as error:
        raise DataError(f"{where}: {error}") from None
    unfit = UNFIT_IN_ORGANS.search(organ)
    if unfit or for_terminal(organ) != organ:
        what = repr(unfit[0]) if unfit else "what nobody sees, or what steers a terminal"
        raise DataError(f"{where}: organ {organ!r} must not hold {what}: folders are named after it")
    if not organ.strip(" ._-"):
        raise DataError(f"{where}: organ {organ!r} is no name: write which organ it is")
