"""The live page in a real browser, above all when something is wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from support import browser
from support.pages import EVIL, THYROID, TOKEN, VIEW, until

from seqcls.live.display.server import PageServer
from seqcls.live.snapshot import LiveView, Span, Storage


class Run:
    """Publishes a snapshot again and again, as a run does, until told to be silent."""

    def __init__(self, page: PageServer, view: LiveView) -> None:
        self.view, self._page = view, page
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._publish, daemon=True)
        self._thread.start()

    def _publish(self) -> None:
        while not self._end.wait(0.1):
            self._page.publish(self.view)

    def silence(self) -> None:
        self._end.set()
        self._thread.join()


SIGNS = "[...document.querySelectorAll('.word')].map((sign) => sign.textContent).join()"
SHOWN = "document.getElementById('feed').textContent"
INTERVALS = (
    "[...intervals.children].map((line) => [...line.children].map((part) => part.textContent).join(' ')).join('|')"
)
SEEN = "document.body.dataset.trusted"
NOTE = "document.getElementById('picture-note').textContent"
#: The next answer to what asks for all presences is lost.
LOSE_PRESENCES = """
void (window.fetch = ((real) => (path, how) => {
  if (path !== "/presences") return real(path, how);
  window.fetch = real;
  window.lost = true;
  return Promise.reject(new TypeError("lost"));
})(window.fetch))
"""
LOST_FOR = "document.getElementById('feed-for').textContent"


def errors(chromium: browser.Browser, page: PageServer) -> list[str]:
    """What the browser complained of; that an earlier test's server is gone does not count."""
    return [error for error in chromium.errors if "Failed to load" not in error or f":{page.port}/" in error]


def opened(chromium: browser.Browser, page: PageServer, view: LiveView = VIEW) -> Run:
    """The page in the browser, with both signs shown."""
    run = Run(page, view)
    chromium.errors.clear()
    chromium.screen(1280, 800)
    chromium.open(page.url)
    chromium.until(SIGNS, lambda signs: signs == "PRESENT,ABSENT")
    return run


def test_it_opens_and_updates(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page)
    try:
        assert chromium.evaluate("location.href") == f"http://127.0.0.1:{page.port}/"  # without the token
        assert chromium.evaluate("document.cookie") == ""
        assert "feed running" in chromium.evaluate(SHOWN)
        text = chromium.evaluate("document.body.innerText")
        assert "0.93" in text and "0.04" in text and "29.9 /s" in text and "20 / 30 / – ms" in text
        assert "not a medical device" in text and "the disk is nearly full" in text and "3 × present" in text
        chromium.until("[picture.width, picture.height].join()", lambda size: size == "240,180")
        chromium.until(NOTE, lambda note: note == "")
        assert chromium.evaluate("picture.getContext('2d').getImageData(200, 90, 1, 1).data[0]") == pytest.approx(
            200, abs=12
        )
        so_far = chromium.evaluate(INTERVALS)
        assert so_far.startswith(f"0:01:30 – now thyroid|0:01:30 – now {EVIL}|0:01:01 – 0:01:06 thyroid|")
        assert so_far.count("|") == 5
        run.view = replace(
            VIEW, organs=tuple(replace(o, state=s) for o, s in zip(VIEW.organs, ("absent", "unknown"), strict=True))
        )
        chromium.until(SIGNS, lambda signs: signs == "ABSENT,UNKNOWN")
        assert "thyroid absent" in chromium.evaluate("document.getElementById('spoken').textContent")
        run.view = replace(VIEW, organs=VIEW.organs[:1])
        chromium.until(SIGNS, lambda signs: signs == "PRESENT")
        assert errors(chromium, page) == []
    finally:
        run.silence()


TEXT = "document.getElementById('{}').textContent"


