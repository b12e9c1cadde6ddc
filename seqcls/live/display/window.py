"""`--show`: the image with what is in view, in a window of its own.

The window lives in a process of its own, which says by itself that nothing new comes: a run that hangs in native code
cannot. ``main`` is that process. On stdin: one pickled LiveView after another, from the run that started it and nobody
else. On stdout: a line ``ready`` or ``failed WHY``, then ``act NAME`` for what a person does, and ``closed``.
"""

from __future__ import annotations

import os
import pickle
import sys
import textwrap
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import IO

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.live.background import BackgroundWorker, nothing
from seqcls.live.snapshot import LiveView, OrganView
from seqcls.palette import ABSENT, LOST, PRESENT, UNKNOWN, bgr
from seqcls.processes.child_program import end, program, start
from seqcls.text.foreign_text import for_image
from seqcls.text.wording import without_name

Image = NDArray[np.uint8]
#: Each state has its word besides.
COLORS = {"present": bgr(PRESENT), "absent": bgr(ABSENT), "unknown": bgr(UNKNOWN)}
_HEIGHT, _SIDE, _BELOW = 640, 420, 190
#: By key; each has a button too.
ACTS = {"m": "mark", "s": "snapshot", "p": "pause"}
_BUTTON_TOP, _BUTTON_WIDTH, _BUTTON_HEIGHT = _HEIGHT - 102, 128, 26
_INK = (230, 230, 230)
#: After so long without news, an image is no longer what is seen now.
QUIET_S = 2.0
TITLE = "seqcls"
_OPEN_S = 30.0
_END_S = 2.0
_NO_GUI = "a window needs an OpenCV that can open one, not opencv-python-headless; use the page for browsers instead"
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw(view: LiveView, quiet_s: float = 0.0) -> Image:
    """(640, W, 3) uint8 BGR: the ultrasound region at the left, a sign per organ at the right, below what is recorded,
    what a person can do, and the feed.

    ``quiet_s``: how long ago the view was new. From ``QUIET_S`` on every organ is unknown, and the window says so.
    """
    quiet = quiet_s >= QUIET_S
    organs = [replace(organ, state="unknown", score=None, coming=False) if quiet else organ for organ in view.organs]
    warning = f"NO NEWS FOR {quiet_s:.0f} s" if quiet else "" if view.holds else (view.outage or view.word)
    framed = _framed(view, warning)
    side = np.full((_HEIGHT, _SIDE, 3), 24, np.uint8)
    height = min(180, (_HEIGHT - _BELOW) // max(1, len(organs)))
    for place, organ in enumerate(organs):
        _sign(side[place * height + 6 : (place + 1) * height - 2], organ)
    for place, part in enumerate(textwrap.wrap(_cut(" ".join(view.messages[-1:]), 84), 48)[:2]):
        _text(side, part, 12, _HEIGHT - 170 + 20 * place, 0.45, COLORS["unknown"])
    _text(side, _cut(view.checklist, 48), 12, _HEIGHT - 128, 0.45)
    _storage(side, view)
    for place, (key, act) in enumerate(ACTS.items()):
        left = 12 + place * (_BUTTON_WIDTH + 6)
        corner = left + _BUTTON_WIDTH, _BUTTON_TOP + _BUTTON_HEIGHT
        cv2.rectangle(side, (left, _BUTTON_TOP), corner, _INK, 1)
        _text(side, f"{key} {'go on' if act == 'pause' and view.paused else act}", left + 8, _BUTTON_TOP + 18, 0.5)
    own = next((organ.reason for organ in organs if organ.reason), "")
    why = view.why if view.feed != "running" else without_name(own, view.source)
    feed = _cut(view.word + (f": {why}" if why not in ("", view.word) else ""), 42)
    p95 = view.latency_ms[1]
    _text(side, warning if quiet else feed, 12, _HEIGHT - 56, 0.6, COLORS["unknown"] if warning else _INK)
    late = "" if p95 != p95 else f"  p95 {p95:.0f} ms"
    if not quiet:
        _text(side, f"{view.rate_hz:.0f} frames/s{late}  {view.frame_counts.dropped} dropped", 12, _HEIGHT - 34, 0.5)
    _text(side, "Research software, not a medical device.", 12, _HEIGHT - 12, 0.45)
    return np.concatenate([framed, side], axis=1)


def act_at(x: int, y: int, width: int) -> str:
    """What the button there does, in a picture so wide; "" where there is none."""
    place, inside = divmod(x - (width - _SIDE) - 12, _BUTTON_WIDTH + 6)
    hit = 0 <= place < len(ACTS) and inside <= _BUTTON_WIDTH and 0 <= y - _BUTTON_TOP <= _BUTTON_HEIGHT
    return list(ACTS.values())[place] if hit else ""


class Window:
    """A window that follows the snapshots; ``closed`` once somebody pressed q or Escape or closed it.

    ``command`` starts the process. ``on_act`` gets what a person does there, from a thread of its own. Raises
    UsageError where no window can be opened.
    """

    def __init__(self, command: Sequence[str] | None = None, *, on_act: Callable[[str], None] = nothing) -> None:
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise UsageError("a window needs a screen, and none is set (DISPLAY); use the page for browsers instead")
        self.closed = False
        self._on_act = on_act
        self._answer = ""
        self._answered = threading.Event()
        self._process = start(program("seqcls.live.display.window") if command is None else command)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._views, self._answers = self._process.stdin, self._process.stdout
        self._listener = threading.Thread(target=self._listen, name="seqcls-window-answers", daemon=True)
        self._listener.start()
        self._sender: BackgroundWorker[LiveView] = BackgroundWorker(
            "window", self._send, limit=1, newest_only=True, finish=self._views.close, interrupt=self._process.kill
        )
        self._answered.wait(_OPEN_S)
        if self._answer != "ready":
            self.close()
            why = self._answer.partition(" ")[2]
            raise UsageError(why if why else "no window opens on this screen; use the page for browsers instead")

    def show(self, view: LiveView) -> None:
        """Never waits: a view that the window has not taken when the next one comes is left out."""
        self._sender.put(replace(view, organs=tuple(replace(o, trace=(), spans=(), latest=()) for o in view.organs)))

    def close(self) -> None:
        """End the process; idempotent."""
        self._sender.close(2 * _END_S)  # it closes the window's stdin, and the process ends
        end(self._process, after_s=_END_S)
        self._listener.join(_END_S)

    def _send(self, view: LiveView) -> None:
        pickle.dump(view, self._views)
        self._views.flush()

    def _listen(self) -> None:
        with self._answers:
            for line in self._answers:
                word = line.decode(errors="replace").strip()
                if word == "closed":
                    self.closed = True
                elif word.startswith("act "):
                    self._on_act(word.partition(" ")[2])
                elif word == "ready" or word.startswith("failed "):
                    self._answer = word
                    self._answered.set()
        self._answered.set()


def _receive(views: IO[bytes], latest: deque[tuple[LiveView, float]]) -> None:
    """Keep the newest view and when it came; end the process when no more can come."""
    try:
        while True:
            latest.append((pickle.load(views), time.monotonic()))
    finally:
        os._exit(0)  # also when the GUI is stuck


def main() -> None:
    """The window's process. OpenCV's windows belong to the main thread, on macOS without exception."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
    except cv2.error:
        print("failed", _NO_GUI, file=answers)
        return
    print("ready", file=answers)
    latest: deque[tuple[LiveView, float]] = deque(maxlen=1)
    threading.Thread(target=_receive, args=(sys.stdin.buffer, latest), daemon=True).start()

    def act(name: str) -> None:
        with suppress(OSError):  # nobody listens any more
            print("act", name, file=answers)

    with suppress(KeyboardInterrupt):
        _follow(latest, act)
    with suppress(OSError):  # nobody listens any more
        print("closed", file=answers)
    cv2.destroyAllWindows()
    os._exit(0)  # the thread that reads stdin holds its lock, for which an orderly end would wait and then abort


def _follow(latest: deque[tuple[LiveView, float]], act: Callable[[str], None]) -> None:
    """Draw until a person closes the window; ``act`` gets what that person does before."""
    shown: tuple[float, int] | None = None
    visible = False
    width = [0]  # of what is shown

    def on_mouse(event: int, x: int, y: int, *_: object) -> None:
        if event == cv2.EVENT_LBUTTONUP and (name := act_at(x, y, width[0])):
            act(name)

    cv2.setMouseCallback(TITLE, on_mouse)
    while True:
        for view, came_s in latest.copy():
            quiet_s = time.monotonic() - came_s
            state = (came_s, int(quiet_s) if quiet_s >= QUIET_S else 0)
            if state != shown:
                picture = draw(view, quiet_s)
                width[0] = picture.shape[1]
                cv2.imshow(TITLE, picture)
                shown = state
        key = chr(cv2.waitKey(20) & 0xFF)
        if key in ("q", "\x1b"):
            return
        if key in ACTS:
            act(ACTS[key])
        # Some systems cannot tell, and say 0 or less of a window that is there.
        seen = cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1
        if visible and not seen:
            return
        visible = seen


def _framed(view: LiveView, warning: str) -> Image:
    framed = np.full((_HEIGHT, _HEIGHT, 3), 12, np.uint8)
    if view.image is not None:
        scale = min(_HEIGHT / view.image.shape[0], 2 * _HEIGHT / view.image.shape[1])
        size = max(1, round(view.image.shape[1] * scale)), max(1, round(view.image.shape[0] * scale))
        shown = cv2.cvtColor(cv2.resize(view.image, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_GRAY2BGR)
        framed = np.zeros((_HEIGHT, shown.shape[1], 3), np.uint8)
        top = (_HEIGHT - shown.shape[0]) // 2
        framed[top : top + shown.shape[0]] = shown
    elif not warning:
        _text(framed, "no image yet", 40, _HEIGHT // 2, 0.9)
    if warning:  # an image that stands still must not look alive
        framed //= 3
        fit = (framed.shape[1] - 40) / cv2.getTextSize(warning, _FONT, 1.0, 3)[0][0]
        _text(framed, warning, 20, _HEIGHT // 2, max(0.4, min(1.4, fit)), COLORS["unknown"], 3)
    return framed


def _storage(side: Image, view: LiveView) -> None:
    """What is recorded and how much room there is, with a red dot while it is; on a ground of its own when that is
    nearly none."""
    storage = view.storage
    if storage is None:
        return
    top = _HEIGHT - 122
    if storage.nearly_full:
        side[top : top + 18] = COLORS["unknown"]
    if storage.is_recording:
        cv2.circle(side, (18, top + 9), 5, (0, 0, 0) if storage.nearly_full else bgr(LOST), -1, cv2.LINE_AA)
    text = f"{storage.text}  DISK NEARLY FULL" if storage.nearly_full else storage.text
    size = min(0.45, 0.45 * (_SIDE - 40) / max(1, cv2.getTextSize(text, _FONT, 0.45, 1)[0][0]))
    _text(side, text, 30, top + 14, size, (0, 0, 0) if storage.nearly_full else _INK)


def _sign(area: Image, organ: OrganView) -> None:
    """The organ's state as a filled box with its word, hatched where unknown; a bar below while a presence comes."""
    height, width = area.shape[:2]
    box = area[:, 10 : width - 10]
    box[:] = COLORS[organ.state]
    if organ.state == "unknown":
        for start in range(-height, width, 24):
            cv2.line(box, (start, 0), (start + height, height), (0, 200, 255), 3)
    if organ.coming and height > 40:
        box[-20:] = COLORS["present"]
        cv2.line(box, (0, height - 21), (width, height - 21), (255, 255, 255), 1)
        _text(box, "> > >  COMING", 12, height - 6, 0.5, (255, 255, 255), 1)
        box, area, height = box[:-21], area[:-21], height - 21
    ink = (0, 0, 0) if organ.state == "unknown" else (255, 255, 255)
    score = "" if organ.score is None else f"  {organ.score:.2f}"
    name = _cut(for_image(organ.organ), 34 - len(score)) + score
    small = min(1.0, height / 90)
    size = min(0.7 * small, (width - 44) / max(1, cv2.getTextSize(name, _FONT, 1.0, 2)[0][0]))
    line = round(34 * small)  # what the name takes, with what hangs below its letters
    _text(area, name, 22, round(24 * small), size, ink, 2 if small > 0.6 else 1)
    word = organ.state.upper()
    bottom = height - round(12 * small)
    fit = min(2.2, (width - 50) / cv2.getTextSize(word, _FONT, 1.0, 4)[0][0], (bottom - line - 4) / 22)
    _text(area, word, 22, bottom, max(0.4, fit), ink, 4 if fit > 1 else 2)


def _cut(text: str, most: int) -> str:
    """At most so many letters, without the middle: what tells two names apart may stand at either end."""
    left = most - 3
    return text if len(text) <= most else f"{text[: left - left // 2]}...{text[len(text) - left // 2 :]}"


def _text(
    area: Image, text: str, x: int, y: int, scale: float, color: tuple[int, int, int] = _INK, width: int = 1
) -> None:
    cv2.putText(area, for_image(text), (x, y), _FONT, scale, color, width, cv2.LINE_AA)
