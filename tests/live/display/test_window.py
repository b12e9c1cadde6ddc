"""The window's picture: every state by colour and word, nothing that looks alive without a feed or without news.

The window's process is a real one, with OpenCV's windows replaced by pictures in a folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.feeds import nothing_left  # noqa: F401 - a fixture

from seqcls.errors import UsageError
from seqcls.live.display.window import ACTS, COLORS, QUIET_S, Window, act_at, draw
from seqcls.live.snapshot import LiveView, OrganView, Storage
from seqcls.palette import LOST, bgr
from seqcls.types import FrameCounts, State


def organ(name: str, state: State) -> OrganView:
    return OrganView(name, state, 0.0, None if state == "unknown" else 0.5, 0.5, 0.35, (), (), 0)


VIEW = LiveView(
    source="probe",
    feed="running",
    last_frame_s=0.0,
    now_s=1.0,
    organs=(organ("liver", "present"),),
    frame_counts=FrameCounts(),
    rate_hz=30.0,
    latency_ms=(1.0, 2.0, 3.0),
    image=np.full((60, 80), 200, np.uint8),
)


def counts(image: np.ndarray) -> dict[str, int]:
    """How many pixels of the signs have each state's colour."""
    side = image[:, -420:].reshape(-1, 3)
    return {name: int((side == color).all(axis=1).sum()) for name, color in COLORS.items()}


@pytest.mark.parametrize("state", ["present", "absent", "unknown"])
def test_each_state_has_its_colour(state: State) -> None:
    image = draw(replace(VIEW, organs=(organ("liver", state),)))
    found = counts(image)
    assert max(found, key=lambda name: found[name]) == state and found[state] > 20_000


def test_a_feed_that_stalls_dims_the_picture() -> None:
    running, stalled = draw(VIEW), draw(replace(VIEW, feed="stalled"))
    assert running[:, :-420].mean() > 2.5 * stalled[:, :-420].mean()


@pytest.mark.parametrize("quiet_s", [QUIET_S, 3.0, 86_400.0])
@pytest.mark.parametrize("shown", [VIEW.image, None], ids=["image", "no image"])
def test_without_news_nothing_is_present(quiet_s: float, shown: np.ndarray | None) -> None:
    view = replace(VIEW, image=shown)
    fresh, stale = draw(view, QUIET_S - 0.1), draw(view, quiet_s)
    assert np.array_equal(fresh, draw(view)) and counts(fresh)["present"] > 20_000
    assert counts(stale)["present"] == 0 and counts(stale)["unknown"] > 20_000
    said = (stale[:, :-420] == COLORS["unknown"]).all(axis=2).sum()
    assert said > 500 and stale[:, :-420].mean() < fresh[:, :-420].mean() / 2 + 20


@pytest.mark.parametrize("shape", [(1, 1), (2000, 10), (10, 2000), (480, 640)])
def test_pictures_of_any_shape(shape: tuple[int, int]) -> None:
    image = draw(replace(VIEW, image=np.full(shape, 90, np.uint8)))
    assert image.shape[0] == 640 and image.shape[1] <= 2 * 640 + 420


