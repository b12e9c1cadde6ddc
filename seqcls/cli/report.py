"""`seqcls report`: finished runs as pages."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from seqcls.cli import console, options
from seqcls.cli.failures import Failures
from seqcls.cli.options import INPUT, OUTPUT
from seqcls.cli.results import (
    hide_runs,
    is_same_place,
    place_of,
    read_run_with_progress,
    require_finished,
    require_named_by_nobody,
    tell_unread,
)
from seqcls.errors import DataError, GeometryError, SeqclsError, SourceError, UsageError, one_line
from seqcls.files import is_file, make_folder
from seqcls.files.output_lock import only_writer
from seqcls.files.without_folders import without_folders
from seqcls.text.foreign_text import for_terminal, from_name
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.models.file import ModelHeader
    from seqcls.pseudonyms import Pseudonyms
    from seqcls.report.index import ClipSummary
    from seqcls.report.thumbnails import Thumbnail
    from seqcls.sources.isolated import DecoderPool
    from seqcls.timeline import Timeline

#: What the page is called in the folder of its run, and the index in the folder of many.
NAME = "report.html"


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder that `seqcls run` wrote, or one that holds several of these.")
    ],
    clip: Annotated[
        Path | None,
        INPUT("FILE", "The run's clip, for pictures along the axis. Default: it, where it lies beside RUN."),
    ] = None,
    model: Annotated[
        Path | None, INPUT("FILE", "The run's model, for what it was trained on.", "--model", "-m")
    ] = None,
    output: Annotated[Path | None, OUTPUT("FILE", f"Default: RUN/{NAME}.", "-o", "--output")] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a finished run as one page that opens from disk: strips, scores, sliders, intervals, the clip in step.

    Of a folder with several runs, each gets its page, and the folder an index.
    """
    from seqcls.models.file import read_header
    from seqcls.report.thumbnails import THUMBNAIL

    names = options.pseudonyms(hash_names, [] if clip is None else [clip], [folder, output, model])
    unread: dict[Path, str] = {}
    runs = _runs(folder, unread)
    target = output if output is not None else (folder if folder.is_dir() else folder.parent) / NAME
    header = None if model is None else read_header(model)
    alone = runs == [folder]
    if not alone and clip is not None:
        raise UsageError(f"--clip is for one run, and {folder} holds several; leave it out")
    if alone:
        pages = [target]
    else:
        if is_same_place(target.parent, folder):
            require_named_by_nobody(folder, runs, names)
        hide_runs(names, folder, [*runs, *unread])
        homes = [run if names is None else target.parent / place_of(run, folder, names) for run in runs]
        pages = [target, *(home / name for home in homes for name in (NAME, THUMBNAIL))]
    with only_writer(target, is_folder=False):
        options.check_outputs(*pages, overwrite=overwrite)
        if alone:
            write_page(runs[0], target, clip, header, names)
            failed = False
        else:
            failed = _write_many(folder, dict(zip(runs, homes, strict=True)), target, header, names, unread)
    print(for_terminal(str(target)))  # noqa: T201  # the result of this command is the path
    if failed:
        raise typer.Exit(1)


def _runs(folder: Path, unread: dict[Path, str]) -> list[Path]:
    """The runs at a place: itself, or those below it. ``unread`` gets folders that cannot be read, and why.

    Raises DataError where there is none.
    """
    from seqcls.exports import RUN_ENDS
    from seqcls.exports.run_folders import holds_many, runs_in

    if not folder.exists():
        raise DataError(f"no run at {folder}: make one with `seqcls run CLIP -o DIR`")
    many = holds_many(folder)
    if not folder.is_dir() or (not many and any((folder / name).is_file() for name in RUN_ENDS)):
        return [folder]
    require_finished(folder)
    found = runs_in(folder, unread.__setitem__)
    if not found and not many and not unread:
        raise DataError(f"no run in {folder}: make one with `seqcls run CLIP -o DIR`")
    return found


def _clip_beside(run: Path, timeline: Timeline) -> Path | None:
    """The clip of a run where a file of its name lies in the run's folder, or beside it."""
    name, folder = timeline.source.name, run if run.is_dir() else run.parent
    if timeline.source.kind not in ("file", "dicom") or Path(name).name != name:
        return None
    return next((path for path in (folder / name, folder.absolute().parent / name) if is_file(path)), None)


