"""The page of a review in a real browser: by keys alone, by mouse, through a killed server, with names that attack."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import browser, tiny_network
from support.commands import TRAIN
from support.drawn import labelled_folder
from support.reviews import TOKEN, mouse, page_ready, press, type_text, write_numbered, write_review_run

from seqcls.cli import app
from seqcls.models.file import read_header
from seqcls.review.clips import clips_to_review
from seqcls.review.server import ReviewServer
from seqcls.review.session import ReviewSession

EVIL = "'\"><script>alert(1)</script><img src=x onerror=alert(1)>\u2028.mp4"
ALL_SAVED = "seqcls.review.saver.unsaved === 0 && document.getElementById('saving').dataset.kind === 'saved'"
SAID = "document.getElementById('said').innerText"
ROW = "seqcls.review.row"
DRAWN = "....PPPPPP..mmm....."


@contextmanager
def served(
    chromium: browser.Browser, places: list[Path], folder: Path, **more: Any
) -> Iterator[tuple[ReviewSession, str]]:
    clips = more.pop("clips", None)
    with ExitStack() as stack:
        session = ReviewSession(clips_to_review(places, clips), folder, more.pop("reader", "anna"), **more)
        stack.callback(session.close)
        server = ReviewServer(session, token=TOKEN)
        stack.callback(server.close)
        stack.callback(chromium.open, "about:blank")  # before the server is gone, which it would report
        yield session, server.url


def labels(session: ReviewSession) -> list[tuple[str, str, str, int, int]]:
    with session.store.labels_path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [(r["file"], r["organ"], r["note"] or r["state"], int(r["start_frame"]), int(r["end_frame"])) for r in rows]


def test_by_keys_alone_from_nothing(chromium: browser.Browser, tmp_path: Path) -> None:
    """Two clips without a model: two keys for the organ, Enter for the rest, and the next clip is there."""
    for name in ("a.mpg", "b.mpg"):
        write_numbered(tmp_path / "clips" / name, 20, codec="mpeg2video")
    with served(chromium, [tmp_path / "clips"], tmp_path / "out") as (session, url):
        page_ready(chromium, url)
        press(chromium, "l")
        type_text(chromium, "thyroid, left")
        press(chromium, "Enter")
        chromium.until(f"{SAID}.includes('thyroid, left')")
        press(chromium, *["ArrowRight"] * 5, "s", *["ArrowRight"] * 3, "d")
        chromium.until(ALL_SAVED)
        title = chromium.evaluate("document.getElementById('title').textContent")
        first = [("thyroid, left", "absent", 0, 4), ("thyroid, left", "present", 5, 7)]
        assert [row[1:] for row in labels(session)] == first
        press(chromium, "Enter")
        chromium.until(f"document.getElementById('title').textContent !== '{title}' && !seqcls.review.opening")
        chromium.until(ALL_SAVED)
        assert [row[1:] for row in labels(session)] == [*first, ("thyroid, left", "absent", 8, 19)]
        press(chromium, "Home", "q", "Enter")  # never in view in the second one: it ends before it begins
        chromium.until(ALL_SAVED)
        assert labels(session)[-1][1:] == ("thyroid, left", "absent", 0, 19)
        assert len({row[0] for row in labels(session)}) == 2 and not chromium.errors


def test_what_is_labelled_here_trains(
    chromium: browser.Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edit, save, retrain: three clips from nothing, then `extract` and `train` with the file as it is."""
    tiny_network.stand_in(monkeypatch.setattr)
    clips, _ = labelled_folder(tmp_path)  # each absent for 1 s, present for 2 s, absent for 1 s, at 10 Hz
    with served(chromium, [clips], tmp_path / "out", organs=["node"]) as (session, url):
        page_ready(chromium, url)
        for number in range(3):
            second = "shift+ArrowRight"
            press(chromium, "Home", second, "s", second, second, "d", "Enter")
            if number < 2:
                chromium.until(f"!seqcls.review.opening && Object.keys(seqcls.review.state.clips).length && seqcls.review.histories.size === {number + 2}")  # fmt: skip
        chromium.until(ALL_SAVED)
        made = labels(session)
        assert [row[2:] for row in made[:3]] == [("absent", 0, 9), ("present", 10, 29), ("absent", 30, 39)]
        assert len(made) == 9
        path = session.store.labels_path
    app(["extract", str(clips), "--labels", str(path), "-o", str(tmp_path / "data")], standalone_mode=False)
    tiny = [*TRAIN, "--epochs", "1", "--samples-per-epoch", "16", "--batch-size", "8"]
    app(["train", str(tmp_path / "data"), "-o", str(tmp_path / "node.safetensors"), *tiny], standalone_mode=False)
    assert read_header(tmp_path / "node.safetensors").organs == ("node",) and not chromium.errors


