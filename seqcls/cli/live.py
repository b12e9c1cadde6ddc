"""`seqcls run --live`: what is in view now, for as long as the feed lasts."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, redirect_stderr, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from seqcls.cli import console
from seqcls.cli import tables as show
from seqcls.errors import DiskFullError, OutputError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from seqcls.detector import Detector
    from seqcls.journal import JournalWriter, Opening, Resumption
    from seqcls.live.notify import JsonLines, OnEvent, Webhook
    from seqcls.live.recording.presence_clips import PresenceClips
    from seqcls.live.recording.recorder import Recorder
    from seqcls.live.session import LiveSession, LiveSummary
    from seqcls.live.snapshot import LiveView


#: Messages that are said once more when the dashboard that showed them is gone.
_MAX_TOLD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRunOptions:
    """What the command line asked of a live run."""

    keep: str = "latest"
    resume: bool = False
    overwrite: bool = False
    duration_s: float | None = None
    realtime: bool = False
    serve: int | None = None
    window: bool = False
    record: Path | None = None
    clips: bool = False
    whole: bool = False
    webhook: str | None = None
    on_event: str | None = None


def camera_options(size: str | None, rate_hz: float | None, backend: str | None) -> dict[str, Any]:
    """Those that were given, as ``open_live`` takes them. Raises UsageError."""
    given: dict[str, Any] = {"size": size, "camera_rate": rate_hz, "backend": backend}
    if size is not None:
        width, _, height = size.lower().partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise UsageError(f"--size takes WIDTHxHEIGHT in pixels, such as 1280x720, not {size!r}")
        given["size"] = (int(width), int(height))
    return {name: value for name, value in given.items() if value is not None}


def refuse_for_clips(run_options: LiveRunOptions, camera: dict[str, Any], credentials: Path | None) -> None:
    """Raise UsageError for what only a feed has: left unheard, a person would wait for the page or the recording."""
    if camera:
        raise UsageError("--size, --camera-rate and --backend are for cameras; leave them out for clips")
    asked = [f.name for f in fields(run_options) if f.name != "overwrite" and getattr(run_options, f.name) != f.default]
    asked += [] if credentials is None else ["credentials"]
    if asked:
        names = {"duration_s": "duration", "window": "show", "on_event": "on-event"}
        option = names.get(asked[0], asked[0])
        raise UsageError(f"--{option} is for live runs; leave it out, or add --realtime to play the clip as a feed")


def watch(
    detector: Detector, spec: str, folder: Path, run_options: LiveRunOptions, source_options: dict[str, Any]
) -> int:
    """Watch one feed into ``folder``; returns the exit code."""
    with redirect_stderr(cast(TextIO, _Messages(sys.stderr))):
        return _watch(detector, spec, folder, run_options, source_options)


class _Messages:
    """stderr for a run of hours: when nobody reads it any more (a closed terminal, the end of a pipe), or it was never
    there, what is said goes nowhere and the run goes on."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        return _is_terminal(self._stream)

    def write(self, text: str) -> int:
        if self._stream is not None:
            try:
                self._stream.write(text)
            except (OSError, ValueError):
                self._gone()
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._gone()

    def _gone(self) -> None:
        stream, self._stream = self._stream, None
        with suppress(OSError, ValueError, AttributeError), Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), cast(TextIO, stream).fileno())  # what its buffer holds goes there, too


def _is_terminal(stream: TextIO | None) -> bool:
    """A program that was started without stdout or stderr has None there."""
    return stream is not None and stream.isatty()


def _full_screen() -> bool:
    """Whether stderr can show the dashboard: a terminal that knows lines alone (TERM=dumb) shows nothing of it."""
    return sys.stderr.isatty() and not console.messages().is_dumb_terminal


