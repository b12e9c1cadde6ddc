"""What the page of a review asks for and posts; who may is tested in tests/test_local_server.py."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.reviews import TOKEN, number_of, write_numbered, write_review_run

from seqcls.datasets.labels import read_labels
from seqcls.errors import DataError
from seqcls.review import server as server_module
from seqcls.review.clips import clips_to_review
from seqcls.review.frames import ClipFrames
from seqcls.review.posted import require_organ, unfit
from seqcls.review.server import MAX_PART_BYTES, ReviewServer
from seqcls.review.session import NotYetError, ReviewSession

DRAWN = "....PPPPPP..mmm....."  # 20 frames at 10 Hz


@dataclass
class Served:
    session: ReviewSession
    server: ReviewServer
    clip: Path

    def ask(self, path: str, body: Any = None, **headers: str) -> http.client.HTTPResponse:
        """One request of the page; the answer's body is read already, as ``answer.body``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        origin = f"http://127.0.0.1:{self.server.port}"
        sent = {"Cookie": f"seqcls_{self.server.port}={TOKEN}", "Origin": origin} | headers
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if content is not None:
            sent["Content-Type"] = "application/json"
        connection.request("GET" if body is None else "POST", path, body=content, headers=sent)
        answer = connection.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        connection.close()
        return answer

    def json(self, path: str, body: Any = None) -> Any:
        answer = self.ask(path, body)
        assert answer.status == 200, answer.body  # type: ignore[attr-defined]
        return json.loads(answer.body)  # type: ignore[attr-defined]

    def opened(self, place: int) -> Any:
        """A clip once it is known."""
        end_s = time.monotonic() + 60
        while "facts" not in (clip := self.json(f"/clip?n={place}")):
            assert time.monotonic() < end_s, clip
            time.sleep(0.02)
        return clip

    def until(self, path: str, status: int = 200) -> bytes:
        end_s = time.monotonic() + 60
        while (answer := self.ask(path)).status != status:
            assert time.monotonic() < end_s, answer.status
            time.sleep(0.02)
        body: bytes = answer.body  # type: ignore[attr-defined]
        return body


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("review")
    clip = write_numbered(folder / "clips" / "neck.mp4", len(DRAWN))
    run = write_review_run(folder / "run", "neck.mp4", of=clip, node=DRAWN)
    session = ReviewSession(clips_to_review([run], clip.parent), run / "review", "anna", organs=["duct"])
    server = ReviewServer(session, token=TOKEN)
    yield Served(session, server, clip)
    server.close()
    session.close()


def posted(turn: int, base: int = 0, **more: Any) -> dict[str, Any]:
    spans = [{"first": 0, "behind": 4, "mark": "absent"}, {"first": 4, "behind": 10, "mark": "present"}]
    return {
        "clip": 0, "organ": "node", "session": "page-of-a-test", "turn": turn, "base": base, "action": "accept all",
        "prediction": "shown", "track": {"spans": spans, "opened": None},
    } | more  # fmt: skip


def test_the_page_is_served_with_all_that_it_imports(served: Served) -> None:
    names = {path.name for path in (Path(server_module.__file__).parent / "page").iterdir()}
    assert names == set(server_module.PAGE.values())
    for path in (*server_module.PAGE, *server_module.SHARED):
        answer = served.ask(path)
        assert answer.status == 200, path
        text = answer.body.decode()  # type: ignore[attr-defined]
        assert "innerHTML" not in text or "uPlot" in path
        if path.endswith(".js") and "vendor" not in path:
            for line in text.splitlines():
                if line.startswith("import "):
                    assert "/" + line.split('"./')[1].split('"')[0] in server_module.SHARED | server_module.PAGE, line
    policy = str(served.ask("/").getheader("Content-Security-Policy"))
    assert "script-src 'self'" in policy and "unsafe" not in policy and "media-src 'self'" in policy


def test_a_clip_with_what_the_model_found(served: Served) -> None:
    clip = served.opened(0)
    node = next(one for one in clip["organs"] if one["organ"] == "node")
    assert node["prediction"]["spans"][1] == {"first": 4, "behind": 10, "mark": "present", "by": "model"}
    assert clip["facts"]["frames"] == 20 and clip["title"] == "neck.mp4"
    assert [one["organ"] for one in clip["organs"]][:2] == ["node", "duct"]
    assert served.json("/state")["clips"][0]["run"] is True


def test_frames_by_number(served: Served) -> None:
    for row in (0, 7, 19):
        jpeg = served.until(f"/frame?n=0&k={row}")
        assert number_of(np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED), np.uint8)) == row


def test_another_clip_of_the_name_is_neither_shown_nor_labelled(tmp_path: Path) -> None:
    """Of the same times and size: its bytes tell."""
    clip = write_numbered(tmp_path / "clips" / "neck.mp4", len(DRAWN))
    run = write_review_run(tmp_path / "run", "neck.mp4", of=write_numbered(tmp_path / "a.mp4", 3), node=DRAWN)
    with closing(ReviewSession(clips_to_review([run], clip.parent), run / "review", "anna")) as session:
        assert session.frame(0, 3) == b"" and session.media(0) is None
        with pytest.raises(ValueError, match="not the run's clip"):
            session.edit(posted(1))
        assert session.store.edits == 0