def write_page(
    run: Path,
    target: Path,
    clip: Path | None,
    header: ModelHeader | None,
    names: Pseudonyms | None,
    pool: DecoderPool | None = None,
    *,
    thumbnail: bool = False,
) -> Timeline:
    """The page of one run, which is returned; without its clip it has no pictures and says so.

    ``pool``: of children to decode in; None for one of its own. ``thumbnail``: whether one is written for an index.
    """
    from seqcls.report.page import ReportOptions, write_report
    from seqcls.report.thumbnails import thumbnails_of_clip, write_thumbnail
    from seqcls.sources.isolated import DecoderPool

    timeline = read_run_with_progress(run)
    named, clip = clip, _clip_beside(run, timeline) if clip is None else clip
    pictures: tuple[Thumbnail, ...] = ()
    remark = "The clip was not at hand: this report has no pictures. Add them with --clip."
    if clip is not None and named is None and not _is_known_again(timeline, clip):
        console.warn(
            f"{clip.name} beside the run is taken for another clip: the run keeps no digest of its own, and its region"
            " was stated; name it by --clip to have its pictures"
        )
        clip, remark = None, "Whether the clip beside the run is its own is not known: this report has no pictures."
    if clip is not None:
        try:
            with closing(DecoderPool()) as own, console.progress(clip.name, len(timeline.scores.index)) as advance:
                pictures = thumbnails_of_clip(str(clip), timeline, own if pool is None else pool, advance)
            remark = "" if pictures else "This report has no pictures: no ultrasound region is known in the clip."
        except (SourceError, GeometryError) as error:
            if named is not None:
                raise
            console.warn(f"the report has no pictures: {error}")
            clip, remark = None, "The file beside the run is not its clip, or cannot be read: no pictures."
    remarks = (remark,) if remark else ()
    if header is not None and header.dataset_hash != timeline.provenance.model_dataset:
        console.warn(f"{timeline.source.name} was run with another model than -m: the page leaves out its training")
        header = None
    way = "" if names is not None else beside(timeline, target, clip)
    timeline = console.timeline_in_flags(timeline if names is None else names.timeline(timeline))
    write_report(
        timeline,
        target,
        ReportOptions(thumbnails=pictures, beside=way, remarks=remarks, header=header),
    )
    if thumbnail:
        write_thumbnail(timeline, pictures, target.parent)
    return timeline


class RunPages:
    """The pages of the runs that one `seqcls run` makes, and their index. ``root``: the folder of the index."""

    def __init__(self, root: Path, header: ModelHeader) -> None:
        self._root, self._header = root, header
        self._clips: dict[str, ClipSummary] = {}

    def write(self, timeline: Timeline, folder: Path, new: Path | None = None) -> None:
        """The page of a run that has just ended; its pictures are those that the run still holds.

        ``new``: where to write it, for a run that becomes ``folder`` later.
        """
        from seqcls.report.page import ReportOptions, write_report
        from seqcls.report.thumbnails import thumbnails_of_run, write_thumbnail

        pictures = thumbnails_of_run(timeline)
        remarks = () if pictures else ("This report has no pictures: the run kept no frame with an ultrasound region.",)
        made = ReportOptions(
            thumbnails=pictures, beside=beside(timeline, folder / NAME), remarks=remarks, header=self._header
        )
        place = folder if new is None else new
        write_report(timeline, place / NAME, made)
        self._list(timeline, folder, write_thumbnail(timeline, pictures, place))

    def _list(self, timeline: Timeline, folder: Path, picture: bool) -> None:
        from seqcls.report.index import summary_of

        self._clips[str(folder)] = summary_of(timeline, link_to(folder / NAME, self._root / NAME), picture=picture)

    def add_earlier(self, folder: Path) -> None:
        """A run that was there before: into the index, and its page where that is missing. Raises SeqclsError."""
        from seqcls.exports import read_run
        from seqcls.report.thumbnails import THUMBNAIL

        if str(folder) in self._clips:
            return
        is_there = (folder / NAME).is_file()
        page = folder / NAME
        timeline = read_run(folder) if is_there else write_page(folder, page, None, self._header, None, thumbnail=True)
        self._list(timeline, folder, (folder / THUMBNAIL).is_file())

    def note(self, folder: Path, why: str) -> None:
        """What a reader must know of a run that is in the index."""
        if (one := self._clips.get(str(folder))) is not None:
            self._clips[str(folder)] = replace(one, facts={**one.facts, "note": console.shown(why)})

    def fail(self, title: str, why: str) -> None:
        """A clip without a timeline."""
        from seqcls.report.index import ClipSummary

        self._clips[f"failed {title}"] = ClipSummary(console.shown(title), "", console.shown(without_folders(why)), {})

    def write_index(self) -> None:
        from seqcls.report.index import write_index

        write_index(count_of(len(self._clips), "clip"), list(self._clips.values()), self._root / NAME)


