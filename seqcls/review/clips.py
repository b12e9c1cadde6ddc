"""What there is to review: the clips of runs, with what the model found, or clips alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqcls.errors import DataError, one_line
from seqcls.exports.run_folders import TIMELINE, runs_in
from seqcls.exports.timeline_json import read_run
from seqcls.files import exists, same_name
from seqcls.files.json_text import read_json
from seqcls.sources.expand import expand
from seqcls.sources.found import FoundSource
from seqcls.text.foreign_text import for_terminal
from seqcls.timeline import Timeline

if TYPE_CHECKING:
    from seqcls.pseudonyms import Pseudonyms


@dataclass(frozen=True, eq=False)
class ReviewClip:
    """One clip. ``title``: as labels name it. ``found``: its file, None where it is not here. ``run``: the folder of
    the run, None where no model has seen it."""

    title: str
    found: FoundSource | None
    run: Path | None = None

    def timeline(self) -> Timeline | None:
        """Read anew each time: there may be thousands. Raises DataError."""
        return None if self.run is None else read_run(self.run)

    @property
    def path(self) -> Path | None:
        """Its file, where it is one."""
        path = None if self.found is None or self.found.images or self.found.files else Path(self.found.spec)
        return path if path is not None and path.is_file() else None


def clips_to_review(
    places: Sequence[Path],
    clips: Path | None = None,
    names: Pseudonyms | None = None,
    on_fault: Callable[[str], object] = str,
) -> tuple[ReviewClip, ...]:
    """Of folders that `seqcls run` wrote, of one clip or of many, or of clips themselves.

    ``clips``: where the clips of the runs are; by default where they were when the run began. ``names``: pseudonyms for
    the titles; the runs may have been made with these, too. ``on_fault``: called with the reason for each name or
    folder that cannot be read, where others can. Raises DataError, SourceError.
    """
    runs = [run for place in places for run in runs_in(place)]
    if runs:
        if bare := [place for place in places if not runs_in(place)]:
            raise DataError(f"{bare[0]} is no run, the others are; review runs, or clips, not both at once")
        found = _of_runs(runs, clips, names)
    else:
        findings = expand([str(place) for place in places])
        for fault in (one.fault for one in findings.sources if one.fault):
            on_fault(fault)
        whole = [one for one in findings.sources if one.path and not one.unrelated and not one.fault]
        found = [ReviewClip(_shown(one.path, names), one) for one in whole]
        if not found:
            raise DataError("there is no clip to review there; single images have no timeline")
    titles = [clip.title for clip in found]
    if twice := sorted({title for title in titles if titles.count(title) > 1}):
        raise DataError(f"two of the runs are of {twice[0]}: name one of them")
    return tuple(found)


def _shown(path: str, names: Pseudonyms | None) -> str:
    return for_terminal(path if names is None else names.path(path))


def _of_runs(runs: Sequence[Path], clips: Path | None, names: Pseudonyms | None) -> list[ReviewClip]:
    titles = [_title(run) for run in runs]
    if clips is not None:
        sources = expand([str(clips)]).sources
    else:
        # A run may come from somebody else: what it names is looked for below this folder alone.
        below = [title for title in titles if title and not Path(title).is_absolute() and ".." not in Path(title).parts]
        here = [title for title in below if exists(Path(title))]
        sources = expand(here).sources if here else ()
    if names is not None:
        names.remember(*(source.path for source in sources), *titles)
    return [
        ReviewClip(_shown(title, names), _named(_shown(title, names), sources, names), run)
        for title, run in zip(titles, runs, strict=True)
    ]


def _title(run: Path) -> str:
    """What the run calls its clip; the rest of it is read, and checked, when it is shown."""
    path = run / TIMELINE
    try:
        source = read_json(path)["source"]
        title = source.get("path") or source["name"]
        if not isinstance(title, str):
            raise TypeError("source.name is no text")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not a timeline that seqcls wrote ({one_line(error)})") from error
    return title


def _named(title: str, sources: Sequence[FoundSource], names: Pseudonyms | None) -> FoundSource | None:
    """The one of this path, else the only one of its name."""
    shown = [(_shown(source.path, names), source) for source in sources]
    same = [source for path, source in shown if same_name(path, title)]
    name = title.rsplit("/", 1)[-1]
    alike = same or [source for path, source in shown if same_name(path.rsplit("/", 1)[-1], name)]
    return alike[0] if len(alike) == 1 else None
