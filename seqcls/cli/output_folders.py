"""The folders of a run: one for each source, and what must not stand in them when it begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqcls.errors import OutputError, one_line

if TYPE_CHECKING:
    from seqcls.sources.found import FoundSource


def folders_of(sources: Sequence[FoundSource], output: Path | None) -> list[Path]:
    """One folder per source, under a distinct, file-system-safe name that leads back to it where several share
    ``output``."""
    from seqcls.sources.found import output_folders

    names = output_folders(sources)
    if len(sources) == 1:
        kind = "pictures" if sources[0].unrelated else "timeline"
        return [Path(f"{names[0].rsplit('/', 1)[-1]}-{kind}") if output is None else output]
    return [root_of(output) / name for name in names]


def root_of(output: Path | None) -> Path:
    """The folder of all folders, where there are several."""
    return Path("seqcls-timelines") if output is None else output


def results_in(folder: Path, *, watched: bool) -> list[Path]:
    """The files that a run ends with, which must not be there yet; the journal of a live run is looked at later."""
    from seqcls.exports import RUN_ENDS
    from seqcls.journal import JOURNAL_NAME

    return [folder / name for name in (RUN_ENDS if watched else (*RUN_ENDS, JOURNAL_NAME))]


def require_no_unfinished(folder: Path) -> None:
    """Raise OutputError where a crash ended a live run that can be gone on with."""
    from seqcls.journal import JOURNAL_NAME, is_unfinished

    if is_unfinished(folder / JOURNAL_NAME):
        raise OutputError(f"{folder} holds an unfinished run: add --resume to go on, or --overwrite to begin anew")


def require_not_of_many(folder: Path) -> None:
    """Raise OutputError where the results of one clip would stand beside those of many, which are another run's."""
    from seqcls.exports.run_folders import holds_many

    if holds_many(folder):
        raise OutputError(f"{folder} holds the results of many clips: choose another place")


def require_no_clips(folder: Path, *, overwrite: bool) -> None:
    """Raise OutputError where clips of an earlier run would stand beside the results of this one."""
    from seqcls.rendering.cut_files import CUTS_NAME

    require_not_of_many(folder)
    require_no_live_clips(folder)
    _require_no_cuts(folder / CUTS_NAME, overwrite=overwrite)


def require_no_live_clips(folder: Path) -> None:
    """Raise OutputError where a live run has left clips or snapshots."""
    _require_no_pictures(folder / "clips", ".mp4", "clips")
    _require_no_pictures(folder / "snapshots", ".png", "snapshots")


def _require_no_pictures(folder: Path, suffix: str, what: str) -> None:
    """Clips of presences and snapshots are a person's to delete."""
    from seqcls.files.temporaries import sweep

    sweep(folder)  # what a killed run left is nobody's
    if folder.is_dir() and any(path.suffix == suffix for path in folder.iterdir()):
        raise OutputError(f"{folder} holds {what} of an earlier run, which --overwrite does not delete: move them away")


def _require_no_cuts(folder: Path, *, overwrite: bool) -> None:
    """Clips of --cut can be made again from the clip, so that --overwrite replaces them, and no others."""
    from seqcls.files.temporaries import sweep
    from seqcls.rendering.cut_files import cuts_in

    sweep(folder)
    own, others = cuts_in(folder)
    if others:
        raise OutputError(f"{others[0]} is no clip that --cut wrote, so --overwrite does not delete it: move it away")
    if own and not overwrite:
        raise OutputError(f"{folder} holds clips of an earlier run: add --overwrite, or choose another place")


def drop_journal(folder: Path) -> None:
    """That of an earlier, live run, whose folder is replaced: it would be taken for the journal of this one."""
    from seqcls.journal import JOURNAL_NAME

    try:
        (folder / JOURNAL_NAME).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot replace {folder / JOURNAL_NAME}: {one_line(error)}; choose another place") from error