def test_recording_acts_checklist_and_what_is_coming(chromium: browser.Browser) -> None:
    asked: list[str] = []
    page = PageServer(token=TOKEN, on_act=asked.append)
    storage = Storage(recording=True, clips=99, written_bytes=1_234_567_890, free_bytes=41_000_000_000, left_s=28_900)
    many = tuple(Span("present", 0.1 * k, 0.1 * k + 0.05) for k in range(60))
    thyroid = replace(THYROID, wanted_s=2.0, present_s=12.5, presences=60, latest=many)
    coming = replace(
        THYROID, organ="trachea", state="absent", coming=True, wanted_s=2.0, present_s=0.5, presences=0, latest=()
    )
    view = replace(VIEW, organs=(thyroid, coming), storage=storage)
    run = opened(chromium, page, view)
    try:
        assert (
            chromium.evaluate(TEXT.format("storage"))
            == storage.text
            == "REC 1.2 GB  99 clips  disk 41.0 GB free, 8 h left"
        )
        chromium.until("document.getElementById('storage').dataset.rec", lambda rec: rec == "yes")
        assert chromium.evaluate(TEXT.format("checklist")) == view.checklist == "still to see: trachea 1.5 s"
        counts = chromium.evaluate("[...document.querySelectorAll('.count')].map((one) => one.textContent).join('|')")
        assert counts == "☑ 60 × present, 12.50 s in all|☐ 0 × present, 0.50 s in all"
        signs = "[...document.querySelectorAll('.coming')].map((sign) => getComputedStyle(sign).display).join()"
        chromium.until(signs, lambda shown: shown == "none,block")
        assert chromium.evaluate("intervals.children.length") == 20
        chromium.evaluate(LOSE_PRESENCES)
        chromium.evaluate("document.getElementById('all').click()")
        chromium.until(
            "window.lost === true && document.getElementById('all').getAttribute('aria-pressed') === 'false'"
        )
        chromium.evaluate("document.getElementById('all').click()")
        chromium.until("intervals.children.length", lambda shown: shown == 60)
        chromium.evaluate("document.querySelector('[data-act=mark]').click()")
        for key in ("s", "p", "q"):
            chromium.evaluate(f"void document.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}'}}))")
        until(lambda: len(asked) == 3)
        assert sorted(asked) == ["mark", "pause", "snapshot"]
        chromium.evaluate("document.getElementById('sound').click()")
        chromium.until(TEXT.format("sound"), lambda text: text == "sound: on")
        run.view = replace(view, paused=True, storage=replace(storage, left_s=100.0, paused=True))
        chromium.until(SIGNS, lambda signs: signs == "UNKNOWN,UNKNOWN")
        chromium.until("document.getElementById('storage').dataset.rec", lambda rec: rec == "no")
        assert chromium.evaluate(TEXT.format("storage")).startswith("REC paused  1.2 GB")
        assert "paused" in chromium.evaluate(SHOWN) and chromium.evaluate(signs) == "none,none"
        assert "DISK NEARLY FULL" in chromium.evaluate(TEXT.format("storage"))
        assert chromium.evaluate("document.querySelector('[data-act=pause]').textContent") == "go on"
        assert errors(chromium, page) == []
    finally:
        run.silence()
        page.close()


def test_names_stay_text(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page, replace(VIEW, source=EVIL))
    try:
        names = chromium.evaluate("[...document.querySelectorAll('.name')].map((name) => name.textContent)")
        assert names == ["thyroid", EVIL]
        assert chromium.evaluate("document.querySelectorAll('img').length") == 0
        assert EVIL in chromium.evaluate("document.getElementById('messages').textContent")
        assert EVIL in chromium.evaluate("document.getElementById('source').textContent")
        assert errors(chromium, page) == []  # nor did the content policy have to stop anything
    finally:
        run.silence()


def test_a_stall_and_the_recovery(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page)
    try:
        # The state as the run gives it is "present" here, to see that the page does not rely on the run alone.
        run.view = replace(VIEW, feed="stalled", feed_reason="no frame within 2 s", last_frame_s=86.0)
        chromium.until(SIGNS, lambda signs: signs == "UNKNOWN,UNKNOWN")
        chromium.until(SHOWN, lambda shown: "feed stalled" in shown and "no frame for 14 s" in shown)
        assert "no frame within 2 s" in chromium.evaluate("document.body.innerText")
        assert "0.93" not in chromium.evaluate("document.getElementById('organs').innerText")
        assert "not live" in chromium.evaluate(NOTE)
        run.view = replace(VIEW, feed="retrying", feed_reason="the server closed the connection")
        chromium.until(SHOWN, lambda shown: "feed retrying" in shown)
        run.view = VIEW
        chromium.until(SIGNS, lambda signs: signs == "PRESENT,ABSENT")
        assert "feed running" in chromium.evaluate(SHOWN)
    finally:
        run.silence()


