"""What a live run records of its feed, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqcls.cli import console
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.cli.live_options import LiveRunOptions
    from seqcls.gate import GateOptions
    from seqcls.journal import JournalWriter
    from seqcls.live.recording.fragmented_video import RecordedVideo
    from seqcls.live.recording.presence_clips import PresenceClips
    from seqcls.live.recording.recorder import Recorder
    from seqcls.timeline import Timeline, VideoPart

#: The folder of clips in a run's.
CLIPS = "clips"
#: Behind the name of a presence's first file, where the image changed its size.
_FURTHER = re.compile(r"(.*\.\d{3})-\d+")


def recorders(
    folder: Path,
    run_options: LiveRunOptions,
    gate: GateOptions,
    notify: Callable[[str], None],
    opened: Sequence[JournalWriter],
) -> tuple[Recorder | None, PresenceClips | None]:
    """Those that were asked for. ``opened``: the journal that is told of their files, once there is one."""

    def begun(part: RecordedVideo, organ: str = "") -> bool:
        place = part.path.absolute()
        inside = place.is_relative_to(folder.absolute())
        file = place.relative_to(folder.absolute()).as_posix() if inside else place.name
        return all(journal.takes_more and journal.video(file, part.start_s, organ) for journal in opened)

    recorder = clips = None
    if run_options.record is not None:
        from seqcls.live.recording.recorder import Recorder

        recorder = Recorder(run_options.record, resume=run_options.resume, gate=gate, notify=notify, begun=begun)
    if run_options.clips:
        from seqcls.live.recording.presence_clips import PresenceClips

        clips = PresenceClips(folder / CLIPS, gate=gate, notify=notify, begun=begun)
    return recorder, clips


def list_recordings(recorder: Recorder | None, folder: Path, before: Iterable[VideoPart]) -> None:
    """Which files there are, and where in the timeline each part of a recording begins. ``before``: what the journal
    has of the sessions before."""
    tell_recordings(before, folder, *(() if recorder is None else recorder.files))
    for part in () if recorder is None else recorder.parts:
        _tell(part.path, part.start_s)
    if recorder is not None and not recorder.parts and not recorder.failed:
        why = "there was no frame that could be kept" if recorder.received else "no frame came, or the run was paused"
        console.warn(f"nothing was recorded: {why}")


def tell_recordings(videos: Iterable[VideoPart], folder: Path, *files: Path) -> None:
    """Where in the timeline each part of a recording begins, as a journal has it; ``folder`` is the run's, ``files``
    where else they may lie."""
    elsewhere = {file.name: file for file in files}
    for part in videos:
        if not part.organ:
            inside = folder / part.file
            _tell(inside if inside.is_file() else elsewhere.get(part.file, Path(part.file)), part.start_s)


def _tell(file: Path, start_s: float) -> None:
    console.notify(f"recorded {file}, whose 0 is {start_s:.2f} s of the run")


def clips_told(files: Sequence[Path], folder: Path, timeline: Timeline) -> str:
    """How many clips of presences there are, and where these are not as many as the presences of the table, why."""
    from seqcls.files.safe_names import clip_name

    found = [each for organ in timeline.scored_organs for each in timeline.of(organ, "present")]
    told = f"{count_of(len(files), 'clip')} of presences in {folder}"
    names = [match[1] if (match := _FURTHER.fullmatch(file.stem)) else file.stem for file in files]
    wanted = {clip_name(each.organ, each.start_s).removesuffix(".mp4") for each in found}
    strange, without = len(set(names) - wanted), len(wanted - set(names))
    further = len(names) - len(set(names))
    why = (
        f"{count_of(further, 'further part')} of a clip whose image changed its size" if further else "",
        f"{count_of(strange, 'clip')} of presences that the journal lacks" if strange else "",
        f"{count_of(without, 'presence')} without a clip" if without else "",
    )
    if not any(why):
        return told
    return f"{told}, and {count_of(len(found), 'presence')} in the table: {', '.join(filter(None, why))}"
