"""The index of an archive: clips.parquet, a row per clip, and index.parquet, a row per interval.

Both are made from committed results alone, so that they can be thrown away at any time, and are the same bytes for the
same results, in whichever order these came. What was read once is not read again unless it has changed. A pair of files
that do not belong together, as a killed program may leave them, is made anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import seqcls
from seqcls.archive.shortfall import NOTHING_LACKS, Shortfall, shortfall
from seqcls.errors import DataError, OutputError, SeqclsError, one_line
from seqcls.exports.interval_records import fit_for_arrow, nothing_for_nan
from seqcls.exports.run_folders import TIMELINE, runs_in
from seqcls.exports.timeline_json import RunFacts, read_run_facts
from seqcls.files import atomic_path
from seqcls.files.named_files import open_regular, read_regular
from seqcls.files.output_lock import only_writer
from seqcls.files.temporaries import temporary_file
from seqcls.text.foreign_text import for_name, whole_characters
from seqcls.third_party import library

INDEX, CLIPS = "index.parquet", "clips.parquet"
#: Counts up when rows of before cannot stay.
FORMAT = "1"
#: A result as young as this when an index was begun may have been replaced since without a new time: FAT counts by 2 s.
_TICK_NS = 2_000_000_000
LIBRARIES = ("duckdb", "pyarrow")
_MAX_BYTES = 64 << 20
#: Of an index that somebody else may have written: beyond, it is made anew. A million clips have ten million intervals.
_MAX_ROWS, _MAX_INDEX_BYTES = 200_000_000, 16 << 30


@dataclass(frozen=True, slots=True)
class ArchiveIndex:
    """clips, intervals: tables of Arrow. unread: runs that cannot be read, and why. not_kept: why the two files could
    not be written; empty where they are. shortfall: clips that are in neither table, as they have no timeline."""

    clips: Any
    intervals: Any
    unread: tuple[tuple[str, str], ...] = ()
    not_kept: str = ""
    shortfall: Shortfall = NOTHING_LACKS


@dataclass(frozen=True, slots=True)
class _Result:
    """run: its folder below the archive's, as it is kept. changed_ns: when timeline.json was written or put there."""

    run: str
    folder: Path
    size: int
    changed_ns: int


def require_libraries() -> None:
    """Raises OutputError where one is missing."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise OutputError(f"to search an archive, {' and '.join(missing)} must be there: pip install 'seqcls[archive]'")


def archive_index(folder: Path, on_progress: Callable[[int], None] | None = None, *, keep: bool = True) -> ArchiveIndex:
    """The index of all runs below a folder, up to date; where it was not, it is written there, unless ``keep`` is off.

    ``on_progress``: called with the number of runs read. Raises DataError where there is no run, OutputError where a
    library is missing.
    """
    require_libraries()
    began_ns, not_kept = _now_on(folder) if keep else (0, "")
    unread: list[tuple[str, str]] = []
    results = _results(folder, unread)
    lacking = shortfall(folder, [one.folder for one in results.values()])
    if not results:
        if unread:
            raise DataError(f"{unread[0][0]} in {folder} cannot be read: {unread[0][1]}")
        if lacking.missing:
            raise DataError(f"no clip of {folder} has a timeline: summary.csv there says why")
        raise DataError(f"no run in {folder}: make some with `seqcls run CLIPS -o DIR`")
    before = _read_pair(folder)
    same = set() if before is None else _unchanged(before[0], results, (folder / CLIPS).stat().st_mtime_ns)
    if before is not None and len(same) == len(results) == before[0].num_rows:
        return ArchiveIndex(*before, tuple(unread), shortfall=lacking)
    clips, intervals, torn = _read(sorted(set(results) - same), results, on_progress)
    if before is not None and same:
        clips, intervals = (_with_kept(old, new, same) for old, new in zip(before, (clips, intervals), strict=True))
    clips, intervals = _numbered(clips, intervals)
    if keep and not not_kept:
        not_kept = _write_pair(folder, clips, intervals, began_ns)
    return ArchiveIndex(clips, intervals, (*unread, *torn), not_kept, lacking)


def _now_on(folder: Path) -> tuple[int, str]:
    """The time on the clock of the folder's disk, and why nothing can be written there."""
    try:
        with temporary_file(folder) as path:
            return path.stat().st_mtime_ns, ""
    except OSError as error:
        return 0, one_line(error)


