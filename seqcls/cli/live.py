"""`seqcls run` on a feed: what is in view now, for as long as the feed lasts."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from seqcls.cli import console, tables
from seqcls.cli.live_displays import LastingStderr, full_screen, how_to_go_on, is_terminal, open_displays, open_terminal
from seqcls.cli.live_journal import begin_journal, require_place, require_same_run
from seqcls.cli.live_options import LiveRunOptions, parse_checklist, parse_send_igtl, session_options
from seqcls.cli.live_recordings import CLIPS, clips_told, list_recordings, recorders
from seqcls.cli.results import remedy
from seqcls.credentials import open_to_others, secret_files
from seqcls.errors import DiskFullError, NoFramesError, OutputError, SeqclsError, is_of_the_disk, one_line
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.detector import Detector
    from seqcls.engines import Engine
    from seqcls.journal import JournalWriter, RunSummary
    from seqcls.live.igtl_server import IgtlServer
    from seqcls.live.mqtt import MqttStates
    from seqcls.live.notify import JsonLines
    from seqcls.live.queued_sink import QueuedSink
    from seqcls.live.session import LiveSession
    from seqcls.live.snapshot import LiveView
    from seqcls.pseudonyms import Pseudonyms
    from seqcls.timeline import Timeline
    from seqcls.types import Event, FeedState


#: Events that wait, in the folder of the run: for --webhook and for --on-event.
WEBHOOK_QUEUE, COMMAND_QUEUE = "webhook.queue", "on-event.queue"

#: While the model is loaded, how often is looked whether it is, and how often is said that it is not.
_LOOK_S, _STILL_S = 0.1, 5.0

#: From so many seconds on, the wait for the ultrasound region is told beside the latency, of which it is a part.
_LONG_WAIT_S = 0.1

#: How many messages are printed once more when the dashboard that showed them is gone.
_MAX_KEPT = 20


def watch(
    detector: Detector,
    model: Path,
    spec: str,
    folder: Path,
    run_options: LiveRunOptions,
    names: Pseudonyms | None = None,
) -> int:
    """Watch one feed into ``folder`` with the detector of the file ``model``; returns the exit code.

    The model is loaded once all else that may refuse to begin is open: that takes seconds, and longer on a busy
    computer. Raises KeyboardInterrupt for what ends it at once, with what is kept and how to go on.
    """
    with redirect_stderr(cast(TextIO, LastingStderr(sys.stderr))):
        latest: list[LiveView] = []
        try:
            return _watch(detector, model, spec, folder, run_options, names, latest)
        except KeyboardInterrupt as stop:
            raise stop if stop.args else KeyboardInterrupt(_kept(folder, latest)) from None


def _watch(
    detector: Detector,
    model: Path,
    spec: str,
    folder: Path,
    run_options: LiveRunOptions,
    names: Pseudonyms | None,
    latest: list[LiveView],
) -> int:
    """As ``watch``; ``latest`` holds the last snapshot, once there is one."""
    from seqcls.feeds.open import open_live
    from seqcls.journal import JOURNAL_NAME, PAUSED
    from seqcls.live.background import nothing
    from seqcls.live.operator import SNAPSHOTS, Operator
    from seqcls.live.recording.storage_meter import StorageMeter
    from seqcls.live.session import LiveSession
    from seqcls.live.warm_up import warm_up
    from seqcls.pseudonyms import RenamedSource

    if run_options.resume and not (folder / JOURNAL_NAME).is_file():
        raise OutputError(f"{folder} holds no {JOURNAL_NAME} to continue; leave --resume out to start a new run")
    require_place(folder / JOURNAL_NAME, run_options)
    running: list[LiveSession] = []  # the session, once there is one: sources report their state before

    def on_state(state: FeedState, reason: str) -> None:
        for session in running:
            session.feed_state(state, reason if names is None else names.hide(reason))

    on_screen = full_screen()
    kept: deque[str] = deque(maxlen=_MAX_KEPT)

    def notify(message: str) -> None:
        message = message if names is None else names.hide(message)
        if running:
            kept.append(message)
            running[0].notify(message)
        if not (running and on_screen):
            console.notify(message)

    def act(name: str) -> None:
        for session in running:
            session.act(name)

    def print_kept() -> None:
        for message in list(kept) if on_screen else ():
            console.notify(message)

    checklist = parse_checklist(run_options.checklist, detector.organs)
    _warn_of_open_files(run_options)
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
        sinks = [stack.enter_context(closing(sink)) for sink in _sinks(folder, run_options, notify)]
        opened: list[JournalWriter] = []  # once all else is
        recorder, clips = recorders(folder, run_options, detector.gate, notify, opened)
        for writer in (recorder, clips):
            if writer is not None:
                stack.callback(writer.close)
        receivers = [stack.enter_context(closing(receiver)) for receiver in _receivers(run_options, notify)]
        displays = open_displays(stack, run_options, act)
        displays.shown.extend(receiver.view for receiver in receivers)
        displays.shown.append(lambda view: latest.__setitem__(slice(None), [view]))
        if run_options.resume:
            require_same_run(detector, model, spec, source.info, folder / JOURNAL_NAME)
        console.notify(f"loading the model {model} ({', '.join(detector.organs)})")
        _wait_for_engine(detector.engine, lambda: should_stop() or displays.closed())
        console.notify(f"engine {detector.engine.description}")
        console.notify(f"opening the feed {source.info.name}; Ctrl-C ends the run")
        warm_up(detector)
        # After everything that may refuse to begin: a journal that holds nothing would be in the next one's way.
        journal, resumed = begin_journal(detector, model, spec, source.info, folder / JOURNAL_NAME, run_options)
        stack.callback(journal.close)
        opened.append(journal)
        for each in (*sinks, *receivers):
            if resumed is None:
                each.begin(journal.session)
            else:
                each.begin(resumed.journal.sessions[0], resumed.journal.emitted, resumed.pending)
        meter = StorageMeter(journal.path, recorder, clips, notify=notify)
        stack.callback(meter.close)
        meter.start()
        paused = resumed is not None and resumed.journal.paused
        operator = Operator(folder / SNAPSHOTS, paused=paused, journal=journal, notify=notify)
        stack.callback(operator.close)
        displays.shown.append(open_terminal(stack, kept, displays, act))

        def on_event(event: Event) -> None:
            assert clips is not None, "else nobody asks"
            clips.settle(session.region)
            clips.event(event)

        def end() -> None:
            for writer in (recorder, clips):
                if writer is not None:
                    writer.settle(session.region)
                    writer.close()
            operator.close()

        session = LiveSession(
            detector,
            source,
            options=session_options(run_options),
            journal=journal,
            resumed=resumed,
            sinks=[*(sink.event for sink in (*sinks, *receivers)), *([] if clips is None else [on_event])],
            on_view=displays.show,
            on_frame=nothing if recorder is None else lambda frame: recorder.frame(frame, session.region),
            on_taken=nothing if clips is None else lambda frame: clips.frame(frame, session.region),
            on_end=end,
            should_stop=lambda: should_stop() or displays.closed(),
            storage=lambda: meter.latest,
            operator=operator,
            checklist=checklist,
        )
        running.append(session)
        stack.callback(running.clear)  # from here on nobody draws messages
        if paused:
            notify(f"{PAUSED} as before: nothing is scored or recorded until {how_to_go_on(run_options)}")
        summary = session.run()
    list_recordings(recorder, folder, () if resumed is None else resumed.journal.videos)
    writers = [each for each in (journal, recorder, clips, operator, *sinks) if each is not None]
    incomplete = [writer.incomplete for writer in writers if writer.incomplete]
    before = 0 if resumed is None else resumed.journal.frame_counts.received
    came = summary.frame_counts.received > before
    _tell_latency(session, summary)

    def show(timeline: Timeline) -> None:
        tables.show_timeline(console.results() if is_terminal(sys.stdout) else console.messages(), timeline)
        if clips is not None:
            console.notify(clips_told(clips.files, folder / CLIPS, timeline))

    return _conclude(folder, journal.path, summary, run_options.where, show, came=came, incomplete=incomplete)


def _kept(folder: Path, latest: Sequence[LiveView]) -> str:
    """What a run that was ended at once leaves, and how to go on. ``latest``: its last snapshot."""
    from seqcls.journal import JOURNAL_NAME

    if not (latest and latest[-1].frame_counts.received):
        return "interrupted; no frame had come"
    return (
        f"interrupted; {folder / JOURNAL_NAME} keeps every score so far: `{remedy(folder)}` makes the other files from"
        " it, or the same command with --resume goes on"
    )


def _wait_for_engine(engine: Engine, should_stop: Callable[[], bool]) -> None:
    """Until it is open, saying every few seconds that it is not yet. Raises EngineError or ModelError, and
    KeyboardInterrupt where nobody wants to wait."""
    failed: list[SeqclsError] = []

    def open_it() -> None:
        try:
            engine.description  # noqa: B018  # asking anything of an engine opens it
        except SeqclsError as error:
            failed.append(error)

    opening = threading.Thread(target=open_it, name="seqcls-loading", daemon=True)
    began_s = said_s = time.monotonic()
    opening.start()
    while opening.is_alive():
        opening.join(_LOOK_S)
        if should_stop():
            raise KeyboardInterrupt("interrupted while the model was loaded; no frame was watched")
        if (now_s := time.monotonic()) - said_s >= _STILL_S:
            said_s = now_s
            console.notify(f"still loading the model, {now_s - began_s:.0f} s")
    if failed:
        raise failed[0]


def _warn_of_open_files(run_options: LiveRunOptions) -> None:
    stated = [run_options.credentials, *(Path(file) for file in (run_options.webhook, run_options.mqtt) if file)]
    for file in (*filter(None, stated), *secret_files()):
        if open_to_others(file):
            console.warn(f"other users can read the secrets in {file}: chmod 600 {file}")


def _sinks(
    folder: Path, run_options: LiveRunOptions, notify: Callable[[str], None]
) -> Iterator[JsonLines | QueuedSink]:
    """One after another, so that each can be closed when the next one refuses its option."""
    from seqcls.live.event_queue import EventQueue, remove_queue, waiting_in
    from seqcls.live.notify import JsonLines
    from seqcls.live.on_event import OnEvent
    from seqcls.live.webhook import Webhook
    from seqcls.live.webhook_target import webhook_target

    if not run_options.resume:
        for name in (WEBHOOK_QUEUE, COMMAND_QUEUE):
            remove_queue(folder / name)
    if sys.stdout is not None and not sys.stdout.isatty():
        yield JsonLines(notify=notify)
    target = webhook_target(run_options.webhook)
    left = ((WEBHOOK_QUEUE, "--webhook", target is None), (COMMAND_QUEUE, "--on-event", run_options.on_event is None))
    for name, option, is_left in left:
        if is_left and (count := waiting_in(folder / name)):
            console.warn(f"{count_of(count, 'event')} in {folder / name} not delivered: add {option} to deliver them")
    if target is not None:
        with ExitStack() as refused:
            queue = refused.enter_context(closing(EventQueue(folder / WEBHOOK_QUEUE)))
            sink = Webhook(target.url, headers=target.headers, notify=notify, queue=queue)
            refused.pop_all()
        console.notify(f"events go to {sink.shown}")
        yield sink
    if run_options.on_event is not None:
        with ExitStack() as refused:
            queue = refused.enter_context(closing(EventQueue(folder / COMMAND_QUEUE)))
            command = OnEvent(run_options.on_event, notify=notify, queue=queue)
            refused.pop_all()
        yield command


def _receivers(run_options: LiveRunOptions, notify: Callable[[str], None]) -> Iterator[IgtlServer | MqttStates]:
    """What passes on the state that holds now, also while no event can come."""
    from seqcls.live.mqtt import MqttStates, mqtt_target

    if run_options.send_igtl is not None:
        from seqcls.live.igtl_server import IgtlServer

        port, image = parse_send_igtl(run_options.send_igtl)
        server = IgtlServer(port, image=image, notify=notify)
        console.notify(f"OpenIGTLink at 127.0.0.1:{server.port}")
        yield server
    if (target := mqtt_target(run_options.mqtt)) is not None:
        states = MqttStates(target, notify=notify)
        console.notify(f"states go to {target.shown}")
        yield states


def _tell_latency(session: LiveSession, summary: RunSummary) -> None:
    assert summary.latency_ms is not None, "a live run measures it"
    if math.isnan(summary.latency_ms[0]):
        return
    waited = f"{count_of(session.searched, 'frame')} waited up to {session.searched_s:.1f} s for the ultrasound region"
    search = f"; {waited}" if session.searched_s >= _LONG_WAIT_S else ""
    console.notify(f"latency from arrival to decision: {tables.percentiles(summary.latency_ms)}{search}")


def _conclude(
    folder: Path,
    journal: Path,
    summary: RunSummary,
    expressions: Sequence[str],
    show: Callable[[Timeline], None],
    *,
    came: bool,
    incomplete: Sequence[str],
) -> int:
    """Write what an offline run writes, from the journal, and report how the run went: that a person ended it is how
    live runs end. ``came``: whether any frame did, else the last line says why not. ``incomplete``: what the disk did
    not take so far. Raises DiskFullError, after all else is said, where it did not take everything."""
    from seqcls.cli.results import write_from_journal

    lacking, again = list(incomplete), "free space"
    if summary.frame_counts.received:
        try:
            write_from_journal(journal, folder, expressions, show)
            files = f"{journal.name}, intervals.csv, scores.csv, timeline.json, timeline.png"
            console.notify(f"wrote {folder}: {files}")
        except NoFramesError:  # the disk took none of them
            assert lacking, "a journal whose disk took everything has the frames that came"
        except (OutputError, OSError) as error:
            if not is_of_the_disk(error):
                raise
            why = one_line(error.__cause__ or error)
            lacking.append(f"intervals.csv, scores.csv, timeline.json or timeline.png not written ({why})")
            again = f"free space, and `{remedy(folder)}` makes these files from {journal.name}"
    if not came:
        console.fail("; ".join(summary.reasons) if summary.reasons else "no frame came")
    if lacking:
        raise DiskFullError(f"{'; '.join(lacking)}: {again}")
    return 3 if summary.verdict in ("truncated", "damaged") or not came else 0
