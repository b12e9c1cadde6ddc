"""Files of one image each that are a clip together: those of a DICOM series at the pace of one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seqcls.sources.dicom_instances import MIN_FRAMES, SeriesFiles, instance_times
from seqcls.sources.found import FoundSource


def join_series(sources: Sequence[FoundSource], *, each: bool | None) -> tuple[list[FoundSource], str]:
    """One source for the files of a series that are the frames of a clip, where the first of them stands.

    ``each``: True joins none, False all that have one size. Gives a remark on files that stay by themselves, too.
    """
    groups: dict[tuple[Path, str, str], list[FoundSource]] = {}
    for source in sources:
        if source.instance is not None and source.series and each is not True:
            groups.setdefault((Path(source.spec).parent, source.study, source.series), []).append(source)
    in_folder = Counter(Path(source.spec).parent for source in sources if not source.fault)
    joined: dict[str, FoundSource | None] = {}  # by the spec of a file: its clip, None behind the first of its files
    alone: Counter[str] = Counter()
    for (folder, _, _), group in groups.items():
        files = _files(group, as_clip=each is False)
        if isinstance(files, SeriesFiles):
            joined.update(dict.fromkeys((source.spec for source in group), None))
            joined[group[0].spec] = _clip(group[0], files, whole_folder=in_folder[folder] == len(group))
        elif len(group) >= MIN_FRAMES:
            alone[files] += len(group)
    kept = (joined.get(source.spec, source) for source in sources)
    why = "; ".join(f"{count}: {reason}" for reason, count in alone.items())
    remark = f"DICOM files of one image each are read one by one ({why}); each=False makes clips of their series"
    return [source for source in kept if source is not None], remark if alone else ""


def _files(group: Sequence[FoundSource], *, as_clip: bool) -> SeriesFiles | str:
    instances = tuple(source.instance for source in group if source.instance is not None)
    if len(instances) < max(2, len(group)):
        return "they are not all of one image"
    times = instance_times(instances, as_clip=as_clip)
    return times if isinstance(times, str) else SeriesFiles(tuple(Path(s.spec) for s in group), instances, times)


def _clip(first: FoundSource, files: SeriesFiles, *, whole_folder: bool) -> FoundSource:
    """Named after its folder where it fills that, else after the series."""
    folder, parents = Path(first.spec).parent, first.path.split("/")[:-1]
    if whole_folder and not parents:
        parents = [os.path.basename(os.path.abspath(folder)) or "series"]  # noqa: PTH100, PTH119
    parts = parents if whole_folder else [*parents, first.series]
    return replace(
        first, spec=str(folder if whole_folder else folder / first.series), path="/".join(parts), files=files
    )
