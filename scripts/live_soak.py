"""A live run for two hours with everybody listening: is every frame accounted for, and every event heard by all?

    python scripts/live_soak.py -o /tmp/live-soak -m MODEL                            # two hours; Linux
    python scripts/live_soak.py -o /tmp/live-soak -m MODEL --minutes 2 --life 30      # a trial

A simulated probe of 640x480 at 30 frames/s is killed every five minutes and comes back after 3, 8 or 28 seconds.
`seqcls run` watches it by OpenIGTLink with page, recording, journal, `--send-igtl` and `--mqtt`. Two Chromium browsers
are on the page; pyigtl, paho-mqtt (by a real mosquitto) and a reader of stdout listen. At the end what each of them got
is compared with the journal, and the memory of the run's processes, after a warm-up of a quarter of the time, is fitted
by a line. Exits with 1 where anything is off.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from soak import MAX_MIB_PER_HOUR, TESTS, Probe

from seqcls.files.json_text import write_json
from seqcls.journal.format import Entry, FeedChange
from seqcls.journal.reader import JournalReader, open_journal
from seqcls.journal.rebuild import read_journal
from seqcls.types import Event

RATE_HZ = 30.0
OUTAGES_S = (3.0, 8.0, 28.0)
SAMPLE_EVERY_S, LOOK_EVERY_S = 10.0, 60.0
#: A broken connection is seen at once, and tried again after 10 s at most.
MAX_UNTIL_STALLED_S, MAX_UNTIL_BACK_S = 3.0, 12.0
#: Below so much of a run its memory has no slope.
LEAST_FOR_SLOPE_H = 0.5

# Notes what the page is told while the feed runs, and whether it shows it. (`spans` go back five minutes, so that a
# look that comes late misses nothing.)
HOOK = """
(() => {
  window.neverReloaded = true;
  window.heard = [];
  window.odd = [];
  window.asked = 0;
  const last = {}, before = hear;
  hear = (message, askedMs) => {
    before(message, askedMs);
    window.asked += 1;
    if (!message.view || !verdict().trusted) return;
    const cards = [...document.querySelectorAll('.organ')];
    view.organs.forEach(({ organ, state, spans }, place) => {
      if (cards[place].dataset.state !== state) odd.push(`${organ} is ${state}, shown ${cards[place].dataset.state}`);
      let until = -Infinity;
      for (const span of spans) {
        if (span.start_s < until) odd.push(`${organ} has two states at ${span.start_s}`);
        until = span.end_s ?? span.start_s;
        if (span.reason === 'not begun' || span.start_s <= (last[organ] ?? -1)) continue;
        last[organ] = span.start_s;
        heard.push([organ, span.state, span.start_s]);
      }
    });
  };
})()
"""
LISTED = "[...intervals.children].map((line) => [...line.children].map((part) => part.textContent).join(' '))"

Heard = tuple[str, str, float]  # organ, state, start_s


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def started(command: list[str], **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, **how) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


class MqttListener:
    """Every message of the topics below ``soak``, in the order in which they came."""

    def __init__(self, port: int) -> None:
        from paho.mqtt import client as mqtt

        self.got: list[tuple[str, str]] = []
        self._subscribed = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda client, data, message: self.got.append(
            (message.topic, message.payload.decode())
        )
        self._client.on_connect = lambda client, *_: client.subscribe("soak/#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(20), "the broker does not answer"

    def heard(self, ids: Container[str]) -> list[Heard]:
        return events((json.loads(line) for topic, line in self.got if topic.endswith("/state")), ids)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class _Kept(dict[str, Any]):
    """pyigtl keeps the newest message of each device alone: this keeps all."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Any] = []

    def __setitem__(self, name: str, message: Any) -> None:
        self.all.append(message)
        super().__setitem__(name, message)


class IgtlListener:
    """Every STRING, as pyigtl reads it."""

    def __init__(self, port: int) -> None:
        import pyigtl

        self._client = pyigtl.OpenIGTLinkClient(host="127.0.0.1", port=port, start_now=False)
        self._client.incoming_messages = self._kept = _Kept()
        self._client.start()

    @property
    def connected(self) -> bool:
        return bool(self._client.is_connected())

    def heard(self, ids: Container[str]) -> list[Heard]:
        return events((json.loads(message.string) for message in list(self._kept.all)), ids)

    def close(self) -> None:
        self._client.stop()