def test_a_run_that_hangs(chromium: browser.Browser, page: PageServer) -> None:
    opened(chromium, page).silence()
    chromium.until(SIGNS, lambda signs: signs == "UNKNOWN,UNKNOWN")
    assert "no news from the run" in chromium.evaluate(SHOWN)
    run = Run(page, VIEW)
    try:
        chromium.until(SIGNS, lambda signs: signs == "PRESENT,ABSENT")
    finally:
        run.silence()


def test_a_lost_connection_and_its_return(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page)
    page.close()  # as if seqcls had been killed: the port is gone
    run.silence()
    chromium.until(SIGNS, lambda signs: signs == "UNKNOWN,UNKNOWN")
    assert "connection to seqcls lost" in chromium.evaluate(SHOWN)
    assert chromium.evaluate(SEEN) == "no"
    seconds = chromium.until(LOST_FOR, lambda s: int(s.split()[0]) >= 1)
    chromium.until(LOST_FOR, lambda s: s != seconds)  # it counts
    again = PageServer(page.port, token=TOKEN)
    run = Run(again, VIEW)
    try:
        chromium.until(SIGNS, lambda signs: signs == "PRESENT,ABSENT")
    finally:
        run.silence()
        again.close()


#: A run in a process of its own, which can be stopped and killed like any other.
ALONE = """
import sys, time
from seqcls.live.display.server import PageServer
from seqcls.live.snapshot import LiveView, OrganView
from seqcls.types import FrameCounts

organ = OrganView("thyroid", "present", 0.0, 0.9, 0.5, 0.35, (), (), 1)
page = PageServer(token=sys.argv[1])
print(page.url, flush=True)
while True:
    page.publish(LiveView(source="probe", feed="running", last_frame_s=0.0, now_s=1.0, organs=(organ,),
                          frame_counts=FrameCounts(), rate_hz=25.0, latency_ms=(1.0, 2.0, 3.0)))
    time.sleep(0.1)
"""


def test_a_process_that_freezes_and_one_that_is_killed(chromium: browser.Browser) -> None:
    """Frozen, its connections stay open and no event comes; killed, they break."""
    arguments = [sys.executable, "-c", ALONE, TOKEN]
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            chromium.open(process.stdout.readline().strip())
            chromium.until(SIGNS, lambda signs: signs == "PRESENT")
            process.send_signal(signal.SIGSTOP)
            chromium.until(SIGNS, lambda signs: signs == "UNKNOWN")
            chromium.until(SHOWN, lambda shown: "connection to seqcls lost" in shown)
            assert int(chromium.evaluate(LOST_FOR).split()[0]) >= 3
            process.send_signal(signal.SIGCONT)
            chromium.until(SIGNS, lambda signs: signs == "PRESENT")
            process.kill()
            chromium.until(SIGNS, lambda signs: signs == "UNKNOWN")
            assert "connection to seqcls lost" in chromium.evaluate(SHOWN)
        finally:
            process.kill()


def test_the_end_of_the_run_is_no_loss(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page)
    run.silence()
    page.publish(replace(VIEW, feed="stopped"))
    page.close()
    chromium.until(SHOWN, lambda shown: "the run has ended" in shown)
    assert chromium.evaluate(SIGNS) == "UNKNOWN,UNKNOWN"


def test_news_that_lay_on_the_way_is_not_believed(chromium: browser.Browser, page: PageServer) -> None:
    """A slow line answers late: what arrives says PRESENT of long ago."""
    run = opened(chromium, page)
    try:
        late = f"hear({{version, quiet_s: 0, view: null}}, performance.now() - 10000); {SHOWN} + {SIGNS}"
        shown = chromium.evaluate(late)
        assert "connection to seqcls lost" in shown and "UNKNOWN,UNKNOWN" in shown
        chromium.until(SIGNS, lambda signs: signs == "PRESENT,ABSENT")
    finally:
        run.silence()


DRAWN = (
    "[...document.querySelector('.strip').children].map((bar) => [bar.className, "
    "Math.round(10 * parseFloat(bar.style.left)), Math.round(10 * parseFloat(bar.style.width))].join(' ')).join()"
)