def _results(folder: Path, unread: list[tuple[str, str]]) -> dict[str, _Result]:
    """By their runs; ``unread`` gets the folders that cannot be read, and why."""
    found: dict[str, _Result] = {}

    def fail(place: Path, why: str) -> None:
        unread.append((whole_characters(for_name(place.relative_to(folder).as_posix())), why))

    for place in runs_in(folder, fail):
        try:
            state = os.stat(f"{place}/{TIMELINE}")  # noqa: PTH116 - a path made for each of 100,000 takes as long again
        except FileNotFoundError:  # replaced at this moment
            continue
        except OSError as error:
            fail(place, one_line(error))
            continue
        run = whole_characters(for_name(place.relative_to(folder).as_posix()))
        # A copy keeps the time of what it is of, but not that of its own place on the disk.
        found[run] = _Result(run, place, state.st_size, max(state.st_mtime_ns, state.st_ctime_ns))
    return found


def _unchanged(clips: Any, results: dict[str, _Result], indexed_ns: int) -> set[str]:
    """Runs that are as they were when the index was made."""
    known = dict(zip(clips["run"].to_pylist(), clips["timeline_bytes"].to_pylist(), strict=True))
    return {
        run
        for run, result in results.items()
        if known.get(run) == result.size and result.changed_ns < indexed_ns - _TICK_NS
    }


def _read(
    runs: Sequence[str], results: dict[str, _Result], on_progress: Callable[[int], None] | None
) -> tuple[Any, Any, list[tuple[str, str]]]:
    arrow = library("pyarrow")
    kinds = _clip_kinds(arrow), _interval_kinds(arrow)
    clips: list[dict[str, Any]] = []
    columns: dict[str, list[Any]] = {name: [] for name in kinds[1].names}
    unread: list[tuple[str, str]] = []
    for done, run in enumerate(runs, 1):
        folder = results[run].folder
        try:
            facts = read_run_facts(folder)
            text = read_regular(folder / TIMELINE, _MAX_BYTES)
        except (SeqclsError, OSError) as error:
            unread.append((run, one_line(error)))
        else:
            clips.append(_clip(run, facts, text))
            _add_intervals(columns, run, facts)
        if on_progress is not None:
            on_progress(done)
    return arrow.Table.from_pylist(clips, kinds[0]), arrow.Table.from_pydict(columns, kinds[1]), unread


def _clip(run: str, facts: RunFacts, text: bytes) -> dict[str, Any]:
    source, used = facts.source, facts.provenance
    record = {
        "run": run,
        "file": source.name,
        "path": source.path,
        "kind": source.kind,
        "verdict": facts.report.verdict,
        "reasons": list(facts.report.reasons),
        "warnings": list(facts.warnings),
        "coverage": facts.coverage,
        "start_s": facts.start_s,
        "end_s": facts.end_s,
        "frames": facts.frame_counts.received,
        "width": source.width,
        "height": source.height,
        "rate_hz": source.rate_hz,
        "codec": source.codec,
        "scanner": dict(source.details).get("scanner", ""),
        "organs": list(facts.organs),
        "source_digest": used.source_digest,
        "model": used.model,
        "model_dataset": used.model_dataset,
        "model_digest": used.model_digest,
        "engine": used.engine,
        "timeline_bytes": len(text),
        "timeline_digest": hashlib.sha256(text).hexdigest(),
    }
    return {name: fit_for_arrow(value) for name, value in record.items()}


def _add_intervals(columns: dict[str, list[Any]], run: str, facts: RunFacts) -> None:
    own, source = facts.intervals, facts.source
    columns["clip"] += [0] * len(own)  # known once all are
    columns["run"] += [run] * len(own)
    columns["path"] += [fit_for_arrow(source.title)] * len(own)
    columns["organ"] += [fit_for_arrow(i.organ) for i in own]
    columns["state"] += [i.state for i in own]
    columns["start_s"] += [i.start_s for i in own]
    columns["end_s"] += [i.end_s for i in own]
    columns["start_frame"] += [i.start_index if i.start_index >= 0 else None for i in own]
    columns["end_frame"] += [i.end_index if i.end_index >= 0 else None for i in own]
    columns["mean_score"] += [nothing_for_nan(i.mean_score) for i in own]
    columns["peak_score"] += [nothing_for_nan(i.peak_score) for i in own]
    columns["reason"] += [fit_for_arrow(i.reason) for i in own]