def test_every_act_has_a_key(chromium: browser.Browser, tmp_path: Path) -> None:
    clip = write_numbered(tmp_path / "neck.mpg", 20, codec="mpeg2video")
    run = write_review_run(tmp_path / "run", "neck.mpg", of=clip, node=DRAWN)
    with served(chromium, [run], tmp_path / "out", clips=clip) as (session, url):
        page_ready(chromium, url)
        chromium.until(f"{SAID}.includes('says the model')")

        def after(*keys: str) -> list[tuple[str, int, int]]:
            press(chromium, *keys)
            chromium.until(ALL_SAVED)
            return [row[2:] for row in labels(session)]

        right = "ArrowRight"
        assert after("Home", "c") == [("absent", 0, 3)]
        assert after("Home", "u") == [("uncertain", 0, 3)]
        assert after("i") == [("ignore", 0, 3)]
        assert after("o", *[right] * 5, "p") == [("absent", 0, 3), ("present", 4, 9)]
        assert after("x", "u") == [("absent", 0, 3), ("present", 4, 4), ("uncertain", 5, 9)]
        assert after("f", "m") == [("absent", 0, 3), ("present", 4, 9)]
        assert after("Home", ".") == [("absent", 1, 3), ("present", 4, 9)]
        assert after("z", right, right, right, ",") == [("absent", 0, 2), ("present", 3, 9)]
        assert after("Delete") == [("absent", 0, 2)]
        assert after("z") == [("absent", 0, 2), ("present", 3, 9)]
        assert after("ctrl+z") == [("absent", 0, 3), ("present", 4, 9)]
        assert after("y") == [("absent", 0, 2), ("present", 3, 9)]
        assert after("End", "Delete", "a", "ArrowLeft", "a")[-1] == ("present", 18, 19)
        press(chromium, "?")
        assert chromium.evaluate("document.getElementById('help').open")
        press(chromium, "Escape")
        chromium.until("!document.getElementById('help').open")
        listed = chromium.evaluate("document.getElementById('keys').innerText")
        actions = chromium.evaluate("[...document.querySelectorAll('#actions [id^=do-]')].map((one) => one.id)")
        assert len(actions) == 17 and all(word in listed for word in ("Enter", "Space", "Ctrl+Z", "Esc"))
        press(chromium, *["z"] * chromium.evaluate("seqcls.review.history.past.length"))
        assert chromium.evaluate("seqcls.review.history.past.length") == 0
        assert after() == [] and not chromium.errors


def test_the_browsers_own_player_shows_the_very_frame(chromium: browser.Browser, tmp_path: Path) -> None:
    """VP9 in WebM, whose region is all of the image: the player gets the file, and shows row k at k's time."""
    clip = write_numbered(tmp_path / "neck.webm", 20, codec="libvpx-vp9", **{"deadline": "realtime", "cpu-used": "8"})
    run = write_review_run(tmp_path / "run", "neck.webm", of=clip, node=DRAWN)
    seen = """
    (async () => {
      const video = document.getElementById("video");
      while (video.seeking || video.readyState < 2) await new Promise((done) => setTimeout(done, 20));
      const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight), context = canvas.getContext("2d");
      context.drawImage(video, 0, 0);
      const bright = (bit) => context.getImageData(18 + 6 * bit + 3, 37, 1, 1).data[0] > 128;
      return [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].reduce((sum, bit) => sum + (bright(bit) << bit), 0);
    })()
    """
    with served(chromium, [run], tmp_path / "out", clips=clip) as (_, url):
        page_ready(chromium, url)
        assert chromium.evaluate("seqcls.review.stage.plays && !document.getElementById('video').hidden")
        assert chromium.evaluate("document.getElementById('frame').hidden")
        for _ in range(6):
            press(chromium, "ArrowRight", "ArrowRight", "ArrowRight")
            assert chromium.until(seen, lambda row: row == chromium.evaluate(ROW)) == chromium.evaluate(ROW)
        assert chromium.evaluate(ROW) == 18 and not chromium.errors


