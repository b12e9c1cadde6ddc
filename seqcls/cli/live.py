"""`seqcls run` on a feed: what is in view now, for as long as the feed lasts."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, redirect_stderr, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from seqcls.cli import console, tables
from seqcls.cli.options import parse_number, parse_settings
from seqcls.credentials import PAGE_TOKEN, open_to_others, secret, secret_files
from seqcls.errors import DiskFullError, OutputError, UsageError
from seqcls.feeds.capture import AS_IT_IS, CameraOptions
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from seqcls.detector import Detector
    from seqcls.gate import GateOptions
    from seqcls.journal import JournalWriter, Opening, Resumption, RunSummary
    from seqcls.live.notify import JsonLines, OnEvent, Webhook
    from seqcls.live.recording.presence_clips import PresenceClips
    from seqcls.live.recording.recorder import Recorder
    from seqcls.live.session import LiveOptions, LiveSession
    from seqcls.live.snapshot import LiveView
    from seqcls.pseudonyms import Pseudonyms
    from seqcls.types import Event, FeedState, SourceInfo


#: How many messages are printed once more when the dashboard that showed them is gone.
_MAX_KEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRunOptions:
    """What the command line asked of a run, the model and its options apart; every field is named after its flag."""

    fps: float | None = None
    overwrite: bool = False
    where: tuple[str, ...] = ()
    camera: CameraOptions = AS_IT_IS
    credentials: Path | None = None
    keep: str = "latest"
    resume: bool = False
    duration: float | None = None
    realtime: bool = False
    serve: int | None = None
    show: bool = False
    record: Path | None = None
    clips: bool = False
    webhook: str | None = None
    on_event: str | None = None


def parse_camera(text: str | None) -> CameraOptions:
    """``size=WIDTHxHEIGHT,rate=NUMBER,backend=NAME``, or a part of it. Raises UsageError."""
    stated = parse_settings(text.split(",") if text else [], ("size", "rate", "backend"), "--camera")
    size = None
    if "size" in stated:
        width, _, height = stated["size"].lower().partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise UsageError(f"--camera size is WIDTHxHEIGHT in pixels, such as 1280x720, not {stated['size']!r}")
        size = int(width), int(height)
    rate_hz = parse_number(stated["rate"], "--camera rate") if "rate" in stated else None
    return CameraOptions(size=size, rate_hz=rate_hz, backend=stated.get("backend"))


def refuse_for_clips(run_options: LiveRunOptions) -> None:
    """Raise UsageError for what only a feed has: ignored, a person would wait for the page or the recording."""
    for field in fields(run_options):
        if field.name in ("fps", "overwrite", "where") or getattr(run_options, field.name) == field.default:
            continue
        if field.name == "camera":
            raise UsageError("--camera is for cameras; leave it out for clips")
        flag = f"--{field.name.replace('_', '-')}"
        raise UsageError(f"{flag} is for live runs; leave it out, or add --realtime to play the clip as a feed")


def session_options(run_options: LiveRunOptions) -> LiveOptions:
    """What the session itself takes. Raises UsageError."""
    from seqcls.live.session import LiveOptions

    return LiveOptions(
        keep=run_options.keep,  # type: ignore[arg-type]  # it refuses other names itself
        duration_s=math.inf if run_options.duration is None else run_options.duration,
        with_image=run_options.serve is not None or run_options.show,
    )


def watch(
    detector: Detector,
    model: Path,
    spec: str,
    folder: Path,
    run_options: LiveRunOptions,
    names: Pseudonyms | None = None,
) -> int:
    """Watch one feed into ``folder`` with the detector of the file ``model``; returns the exit code."""
    with redirect_stderr(cast(TextIO, _Messages(sys.stderr))):
        return _watch(detector, model, spec, folder, run_options, names)


class _Messages:
    """stderr for a run of hours: when nobody reads it any more (a closed terminal, the end of a pipe), or it was never
    there, messages are lost and the run goes on."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        return _is_terminal(self._stream)

    def write(self, text: str) -> int:
        self._attempt("write", text)
        return len(text)

    def flush(self) -> None:
        self._attempt("flush")

    def _attempt(self, name: str, *arguments: str) -> None:
        stream = self._stream
        if stream is None:
            return
        try:
            getattr(stream, name)(*arguments)
        except (OSError, ValueError):
            self._stream = None
            with suppress(OSError, ValueError, AttributeError), Path(os.devnull).open("wb") as nothing:
                os.dup2(nothing.fileno(), stream.fileno())  # what its buffer holds goes there, too


def _is_terminal(stream: TextIO | None) -> bool:
    """A program that was started without stdout or stderr has None there."""
    return stream is not None and stream.isatty()


def _full_screen() -> bool:
    """Whether stderr can show the dashboard: a terminal that knows lines alone (TERM=dumb) shows nothing of it."""
    return sys.stderr.isatty() and not console.messages().is_dumb_terminal