def rows_of_text(sign: np.ndarray) -> list[bool]:
    """Per row of a blue sign whether it holds letters."""
    return [bool(row.any()) for row in (sign[:, 20:-20] != COLORS["present"]).any(axis=2)]


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_names_and_signs_do_not_touch(count: int) -> None:
    """A long name with letters that reach below the line, above the word."""
    organs = tuple(organ("gyrus ypsilon, jugular part " * 2, "present") for _ in range(count))
    side = draw(replace(VIEW, organs=organs))[:, -420:]
    height = min(180, 450 // count)
    for place in range(count):
        inside = rows_of_text(side[place * height + 8 : (place + 1) * height - 4])
        blocks = [a for a, b in zip(inside, [False, *inside], strict=False) if a and not b]
        assert len(blocks) == 2  # with ground between
        assert (side[place * height + 8 : (place + 1) * height - 4, 400:408] == COLORS["present"]).all()


def test_names_are_cut_in_the_middle_and_scores_not_at_all() -> None:
    drawn = []
    for name, score in (("a" * 60 + "left", 0.05), ("a" * 60 + "deep", 0.05), ("a" * 60 + "deep", 0.09)):
        view = replace(VIEW, organs=(replace(organ(name, "present"), score=score),))
        drawn.append(draw(view).tobytes())
    assert len(set(drawn)) == 3


def test_why_nothing_is_known_and_what_a_person_should_know_are_drawn() -> None:
    known = replace(VIEW, organs=(organ("liver", "unknown"),))
    frozen = replace(known, organs=(replace(known.organs[0], reason="frozen"),))
    full = replace(known, messages=("an older one", f"{'/folder' * 20}/run.journal is incomplete: free space"))
    for view in (frozen, full):
        where = np.flatnonzero((draw(view) != draw(known)).any(axis=(1, 2)))
        assert where.min() >= 450 and where.max() < 600  # below the signs
    assert np.array_equal(draw(full), draw(replace(full, messages=full.messages[1:])))


def test_what_is_recorded_and_a_full_disk() -> None:
    recording = Storage(recording=True, written_bytes=12_300_000, free_bytes=41_000_000_000, left_s=3600.0)
    texts = []
    for storage in (replace(recording, recording=False), recording, replace(recording, left_s=60.0)):
        lines = np.flatnonzero((draw(replace(VIEW, storage=storage)) != draw(VIEW)).any(axis=(1, 2)))
        assert lines.min() > 510 and lines.max() < 540
        texts.append(draw(replace(VIEW, storage=storage))[510:540, -420:])
    dot = [bool((text[:, 12:24] == bgr(LOST)).all(axis=2).any()) for text in texts]
    ground = [int((text == COLORS["unknown"]).all(axis=2).sum()) > 3000 for text in texts]
    assert dot == [False, True, False] and ground == [False, False, True]


def test_a_presence_that_comes_has_a_bar_of_its_colour() -> None:
    absent = organ("liver", "absent")
    coming = replace(VIEW, organs=(replace(absent, coming=True),))
    assert counts(draw(replace(VIEW, organs=(absent,))))["present"] == 0
    assert 4000 < counts(draw(coming))["present"] < 12_000 < counts(draw(coming))["absent"]
    assert counts(draw(coming, 3.0))["present"] == 0  # without news nothing comes


def test_buttons_lie_where_they_are_drawn() -> None:
    """Each frame of one has its act inside, and none beside."""
    side = draw(replace(VIEW, organs=()))
    width, found = side.shape[1], {act_at(x, y, side.shape[1]) for x in range(side.shape[1]) for y in range(0, 640, 5)}
    assert found == {"", *ACTS.values()}
    for x, y in [(width - 420 + 12, 538), (width - 420 + 12 + 134, 538), (width - 420 + 12 + 268, 538)]:
        assert (side[y, x] > 200).all() and act_at(x + 1, y + 1, width) and not act_at(x - 1, y + 1, width)
    paused = draw(replace(VIEW, organs=(), paused=True))
    assert (paused[538:565, width - 420 + 280 :] != side[538:565, width - 420 + 280 :]).any()  # p pause: p go on


def test_many_organs_long_names_and_no_numbers() -> None:
    organs = tuple(organ("ein sehr langer Name für ein Organ " * 3, "unknown") for _ in range(12))
    organs += (organ("", "unknown"), organ("甲状腺" * 20, "present"))
    nothing = (float("nan"),) * 3
    assert draw(replace(VIEW, organs=organs, image=None, latency_ms=nothing)).dtype == np.uint8


#: OpenCV whose windows are files: shown.png is what is seen; a file "key" holds the key that is pressed, "cross" closes.
FAKE = """
import os, sys, time
from pathlib import Path
import cv2
place = Path(sys.argv[1])
os.write(1, b"chatter of a library\\n"); os.write(2, b"more of it\\n")
windows = set()
cv2.namedWindow = lambda name, flags: windows.add(name)
def imshow(name, image):
    assert name in windows
    cv2.imwrite(str(place / "next.png"), image)
    os.replace(place / "next.png", place / "shown.png")
def waitKey(ms):
    time.sleep(ms / 1000)
    if (place / "stuck").exists():
        time.sleep(1000)
    if (place / "click").exists():
        x, y = map(int, (place / "click").read_text().split())
        (place / "click").unlink()
        clicked(cv2.EVENT_LBUTTONUP, x, y, 0, None)
    if not (place / "key").exists():
        return -1
    key = ord((place / "key").read_text())
    (place / "key").unlink()
    return key
def setMouseCallback(name, function):
    global clicked
    clicked = function
cv2.setMouseCallback = setMouseCallback
cv2.imshow, cv2.waitKey, cv2.destroyAllWindows = imshow, waitKey, lambda: None
def getWindowProperty(name, what):
    if (place / "cross").exists():
        return -1.0
    (place / "seen").touch()
    return 1.0
cv2.getWindowProperty = getWindowProperty
from seqcls.live.display import window
window.QUIET_S = float(sys.argv[2])
window.main()
"""


def until(condition: Callable[[], bool]) -> None:
    limit_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit_s, "it never came about"
        time.sleep(0.01)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":none")