def test_edges_are_dragged_to_frames(chromium: browser.Browser, tmp_path: Path) -> None:
    clip = write_numbered(tmp_path / "neck.mpg", 20, codec="mpeg2video")
    run = write_review_run(tmp_path / "run", "neck.mpg", of=clip, node=DRAWN)
    with served(chromium, [run], tmp_path / "out", clips=clip) as (session, url):
        page_ready(chromium, url)
        place = "((s, b) => [b.left + s.x({}), b.top + 0.75 * b.height])(seqcls.review.view.scale, document.querySelector('.strip').getBoundingClientRect())"  # fmt: skip
        press(chromium, "0")
        at, to = (chromium.evaluate(place.format(time_s)) for time_s in (0.4, 0.638))
        mouse(chromium, ("pressed", *at), ("moved", *to), ("released", *to))
        chromium.until(ALL_SAVED)
        assert [row[2:] for row in labels(session)] == [("present", 6, 9)]  # of 0.4 s the edge came to frame 6, 0.6 s
        assert chromium.evaluate(ROW) == 6
        node = session.store.last["neck.mpg", "node"]
        assert [(s.first, s.behind, s.by) for s in node.track.spans][:2] == [(0, 6, "model"), (6, 10, "reader")]
        assert (node.action, node.prediction) == ("drag", "shown") and not chromium.errors


def test_what_a_reader_saw_is_kept_and_hidden_answers_are_not_shown(chromium: browser.Browser, tmp_path: Path) -> None:
    run = write_review_run(tmp_path / "run", "gone.mp4", node=DRAWN)
    with served(chromium, [run], tmp_path / "out", blind=True) as (session, url):
        page_ready(chromium, url)
        assert chromium.evaluate(SAID) and "model" not in chromium.evaluate(SAID)
        assert chromium.evaluate("seqcls.review.view.intervals.flat().length") == 0
        assert chromium.evaluate("seqcls.review.run.raw[0].every(Number.isNaN)")
        for key in ("Enter", "c"):
            press(chromium, key)
            assert "H shows what the model found" in chromium.evaluate("document.getElementById('why').textContent")
            chromium.evaluate("seqcls.review.why('')")
        press(chromium, "Home", "ArrowRight", "1", "ArrowRight", "q")
        chromium.until(ALL_SAVED)
        press(chromium, "h")
        chromium.until("seqcls.review.view.intervals.flat().length > 0")
        press(chromium, "ArrowRight", "1")
        chromium.until(ALL_SAVED)
        seen = [edit.prediction for edit in session.store.last.values()]
        text = session.store.path.read_text()
        assert seen == ["shown"] and text.count('"prediction":"hidden"') == 3 and not chromium.errors


def test_names_that_attack_are_text(chromium: browser.Browser, tmp_path: Path) -> None:
    run = write_review_run(tmp_path / "run", EVIL, **{"<script>alert(2)</script>": DRAWN, "&lt;b&gt;'\u00e4": "." * 20})
    other = write_review_run(tmp_path / "other", "b.mp4", node="." * 20)
    with served(chromium, [run, other], tmp_path / "out", reader="<b>anna</b>") as (session, url):
        page_ready(chromium, url)
        chromium.evaluate("seqcls.review.open(0)")
        chromium.until("!seqcls.review.opening && seqcls.review.place === 0")
        shown = chromium.evaluate("document.getElementById('title').textContent")
        assert "<script>alert(1)</script>" in shown and "\u2028" not in shown
        press(chromium, "Home", "p")
        chromium.until(ALL_SAVED)
        assert chromium.evaluate("document.querySelectorAll('script:not([src]), img, b > b').length") == 0
        chromium.until("document.getElementById('why').textContent.includes('cannot be labelled')")
        press(chromium, "ArrowDown", "p")
        chromium.until("seqcls.review.saver.saved === 1")
        assert [row[1:] for row in labels(session)] == [("&lt;b&gt;'\u00e4", "present", 0, 19)] and not chromium.errors


def test_two_pages_of_one_reader_do_not_lose_each_others_edits(chromium: browser.Browser, tmp_path: Path) -> None:
    run = write_review_run(tmp_path / "run", "gone.mp4", node=DRAWN)
    with served(chromium, [run], tmp_path / "out") as (session, url):
        page_ready(chromium, url)
        press(chromium, "Home", "u")
        chromium.until(ALL_SAVED)
        edit = session.store.last["gone.mp4", "node"]
        track = {"spans": [{"first": 0, "behind": 20, "mark": "ignore"}]}
        plain = {"clip": 0, "organ": "node", "session": "another-page", "turn": 1, "base": edit.number, "action": "add"}
        session.edit({**plain, "prediction": "none", "track": track})
        press(chromium, "i")
        chromium.until("document.getElementById('why').textContent.includes('another window')")
        assert [row[2:] for row in labels(session)] == [("ignore", 0, 19)]
        press(chromium, "u")
        chromium.until(ALL_SAVED)
        assert [row[2:] for row in labels(session)] == [("uncertain", 0, 19)] and not chromium.errors