def _watch(
    detector: Detector, spec: str, folder: Path, run_options: LiveRunOptions, source_options: dict[str, Any]
) -> int:
    from seqcls.feeds.open import open_live
    from seqcls.journal import JOURNAL_NAME
    from seqcls.live.session import LiveOptions, LiveSession, warm_up

    if run_options.resume and not (folder / JOURNAL_NAME).is_file():
        raise OutputError(f"{folder} holds no {JOURNAL_NAME} to go on with; leave --resume out to begin")
    session_options = LiveOptions(
        keep=run_options.keep,  # type: ignore[arg-type]  # it refuses other names itself
        duration_s=float("inf") if run_options.duration_s is None else run_options.duration_s,
        with_image=run_options.serve is not None or run_options.window,
    )
    later: list[LiveSession] = []  # the session, once there is one: sources speak before

    def on_state(state: Any, reason: str) -> None:
        for session in later:
            session.feed_state(state, reason)

    on_screen = _full_screen()
    told: deque[str] = deque(maxlen=_MAX_TOLD)

    def notify(message: str) -> None:
        if later:
            told.append(message)
            later[0].notify(message)
        if not (later and on_screen):
            console.say(message)

    def say_again() -> None:
        for message in list(told) if on_screen else ():
            console.say(message)

    warm_up(detector)
    with ExitStack() as stack:
        stack.callback(say_again)
        should_stop = stack.enter_context(console.ends_in_order())
        source = stack.enter_context(
            closing(open_live(spec, realtime=run_options.realtime, on_state=on_state, **source_options))
        )
        sinks = [stack.enter_context(closing(sink)) for sink in _sinks(run_options, notify)]
        recorder, clips = _recorders(detector, folder, run_options, notify)
        for kept in (recorder, clips):
            if kept is not None:
                stack.callback(kept.close)
        shows, closed, address = _shows(stack, run_options)
        # After everything that may refuse to begin: a journal that holds nothing would be in the next one's way.
        journal, resumed = _journal(detector, source.info, folder / JOURNAL_NAME, run_options)
        stack.callback(journal.close)
        shows.append(_terminal(stack, told, address))

        def look(view: LiveView) -> None:
            for shown in shows:
                shown(view)

        session = LiveSession(
            detector,
            source,
            options=session_options,
            journal=journal,
            resumed=resumed,
            sinks=[*sinks, *([] if clips is None else [clips])],
            on_view=look,
            on_frame=None if recorder is None else lambda frame: recorder.frame(frame, session.region),
            on_taken=None if clips is None else lambda frame: clips.frame(frame, session.region),
            should_stop=lambda: should_stop() or closed(),
        )
        later.append(session)
        stack.callback(later.clear)  # from here on nobody draws messages
        summary = session.run()
    _say_kept(recorder, clips, folder)
    return _conclude(detector, folder, journal, summary, interrupted=should_stop())


def _journal(
    detector: Detector, info: Any, path: Path, run_options: LiveRunOptions
) -> tuple[JournalWriter, Resumption | None]:
    from seqcls.journal import create_journal
    from seqcls.journal import resume as go_on
    from seqcls.journal.append_file import AppendFile

    if not run_options.resume:
        if run_options.overwrite and path.exists():
            AppendFile(path, create=False).close()  # refuses one that another run is writing
            path.unlink()
        return (
            create_journal(
                path,
                organs=detector.organs,
                source=info,
                provenance=detector.provenance,
            ),
            None,
        )

    def accept(opening: Opening) -> None:
        # By what the model was trained on: its file may have been renamed, or converted, since.
        theirs, ours = opening.provenance, detector.provenance
        same = (theirs.smoothing, theirs.intervals) == (ours.smoothing, ours.intervals)
        if not (same and opening.organs == detector.organs and theirs.model_dataset == ours.model_dataset):
            raise UsageError(f"{path} was begun with another model or other options; use the same, or a new folder")

    resumed = go_on(path, accept=accept)
    missed_s = 0.0 if resumed.gap is None else resumed.gap.end_s - resumed.gap.start_s
    console.say(f"going on with {path}; {missed_s:.1f} s lie between")
    return resumed.writer, resumed


def _sinks(run_options: LiveRunOptions, notify: Callable[[str], None]) -> Iterator[JsonLines | Webhook | OnEvent]:
    """One after another, so that each can be closed when the next one refuses its option."""
    from seqcls.live.notify import JsonLines, OnEvent, Webhook

    if sys.stdout is not None and not sys.stdout.isatty():
        yield JsonLines(notify=notify)
    if run_options.webhook is not None:
        yield Webhook(run_options.webhook, notify=notify)
    if run_options.on_event is not None:
        yield OnEvent(run_options.on_event, notify=notify)


