"""`seqcls deidentify`: clips that can be passed on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options
from seqcls.cli.failures import Failures
from seqcls.cli.options import INPUT, OUTPUT
from seqcls.errors import OutputError, UsageError
from seqcls.files.output_lock import only_writer
from seqcls.text.foreign_text import for_name
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.deidentify.deidentify import DeidentifiedClip, DeidentifyOptions
    from seqcls.pseudonyms import Pseudonyms
    from seqcls.sources.found import FoundSource


def deidentify(
    clips: Annotated[list[str], typer.Argument(metavar="CLIP...", help="Clip, DICOM, folder or pattern of these.")],
    output: Annotated[
        Path, OUTPUT("OUT", "Folder for the files, or of one clip the file, as .mp4 or .dcm.", "-o", "--output")
    ],
    to: Annotated[str | None, OUTPUT("mp4|dicom", "Default: DICOM for DICOM, mp4 for everything else.")] = None,
    region: options.Region = "auto",
    layouts: options.Layouts = None,
    fps: Annotated[float | None, INPUT("NUMBER", "Frames per second of images: they have no clock.")] = None,
    hash_names: options.HashNames = None,
    mapping: Annotated[
        Path | None, OUTPUT("FILE", "Also write which file came from which clip, for your eyes only.", "--mapping")
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write clips that can be passed on: the ultrasound region alone, without names in tags, metadata and file names.

    Each gets a contact sheet: look at it. A clip in which no ultrasound region
    is found is refused, unless --region states one.
    """
    from seqcls.deidentify.deidentify import DeidentifyOptions
    from seqcls.geometry import Geometry
    from seqcls.pseudonyms import Pseudonyms

    geometry = Geometry(region=options.parse_region(region), layouts=options.known_layouts(layouts))
    given = options.pseudonyms(hash_names, clips, [output, mapping, layouts])
    names = Pseudonyms() if given is None else given
    found = _found(clips, given)
    is_file = output.suffix.lower() in (".mp4", ".dcm")
    if is_file:
        to = _form_of(output, to, found)
    written = DeidentifyOptions(geometry=geometry, to=to or "same", overwrite=overwrite)  # type: ignore[arg-type]
    targets = [output.with_suffix("")] if is_file else [output / name for name in _names(found, given)]
    if mapping is not None:
        _check_mapping(mapping, output, is_file=is_file, overwrite=overwrite)
    with only_writer(output, is_folder=not is_file):
        sheets = [target.with_name(f"{target.name}-sheet.png") for target in targets]
        options.check_outputs(*sheets, overwrite=overwrite)
        failures, incomplete, origins = Failures(ends=(OutputError, UsageError)), 0, list[tuple[str, str]]()
        try:
            for source, target in zip(found, targets, strict=True):
                with failures.reported():
                    done = _one(source, target, written, names, fps)
                    incomplete += done.report.verdict in ("truncated", "damaged")
                    files = [path.name if is_file else path.relative_to(output).as_posix() for path in done.paths]
                    origins += [(file, for_name(source.path)) for file in files]
                    _show(done)
        finally:  # also of what was done before somebody stopped it
            if mapping is not None and origins:
                _write_mapping(mapping, origins)
                console.notify(f"wrote {mapping}: it says whose clips these are, keep it apart from them")
        if len(found) > 1:
            console.notify(f"{len(found) - failures.count} of {len(found)} done, {failures.count} failed; {output}")
        if failures.count or incomplete:
            raise typer.Exit(1 if failures.count else 3)


def _found(clips: Sequence[str], names: Pseudonyms | None) -> list[FoundSource]:
    """Clips and single images."""
    from seqcls.sources import expand
    from seqcls.sources.found import singles

    with console.progress("looking for clips", None, "files") as advance:
        findings = expand(clips, on_file=advance)
    options.show_aside(findings, names)
    return [one for source in findings.sources for one in (singles(source) if source.unrelated else (source,))]


def _form_of(output: Path, to: str | None, found: Sequence[FoundSource]) -> str:
    stated = {".mp4": "mp4", ".dcm": "dicom"}[output.suffix.lower()]
    if len(found) > 1:
        raise UsageError(f"{output} is one file, and there are {len(found)} clips: name a folder with -o")
    if to not in (None, stated):
        raise UsageError(f"--to {to} does not go with the name {output.name}; leave one of them out")
    return stated


def _names(found: Sequence[FoundSource], names: Pseudonyms | None) -> list[str]:
    """Names of files that say nothing of the clips': numbers, or with a key the same as in a run."""
    if names is None:
        digits = max(4, len(str(len(found))))
        return [f"clip-{number:0{digits}d}" for number in range(1, len(found) + 1)]
    from seqcls.sources.found import output_folders

    return output_folders([names.source(source) for source in found])


def _one(
    source: FoundSource, target: Path, written: DeidentifyOptions, names: Pseudonyms, fps: float | None
) -> DeidentifiedClip:
    from seqcls.deidentify.deidentify import deidentify_clip
    from seqcls.sources import open_found
    from seqcls.sources.dicom_header import read_header

    with closing(open_found(source, rate_hz=fps, color=True)) as opened:
        first = source.files.paths[0] if source.files is not None else Path(source.spec)
        header = read_header(first).data if opened.info.kind == "dicom" else None
        with console.progress(target.name, opened.info.declared_frames) as advance:
            return deidentify_clip(opened, header, target, written, names, on_frame=advance)


def _show(done: DeidentifiedClip) -> None:
    out = console.results()
    size = " ".join(dict.fromkeys(f"{r.x1 - r.x0}x{r.y1 - r.y0} of {r.width}x{r.height}" for r in done.regions))
    files = ", ".join(path.name for path in done.paths)
    out.print(f"{files}: {count_of(done.frames, 'frame')}, {done.times_s[0]:.3f} to {done.times_s[1]:.3f} s, {size}")
    if done.report.verdict in ("truncated", "damaged"):
        console.warn(f"the clip is {done.report.verdict}: {'; '.join(done.report.reasons)}")
    for warning in done.warnings:
        console.warn(warning)
    console.notify(f"look at {done.sheet}")


def _check_mapping(mapping: Path, output: Path, *, is_file: bool, overwrite: bool) -> None:
    folder = output.parent if is_file else output
    if not is_file and mapping.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"--mapping {mapping} lies among the files to be passed on; keep it elsewhere")
    options.check_outputs(mapping, overwrite=overwrite)


def _write_mapping(path: Path, origins: Sequence[tuple[str, str]]) -> None:
    """Open to its owner alone."""
    from seqcls.files import atomic_path, csv_text

    with atomic_path(path) as temporary:
        temporary.chmod(0o600)
        temporary.write_text(csv_text([("file", "clip"), *origins]), encoding="utf-8", newline="\n")
