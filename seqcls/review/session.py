"""One reader's review: what the page asks for, and what it does; see ``server`` for the way in."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqcls.errors import DataError, SeqclsError
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry
from seqcls.report.data import PageData, packed_frames, page_data
from seqcls.review.clips import ReviewClip
from seqcls.review.frames import ClipFrames, Known, Opens
from seqcls.review.posted import ACTION, SESSION, prediction, require_organ, text, unfit, whole_number
from seqcls.review.queue import Coverage, Doubt, doubts
from seqcls.review.store import Edit, ReaderStore, StaleEditError, times_of
from seqcls.review.tracks import FrameTimes, Track, predicted, track_from
from seqcls.sources.isolated import DecoderPool
from seqcls.timeline import Timeline

#: Clips whose frames are held: the one that is looked at, and those looked at before.
MAX_OPEN = 3
#: Of all clips together; a reader comes to the least certain ones.
MAX_DOUBTS = 20_000
#: What the page is given of them at a time.
MAX_QUEUED = 500
_GONE = "the clip is not here: name its folder by --clips"
#: Less than a connection lasts.
_SOON_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """A clip that is looked at."""

    frames: ClipFrames | None
    timeline: Timeline | None
    times: FrameTimes | None
    data: PageData | None
    """Of the timeline."""

    def all_times(self) -> FrameTimes | None:
        if self.times is not None:
            return self.times
        return None if self.frames is None else self.frames.times


class NotYetError(Exception):
    """After a start anew a clip's frames are not known at once: it is to be asked again."""