def _watch(
    detector: Detector,
    model: Path,
    spec: str,
    folder: Path,
    run_options: LiveRunOptions,
    names: Pseudonyms | None,
) -> int:
    from seqcls.feeds.open import open_live
    from seqcls.journal import JOURNAL_NAME
    from seqcls.live.background import nothing
    from seqcls.live.session import LiveSession, warm_up
    from seqcls.pseudonyms import RenamedSource

    if run_options.resume and not (folder / JOURNAL_NAME).is_file():
        raise OutputError(f"{folder} holds no {JOURNAL_NAME} to continue; leave --resume out to start a new run")
    running: list[LiveSession] = []  # the session, once there is one: sources report their state before

    def on_state(state: FeedState, reason: str) -> None:
        for session in running:
            session.feed_state(state, reason if names is None else names.hide(reason))

    on_screen = _full_screen()
    kept: deque[str] = deque(maxlen=_MAX_KEPT)

    def notify(message: str) -> None:
        message = message if names is None else names.hide(message)
        if running:
            kept.append(message)
            running[0].notify(message)
        if not (running and on_screen):
            console.notify(message)

    def print_kept() -> None:
        for message in list(kept) if on_screen else ():
            console.notify(message)

    _warn_of_open_files(run_options)
    warm_up(detector)
    with ExitStack() as stack:
        stack.callback(print_kept)
        should_stop = stack.enter_context(console.stops_cleanly())
        source = open_live(
            spec,
            on_state=on_state,
            realtime=run_options.realtime,
            rate_hz=run_options.fps,
            camera=run_options.camera,
            credentials=run_options.credentials,
        )
        stack.callback(source.close)
        if names is not None:
            source = RenamedSource(source, names)
        sinks = [stack.enter_context(closing(sink)) for sink in _sinks(run_options, notify)]
        recorder, clips = _recorders(folder, run_options, detector.gate, notify)
        for writer in (recorder, clips):
            if writer is not None:
                stack.callback(writer.close)
        shows, closed, address = _shows(stack, run_options)
        # After everything that may refuse to begin: a journal that holds nothing would be in the next one's way.
        journal, resumed = _journal(detector, model, spec, source.info, folder / JOURNAL_NAME, run_options)
        stack.callback(journal.close)
        shows.append(_terminal(stack, kept, address))

        def look(view: LiveView) -> None:
            for shown in shows:
                shown(view)

        def on_event(event: Event) -> None:
            clips.settle(session.region)
            clips.event(event)

        session = LiveSession(
            detector,
            source,
            options=session_options(run_options),
            journal=journal,
            resumed=resumed,
            sinks=[*(sink.event for sink in sinks), *([] if clips is None else [on_event])],
            on_view=look,
            on_frame=nothing if recorder is None else lambda frame: recorder.frame(frame, session.region),
            on_taken=nothing if clips is None else lambda frame: clips.frame(frame, session.region),
            should_stop=lambda: should_stop() or closed(),
        )
        running.append(session)
        stack.callback(running.clear)  # from here on nobody draws messages
        summary = session.run()
        for writer in (recorder, clips):
            if writer is not None:
                writer.settle(session.region)
    _list_recordings(recorder, clips, folder)
    return _conclude(detector, folder, journal, summary, run_options.where, interrupted=should_stop())


def _warn_of_open_files(run_options: LiveRunOptions) -> None:
    stated = [run_options.credentials, None if run_options.webhook is None else Path(run_options.webhook)]
    for file in (*filter(None, stated), *secret_files()):
        if open_to_others(file):
            console.warn(f"other users can read the secrets in {file}: chmod 600 {file}")


def _journal(
    detector: Detector, model: Path, spec: str, info: SourceInfo, path: Path, run_options: LiveRunOptions
) -> tuple[JournalWriter, Resumption | None]:
    from seqcls.exports import remove_run
    from seqcls.journal import create_journal
    from seqcls.journal import resume as resume_journal
    from seqcls.journal.append_file import AppendFile
    from seqcls.journal.same_run import differences, layouts_digest
    from seqcls.models.digest import scoring_digest
    from seqcls.sources.clip_digest import clip_digest

    digest = clip_digest(spec)
    provenance = replace(
        detector.provenance,
        model_digest=scoring_digest(model, detector.header),
        source_digest=digest,
        layouts_digest=layouts_digest(detector.header.geometry),
    )
    if not run_options.resume:
        if run_options.overwrite:
            if path.exists():
                AppendFile(path, create=False).close()  # refuses one that another run is writing
            remove_run(path.parent)
            path.unlink(missing_ok=True)
        return create_journal(path, organs=detector.organs, source=info, provenance=provenance), None

    def accept(opening: Opening) -> None:
        if others := differences(opening, detector.organs, info, provenance):
            raise UsageError(f"{path} was begun with {', '.join(others)}; use the same, or a new folder")

    resumed = resume_journal(path, accept=accept)
    missed_s = 0.0 if resumed.gap is None else resumed.gap.end_s - resumed.gap.start_s
    console.notify(f"continuing {path} after {missed_s:.1f} s without a recording")
    return resumed.writer, resumed


