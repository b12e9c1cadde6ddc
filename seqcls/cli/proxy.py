"""`seqcls proxy`: a constant-rate twin of a clip for other tools."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcls.cli import console, options
from seqcls.cli.failures import Failures
from seqcls.cli.options import INPUT, OUTPUT
from seqcls.errors import SourceError, UsageError
from seqcls.files.output_lock import only_writer
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.geometry import Geometry
    from seqcls.rendering.proxy import Proxy
    from seqcls.sources.found import FoundSource


def proxy(
    clips: Annotated[list[str], typer.Argument(metavar="CLIP...", help="Clip, DICOM, folder or pattern of these.")],
    output: Annotated[
        Path | None,
        OUTPUT(
            "OUT", "Folder, or of one clip an .mp4. Default: NAME-proxy, of several seqcls-proxies.", "-o", "--output"
        ),
    ] = None,
    region: options.Region = "auto",
    layouts: options.Layouts = None,
    fps: Annotated[float | None, INPUT("NUMBER", "Frames per second of images: they have no clock.")] = None,
    hash_names: options.HashNames = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a twin of a clip for tools that mis-time it: the ultrasound region alone, H.264 at a constant rate.

    Beside each proxy.mp4, timemap.csv says which frame of the clip each of its
    frames shows; `export --timebase proxy` and `import-labels` take it. Where
    the clip has a gap the frame before it is repeated.
    """
    from seqcls.geometry import Geometry
    from seqcls.sources import expand
    from seqcls.sources.found import output_folders

    geometry = Geometry(region=options.parse_region(region), layouts=options.known_layouts(layouts))
    names = options.pseudonyms(hash_names, clips, [output])
    with console.progress("looking for clips", None, "files") as advance:
        findings = expand(clips, on_file=advance)
    options.show_aside(findings, names)
    found = findings.sources
    folders = output_folders(found if names is None else [names.source(each) for each in found])
    root, targets = _targets(output, folders)
    is_file = root.suffix.lower() == ".mp4"
    with only_writer(root.parent if is_file else root, is_folder=True):
        options.check_outputs(*(path for target in targets for path in target), overwrite=overwrite)
        _keep_the_clips(found, targets)
        failures, incomplete = Failures(alone=len(found) == 1), 0
        for source, target in zip(found, targets, strict=True):
            with failures.reported():
                done = _one(source, target, geometry, fps)
                incomplete += done.report.verdict in ("truncated", "damaged")
                _show(done, root)
        if len(found) > 1:
            console.notify(f"{len(found) - failures.count} of {len(found)} done, {failures.count} failed; {root}")
        if failures.count or incomplete:
            raise typer.Exit(1 if failures.count else 3)


def _targets(output: Path | None, folders: list[str]) -> tuple[Path, list[tuple[Path, Path]]]:
    """Where it all goes, and of each clip the proxy and its map."""
    from seqcls.rendering.proxy import PROXY_NAME, TIMEMAP_NAME

    if output is not None and output.suffix.lower() == ".mp4":
        if len(folders) > 1:
            raise UsageError(f"{output} is one file, and there are {len(folders)} clips: name a folder with -o")
        return output, [(output, output.with_name(TIMEMAP_NAME))]
    if len(folders) == 1:
        root = Path(f"{folders[0].rsplit('/', 1)[-1]}-proxy") if output is None else output
        return root, [(root / PROXY_NAME, root / TIMEMAP_NAME)]
    root = Path("seqcls-proxies") if output is None else output
    return root, [(root / name / PROXY_NAME, root / name / TIMEMAP_NAME) for name in folders]


def _keep_the_clips(found: tuple[FoundSource, ...], targets: list[tuple[Path, Path]]) -> None:
    """No clip is replaced by a proxy, not even with --overwrite."""
    from seqcls.files import file_identity

    own = {file_identity(path) for source in found for path in (Path(source.spec), *source.images)}
    for path in (path for target in targets for path in target):
        if path.exists() and file_identity(path) in own:
            raise UsageError(f"{path} is the clip itself; choose another place")


def _one(source: FoundSource, target: tuple[Path, Path], geometry: Geometry, fps: float | None) -> Proxy:
    from seqcls.rendering.proxy import plan_proxy, write_planned
    from seqcls.sources import open_found

    if source.unrelated:
        raise SourceError(f"{source.path}: has no proxy, its images are single ones and no clip: {source.unrelated}")
    with (
        closing(open_found(source, rate_hz=fps, color=True)) as opened,
        console.progress(f"reading {source.path}", opened.info.declared_frames) as advance,
    ):
        plan = plan_proxy(opened, geometry, advance)
    frames = int(plan.timemap.source_index[-1]) + 1
    with (
        closing(open_found(source, rate_hz=fps, color=True)) as opened,
        console.progress(f"writing {target[0].name}", frames) as advance,
    ):
        return write_planned(plan, opened, *target, on_progress=advance)


def _show(done: Proxy, root: Path) -> None:
    from seqcls.rendering.proxy import rate_text

    timemap = done.timemap
    x0, y0, x1, y1 = done.box
    name = done.path.name if done.path == root else done.path.relative_to(root).as_posix()
    frames = count_of(len(timemap.source_index), "frame")
    again = f", {timemap.repeated} of them repeated" if timemap.repeated else ""
    console.results().print(f"{name}: {frames} at {rate_text(timemap.rate)}/s{again}, {x1 - x0}x{y1 - y0}")
    if done.report.verdict in ("truncated", "damaged"):
        console.warn(f"the clip is {done.report.verdict}: {'; '.join(done.report.reasons)}")
    for warning in done.warnings:
        console.warn(warning)