class ReviewSession:
    """``folder``: where the reader's files go. ``organs``: known before any edit. ``blind``: predictions are hidden
    until the reader asks for them. ``whole``: what lies outside of the ultrasound region is shown, too. ``hide``: puts
    pseudonyms for names in what is said of a clip.

    Raises as ``ReaderStore`` does. Close it in any case.
    """

    def __init__(
        self,
        clips: Sequence[ReviewClip],
        folder: Path,
        reader: str,
        *,
        organs: Sequence[str] = (),
        blind: bool = False,
        whole: bool = False,
        hide: Callable[[str], str] = str,
    ) -> None:
        self.clips, self.blind, self.whole, self._hide = tuple(clips), blind, whole, hide
        self._organs: list[str] = []
        for organ in dict.fromkeys(organs):
            self._organs.append(require_organ(organ, self._organs))
        self.instance = secrets.token_hex(8)
        with ExitStack() as stack:
            self.store = ReaderStore(folder, reader)
            stack.callback(self.store.close)
            self._pool = DecoderPool()
            stack.callback(self._pool.close)
            self._pool.warm(2)  # the first clip is read, and asked for frames, while its scores are read
            self._stack = stack.pop_all()
        self._folder = folder
        self._open: OrderedDict[int, _Open] = OrderedDict()
        self._opening, self._looking, self._reading = threading.Lock(), threading.Lock(), threading.Lock()
        self._lookers: dict[int, threading.Thread] = {}
        self._latest: tuple[int, Timeline | None] | None = None
        self._doubts: list[tuple[int, Doubt]] = []
        self._problems: dict[int, str] = {}
        self._ranked = False
        self._stopped = threading.Event()
        self._ranking = threading.Thread(target=self._rank, name="seqcls-review-queue", daemon=True)
        self._ranking.start()

    def close(self) -> None:
        """End the threads, and give up the reader's file; idempotent."""
        self._stopped.set()
        self._ranking.join()
        for looker in list(self._lookers.values()):
            looker.join()
        with self._opening:
            while self._open:
                _, one = self._open.popitem()
                if one.frames is not None:
                    one.frames.close()
        self._stack.close()

    @property
    def organs(self) -> tuple[str, ...]:
        """All that are known: of the runs, stated, and labelled."""
        return tuple(dict.fromkeys((*self._organs, *(organ for _, organ in self.store.last))))

    def state(self) -> dict[str, Any]:
        """The clips and how far their labels are."""
        labelled: dict[str, dict[str, int]] = {}
        for (clip, organ), edit in self.store.last.items():
            labelled.setdefault(clip, {})[organ] = sum(span.by == "reader" for span in edit.track.spans)
        return {
            "instance": self.instance,
            "reader": self.store.reader,
            "organs": self.organs,
            "blind": self.blind,
            "labels": self.store.labels_path.name,
            "edits": self.store.edits,
            "clips": [
                {
                    "title": clip.title,
                    "run": clip.run is not None,
                    "file": clip.found is not None,
                    "labelled": labelled.get(clip.title, {}),
                    "problem": self._problems.get(place, ""),
                }
                for place, clip in enumerate(self.clips)
            ],
        }

    def clip(self, place: int) -> dict[str, Any]:
        """All that the page draws of one clip; ``reading`` alone while the times of its frames are not known."""
        clip, opened = self.clips[place], self._opened_soon(place)
        if opened is None:
            return {"reading": 0, "declared": None, "problem": self._problems.get(place, "")}
        times, frames, timeline = opened.all_times(), opened.frames, opened.timeline
        problem = self._hide(frames.problem) if frames is not None else _GONE
        if times is None or times.count == 0 or (frames is not None and not frames.looked_into()):
            declared = frames.info.declared_frames if frames is not None and frames.info is not None else None
            return {"reading": frames.read if frames is not None else 0, "declared": declared, "problem": problem}
        data = _unscored(clip.title, times) if opened.data is None else opened.data
        organs = tuple(dict.fromkeys((*data.facts["organs"], *self.organs)))
        return {
            "title": clip.title,
            "facts": data.facts,
            "numbers": data.block,
            "problem": problem,
            "plays": frames is not None and frames.plays,
            "has_frames": frames is not None,
            "notes": [self._hide(note) for note in timeline.notes] if timeline is not None else [],
            "organs": [self._organ(clip.title, organ, timeline) for organ in organs],
        }

    def _organ(self, title: str, organ: str, timeline: Timeline | None) -> dict[str, Any]:
        edit = self.store.last.get((title, organ))
        found = predicted(timeline, organ) if timeline is not None and organ in timeline.organs else None
        return {
            "organ": organ,
            "unfit": unfit(organ),
            "number": 0 if edit is None else edit.number,
            "track": None if edit is None else asdict(edit.track),
            "frames": None if edit is None else edit.frames,
            "prediction": None if found is None else asdict(found),
        }

    def progress(self, place: int) -> dict[str, Any]:
        """Signs of life."""
        one = self._open.get(place)
        frames = None if one is None else one.frames
        return {
            "instance": self.instance,
            "edits": self.store.edits,
            "read": 0 if frames is None else frames.read,
            "problem": "" if frames is None else self._hide(frames.problem),
        }

    def queue(self) -> dict[str, Any]:
        """What to look at next, the least certain first; without what this reader has settled."""
        ranked = self._ranked
        items: list[list[Any]] = []
        settled = {of: Coverage(edit.track) for of, edit in self.store.last.items()}
        for place, doubt in self._doubts:
            known = settled.get((self.clips[place].title, doubt.organ))
            if len(items) < MAX_QUEUED and not (known is not None and known.covers(doubt.first, doubt.behind)):
                items.append([place, doubt.organ, doubt.first, doubt.behind, doubt.share, doubt.why])
        touched = {clip for clip, _ in self.store.last}
        for place, clip in enumerate(self.clips):
            if clip.run is None and clip.title not in touched and len(items) < MAX_QUEUED:
                items.append([place, "", 0, 0, 1.0, "not labelled yet"])
        return {"ranked": ranked, "items": items}

    def frame(self, place: int, row: int) -> bytes | None:
        """As ``ClipFrames.jpeg``; empty where the clip is not here."""
        opened = self._opened_clip(place)
        if (times := opened.all_times()) is not None and row >= times.count:
            raise ValueError(f"k: the clip has {times.count:,} frames")
        return b"" if opened.frames is None else opened.frames.jpeg(row)

    def media(self, place: int) -> Path | None:
        """The clip's file, where the browser may have it."""
        frames = self._opened_clip(place).frames
        return self.clips[place].path if frames is not None and frames.plays else None

    def edit(self, plain: Any) -> Edit:
        """Keep what the page did. Raises ValueError for what it cannot have done, StaleEditError, NotYetError,
        OutputError."""
        place = self._place(plain)
        title, times = self.clips[place].title, self._times(place)
        track: Track = track_from(plain.get("track"), times.count)
        organ = require_organ(plain.get("organ"), self.organs)
        edit = Edit(
            session=text(plain, "session", SESSION), turn=whole_number(plain, "turn"), clip=title, organ=organ,
            action=text(plain, "action", ACTION), prediction=prediction(plain), frames=times.count, track=track,
            times=times_of(track, times), numbers=self._numbers(place, track),
        )  # fmt: skip
        return self.store.add(edit, whole_number(plain, "base"))

    def _place(self, plain: Any) -> int:
        """Of the clip that the page means: by its title, as after a start anew the clips may stand in another order."""
        place = whole_number(plain, "clip")
        title = plain.get("title")
        if title is not None and not (place < len(self.clips) and self.clips[place].title == title):
            place = next((other for other, clip in enumerate(self.clips) if clip.title == title), len(self.clips))
            if place == len(self.clips):
                raise NotYetError("this review has no such clip; start it with the clips that it had before")
        if place >= len(self.clips):
            raise ValueError("clip: there is no such")
        return place

    def _times(self, place: int) -> FrameTimes:
        """Raises ValueError for another clip, and NotYetError: an edit that waits is not lost with its clip."""
        opened = self._opened_soon(place)
        if opened is None:
            raise NotYetError(self._problems.get(place) or "the clip is being read again")
        if opened.frames is not None and opened.frames.is_another:
            raise ValueError("clip: its file is not the run's clip, so its labels would be of neither")
        if (times := opened.all_times()) is not None:
            return times
        problem = _GONE if opened.frames is None else self._hide(opened.frames.problem)
        if problem:
            self._forget(place)  # the next try opens it anew: a folder may have come back
        raise NotYetError(problem or "the clip is being read again")

    def _forget(self, place: int) -> None:
        with self._opening:
            opened = self._open.pop(place, None)
        if opened is not None and opened.frames is not None:
            opened.frames.close()

    def _numbers(self, place: int, track: Track) -> tuple[tuple[int, int], ...]:
        """Of the first and last frame of each span."""
        timeline = self._opened_clip(place).timeline
        if timeline is None:
            return tuple((span.first, span.behind - 1) for span in track.spans)
        index = timeline.scores.index
        return tuple((int(index[span.first]), int(index[span.behind - 1])) for span in track.spans)

    def note_view(self, plain: Any) -> None:
        """Keep which clip a reader has before him, and whether with the prediction. Raises ValueError, OutputError."""
        place = whole_number(plain, "clip")
        if place >= len(self.clips):
            raise ValueError("clip: there is no such")
        self.store.note(
            "view", session=text(plain, "session", SESSION), clip=self.clips[place].title, prediction=prediction(plain)
        )

    def stale(self, error: StaleEditError) -> dict[str, Any]:
        """What the page takes over then."""
        edit = error.edit
        return {"number": 0 if edit is None else edit.number, "track": None if edit is None else asdict(edit.track)}

    def _opened_clip(self, place: int) -> _Open:
        with self._opening:
            if place not in self._open:
                while len(self._open) >= MAX_OPEN:
                    _, old = self._open.popitem(last=False)
                    if old.frames is not None:
                        old.frames.close()
                self._open[place] = self._look_at(place)
            self._open.move_to_end(place)
            return self._open[place]

    def _opened_soon(self, place: int) -> _Open | None:
        """None while it takes longer than a page waits for an answer: a run of hours is read in seconds."""
        if place in self._open:
            return self._opened_clip(place)

        def look() -> None:
            try:
                self._opened_clip(place)
            except SeqclsError as error:
                self._problems[place] = self._hide(str(error))

        with self._looking:
            looker = self._lookers.get(place)
            if looker is None or not looker.is_alive():
                looker = self._lookers[place] = threading.Thread(target=look, name="seqcls-review-clip", daemon=True)
                looker.start()
        looker.join(_SOON_S)
        return self._open.get(place)

    def _timeline(self, place: int) -> Timeline | None:
        """Read once for the page and the queue, if these come to it one after the other."""
        with self._reading:
            if self._latest is None or self._latest[0] != place:
                self._latest = place, self.clips[place].timeline()
            return self._latest[1]

    def _look_at(self, place: int) -> _Open:
        clip = self.clips[place]
        timeline, known = self._timeline(place), None
        data = None if timeline is None else page_data(timeline, level=1)
        times = None if timeline is None else FrameTimes.of(timeline.scores.time_s, timeline.scores.duration_s)
        if timeline is not None and times is not None:
            used = timeline.provenance
            known = Known(
                index=timeline.scores.index, times=times, regions=used.regions, gate=used.gate or GateOptions(),
                geometry=used.geometry or Geometry(), digest=used.source_digest,
                is_whole=timeline.report.verdict not in ("interrupted", "unknown"),
                is_undamaged=timeline.report.verdict == "complete",
            )  # fmt: skip
        found = clip.found
        if found is None:
            return _Open(None, timeline, times, data)
        opens = Opens(lambda: self._pool.open(found), self._pool.open_video, clip.path)
        frames = ClipFrames(opens, self._folder, known, whole=self.whole)
        return _Open(frames, timeline, times, data)

    def _rank(self) -> None:
        found: list[tuple[int, Doubt]] = []
        for place in range(len(self.clips)):
            if self._stopped.is_set():
                return
            try:
                timeline = self._timeline(place)
            except DataError as error:
                self._problems[place] = self._hide(str(error))
                continue
            if timeline is not None:
                self._organs += [organ for organ in timeline.organs if organ not in self._organs]
                found += [(place, doubt) for doubt in doubts(timeline)]
                found = sorted(found, key=lambda one: -one[1].share)[:MAX_DOUBTS]
                self._doubts = found
        self._ranked = True


def _unscored(title: str, times: FrameTimes) -> PageData:
    """What the page needs of a clip that no model has seen."""
    count = times.count
    facts = {
        "title": title, "organs": [], "scored_organs": [], "frames": count, "start_s": float(times.start_s[0]),
        "end_s": float(times.end_s[-1]), "gaps": [], "options": [], "reasons": [""], "intervals": [],
    }  # fmt: skip
    return PageData(
        facts, packed_frames(times.start_s, np.arange(count), np.zeros(count, np.uint16), np.ones(count, np.uint8))
    )