def test_what_a_page_cannot_keep_is_said_and_the_labels_that_were_kept_stay(
    chromium: browser.Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a refusal the page shows what seqcls has now, not what it had when the clip was opened."""
    clip = write_numbered(tmp_path / "a.mpg", 20, codec="mpeg2video")
    with served(chromium, [clip], tmp_path / "out", organs=["node"]) as (session, url):
        page_ready(chromium, url)
        press(chromium, "Home", "1", *["ArrowRight"] * 3, "q")
        chromium.until(ALL_SAVED)
        edit = session.edit

        def refused(plain: Any) -> Any:
            monkeypatch.setattr(session, "edit", edit)
            raise ValueError("track: for this test")

        monkeypatch.setattr(session, "edit", refused)
        press(chromium, *["ArrowRight"] * 5, "1")
        said = chromium.until("document.getElementById('saving').textContent", lambda text: "not kept" in text)
        assert said == "1 edit of node not kept: track: for this test" and "not kept" not in chromium.evaluate(SAID)
        press(chromium, *["ArrowRight"] * 4, "1", *["ArrowRight"] * 3, "q")
        chromium.until(ALL_SAVED)
        assert [row[2:] for row in labels(session)] == [("present", 0, 2), ("absent", 3, 11), ("present", 12, 14)]
        chromium.errors.clear()  # the browser speaks of the 400


def test_edits_of_another_window_are_seen_when_a_clip_is_opened_again(
    chromium: browser.Browser, tmp_path: Path
) -> None:
    for name in ("a.mpg", "b.mpg"):
        write_numbered(tmp_path / "clips" / name, 20, codec="mpeg2video")
    with served(chromium, [tmp_path / "clips"], tmp_path / "out", organs=["node"]) as (session, url):
        page_ready(chromium, url)
        place = chromium.evaluate("seqcls.review.place")
        title = session.clips[place].title
        press(chromium, "Home", "1")
        chromium.until(ALL_SAVED)
        chromium.evaluate(f"seqcls.review.open({1 - place})")
        chromium.until(f"!seqcls.review.opening && seqcls.review.place === {1 - place}")
        base, track = session.store.last[title, "node"].number, {"spans": [{"first": 0, "behind": 9, "mark": "ignore"}]}
        plain = {"clip": place, "organ": "node", "session": "another-page", "turn": 1, "base": base, "action": "add"}
        session.edit({**plain, "prediction": "none", "track": track})
        chromium.evaluate(f"seqcls.review.open({place})")
        chromium.until(f"!seqcls.review.opening && seqcls.review.place === {place}")
        assert "another window" in chromium.evaluate("document.getElementById('notes').textContent")
        press(chromium, "u")
        chromium.until(ALL_SAVED)
        assert [row[2:] for row in labels(session)] == [("uncertain", 0, 8)] and not chromium.errors


def start_program(run: Path, out: Path) -> tuple[subprocess.Popen[str], str]:
    """`seqcls review` as a user starts it, and the address that it printed."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent), "COLUMNS": "200"}
    command = [sys.executable, "-m", "seqcls", "review", str(run), "-o", str(out), "--no-browser", "--organs", "node"]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert started.stderr is not None
    for line in started.stderr:
        if line.startswith("open http"):
            return started, line.split()[1]
    raise AssertionError("no address was printed")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_kill_9_amid_edits_loses_nothing_and_the_page_finds_its_server_again(
    chromium: browser.Browser, tmp_path: Path
) -> None:
    """Of a clip without a run, which the new server must read before it can take what waits."""
    run = write_numbered(tmp_path / "clips" / "neck.mpg", 20, codec="mpeg2video").parent
    program, address = start_program(run, tmp_path / "out")
    try:
        page_ready(chromium, address)
        press(chromium, "Home", "1", *["ArrowRight"] * 3, "q")
        chromium.until(ALL_SAVED)
        acknowledged = chromium.evaluate("seqcls.review.saver.saved")
        program.send_signal(signal.SIGKILL)
        program.communicate()
        kept = (tmp_path / "out" / "reader1.edits").read_text().count('"kind":"edit"')
        assert kept == acknowledged == 2
        press(chromium, "ArrowRight", "ArrowRight", "1", *["ArrowRight"] * 3, "q")
        said = chromium.until("document.getElementById('saving').textContent", lambda text: "not saved" in text)
        assert "seqcls does not answer" in said and "wait" in said
        write_numbered(run / "abdomen.mpg", 5, codec="mpeg2video")  # the clips have other places now
        program, again = start_program(run, tmp_path / "out")
        assert again == address
        chromium.until(ALL_SAVED)
        assert chromium.evaluate("document.getElementById('saving').textContent") == "saved in reader1-labels.csv"
        assert (tmp_path / "out" / "reader1.edits").read_text().count('"kind":"edit"') == 4
        with (tmp_path / "out" / "reader1-labels.csv").open(encoding="utf-8", newline="") as stream:
            rows = [(row["file"], row["state"], row["start_frame"], row["end_frame"]) for row in csv.DictReader(stream)]
        made = [("present", "0", "2"), ("absent", "3", "4"), ("present", "5", "7")]
        assert rows == [("neck.mpg", *row) for row in made]
        chromium.until("document.getElementById('clips-sum')?.textContent.startsWith('2 clips')")  # loaded again
        program.send_signal(signal.SIGINT)
        assert program.stderr is not None
        rest = program.stderr.read()
        assert program.wait(30) == 0
        assert "4 edits kept; the labels are in" in rest and "seqcls extract" in rest and "seqcls train" in rest
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["reader1-labels.csv", "reader1.edits"]
    finally:
        program.kill()
        program.communicate()
        chromium.evaluate(
            "if (window.seqcls) seqcls.review.saver.waiting.length = 0"
        )  # or the browser asks whether to leave
        chromium.open("about:blank")
        chromium.errors.clear()  # the browser says that nobody answered


@pytest.mark.parametrize("width, height, dark", [(360, 740, False), (390, 844, True), (1366, 768, True), (3840, 2160, False)])  # fmt: skip
def test_it_fits(chromium: browser.Browser, tmp_path: Path, width: int, height: int, dark: bool) -> None:
    names = {f"{i} a long name of an organ, left": DRAWN for i in range(3)}
    run = write_review_run(tmp_path / "run", "gone/" + "long " * 12 + "name.mp4", **names)
    with served(chromium, [run], tmp_path / "out") as (_, url):
        try:
            chromium.screen(width, height, dark=dark, phone=width < 600)
            page_ready(chromium, url)
            time.sleep(0)
            assert chromium.evaluate("document.documentElement.scrollWidth <= innerWidth")
            below = (
                "[...document.querySelectorAll('{}')].filter((one) => one.getBoundingClientRect().bottom > innerHeight)"
            )
            parts = "#frame, #two button" if width < 600 else "#frame, #two button, .strip, .trace, .axis"
            assert chromium.evaluate(below.format(parts) + ".length") == 0 == chromium.evaluate("scrollY")
            if width < 600:  # a finger chooses each organ, and sees its strip between the frame and the buttons
                box = "document.querySelectorAll('{}')[{}].getBoundingClientRect()"
                for organ in range(3):
                    chromium.evaluate(f"document.querySelectorAll('.tabs button')[{organ}].click()")
                    assert chromium.evaluate("seqcls.review.organ") == organ
                    strip = box.format(".strip", organ)
                    above, below = box.format("#stage", 0), box.format("#two", 0)
                    assert chromium.evaluate(f"{strip}.top >= {above}.bottom - 1 && {strip}.bottom <= {below}.top + 1")
                    assert chromium.evaluate(
                        f"{box.format('.tabs button', organ)}.height >= 40 && {strip}.height >= 44"
                    )
                chromium.evaluate("scrollTo(0, 0)")
            if width > 3000:
                room = "document.getElementById('stage').getBoundingClientRect()"
                assert chromium.evaluate(f"{room}.height > 0.35 * innerHeight && {room}.width > 0.6 * innerWidth")
            press(chromium, "?")
            assert chromium.evaluate("document.getElementById('help').scrollTop") == 0
            press(chromium, "Escape")
            cut = "[...document.querySelectorAll('#actions button, #said b, .name')].filter((one) => one.scrollWidth > one.clientWidth + 1).length"  # fmt: skip
            assert chromium.evaluate(cut) == 0
            background = chromium.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (background == "rgb(16, 18, 20)") is dark
        finally:
            chromium.screen(1280, 800)