@pytest.mark.parametrize(
    "path, status",
    [
        ("/frame?n=0&k=20", 400),
        ("/frame?n=0", 400),
        ("/frame?n=0&k=-1", 400),
        ("/frame?n=x&k=1", 400),
        ("/frame?n=0&n=0&k=1", 400),
        ("/clip?n=1", 404),
        ("/clip", 400),
        ("/nothing", 404),
        ("/../session.py", 404),
        ("/media?n=9", 404),
    ],
)
def test_wrong_questions(served: Served, path: str, status: int) -> None:
    assert served.ask(path).status == status


def test_an_edit_is_kept_and_becomes_a_label(served: Served) -> None:
    number = served.json("/edit", posted(1))["number"]
    assert served.json("/edit", posted(1))["number"] == number  # sent again
    assert served.json("/edit", posted(2, number, action="split"))["number"] == number + 1
    stale = served.json("/edit", posted(1, session="another-page"))["stale"]
    assert stale["number"] == number + 1 and stale["track"]["spans"][1]["mark"] == "present"
    spans = read_labels(served.session.store.labels_path)[0].spans
    assert [(s.organ, s.state, s.start_s, s.end_s) for s in spans] == [("node", "absent", 0, 0.4), ("node", "present", 0.4, 1)]  # fmt: skip
    queue = served.json("/queue")
    assert not [item for item in queue["items"] if item[1] == "node" and item[2:4] == [4, 10]]  # settled
    assert [item for item in queue["items"] if item[1] == "node" and item[2] >= 10]


@pytest.mark.parametrize(
    "change",
    [
        {"clip": 1},
        {"clip": True},
        {"clip": "0"},
        {"organ": "a/b"},
        {"organ": ""},
        {"organ": "Node"},
        {"organ": "x" * 101},
        {"organ": "a\u2028b"},
        {"session": "<script>"},
        {"turn": -1},
        {"base": None},
        {"action": "<b>"},
        {"prediction": "maybe"},
        {"track": {"spans": [{"first": 0, "behind": 21, "mark": "present"}]}},
        {"track": [1]},
    ],
    ids=str,
)
def test_what_no_page_of_ours_posts_is_refused_and_not_kept(served: Served, change: dict[str, Any]) -> None:
    before = served.session.store.edits
    assert served.ask("/edit", posted(99) | change).status == 400
    assert served.session.store.edits == before


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[1]", b'"x"', b"{}", b"[" * 100_000, b'{"clip":1,"clip":2}', b'{"clip":NaN}'])  # fmt: skip
def test_what_is_no_edit_is_refused(served: Served, body: bytes) -> None:
    assert served.ask("/edit", body).status == 400
    assert served.ask("/view", body).status == 400


def test_what_a_reader_saw_is_kept(served: Served) -> None:
    served.json("/view", {"clip": 0, "session": "page-of-a-test", "prediction": "hidden"})
    assert json.loads(served.session.store.path.read_text().splitlines()[-1])["prediction"] == "hidden"


def test_the_browsers_player_asks_for_parts(served: Served) -> None:
    content = served.clip.read_bytes()
    assert served.opened(0)["plays"]  # H.264, and nothing outside of the region
    whole = served.ask("/media?n=0")
    assert whole.status == 200 and whole.body == content  # type: ignore[attr-defined]
    part = served.ask("/media?n=0", Range="bytes=10-19")
    assert part.status == 206 and part.body == content[10:20]  # type: ignore[attr-defined]
    assert part.getheader("Content-Range") == f"bytes 10-19/{len(content)}"
    assert served.ask("/media?n=0", Range="bytes=5-").body == content[5:]  # type: ignore[attr-defined]
    for wrong in (f"bytes={len(content)}-", "bytes=9-3", "bytes=-5", "lines=1-2", "bytes=0-1,3-4"):
        assert served.ask("/media?n=0", Range=wrong).status == 416, wrong
    assert MAX_PART_BYTES < 4 << 20


def test_clips_alone_are_labelled_from_nothing(tmp_path: Path) -> None:
    write_numbered(tmp_path / "clips" / "a.mpg", 12, codec="mpeg2video")
    write_numbered(tmp_path / "clips" / "b.mp4", 12)
    session = ReviewSession(clips_to_review([tmp_path / "clips"]), tmp_path / "out", "anna")
    server = ReviewServer(session, token=TOKEN)
    try:
        served = Served(session, server, tmp_path)
        assert [item[:2] + item[5:] for item in served.json("/queue")["items"]] == [[0, "", "not labelled yet"], [1, "", "not labelled yet"]]  # fmt: skip
        clip = served.opened(0)
        assert clip["facts"]["frames"] == 12 and clip["organs"] == [] and not clip["plays"]
        served.json("/edit", posted(1, organ="liver", prediction="none"))
        (labels,) = read_labels(session.store.labels_path)
        assert labels.file == "a.mpg" and [span.state for span in labels.spans] == ["absent", "present"]
        assert [item[0] for item in served.json("/queue")["items"]] == [1]
    finally:
        server.close()
        session.close()
    assert not [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".seqcls")]


