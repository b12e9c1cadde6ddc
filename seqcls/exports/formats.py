"""The formats a timeline is written in, each a line of FORMATS, and the choice among them by name or by suffix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from seqcls.errors import OutputError, UsageError
from seqcls.exports.audacity import write_audacity
from seqcls.exports.boris import write_boris_project, write_boris_table
from seqcls.exports.cvat import write_cvat
from seqcls.exports.dicom_picture import write_dicom_picture
from seqcls.exports.dicom_report import write_dicom_report
from seqcls.exports.editing import write_edl, write_fcp_xml, write_otio
from seqcls.exports.elan import write_elan
from seqcls.exports.fiftyone import write_fiftyone
from seqcls.exports.frames_csv import write_mstcn, write_wide
from seqcls.exports.interval_records import write_jsonl, write_parquet
from seqcls.exports.intervals_csv import write_intervals_csv, write_intervals_tsv
from seqcls.exports.label_studio import write_label_studio, write_label_studio_annotations
from seqcls.exports.subtitles import write_srt, write_vtt
from seqcls.exports.timebase import of_media
from seqcls.exports.timeline_json import write_timeline_json
from seqcls.files import require_free
from seqcls.files.safe_names import distinct, safe
from seqcls.timeline import Timeline
from seqcls.timemap import TimeMap
from seqcls.types import ScoreTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format. ``docs/exports.md`` has a row for each; a test holds the two together."""

    name: str
    """By which ``--to`` names it."""
    write: Callable[..., object]
    """Called with the timeline and the path; where ``takes_clip`` also with the clip's path, or None."""
    suffixes: tuple[str, ...]
    """With their dots, in lower case; the first is that of the file in a folder."""
    file_name: str = ""
    """Of the file in a folder; default: timeline and the first suffix."""
    plain: bool = False
    """Whether a suffix that several formats share means this one."""
    per_organ: bool = False
    """Whether it holds one organ: then each organ gets a file of its own, called after it."""
    takes_clip: bool = False
    """Whether it holds more where the clip's file is given."""
    extra: str = ""
    """Of seqcls, that brings ``libraries``."""
    libraries: tuple[str, ...] = ()
    """Modules that it needs besides what seqcls always has."""

    @property
    def name_in_folder(self) -> str:
        return self.file_name or f"timeline{self.suffixes[0]}"


#: In the order of the help. Two that share a suffix: one is plain, or `-o FILE` asks which is meant.
FORMATS = (
    Format(name="csv", write=write_intervals_csv, suffixes=(".csv",), file_name="intervals.csv", plain=True),
    Format(name="tsv", write=write_intervals_tsv, suffixes=(".tsv",), file_name="intervals.tsv", plain=True),
    Format(name="json", write=write_timeline_json, suffixes=(".json",), plain=True),
    Format(name="jsonl", write=write_jsonl, suffixes=(".jsonl", ".ndjson"), file_name="intervals.jsonl"),
    Format(
        name="parquet",
        write=write_parquet,
        suffixes=(".parquet",),
        file_name="intervals.parquet",
        extra="tables",
        libraries=("pyarrow",),
    ),
    Format(name="wide", write=write_wide, suffixes=(".csv",), file_name="frames.csv"),
    Format(name="vtt", write=write_vtt, suffixes=(".vtt",)),
    Format(name="srt", write=write_srt, suffixes=(".srt",)),
    Format(name="audacity", write=write_audacity, suffixes=(".txt",), file_name="audacity.txt"),
    Format(name="mstcn", write=write_mstcn, suffixes=(".txt",), file_name="mstcn.txt", per_organ=True),
    Format(
        name="otio",
        write=write_otio,
        suffixes=(".otio",),
        extra="editing",
        libraries=("opentimelineio",),
    ),
    Format(
        name="edl",
        write=write_edl,
        suffixes=(".edl",),
        per_organ=True,
        extra="editing",
        libraries=("opentimelineio", "otio_cmx3600_adapter"),
    ),
    Format(
        name="fcp-xml",
        write=write_fcp_xml,
        suffixes=(".xml",),
        extra="editing",
        libraries=("opentimelineio", "otio_fcp_adapter"),
    ),
    Format(
        name="dicom-sr",
        write=write_dicom_report,
        suffixes=(".dcm",),
        file_name="timeline.sr.dcm",
        takes_clip=True,
        extra="dicom-sr",
        libraries=("highdicom",),
    ),
    Format(
        name="dicom-picture",
        write=write_dicom_picture,
        suffixes=(".dcm",),
        file_name="timeline.picture.dcm",
        takes_clip=True,
    ),
    Format(name="boris", write=write_boris_project, suffixes=(".boris",)),
    Format(name="boris-tsv", write=write_boris_table, suffixes=(".tsv",), file_name="timeline.boris.tsv"),
    Format(name="elan", write=write_elan, suffixes=(".eaf",)),
    Format(name="label-studio", write=write_label_studio, suffixes=(".json",), file_name="timeline.label-studio.json"),
    Format(
        name="label-studio-annotations",
        write=write_label_studio_annotations,
        suffixes=(".json",),
        file_name="timeline.label-studio-annotations.json",
    ),
    Format(name="cvat", write=write_cvat, suffixes=(".xml",), file_name="timeline.cvat.xml"),
    Format(name="fiftyone", write=write_fiftyone, suffixes=(".json",), file_name="timeline.fiftyone.json"),
)
#: Where nothing is asked for.
DEFAULT = "vtt"