def events(records: Iterable[dict[str, Any]], ids: Container[str]) -> list[Heard]:
    """Those that have the id of an event: the begin and the end of the run have none. An outage that is told before its
    event comes again where an event of before it came in between: then its place is the last one."""
    last = {}
    for record in records:
        if record["id"] in ids:
            last.pop(record["id"], None)
            last[record["id"]] = record["organ"], record["state"], record["start_s"]
    return list(last.values())


class Tree:
    """The processes of a run: MiB that are theirs, and seconds of processor time so far."""

    def __init__(self, root: int) -> None:
        self._root = root

    def _ids(self) -> Iterator[int]:
        wanted = [self._root]
        for each in wanted:
            yield each
            for task in Path(f"/proc/{each}/task").glob("*/children"):
                try:
                    wanted += [int(word) for word in task.read_text(encoding="ascii").split()]
                except OSError:
                    continue

    def mib(self) -> float:
        """Anonymous pages: those of files are shared with whatever else runs, and come and go with it."""
        total = 0
        for each in self._ids():
            try:
                text = Path(f"/proc/{each}/smaps_rollup").read_text(encoding="ascii")
            except OSError:
                continue
            total += sum(int(found) for found in re.findall(r"^Anonymous:\s+(\d+)", text, re.MULTILINE))
        return total / 1024

    def cpu_s(self) -> float:
        """Also of children that have ended."""
        total = 0
        for each in self._ids():
            try:
                words = Path(f"/proc/{each}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            except OSError:
                continue
            total += sum(int(word) for word in words[11:15])
        return total / os.sysconf("SC_CLK_TCK")


@dataclass
class Outages:
    """When the probe was killed and back, seconds since 1970."""

    killed: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)


@dataclass
class Report:
    """Rows of the table; ``fine`` is None for a figure without a bound."""

    rows: list[tuple[str, Any, bool | None]] = field(default_factory=list)

    def add(self, name: str, value: Any, fine: bool | None = None) -> None:
        self.rows.append((name, value, fine))

    def print(self) -> None:
        width = max(len(name) for name, _, _ in self.rows)
        for name, value, fine in self.rows:
            print(f"{name:{width}}  {'' if fine is None else 'ok  ' if fine else 'OFF '}{value}")

    @property
    def fine(self) -> bool:
        return all(fine is not False for _, _, fine in self.rows)