@pytest.fixture
def window(tmp_path: Path, screen: None) -> Iterator[Window]:
    with closing(Window([sys.executable, "-c", FAKE, str(tmp_path), "1e9"])) as made:
        yield made


def shown(place: Path) -> np.ndarray:
    image = cv2.imread(str(place / "shown.png")) if (place / "shown.png").exists() else None
    return np.zeros((640, 1060, 3), np.uint8) if image is None else image


def looks_like(place: Path, view: LiveView) -> bool:
    return np.array_equal(shown(place), draw(view))


def test_the_window_shows_what_it_is_sent(window: Window, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for state in ("present", "absent", "unknown"):
        view = replace(VIEW, organs=(organ("liver", state),))
        window.show(view)
        until(partial(looks_like, tmp_path, view))
    assert not window.closed
    window.close()
    window.close()
    assert capfd.readouterr() == ("", "")


def test_a_run_that_hangs_is_said(tmp_path: Path, screen: None) -> None:
    """Nothing more is sent, as by a run stuck in its engine: the sign goes by itself."""
    with closing(Window([sys.executable, "-c", FAKE, str(tmp_path), "0.5"])) as window:
        window.show(VIEW)
        until(lambda: counts(shown(tmp_path))["unknown"] > 20_000)
        assert counts(shown(tmp_path))["present"] == 0
        window.show(VIEW)  # it goes on
        until(lambda: counts(shown(tmp_path))["present"] > 20_000)


@pytest.mark.parametrize(("file", "text"), [("key", "q"), ("key", "\x1b"), ("cross", "")], ids=["q", "Escape", "cross"])
def test_closed_by_a_person(window: Window, tmp_path: Path, file: str, text: str) -> None:
    window.show(VIEW)
    until((tmp_path / "seen").exists)
    put(tmp_path / file, text)
    until(lambda: window.closed)
    window.show(VIEW)  # into nothing


def put(path: Path, text: str) -> None:
    """Whole at once: it is being looked for."""
    (path.parent / "new").write_text(text)
    (path.parent / "new").replace(path)


def test_keys_and_buttons_act(tmp_path: Path, screen: None) -> None:
    did: list[str] = []
    with closing(Window([sys.executable, "-c", FAKE, str(tmp_path), "1e9"], on_act=did.append)) as window:
        window.show(VIEW)
        until((tmp_path / "seen").exists)
        for place, text in (("key", "m"), ("key", "s"), ("key", "x"), ("click", "1 1")):
            put(tmp_path / place, text)
            until(lambda place=place: not (tmp_path / place).exists())  # type: ignore[misc]
        width = draw(VIEW).shape[1]
        put(tmp_path / "click", f"{width - 420 + 300} 550")
        until(lambda: did == ["mark", "snapshot", "pause"])


def test_a_stuck_window_holds_nothing_up(window: Window, tmp_path: Path) -> None:
    """Neither the run, with more pictures than a pipe holds, nor its end."""
    (tmp_path / "stuck").touch()
    for _ in range(100):
        window.show(replace(VIEW, image=np.zeros((1000, 1000), np.uint8)))
    window.close()
    assert window._process.returncode == 0  # its stdin ended


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_the_window_ends_with_a_run_that_is_killed(tmp_path: Path, screen: None) -> None:
    os.mkfifo(tmp_path / "alive")
    fake = f"held = open({str(tmp_path / 'alive')!r}, 'wb')\n" + FAKE  # ends when the process does
    command = [sys.executable, "-c", fake, str(tmp_path), "1e9"]
    code = f"from seqcls.live.display.window import Window\nWindow({command!r})\nprint('up', flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        with (tmp_path / "alive").open("rb") as alive:
            assert run.stdout.readline() == b"up\n"
            run.kill()
            assert alive.read() == b""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('failed --show needs an OpenCV that can open windows'); input()", "needs an OpenCV"),
        ("import os; os.abort()", "no window opens on this screen"),
    ],
    ids=["no GUI", "no such screen"],
)
def test_where_no_window_can_be_opened(code: str, words: str, screen: None) -> None:
    with pytest.raises(UsageError, match=words):
        Window([sys.executable, "-c", code])


def test_an_opencv_without_windows(tmp_path: Path, screen: None) -> None:
    code = FAKE.replace("lambda name, flags: windows.add(name)", "lambda *_: cv2.resize(None, (1, 1))")
    with pytest.raises(UsageError, match="headless"):
        Window([sys.executable, "-c", code, str(tmp_path), "2"])


def test_without_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(UsageError, match="page for browsers"):
        Window()
