"""How a part of seqcls is run as a process of its own."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import seqcls

_CODE = "import sys, importlib; name = sys.argv[1]; sys.path[:] = sys.argv[2:]; importlib.import_module(name).main()"


def program(module: str) -> list[str]:
    """The command that calls ``main`` of a module of this very seqcls."""
    return [sys.executable, "-c", _CODE, module, *_import_path()]


def _import_path() -> list[str]:
    """Where this process finds its modules, without the working directory: what lies there is not ours. Only a checkout
    that one works in is both."""
    home = Path(seqcls.__file__).resolve().parent.parent
    places = [Path(entry).resolve() for entry in sys.path if entry]
    places = [place for place in places if place == home or not _is_here(place)]
    return [str(place) for place in (places if home in places else [home, *places])]


def _is_here(place: Path) -> bool:
    with suppress(OSError):
        return place.samefile(Path.cwd())
    return False
