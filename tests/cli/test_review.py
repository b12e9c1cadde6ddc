"""`seqcls review` as a command: what it prints, where its files go, what it refuses. Its page: tests/review."""

from __future__ import annotations

import os
import stat
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from support.commands import Seqcls, one_line
from support.reviews import TOKEN, write_numbered, write_review_run

from seqcls.pseudonyms import Pseudonyms, read_key
from seqcls.review.address import Address
from seqcls.review.clips import clips_to_review
from seqcls.review.server import ReviewServer


@pytest.fixture(autouse=True)
def _ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.cli.review.stops_cleanly", lambda *_: nullcontext(lambda: True))
    monkeypatch.setattr("seqcls.cli.review.webbrowser.open", lambda _: True)
    monkeypatch.setattr("seqcls.sources.isolated.DecoderPool.warm", lambda *_: None)  # few of these decode anything


def test_it_says_where_the_page_is_and_where_the_labels_are(seqcls: Seqcls, tmp_path: Path) -> None:
    write_numbered(tmp_path / "clips" / "a.mp4", 3)
    write_review_run(tmp_path / "run", "a.mp4", node="..P")
    done = seqcls("review", "run", "--clips", "clips", "--reader", "Anna B")
    assert done.code == 0 and done.out == "" and "cannot be found" not in done.err
    assert done.err.count("token=") == 1 and "open http://127.0.0.1:" in done.err
    assert "0 edits kept; the labels are in run/review/Anna B-labels.csv" in done.err
    assert "seqcls extract 'clips' --labels 'run/review/Anna B-labels.csv' -o DATA" in done.err
    left = {path.name: stat.S_IMODE(path.stat().st_mode) for path in Path("run/review").iterdir()}
    assert sorted(left) == ["Anna B-labels.csv", "Anna B.edits"]  # and no address any more


def test_clips_alone_and_another_folder(seqcls: Seqcls, tmp_path: Path) -> None:
    write_numbered(tmp_path / "a.mp4", 3)
    assert seqcls("review", "a.mp4", "--organs", "liver, spleen", "--no-browser").code == 0
    assert Path("seqcls-review/reader1-labels.csv").is_file()
    assert seqcls("review", "a.mp4", "-o", "other").code == 0 and Path("other/reader1.edits").is_file()


def test_clips_that_are_gone_are_told(seqcls: Seqcls, tmp_path: Path) -> None:
    write_review_run(tmp_path / "run", "gone.mp4", node="..P")
    done = seqcls("review", "run")
    assert done.code == 0 and "gone.mp4 cannot be found: name the folder of the clips by --clips" in done.err


def test_runs_that_cannot_be_read_are_told(seqcls: Seqcls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_review_run(tmp_path / "runs" / "a", "gone.mp4", node="..P")
    (tmp_path / "runs" / "b").mkdir()
    scan = os.scandir

    def refusing(path: Any) -> Any:
        if isinstance(path, str) and Path(path) == Path("runs/b"):  # a number: what clears up
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr("os.scandir", refusing)
    done = seqcls("review", "runs")
    assert done.code == 0 and "1 clip to review" in done.err
    assert one_line(done) == "seqcls: runs/b cannot be read: Permission denied"


def test_a_token_of_ones_own_is_not_printed(seqcls: Seqcls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_numbered(tmp_path / "a.mp4", 3)
    monkeypatch.setenv("SEQCLS_PAGE_TOKEN", TOKEN)
    done = seqcls("review", "a.mp4")
    assert done.code == 0 and TOKEN not in done.err and "token=$SEQCLS_PAGE_TOKEN" in done.err


def test_a_clip_that_is_not_found_is_named_and_the_others_are_there(seqcls: Seqcls, tmp_path: Path) -> None:
    write_numbered(tmp_path / "a.mp4", 3)
    done = seqcls("review", "a.mp4", "gone.mp4")
    assert done.code == 0 and "1 clip to review" in done.err
    assert one_line(done) == "seqcls: gone.mp4: no such file or folder; check the name"


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["nothing.mp4"], 1, "no such file"),
        (["a.mp4", "--organs", "a/b"], 2, "--organs: organ: a name must not hold"),
        (["a.mp4", "--organs", "Node,node"], 2, "spell it alike"),
        (["a.mp4", "--reader", " "], 2, "reader's name"),
        (["a.mp4", "run"], 1, "not both at once"),
        (["broken"], 1, "is not a timeline"),
    ],
    ids=str,
)
def test_what_is_refused(seqcls: Seqcls, tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    write_numbered(tmp_path / "a.mp4", 3)
    write_review_run(tmp_path / "run", "gone.mp4", node="..P")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/timeline.json").write_text("[]")
    done = seqcls("review", *arguments)
    assert done.code == code and message in one_line(done)


def test_after_a_crash_the_page_is_where_it_was(tmp_path: Path) -> None:
    """The file with the address is its owner's alone; one that others may have written is not believed."""

    class Served:
        def __init__(self, port: int, token: str | None) -> None:
            self.port = 4711 if port == 0 else port
            self.server = type("Server", (), {"token": "made-up" if token is None else token})
            self.url = f"http://127.0.0.1:{self.port}/?token={self.server.token}"

    def start(port: int, token: str | None) -> ReviewServer:
        return Served(port, token)  # type: ignore[return-value]

    first = Address(tmp_path, "anna")
    assert first.serve(start, 0, "").port == 4711
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    first.path.write_text('{"port":4712,"token":"kept-from-before"}')
    again = Address(tmp_path, "anna").serve(start, 0, "")
    assert (again.port, again.server.token) == (4712, "kept-from-before")
    assert Address(tmp_path, "anna").serve(start, 99, "").port == 99  # another one was asked for
    assert Address(tmp_path, "bert").serve(start, 0, "").port == 4711
    first.path.write_text('{"port":4712,"token":"kept-from-before"}')
    first.path.chmod(0o644)
    assert first.serve(start, 0, "").port == 4711
    first.path.write_text("nonsense")
    assert first.serve(start, 0, "").port == 4711
    link = first.opener(again)
    assert stat.S_IMODE(link.stat().st_mode) == 0o600 and again.url in link.read_text()
    first.close()
    assert not first.path.exists() and not link.exists()


def test_runs_and_labels_under_pseudonyms(seqcls: Seqcls, tmp_path: Path) -> None:
    """A run that names nobody finds its clip again by the key; the labels name nobody either."""
    (tmp_path / "key").write_text("0123456789abcdef" * 4)
    (tmp_path / "key").chmod(0o600)
    names = Pseudonyms(read_key(tmp_path / "key"))
    write_numbered(tmp_path / "clips" / "SECRET doe.mp4", 3)
    write_review_run(tmp_path / "run", names.path("SECRET doe.mp4"), node="..P")
    found = clips_to_review([tmp_path / "run"], tmp_path / "clips", names)
    assert found[0].path == tmp_path / "clips" / "SECRET doe.mp4" and "SECRET" not in found[0].title
    assert "SECRET" not in clips_to_review([tmp_path / "clips"], None, names)[0].title
    done = seqcls("review", "run", "--clips", "clips", "--hash-names", "key")
    assert done.code == 0 and "SECRET" not in done.err + done.out and "cannot be found" not in done.err