def test_the_past_is_drawn_to_scale(chromium: browser.Browser, page: PageServer) -> None:
    """A minute is the width, of scores and states: the last 10 s of it present."""
    run = opened(chromium, page)
    try:
        assert chromium.evaluate(DRAWN) == "unknown 0 833,present 833 167"
        line = chromium.evaluate("document.querySelector('.scores').getAttribute('d')")
        assert line.startswith("M-50.00 0.100L-49.90 0.100") and line.endswith("L-0.10 0.100") and line.count("M") == 1
        assert chromium.evaluate("document.querySelector('.thresholds').getAttribute('d')") == "M-60 0.5H0M-60 0.65H0"
        run.view = replace(VIEW, feed="stalled", last_frame_s=95.0)
        chromium.until(SIGNS, lambda signs: signs == "UNKNOWN,UNKNOWN")
        assert "M" in chromium.evaluate("document.querySelector('.scores').getAttribute('d')")
        chromium.until(
            DRAWN, lambda drawn: [bar.split()[0] for bar in drawn.split(",")] == ["unknown", "present", "unknown"]
        )
    finally:
        run.silence()


def test_a_presence_too_narrow_for_two_pixels_is_as_high_as_it_is_long(
    chromium: browser.Browser, page: PageServer
) -> None:
    """0.1 s and 0.01 s of a minute, and 60 s: below the width of two pixels the height says how much it is."""
    spans = (Span("present", 0.0, 60.0), Span("present", 70.0, 70.1), Span("present", 80.0, 80.01))
    run = opened(chromium, page, replace(VIEW, organs=(replace(THYROID, spans=spans), *VIEW.organs[1:])))
    try:
        tops = "[...document.querySelector('.strip').children].map((bar) => bar.style.top)"
        width = chromium.evaluate("document.querySelector('.strip').clientWidth")
        whole, short, least = chromium.evaluate(f"{tops}.join()").split(",")[:3]
        assert whole == "" and least == "87.5%"
        assert float(short.removesuffix("%")) == pytest.approx(100 * (1 - 0.1 / 60 * width / 2), abs=0.1)
    finally:
        run.silence()


def test_a_picture_that_stands_still_does_not_look_alive(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page)
    try:
        chromium.until(NOTE, lambda note: note == "")
        assert chromium.evaluate("getComputedStyle(picture).opacity") == "1"
        run.view = replace(VIEW, image=None)
        chromium.until(NOTE, lambda note: "no picture" in note)
        assert chromium.evaluate(SEEN) == "yes" and chromium.evaluate("getComputedStyle(picture).opacity") == "0.3"
        run.view = VIEW
        chromium.until(NOTE, lambda note: note == "")
        chromium.evaluate("void (fetchPicture = () => {})")  # as if every connection of the browser were taken
        chromium.until(NOTE, lambda note: note.startswith("not live") and note.endswith("s old"))
        assert chromium.evaluate(SEEN) == "yes"
    finally:
        run.silence()


def test_a_wrong_token_in_the_browser(chromium: browser.Browser, page: PageServer) -> None:
    page.publish(VIEW)
    chromium.open("about:blank")
    chromium.open(page.url.replace(TOKEN, "x" * 32))
    chromium.until("document.body && document.body.innerText", lambda text: bool(text) and "wrong token" in text)


def test_another_site_in_the_same_browser_sees_nothing(chromium: browser.Browser, page: PageServer) -> None:
    run = opened(chromium, page)  # the browser has the cookie
    try:
        chromium.open(page.url.replace("127.0.0.1", browser.REBOUND))  # and the other site even knows the token
        chromium.until("document.body && document.body.innerText", lambda text: bool(text) and "wrong Host" in text)
        for address in (f"http://127.0.0.1:{page.port}/picture", f"http://127.0.0.1:{page.port}/?token={TOKEN}"):
            reach = f"fetch('{address}', {{credentials: 'include'}}).then((answer) => answer.status, () => 'refused')"
            assert chromium.evaluate(reach) == "refused"
    finally:
        run.silence()