def _is_known_again(timeline: Timeline, clip: Path) -> bool:
    """Whether what tells this clip from others suffices to show it although nobody named it. With neither a digest nor
    a region that is looked for anew, another patient's clip of the same times could show names."""
    from seqcls.rendering.same_clip import is_same_file

    used = timeline.provenance
    looked_for = used.geometry is None or used.geometry.region == "auto"
    return looked_for or is_same_file(timeline, clip) is not None


def beside(timeline: Timeline, page: Path, checked: Path | None = None) -> str:
    """The way from a page to the clip, for a browser, where it is in the same folder or the one above; else nothing.

    ``checked``: a clip whose frames were found to be the run's; all others are told by their bytes.
    """
    from seqcls.rendering.same_clip import is_same_file

    name = timeline.source.name
    if timeline.source.kind != "file" or Path(name).name != name:
        return ""
    for up, folder in (("./", page.parent), ("../", page.absolute().parent.parent)):
        if is_file(folder / name):
            same = is_same_file(timeline, folder / name)
            is_run_s = same or (same is None and checked is not None and (folder / name).samefile(checked))
            return f"{up}{_quoted(name)}" if is_run_s else ""
    return ""


def _write_many(
    folder: Path,
    homes: dict[Path, Path],
    target: Path,
    header: ModelHeader | None,
    names: Pseudonyms | None,
    unread: Mapping[Path, str],
) -> bool:
    """A page for each run that can be read, and the index, which has the clips without a timeline, too; whether there
    were runs that cannot be read. ``homes``: the folder of each run's page; ``unread``: folders that cannot be read."""
    from seqcls.archive.shortfall import shortfall
    from seqcls.report.index import ClipSummary, summary_of, write_index
    from seqcls.report.thumbnails import THUMBNAIL
    from seqcls.sources.isolated import DecoderPool

    clips, failures, lacking = list["ClipSummary"](), Failures(), shortfall(folder, list(homes))

    def list_clip(path: str, why: str) -> None:
        if names is not None:
            names.remember(from_name(path))
            path, why = names.path(from_name(path)), names.hide(why)
        clips.append(ClipSummary(console.shown(path), "", console.shown(console.in_flags(why)), {}))

    def list_failure(run: Path, error: SeqclsError) -> None:
        list_clip(run.name, without_folders(one_line(error)))

    with closing(DecoderPool()) as pool, console.progress("reports", len(homes), "runs") as advance:
        for number, (run, home) in enumerate(homes.items(), 1):
            with failures.reported(partial(list_failure, run)):
                page = make_folder(home) / NAME
                with only_writer(page, is_folder=False):
                    timeline = write_page(run, page, None, header, names, pool, thumbnail=True)
                made = summary_of(timeline, link_to(page, target), picture=(home / THUMBNAIL).is_file())
                if run in lacking.changed:
                    made = replace(made, facts={**made.facts, "note": console.shown(lacking.changed[run])})
                clips.append(made)
            advance(number)
    tell_unread(unread, names)
    for run, why in unread.items():
        list_clip(run.relative_to(folder).as_posix(), f"its folder cannot be read: {why}")
    for one in lacking.missing:
        list_clip(one.path, one.why)
    write_index(count_of(len(clips), "clip"), clips, target)
    more = f"; besides {lacking}" if str(lacking) else ""
    failed = failures.count + len(unread)
    console.notify(f"{count_of(len(homes) - failures.count, 'report')} written, {failed} failed{more}")
    return failed > 0


def link_to(page: Path, index: Path) -> str:
    """The way from an index to a page, for a browser."""
    return _quoted(Path(os.path.relpath(page, index.parent)).as_posix())


def _quoted(name: str) -> str:
    """For an address; a name that is no text keeps the bytes that the disk has."""
    return quote(name, errors="surrogatepass" if sys.platform == "win32" else "surrogateescape")
