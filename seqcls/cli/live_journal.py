"""The journal of a live run: begun, or continued with --resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seqcls.cli import console
from seqcls.errors import OutputError, UsageError

if TYPE_CHECKING:
    from seqcls.cli.live_options import LiveRunOptions
    from seqcls.detector import Detector
    from seqcls.journal import JournalWriter, Opening, Resumption
    from seqcls.timeline import Provenance
    from seqcls.types import SourceInfo


def begin_journal(
    detector: Detector, model: Path, spec: str, info: SourceInfo, path: Path, run_options: LiveRunOptions
) -> tuple[JournalWriter, Resumption | None]:
    """What writes it, and with --resume what was found in it. Raises UsageError where that is of another run."""
    from seqcls.exports import remove_run
    from seqcls.journal import create_journal
    from seqcls.journal import resume as resume_journal
    from seqcls.journal.append_file import AppendFile

    provenance = replace(_stated(detector, model, spec), engine=detector.engine.description)
    if not run_options.resume:
        require_place(path, run_options)
        if path.exists():
            AppendFile(path, create=False).close()  # refuses one that another run is writing
        if run_options.overwrite:
            remove_run(path.parent)
        path.unlink(missing_ok=True)
        return create_journal(path, organs=detector.organs, source=info, provenance=provenance), None

    def accept(opening: Opening) -> None:
        _require_same(opening, detector, info, provenance, path)

    resumed = resume_journal(path, accept=accept)
    missed_s = 0.0 if resumed.gap is None else resumed.gap.end_s - resumed.gap.start_s
    console.notify(f"continuing {path} after {missed_s:.2f} s without a recording")
    return resumed.writer, resumed


def require_place(path: Path, run_options: LiveRunOptions) -> None:
    """Raise OutputError where a new run would stand in the place of another's frames, DataError where what is there is
    no journal. One to which no frame ever came, of a wrong address, say, is in nobody's way."""
    from seqcls.journal import holds_frames

    if not (run_options.resume or run_options.overwrite) and path.exists() and holds_frames(path):
        raise OutputError(
            f"{path} is there already: add --resume to go on with that run or --overwrite to begin anew, or choose"
            " another place"
        )


def require_same_run(detector: Detector, model: Path, spec: str, info: SourceInfo, path: Path) -> None:
    """Raise UsageError where the journal is of another run, before the engine is opened; DataError where it is none."""
    from seqcls.journal import read_opening

    if (opening := read_opening(path)) is not None:
        _require_same(opening, detector, info, _stated(detector, model, spec), path)


def _require_same(opening: Opening, detector: Detector, info: SourceInfo, ours: Provenance, path: Path) -> None:
    from seqcls.journal.same_run import differences

    if others := differences(opening, detector.organs, info, ours):
        raise UsageError(f"{path} was begun with {', '.join(others)}; use the same, or a new folder")


def _stated(detector: Detector, model: Path, spec: str) -> Provenance:
    """What is recorded of a run, but for the engine."""
    from seqcls.journal.same_run import layouts_digest
    from seqcls.models.digest import scoring_digest
    from seqcls.sources.clip_digest import clip_digest

    return replace(
        detector.stated_provenance,
        model_digest=scoring_digest(model, detector.header),
        source_digest=clip_digest(spec),
        layouts_digest=layouts_digest(detector.header.geometry),
    )