def _recorders(
    detector: Detector, folder: Path, run_options: LiveRunOptions, notify: Callable[[str], None]
) -> tuple[Any, Any]:
    recorder = clips = None
    if run_options.record is not None:
        from seqcls.live.recording.recorder import Recorder

        recorder = Recorder(run_options.record, whole=run_options.whole, resume=run_options.resume, notify=notify)
    if run_options.clips:
        from seqcls.live.recording.presence_clips import PresenceClips

        clips = PresenceClips(folder / "clips", organs=detector.organs, whole=run_options.whole, notify=notify)
    return recorder, clips


def _say_kept(recorder: Recorder | None, clips: PresenceClips | None, folder: Path) -> None:
    """Which files there are, and where a recording that is not whole lies in the timeline."""
    for part in () if recorder is None else recorder.parts:
        console.say(f"recorded {part.path}, whose 0 is {part.start_s:.2f} s of the run")
    if clips is not None:
        console.say(f"{len(clips.parts)} clip{'' if len(clips.parts) == 1 else 's'} of presences in {folder / 'clips'}")


def _shows(
    stack: ExitStack, run_options: LiveRunOptions
) -> tuple[list[Callable[[LiveView], None]], Callable[[], bool], str]:
    """The page and the window that were asked for, whether a person closed the window, and where the page is."""
    shows: list[Callable[[LiveView], None]] = []
    address = ""
    if run_options.serve is not None:
        from seqcls.live.display.server import PageServer

        server = stack.enter_context(closing(PageServer(run_options.serve)))
        address = server.url
        console.say(f"open {address}")
        shows.append(server.publish)
    closed: Callable[[], bool] = lambda: False  # noqa: E731
    if run_options.window:
        from seqcls.live.display.window import Window

        window = stack.enter_context(closing(Window()))
        shows.append(window.show)
        closed = lambda: window.closed  # noqa: E731
    return shows, closed, address


def _terminal(stack: ExitStack, told: deque[str], address: str) -> Callable[[LiveView], None]:
    """The dashboard, or plain lines where it cannot be: there the messages in ``told`` have been said."""
    from seqcls.cli import dashboard

    if not _full_screen():
        before: list[LiveView] = []

        def tell(view: LiveView) -> None:
            said = list(told)
            view = replace(view, messages=tuple(message for message in view.messages if message not in said))
            for line in dashboard.lines(before[-1] if before else None, view):
                console.say(line)
            before[:] = [view]

        return tell
    from rich.live import Live

    screen = console.messages()
    latest: list[tuple[LiveView, float]] = []

    def picture() -> RenderableType:
        """Drawn by a thread of its own: a terminal that blocks does not hold up the run, a run that hangs is seen."""
        if not latest:
            return ""
        view, put_s = latest[-1]
        quiet_s = time.monotonic() - put_s
        return dashboard.render(view, screen.width, screen.height, quiet_s=quiet_s, address=address)

    stack.enter_context(Live(get_renderable=picture, console=screen, screen=True, refresh_per_second=8))

    def draw(view: LiveView) -> None:
        latest[:] = [(view, time.monotonic())]

    return draw


def _conclude(
    detector: Detector, folder: Path, journal: JournalWriter, summary: LiveSummary, *, interrupted: bool
) -> int:
    """Write what an offline run writes, from the journal, and say how it went."""
    from seqcls.cli.results import write_from_journal

    p50, p95, p99 = summary.latency_ms
    if not math.isnan(p50):
        console.say(f"latency from arrival to decision: {p50:.0f} ms (p50), {p95:.0f} ms (p95), {p99:.0f} ms (p99)")
    if journal.failed:
        raise DiskFullError(journal.failed)
    if summary.frame_counts.received:
        timeline = write_from_journal(journal.path, folder)
        show.show_timeline(console.results() if _is_terminal(sys.stdout) else console.messages(), timeline)
        console.say(f"wrote {folder}: {journal.path.name}, intervals.csv, scores.csv, timeline.json, timeline.png")
    else:
        console.say(f"no frame came; {journal.path} says why")
    if interrupted:
        return 130
    return 3 if summary.verdict in ("truncated", "damaged") or not summary.frame_counts.received else 0