def _clip_kinds(arrow: Any) -> Any:
    text, number, whole = arrow.string(), arrow.float64(), arrow.int64()
    several = arrow.list_(text)
    kinds = {
        "run": text, "file": text, "path": text, "kind": text, "verdict": text, "reasons": several, "warnings": several,
        "coverage": number, "start_s": number, "end_s": number, "frames": whole, "width": whole, "height": whole,
        "rate_hz": number, "codec": text, "scanner": text, "organs": several, "source_digest": text, "model": text,
        "model_dataset": text, "model_digest": text, "engine": text, "timeline_bytes": whole, "timeline_digest": text,
    }  # fmt: skip
    return arrow.schema(kinds.items())


def _interval_kinds(arrow: Any) -> Any:
    text, number, whole = arrow.string(), arrow.float64(), arrow.int64()
    kinds = {
        "clip": arrow.int32(), "run": text, "path": text, "organ": text, "state": text, "start_s": number,
        "end_s": number, "start_frame": whole, "end_frame": whole, "mean_score": number, "peak_score": number,
        "reason": text,
    }  # fmt: skip
    return arrow.schema(kinds.items())


def _with_kept(old: Any, new: Any, same: set[str]) -> Any:
    """The new rows, and the old ones of runs that are as they were."""
    arrow, compute = library("pyarrow"), library("pyarrow.compute")
    kept = old.filter(compute.is_in(old["run"], value_set=arrow.array(sorted(same), arrow.string())))
    return arrow.concat_tables([kept.cast(new.schema), new])


def _numbered(clips: Any, intervals: Any) -> tuple[Any, Any]:
    """By the names of the runs, each interval with its clip's row, and in one piece: then the files are the same bytes
    however the rows came together."""
    arrow, compute = library("pyarrow"), library("pyarrow.compute")
    clips, intervals = (table.sort_by("run").combine_chunks() for table in (clips, intervals))  # a stable sort
    rows = compute.index_in(intervals["run"], value_set=clips["run"].combine_chunks())
    intervals = intervals.set_column(0, intervals.schema.field(0), compute.cast(rows, arrow.int32()))
    pair = hashlib.sha256(
        "\n".join([FORMAT, *clips["run"].to_pylist(), *clips["timeline_digest"].to_pylist()]).encode()
    )
    about = {
        "made_by": f"seqcls {seqcls.__version__}", "note": seqcls.DISCLAIMER, "format": FORMAT, "pair": pair.hexdigest()
    }  # fmt: skip
    return clips.replace_schema_metadata(about), intervals.replace_schema_metadata(about)


def _read_pair(folder: Path) -> tuple[Any, Any] | None:
    """Both files where they belong together and are of this format."""
    arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    tables = []
    try:
        for name in (CLIPS, INDEX):
            with open_regular(folder / name) as stream:
                file = parquet.ParquetFile(stream)
                size = sum(file.metadata.row_group(n).total_byte_size for n in range(file.metadata.num_row_groups))
                if file.metadata.num_rows > _MAX_ROWS or size > _MAX_INDEX_BYTES:
                    return None
                tables.append(file.read())
    except (OSError, arrow.ArrowException):
        return None
    about = [table.schema.metadata or {} for table in tables]
    kinds = _clip_kinds(arrow), _interval_kinds(arrow)
    fit = all(table.schema.equals(kind) for table, kind in zip(tables, kinds, strict=True))
    same = about[0].get(b"pair") is not None and about[0].get(b"pair") == about[1].get(b"pair")
    return (tables[0], tables[1]) if fit and same and about[0].get(b"format") == FORMAT.encode() else None


def _write_pair(folder: Path, clips: Any, intervals: Any, began_ns: int) -> str:
    """Write both; why that could not be, else nothing. Their time is that at which the first result was looked at."""
    parquet = library("pyarrow.parquet")
    try:
        with only_writer(folder / CLIPS, is_folder=False):
            for name, table in ((INDEX, intervals), (CLIPS, clips)):
                with atomic_path(folder / name) as temporary:
                    parquet.write_table(table, temporary, compression="zstd")
                    os.utime(temporary, ns=(began_ns, began_ns))
    except OutputError as error:
        return one_line(error)
    return ""