def export(
    timeline: Timeline,
    target: str | Path,
    formats: str | Iterable[str] | None = None,
    *,
    clip: str | Path | None = None,
    timemap: TimeMap | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write ``timeline`` in the formats of other programs; returns the paths.

    Args:
        timeline: of ``Detector.analyze`` or ``read_run``.
        target: the file to write, whose suffix is one of the format's; else a folder, made where it is missing.
        formats: names of FORMATS, in a list or with commas between them; default: by the suffix of ``target``, WebVTT
            into a folder.
        clip: the clip, by whose name other programs look for it; default: as the run names it. With ``timemap`` its
            proxy.
        timemap: of the clip's proxy: all times and frames are then the proxy's.
        overwrite: whether files that are there already may be replaced.

    Raises UsageError for an unknown format and a suffix that several share, OutputError where a library is missing, and
    where a file is there already or cannot be written.
    """
    places = export_places(target, formats)
    clip = None if clip is None else Path(clip)
    return write_formats(of_media(timeline, clip, timemap), places, clip=clip, overwrite=overwrite)


def write_formats(
    timeline: Timeline, places: Mapping[Format, Path], *, clip: Path | None = None, overwrite: bool = False
) -> tuple[Path, ...]:
    """``export`` to the places of ``export_places``, without a change of names or times."""
    work = [piece for kind, path in places.items() for piece in _pieces(timeline, kind, path)]
    for _, _, path in work:
        require_free(path, overwrite)
    for kind, part, path in work:
        if kind.takes_clip:
            kind.write(part, path, clip)
        else:
            kind.write(part, path)
    return tuple(path for _, _, path in work)


#: What a folder's name rarely ends in: "run.2024" is one.
_SUFFIX = re.compile(r"\.[A-Za-z]\w{0,7}")


def export_places(target: str | Path, formats: str | Iterable[str] | None = None) -> dict[Format, Path]:
    """Where ``export`` writes each format; of one that is ``per_organ`` the organ is added to the name.

    Raises UsageError as ``export`` does, OutputError where a format's library is missing.
    """
    target = Path(target)
    is_file = not target.is_dir() and any(target.suffix.lower() in one.suffixes for one in FORMATS)
    if formats is None and not is_file and not target.is_dir() and _SUFFIX.fullmatch(target.suffix):
        known = ", ".join(dict.fromkeys(suffix for one in FORMATS for suffix in one.suffixes))
        raise UsageError(f"{target} ends in {target.suffix}, as no format does, only {known}; add --to for a folder")
    kinds = _named(formats) if formats is not None else [_by_suffix(target)] if is_file else _named(DEFAULT)
    for kind in kinds:
        _require_libraries(kind)
    if not is_file:
        return {kind: target / kind.name_in_folder for kind in kinds}
    if len(kinds) > 1:
        raise UsageError(f"{target} is one file, for {len(kinds)} formats: name a folder, or one format")
    if target.suffix.lower() not in kinds[0].suffixes:
        raise UsageError(f"a file of {kinds[0].name} ends in {' or '.join(kinds[0].suffixes)}, not {target.suffix}")
    return {kinds[0]: target}


def _named(formats: str | Iterable[str]) -> list[Format]:
    known = {one.name: one for one in FORMATS}
    wanted = [kind.strip().lower() for kind in (formats.split(",") if isinstance(formats, str) else formats)]
    found = [known[kind] for kind in dict.fromkeys(wanted) if kind in known]
    unknown = [kind for kind in wanted if kind and kind not in known]
    if unknown or not found:
        raise UsageError(f"cannot export to {', '.join(unknown) or 'nothing'}: choose from {', '.join(known)}")
    return found


def _by_suffix(target: Path) -> Format:
    fitting = [one for one in FORMATS if target.suffix.lower() in one.suffixes]
    meant = fitting if len(fitting) == 1 else [one for one in fitting if one.plain]
    if len(meant) != 1:
        names = " or ".join(f"--to {one.name}" for one in fitting)
        raise UsageError(f"which format is {target.name} to have? Several end in {target.suffix}: add {names}")
    return meant[0]


def _require_libraries(kind: Format) -> None:
    missing = [name for name in kind.libraries if find_spec(name) is None]
    if missing:
        raise OutputError(f"{kind.name} needs {', '.join(missing)}: pip install 'seqcls[{kind.extra}]'")


def _pieces(timeline: Timeline, kind: Format, path: Path) -> Iterator[tuple[Format, Timeline, Path]]:
    """What goes into which file."""
    if not kind.per_organ or len(timeline.organs) == 1:
        yield kind, timeline, path
        return
    taken = set[str]()
    for organ in timeline.organs:
        name = distinct(f"{path.stem}-{safe(organ)}", taken)
        yield kind, of_organ(timeline, organ), path.with_name(f"{name}{path.suffix}")


def of_organ(timeline: Timeline, organ: str) -> Timeline:
    """The timeline of one of its organs."""
    column, scores = timeline.organs.index(organ), timeline.scores
    own = slice(column, column + 1)  # nothing, of an organ without scores
    return replace(
        timeline,
        organs=(organ,),
        where=(),
        intervals=timeline.of(organ),
        scores=ScoreTable(
            organs=scores.organs[own],
            index=scores.index,
            time_s=scores.time_s,
            duration_s=scores.duration_s,
            raw=scores.raw[:, own],
            smooth=scores.smooth[:, own],
            reason=scores.reason,
            measured=scores.measured,
            novelty=scores.novelty,
        ),
        provenance=replace(timeline.provenance, intervals=timeline.provenance.intervals[own]),
    )