def test_runs_of_which_the_clips_are_gone_are_reviewed_by_their_scores(tmp_path: Path) -> None:
    run = write_review_run(tmp_path / "run", "gone.mp4", node=DRAWN)
    (clip,) = clips_to_review([run])
    assert clip.found is None and clip.path is None
    assert clips_to_review([write_review_run(tmp_path / "long", 304 * "n", node=DRAWN)])[0].found is None
    session = ReviewSession((clip,), tmp_path / "out", "anna")
    try:
        assert session.clip(0)["problem"] and session.frame(0, 3) == b""
        assert session.edit(posted(1)).number == 1
    finally:
        session.close()


def test_which_clip_a_run_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = tmp_path / "clips"
    for name in ("p1/neck.mp4", "p2/neck.mp4", "p2/other.mp4"):
        write_numbered(clips / name, 3)
    runs = [write_review_run(tmp_path / "runs" / str(n), name, node="..P") for n, name in enumerate(("p2/neck.mp4", "other.mp4", "neck.mp4"))]  # fmt: skip
    found = clips_to_review([tmp_path / "runs"], clips)
    assert [None if one.path is None else one.path.relative_to(clips).as_posix() for one in found] == ["p2/neck.mp4", "p2/other.mp4", None]  # fmt: skip
    write_review_run(tmp_path / "evil", f"{tmp_path}/clips/p1/neck.mp4", node="..P")
    monkeypatch.chdir(tmp_path)
    assert clips_to_review([tmp_path / "evil"])[0].found is None  # not without being asked
    with pytest.raises(DataError, match="two of the runs"):
        clips_to_review([runs[0], write_review_run(tmp_path / "again", "p2/neck.mp4", node="..P")])
    with pytest.raises(DataError, match="not both"):
        clips_to_review([runs[0], clips])


def test_names_of_organs() -> None:
    assert require_organ(" thyroid, left ", ()) == "thyroid, left"
    assert require_organ("thyroid", ("thyroid",)) == "thyroid"
    assert not unfit("thyroid, left") and unfit(" thyroid") and unfit("a/b") and unfit("a\tb")
    with pytest.raises(ValueError, match="folders are named by it"):
        require_organ("a/b", ("a/b",))  # of a model: its label would make all the others unreadable
    for wrong in ("Thyroid", "thy\u200broid", "con/aux", None, 3):
        with pytest.raises(ValueError, match="organ"):
            require_organ(wrong, ("thyroid",))


def test_an_edit_waits_for_its_clip_whatever_became_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other windows opened other clips, the folder was away for a while, the clips have other places: not refused."""
    monkeypatch.setattr("seqcls.review.session.MAX_OPEN", 1)
    for name in ("a.mp4", "b.mp4"):
        write_numbered(tmp_path / "clips" / name, 12)
    session = ReviewSession(clips_to_review([tmp_path / "clips"]), tmp_path / "out", "anna")

    def kept(turn: int, base: int) -> int:
        end_s = time.monotonic() + 60
        while True:
            try:
                return session.edit(posted(turn, base, clip=1, title="a.mp4", prediction="none")).number
            except NotYetError:
                assert time.monotonic() < end_s
                time.sleep(0.02)

    try:
        assert kept(1, 0) == 1
        session.clip(1)  # a.mp4 is closed
        assert kept(2, 1) == 2
        session.clip(1)
        (tmp_path / "clips" / "a.mp4").rename(tmp_path / "away.mp4")
        said = set()
        while said == set() or said == {"the clip is being read again"}:
            with pytest.raises(NotYetError) as raised:
                session.edit(posted(3, 2, clip=0, prediction="none"))
            said.add(str(raised.value))
            time.sleep(0.02)
        (tmp_path / "away.mp4").rename(tmp_path / "clips" / "a.mp4")
        assert kept(3, 2) == 3 and session.store.edits == 3
        with pytest.raises(NotYetError, match="no such clip"):
            session.edit(posted(4, 3, title="c.mp4", prediction="none"))
    finally:
        session.close()


def test_an_edit_of_a_clip_that_is_being_read_is_to_be_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a crash a page that is still open may be quicker than the server that started anew."""
    write_numbered(tmp_path / "a.mp4", 12)
    session = ReviewSession(clips_to_review([tmp_path / "a.mp4"]), tmp_path / "out", "anna")
    server = ReviewServer(session, token=TOKEN)
    try:
        served = Served(session, server, tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(ClipFrames, "times", None)
            assert served.ask("/edit", posted(1, organ="node", prediction="none")).status == 503
        served.until("/frame?n=0&k=11")
        end_s = time.monotonic() + 60
        while served.ask("/edit", posted(1, organ="node", prediction="none")).status == 503:
            assert time.monotonic() < end_s
            time.sleep(0.02)
        assert session.store.edits == 1
    finally:
        server.close()
        session.close()