def _sinks(run_options: LiveRunOptions, notify: Callable[[str], None]) -> Iterator[JsonLines | Webhook | OnEvent]:
    """One after another, so that each can be closed when the next one refuses its option."""
    from seqcls.live.notify import JsonLines, OnEvent, Webhook
    from seqcls.live.webhook_target import webhook_target

    if sys.stdout is not None and not sys.stdout.isatty():
        yield JsonLines(notify=notify)
    if (target := webhook_target(run_options.webhook)) is not None:
        sink = Webhook(target.url, headers=target.headers, notify=notify)
        console.notify(f"events go to {sink.shown}")
        yield sink
    if run_options.on_event is not None:
        yield OnEvent(run_options.on_event, notify=notify)


def _recorders(
    folder: Path, run_options: LiveRunOptions, gate: GateOptions, notify: Callable[[str], None]
) -> tuple[Any, Any]:
    recorder = clips = None
    if run_options.record is not None:
        from seqcls.live.recording.recorder import Recorder

        recorder = Recorder(run_options.record, resume=run_options.resume, gate=gate, notify=notify)
    if run_options.clips:
        from seqcls.live.recording.presence_clips import PresenceClips

        clips = PresenceClips(folder / "clips", gate=gate, notify=notify)
    return recorder, clips


def _list_recordings(recorder: Recorder | None, clips: PresenceClips | None, folder: Path) -> None:
    """Which files there are, and where in the timeline each part of a recording begins."""
    for part in () if recorder is None else recorder.parts:
        console.notify(f"recorded {part.path}, whose 0 is {part.start_s:.2f} s of the run")
    if recorder is not None and not recorder.parts and not recorder.failed:
        console.warn("nothing was recorded: there was no frame that could be kept")
    if clips is not None:
        count = len(clips.parts)
        console.notify(f"{count_of(count, 'clip')} of presences in {folder / 'clips'}")


def _shows(
    stack: ExitStack, run_options: LiveRunOptions
) -> tuple[list[Callable[[LiveView], None]], Callable[[], bool], str]:
    """The page and the window that were asked for, whether a person closed the window, and where the page is."""
    shows: list[Callable[[LiveView], None]] = []
    address = ""
    if run_options.serve is not None:
        from seqcls.live.display.server import PageServer

        token = secret(PAGE_TOKEN)
        server = stack.enter_context(closing(PageServer(run_options.serve, token=token or None)))
        # One that was stated lasts longer than this run, and is not for whatever keeps these messages.
        address = f"{server.url.partition('?')[0]}?token=${PAGE_TOKEN}" if token else server.url
        console.notify(f"open {address}")
        shows.append(server.publish)
    closed: Callable[[], bool] = lambda: False  # noqa: E731
    if run_options.show:
        from seqcls.live.display.window import Window

        window = stack.enter_context(closing(Window()))
        shows.append(window.show)
        closed = lambda: window.closed  # noqa: E731
    return shows, closed, address


def _terminal(stack: ExitStack, printed: deque[str], address: str) -> Callable[[LiveView], None]:
    """The dashboard, or plain lines where it cannot be shown: there the messages ``printed`` are on the screen."""
    from seqcls.cli import dashboard

    if not _full_screen():
        before: list[LiveView] = []

        def write_lines(view: LiveView) -> None:
            known = list(printed)
            view = replace(view, messages=tuple(message for message in view.messages if message not in known))
            for line in dashboard.lines(before[-1] if before else None, view):
                console.notify(line)
            before[:] = [view]

        return write_lines
    from rich.live import Live

    screen = console.messages()
    latest: list[tuple[LiveView, float]] = []

    def drawing() -> RenderableType:
        """Drawn by a thread of its own: a terminal that blocks does not hold up the run, a run that hangs is seen."""
        if not latest:
            return ""
        view, put_s = latest[-1]
        quiet_s = time.monotonic() - put_s
        return dashboard.Screen(view, screen.width, screen.height, quiet_s=quiet_s, address=address)

    stack.enter_context(Live(get_renderable=drawing, console=screen, screen=True, refresh_per_second=8))

    def draw(view: LiveView) -> None:
        latest[:] = [(view, time.monotonic())]

    return draw


def _conclude(
    detector: Detector,
    folder: Path,
    journal: JournalWriter,
    summary: RunSummary,
    expressions: Sequence[str],
    *,
    interrupted: bool,
) -> int:
    """Write what an offline run writes, from the journal, and report how the run went."""
    from seqcls.cli.results import write_from_journal

    assert summary.latency_ms is not None, "a live run measures it"
    if not math.isnan(summary.latency_ms[0]):
        console.notify(f"latency from arrival to decision: {tables.percentiles(summary.latency_ms)}")
    if journal.failed:
        raise DiskFullError(journal.failed)
    counts = summary.frame_counts
    if counts.received:
        timeline = write_from_journal(journal.path, folder, expressions)
        tables.show_timeline(console.results() if _is_terminal(sys.stdout) else console.messages(), timeline)
        console.notify(f"wrote {folder}: {journal.path.name}, intervals.csv, scores.csv, timeline.json, timeline.png")
    else:
        console.notify(f"no frame came; {journal.path} holds the reason")
    if interrupted:
        return 130
    return 3 if summary.verdict in ("truncated", "damaged") or not summary.frame_counts.received else 0