def main(arguments: argparse.Namespace) -> int:
    out: Path = arguments.output
    shutil.rmtree(out / "run", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("feed*.mkv"):
        old.unlink()
    report = Report()
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    with ExitStack() as stack:
        soaked(stack, arguments, out, report, ending)
    report.print()
    write_json(out / "live_soak.json", {name: [value, fine] for name, value, fine in report.rows})
    return 0 if report.fine else 1


def soaked(stack: ExitStack, arguments: argparse.Namespace, out: Path, report: Report, ending: threading.Event) -> None:
    probe = stack.enter_context(closing(Probe(out, RATE_HZ, silent_every_s=math.inf)))
    probe.start()  # makes its pictures, and chooses its port
    probe.kill()
    broker_port, page_port, igtl_port = free_port(), free_port(), free_port()
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    assert mosquitto, "no MQTT broker: apt-get install mosquitto"
    log = stack.enter_context((out / "mosquitto.log").open("wb"))
    stack.enter_context(started([mosquitto, "-p", str(broker_port)], stdout=log, stderr=log))
    until(lambda: reachable(broker_port), "mosquitto")
    mqtt = stack.enter_context(closing(MqttListener(broker_port)))
    told = [stack.enter_context((out / name).open("wb")) for name in ("stdout.jsonl", "stderr.log")]
    command = [sys.executable, "-m", "seqcls", "run", f"igtl://127.0.0.1:{probe.port}", "-m", str(arguments.model)]
    command += ["-o", str(out / "run"), "--serve", str(page_port), "--token", str(out / "page.token")]
    command += ["--record", str(out / "feed.mkv"), "--send-igtl", str(igtl_port)]
    command += ["--mqtt", f"mqtt://127.0.0.1:{broker_port}/soak"]
    run = stack.enter_context(started(command, stdout=told[0], stderr=told[1]))
    until(lambda: reachable(page_port) and reachable(igtl_port), "seqcls")
    igtl = stack.enter_context(closing(IgtlListener(igtl_port)))
    until(lambda: igtl.connected, "the OpenIGTLink listener")
    token = (out / "page.token").read_text(encoding="ascii").strip()
    pages = [opened(stack, out / f"browser{k}", f"http://127.0.0.1:{page_port}/?token={token}") for k in range(2)]
    time.sleep(1.0)
    began_s = time.monotonic()
    outages, samples, trouble = Outages(), list[tuple[float, float]](), list[str]()
    tree = Tree(run.pid)
    cpu_s = tree.cpu_s()
    probe.start()
    acts = cycle(probe, outages, arguments.life)
    act_s, sample_s, look_s = began_s + next(acts), began_s, began_s + LOOK_EVERY_S
    ends_s = began_s + 60 * arguments.minutes
    while (now_s := time.monotonic()) < ends_s and not ending.is_set() and run.poll() is None:
        if now_s >= act_s and (now_s < ends_s - 30 or len(outages.back) < len(outages.killed)):
            act_s = now_s + next(acts)
        if now_s >= sample_s:
            sample_s += SAMPLE_EVERY_S
            samples.append(((now_s - began_s) / 3600, tree.mib()))
            with (out / "memory.csv").open("w" if len(samples) == 1 else "a", encoding="ascii") as table:
                table.write(f"{samples[-1][0]:.5f},{samples[-1][1]:.3f}\n")
        if now_s >= look_s:
            look_s += LOOK_EVERY_S
            for page in pages:
                if not page.evaluate("window.neverReloaded === true"):
                    trouble.append(f"a page was reloaded after {now_s - began_s:.0f} s")
            print(f"{(now_s - began_s) / 60:6.1f} min  {samples[-1][1]:.1f} MiB  {probe.sent} sent", flush=True)
        ending.wait(min(1.0, max(0.0, act_s - now_s)))
    minutes = (time.monotonic() - began_s) / 60
    if run.poll() is not None:
        report.add("the run ended by itself", run.returncode, False)
        return
    if len(outages.back) < len(outages.killed):
        next(acts)
    if outages.back:  # the last picture is to come while all is well
        time.sleep(max(0.0, outages.back[-1] + MAX_UNTIL_BACK_S + 3.0 - time.time()))
    cpu_s = tree.cpu_s() - cpu_s
    probe.end()
    time.sleep(1.0)  # all that was sent is scored, and the feed does not count as silent yet
    for page in pages:
        page.evaluate("document.getElementById('all').click()")
        page.until("whole !== null && document.getElementById('all').textContent === 'newest'")
    seen = [Seen.of(page) for page in pages]
    run.send_signal(signal.SIGINT)
    code = run.wait(60)
    time.sleep(1.0)
    for each in told:
        each.flush()
    report.add("minutes", round(minutes, 1))
    report.add("exit code", code, code == 0)
    report.add("probe killed", len(outages.killed))
    report.add("seqcls, cores in use", round(cpu_s / 60 / minutes, 2))
    report.add("trouble", trouble, not trouble)
    compare(report, out, probe, outages, mqtt, igtl, seen)
    judge_memory(report, samples, minutes / 60)


@dataclass
class Seen:
    """What a page had when the last picture had come."""

    heard: list[Heard]
    odd: list[str]
    never_reloaded: bool
    counts: dict[str, str]
    listed: list[str]
    asked: int
    errors: list[str]

    @classmethod
    def of(cls, page: Any) -> Seen:
        counts = {name: page.evaluate(f"document.getElementById('{name}').textContent") for name in COUNTED}
        return cls(
            [tuple(each) for each in page.evaluate("heard")],
            page.evaluate("odd"),
            page.evaluate("window.neverReloaded === true"),
            counts,
            page.evaluate(LISTED),
            page.evaluate("asked"),
            list(page.errors),
        )


COUNTED = ("received", "dropped", "rejected")


def browser_at(folder: Path) -> Any:
    """A headless Chromium with its profile there."""
    sys.path.insert(0, str(TESTS))
    from support import browser

    path = browser.find()
    assert path, "no Chromium: apt-get install chromium"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    opened = browser.Browser(path, folder)
    opened.screen(1280, 800)
    return opened


def opened(stack: ExitStack, folder: Path, url: str) -> Any:
    page = stack.enter_context(closing(browser_at(folder)))
    page.open(url)
    page.until("typeof hear === 'function' && document.readyState === 'complete'")
    page.evaluate(HOOK)
    return page


def cycle(probe: Probe, outages: Outages, life_s: float) -> Iterator[float]:
    """Kills the probe and brings it back, each time it is asked; gives the seconds until the next time."""
    yield life_s
    for away_s in itertools.cycle(OUTAGES_S):
        probe.kill()
        outages.killed.append(time.time())
        yield away_s
        probe.start()
        outages.back.append(time.time())
        yield life_s - away_s if life_s > 2 * away_s else life_s


def compare(
    report: Report, out: Path, probe: Probe, outages: Outages, mqtt: MqttListener, igtl: IgtlListener, seen: list[Seen]
) -> None:
    path = out / "run" / "run.journal"
    with open_journal(path) as stream:
        entries = [each for each in JournalReader(path, stream).blocks() if isinstance(each, Entry)]
    journal = read_journal(path)
    closing_record = journal.closed
    assert closing_record is not None, "the run did not close its journal"
    counts = closing_record.frame_counts
    sums = counts.classified + counts.skipped + counts.dropped + counts.rejected
    kinds = f"{counts.classified} + {counts.skipped} + {counts.dropped} + {counts.rejected}"
    name = "received = classified + skipped + dropped + rejected"
    report.add(name, f"{counts.received} = {kinds}", counts.received == sums)
    # One that a kill cut off may have arrived whole.
    exact = probe.sent <= counts.received <= probe.begun and probe.begun - probe.sent <= len(outages.killed)
    report.add("sent, with those cut off by a kill", f"{probe.sent} to {probe.begun}", exact)
    rows = len(journal.raw.scored)
    report.add("frames in the journal", rows, rows == counts.classified + counts.rejected)
    report.add("damage of the journal", journal.damage.summary or "none", not journal.damage.summary)
    report.add("latency, ms (p50, p95, p99)", [round(ms, 1) for ms in closing_record.latency_ms or ()])

    organs = journal.opening.organs
    told = [(each.number, each.record) for each in entries if isinstance(each.record, Event)]
    stopped = min(e.number for e in entries if isinstance(e.record, FeedChange) and e.record.state == "stopped")
    every = [heard_of(event) for _, event in told]
    report.add("events in the journal", len(every), bool(every))
    lines = [json.loads(line) for line in (out / "stdout.jsonl").read_text(encoding="ascii").splitlines()]
    report.add("read from stdout", *same([(r["organ"], r["state"], r["start_s"]) for r in lines], every))
    ids = [record["id"] for record in lines]
    for name, listener in (("MQTT", mqtt), ("OpenIGTLink", igtl)):
        report.add(f"heard by {name}", *same(by_organ(listener.heard(ids), organs), by_organ(every, organs)))
    report.add("ids on stdout", len(set(ids)), len(set(ids)) == len(every))
    said = [text for topic, text in mqtt.got if topic == "soak/availability"]
    # The first one ends what a broker may hold of a run that was killed.
    report.add("availability by MQTT", said, said == ["offline", "online", "offline"])

    # The pages were looked at when the last picture had come, and the end of the run had not.
    last_s = float(journal.raw.table().time_s[-1])
    before = [heard_of(event) for number, event in told if number < stopped and event.start_s < last_s]
    listed = presences(before, organs)
    for number, page in enumerate(seen, 1):
        report.add(f"heard by page {number}", *same(by_organ(page.heard, organs), by_organ(before, organs)))
        shown = sorted(line.replace("?", "now") for line in page.listed)
        report.add(f"page {number} lists presences", len(shown), shown == sorted(listed))
        right = {name: str(getattr(counts, name)) for name in COUNTED}
        report.add(f"page {number} counts", page.counts, page.counts == right)
        report.add(f"page {number} was never reloaded, asked so often", page.asked, page.never_reloaded)
        report.add(f"page {number}, odd", page.odd[:3] + page.errors[:3], not page.odd and not page.errors)

    changes = [e.record for e in entries if isinstance(e.record, FeedChange)]
    walls = [(change.state, wall_s(change.wall)) for change in changes]
    until_stalled = [first(walls, "stalled", at) - at for at in outages.killed]
    until_back = [first(walls, "running", at) - at for at in outages.back]
    report.add("a kill is seen within, s", longest(until_stalled), all(s < MAX_UNTIL_STALLED_S for s in until_stalled))
    report.add("frames come again within, s", longest(until_back), all(s < MAX_UNTIL_BACK_S for s in until_back))
    stalls = sum(state == "stalled" for state, _ in walls)
    report.add("the feed stalled and was retried, times", stalls, stalls >= len(outages.killed))

    stderr = (out / "stderr.log").read_text(encoding="utf-8")
    left_out = sum(int(number) for number in re.findall(r"(\d+) of \d+ frames (?:are not|show no)", stderr))
    recorded = packets(sorted(out.glob("feed*.mkv")))
    report.add("recorded + left out", f"{recorded} + {left_out}", recorded + left_out == counts.received)


def by_organ(heard: list[Heard], organs: tuple[str, ...]) -> list[Heard]:
    """A page is told what holds for each organ, not which event came first."""
    return [one for organ in organs for one in heard if one[0] == organ]


def heard_of(event: Event) -> Heard:
    return event.organ, event.state, event.start_s


def same(heard: list[Heard], wanted: list[Heard]) -> tuple[str, bool]:
    """Whether they are the same in the same order; times are passed on in whole microseconds."""
    if len(heard) == len(wanted):
        pairs = zip(heard, wanted, strict=True)
        differs = next(((a, b) for a, b in pairs if a[:2] != b[:2] or abs(a[2] - b[2]) > 1e-5), None)
        if differs is None:
            return f"{len(heard)}, once and in order", True
        return f"{len(heard)}, the first that differs: {differs[0]} for {differs[1]}", False
    left, more = [round_of(one) for one in wanted], list[Heard]()
    for one in map(round_of, heard):
        if one in left:
            left.remove(one)
        else:
            more.append(one)
    return f"{len(heard)} of {len(wanted)}; missing {left[:3]}, too many {more[:3]}", False


def round_of(one: Heard) -> Heard:
    return one[0], one[1], round(one[2], 4)


def presences(told: list[Heard], organs: tuple[str, ...]) -> list[str]:
    """As the page lists them."""
    lines = []
    for organ in organs:
        own = [one for one in told if one[0] == organ]
        for (_, state, start_s), after in itertools.zip_longest(own, own[1:]):
            if state == "present":
                lines.append(f"{clock(start_s)} – {'now' if after is None else clock(after[2])} {organ}")
    return lines


def clock(seconds: float) -> str:
    minutes, whole = divmod(int(max(0.0, seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{whole:02d}"


def wall_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def first(walls: list[tuple[str, float]], state: str, after_s: float) -> float:
    """When the feed was first in the state after a moment (or 0.1 s before: clocks are read one after the other)."""
    return next((at for one, at in walls if one == state and at > after_s - 0.1), math.inf)


def longest(seconds: list[float]) -> float:
    return round(max(seconds, default=0.0), 2)


def packets(files: list[Path]) -> int:
    import av

    total = 0
    for path in files:
        with av.open(str(path)) as video:
            total += sum(1 for packet in video.demux(video.streams.video[0]) if packet.size)
    return total


def judge_memory(report: Report, samples: list[tuple[float, float]], hours: float) -> None:
    steady = np.array([sample for sample in samples if sample[0] >= 0.25 * hours])
    if len(steady) < 3:
        report.add("memory slope", "too short a run")
        return
    slope = float(np.polyfit(steady[:, 0], steady[:, 1], 1)[0])
    judged = steady[-1, 0] - steady[0, 0] >= LEAST_FOR_SLOPE_H
    fine = slope < MAX_MIB_PER_HOUR if judged else None
    report.add("memory slope of the processes of seqcls, MiB per hour", round(slope, 3), fine)
    report.add("memory, MiB (least, most)", [round(float(steady[:, 1].min()), 1), round(float(steady[:, 1].max()), 1)])


def reachable(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def until(true: Callable[[], bool], what: str, within_s: float = 60.0) -> None:
    end_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end_s, f"{what} does not start"
        time.sleep(0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("-m", "--model", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--life", type=float, default=300.0, help="seconds from one kill of the probe to the next")
    sys.exit(main(parser.parse_args()))