@pytest.mark.parametrize(
    "width, height, organs",
    [(360, 740, 2), (360, 740, 8), (1280, 800, 1), (1280, 800, 2), (1280, 800, 8), (1920, 1080, 3), (3840, 2160, 2)],
)
def test_everything_fits(chromium: browser.Browser, page: PageServer, width: int, height: int, organs: int) -> None:
    view = replace(
        VIEW,
        organs=tuple(
            replace(THYROID, organ=f"{i} a long name of an organ " * 3, state="unknown") for i in range(organs)
        ),
    )
    run = Run(page, view)
    try:
        chromium.screen(width, height, phone=width < 600)
        chromium.open(page.url)
        chromium.until(SIGNS, lambda signs: signs == ",".join(["UNKNOWN"] * organs))
        chromium.until(SEEN, lambda seen: seen == "yes")
        assert chromium.evaluate("document.documentElement.scrollWidth <= innerWidth")
        boxes = (
            "[...document.querySelectorAll('.sign')].map((sign) => [sign.scrollWidth - sign.clientWidth,"
            " sign.firstChild.offsetHeight - sign.clientHeight, parseFloat(getComputedStyle(sign.firstChild).fontSize),"
            " sign.getBoundingClientRect().bottom])"
        )
        for too_wide, too_high, size, bottom in chromium.evaluate(boxes):
            assert too_wide <= 0 and too_high <= 0 and size >= 38
            if width > 600:  # nothing to scroll on a screen that stands
                assert bottom <= height
        assert chromium.evaluate("innerWidth < 600 || document.documentElement.scrollHeight <= innerHeight")
    finally:
        run.silence()


@pytest.mark.parametrize("width, height", [(320, 568), (360, 740), (1280, 800), (1920, 1080)])
def test_names_that_differ_at_their_end_are_told_apart(
    chromium: browser.Browser, page: PageServer, width: int, height: int
) -> None:
    names = [
        f"{name}, {side}" for side in ("left", "right") for name in ("common carotid artery", "jugular vein", "lobe")
    ]
    run = Run(
        page, replace(VIEW, organs=tuple(replace(THYROID, organ=name, latest=THYROID.latest[:1]) for name in names))
    )
    try:
        chromium.screen(width, height, phone=width < 600)
        chromium.open(page.url)
        chromium.until(SIGNS, lambda signs: signs == ",".join(["PRESENT"] * 6))
        cut = (
            "[...document.querySelectorAll('.name, .whose')]"
            ".filter((name) => name.scrollWidth > name.clientWidth || name.scrollHeight > name.clientHeight + 1).length"
        )
        assert chromium.evaluate("document.querySelectorAll('.whose').length") == 6
        assert chromium.evaluate(cut) == 0
    finally:
        run.silence()


@pytest.mark.parametrize("width, height", [(320, 568), (360, 740), (1280, 800)])
def test_what_is_wrong_is_in_sight(chromium: browser.Browser, page: PageServer, width: int, height: int) -> None:
    """Without scrolling, and whatever the length of the source's name: why the feed is lost, and a full disk."""
    why = "the server at probe.clinic.example closed the connection"
    full = "/data/runs/2026-11-23/run.journal is incomplete (No space left on device): free space"
    run = Run(page, replace(VIEW, feed="retrying", feed_reason=why, source="rtsp://" + "a" * 300, messages=("1", full)))
    try:
        chromium.screen(width, height, phone=width < 600)
        chromium.open(page.url)
        chromium.until(SIGNS, lambda signs: signs == "UNKNOWN,UNKNOWN")
        chromium.until(SHOWN, lambda shown: "feed retrying" in shown)
        for part in ("getElementById('feed-why')", "getElementById('messages').lastChild"):
            assert chromium.evaluate(f"(part => part.scrollWidth <= part.clientWidth)(document.{part})")
            bottom = chromium.evaluate(f"document.{part}.getBoundingClientRect().bottom")
            assert 0 < bottom <= height
        assert chromium.evaluate("document.documentElement.scrollWidth <= innerWidth")
    finally:
        run.silence()


def test_why_six_organs_are_unknown(chromium: browser.Browser, page: PageServer) -> None:
    organs = tuple(replace(THYROID, organ=f"organ {i}", state="unknown", reason="frozen") for i in range(6))
    run = Run(page, replace(VIEW, organs=organs))
    try:
        chromium.screen(1280, 800)
        chromium.open(page.url)
        chromium.until(SIGNS, lambda signs: signs == ",".join(["UNKNOWN"] * 6))
        chromium.until(SEEN, lambda seen: seen == "yes")
        assert chromium.evaluate("document.getElementById('organs').innerText").count("frozen") == 6
    finally:
        run.silence()
