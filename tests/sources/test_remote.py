"""Clips in an object store, by a real S3 server in this process; its faults cost a wait or the clip."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.commands import bright_clip
from support.fakes import detector
from support.s3_faults import Fault, FaultyS3

from seqcls.archive.result_key import content_digest, content_digests, stamp
from seqcls.errors import SourceError
from seqcls.sources import expand, open_found
from seqcls.sources.clip_digest import clip_digest
from seqcls.sources.found import FoundSource
from seqcls.sources.least_rate import TooSlowError
from seqcls.sources.remote import MAX_WAIT_S, NotFetchedError, _digest, remote_digest, tried

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bright_clip(tmp_path_factory.mktemp("clip") / "a.mp4", [True] * 5)


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultyS3]:
    """In front of an S3 server; nothing outside this computer is asked."""
    at = pytest.MonkeyPatch()
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    made = FaultyS3(*running.get_host_and_port())
    for name, value in {
        "AWS_ENDPOINT_URL": made.url,
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",  # tries of botocore, each after up to 8 s
    }.items():
        at.setenv(name, value)
    at.setattr("s3fs.S3FileSystem.retries", 1)
    at.setattr("seqcls.sources.remote.WAITS_S", (0.0, 0.0))
    yield made
    made.close()
    running.stop()
    at.undo()


@pytest.fixture(scope="module")
def bucket(faulty: FaultyS3, clip: Path) -> Any:
    """An S3 file system with clips in s3://clips/x."""
    system = fsspec.core.url_to_fs("s3://clips/x")[0]  # the very one that is used
    system.mkdir("clips")
    for name in ("x/a.mp4", "x/p/c.mp4", "x/notes.txt", "x/IM1"):
        system.pipe_file(f"clips/{name}", clip.read_bytes())
    return system


@pytest.fixture
def source(bucket: Any, faulty: FaultyS3, clip: Path) -> Iterator[FoundSource]:
    """The clip a.mp4, as it was listed."""
    bucket.pipe_file("clips/x/a.mp4", clip.read_bytes())
    yield expand(["s3://clips/x/a.mp4"]).sources[0]
    faulty.faults.clear()


def test_what_lies_below_an_address_is_found_by_name_and_read_from_a_copy_that_goes(
    bucket: Any, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = expand(["s3://clips/x"])
    assert [source.path for source in found.sources] == ["IM1", "a.mp4", "p/c.mp4"]
    assert "1 .txt" in str(found.aside)
    source = found.sources[2]
    assert content_digest(source) == clip_digest(str(clip)) and len(stamp(source)) == 64
    with open_found(source) as opened:
        assert list(tmp_path.iterdir()) and opened.info.path == "p/c.mp4" and opened.info.name == "c.mp4"
        assert sum(1 for _ in opened) == 5 and opened.report().verdict == "complete"
    assert list(tmp_path.iterdir()) == []
    assert [one.path for one in expand(["s3://clips/x/a.mp4", "s3://clips/x/p", str(clip)]).sources] == [
        "x/a.mp4",
        "p/c.mp4",
        f"{clip.parent.name}/a.mp4",
    ]


@pytest.mark.parametrize("spec", ["s3://clips/nothing", "s3://nobody/x", "s3://clips/x/notes.tx"])
def test_what_is_not_there_is_named(bucket: Any, spec: str) -> None:
    with pytest.raises(SourceError, match=r"holds nothing|no such object"):
        expand([spec])


@pytest.mark.parametrize("faults", [["half", "half"], ["broken", "busy"], ["busy", "half"]], ids="+".join)
def test_what_does_not_come_is_asked_for_again(faults: list[Fault], source: FoundSource, faulty: FaultyS3) -> None:
    faulty.faults["/a.mp4"] = list(faults)
    faulty.asked.clear()
    with open_found(source) as opened:
        assert sum(1 for _ in opened) == 5 and opened.report().verdict == "complete"
    assert faulty.faults["/a.mp4"] == [] and len(faulty.asked) == len(faults) + 1


@pytest.mark.parametrize(
    ("fault", "why"), [("half", "only a part came"), ("broken", "InternalError"), ("busy", "SlowDown|reduce")]
)
def test_what_never_comes_costs_the_clip(fault: str, why: str, source: FoundSource, faulty: FaultyS3) -> None:
    faulty.faults["/a.mp4"] = [fault, "..."]
    faulty.asked.clear()
    with pytest.raises(
        NotFetchedError, match=rf"a\.mp4: cannot be fetched \(.*({why}).*\); run the same command again"
    ):
        open_found(source)
    assert len(faulty.asked) == 3


def test_a_look_that_does_not_come_is_not_made_again(source: FoundSource, faulty: FaultyS3) -> None:
    """All other clips wait for it."""
    assert source.remote is not None
    for fault in ("busy", "half"):
        faulty.faults["/a.mp4"] = [fault]
        faulty.asked.clear()
        assert content_digest(source) == "" and len(faulty.asked) == 1


def test_objects_are_looked_at_side_by_side(bucket: Any, faulty: FaultyS3, clip: Path) -> None:
    """Each that trickles costs its minute beside the others."""
    for name in ("1.mp4", "2.mp4", "3.mp4"):
        bucket.pipe_file(f"clips/z/{name}", clip.read_bytes())
    sources = [*expand(["s3://clips/z"]).sources, *expand([str(clip)]).sources]
    meeting = threading.Barrier(3)
    faulty.faults |= {f"/z/{number}.mp4": [lambda: meeting.wait(20)] for number in (1, 2, 3)}
    with closing(content_digests(sources)) as found:
        assert list(found) == [clip_digest(str(clip))] * 4 and not meeting.broken
    faulty.faults["/z/2.mp4"] = ["busy"]
    with closing(content_digests(sources)) as found:
        assert [bool(one) for one in found] == [True, False, True, True]


def test_a_list_that_does_not_come_is_left(bucket: Any, faulty: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.sources.least_rate.WINDOW_S", 0.2)
    faulty.faults["?list"] = ["trickle", "..."]
    with pytest.raises(SourceError) as told:
        expand(["s3://clips/x"])
    faulty.faults.clear()
    assert str(told.value) == (
        "s3://clips/x: cannot be listed (fewer than 10 kB/s came for 0.2 s); run the same command again"
    )


def test_a_long_list_comes_by_pages_each_of_which_is_enough(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = []

    async def counting(work: Any, size: int, came: Any) -> Any:
        pages.append(came())
        found = await work
        pages.append(came())
        return found

    monkeypatch.setattr("seqcls.sources.remote.at_least", counting)
    for number in range(3):
        bucket.pipe_file(f"clips/w/{number}.mp4", b"clip")
    whole = type(bucket)._list_pages
    monkeypatch.setattr(
        "s3fs.S3FileSystem._list_pages", lambda self, method, **of: whole(self, method, **of | {"MaxKeys": 2})
    )
    assert len(expand(["s3://clips/w"]).sources) == 3
    assert pages == [0, 2 * 10**9], "of two objects each"


def test_what_a_library_makes_of_an_odd_answer_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """s3fs raises this for a refusal with a checksum."""

    def refused() -> None:
        raise TypeError("a bytes-like object is required, not 'AioStreamingChecksumBody'")

    with pytest.raises(NotFetchedError) as told:
        tried("s3://b/a.mp4", refused, lambda _: None)
    assert str(told.value) == (
        "s3://b/a.mp4: cannot be fetched (the store's answer cannot be understood, as when it refuses: check the"
        " credentials); run the same command again"
    )


@pytest.mark.parametrize(
    ("fault", "message"),
    [("forbidden", r"may not be read .*check the credentials"), ("gone", "there is no such object")],
)
def test_what_is_forbidden_or_gone_is_not_asked_for_again(
    fault: str, message: str, source: FoundSource, faulty: FaultyS3
) -> None:
    faulty.faults["/a.mp4"] = [fault, "..."]
    faulty.asked.clear()
    with pytest.raises(NotFetchedError, match=message):
        open_found(source)
    assert len(faulty.asked) == 1


def test_a_server_that_says_nothing_is_waited_for_and_left(
    source: FoundSource, bucket: Any, faulty: FaultyS3, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3fs.S3FileSystem.read_timeout", 1.0)
    type(bucket).clear_instance_cache()
    faulty.faults["/a.mp4"] = ["hang"]
    with open_found(source) as opened:
        assert sum(1 for _ in opened) == 5
    monkeypatch.setattr("seqcls.sources.remote.WAITS_S", (0.0,))
    faulty.faults["/a.mp4"] = ["hang", "..."]
    with pytest.raises(NotFetchedError, match=r"a\.mp4: cannot be fetched .*imeout"):
        open_found(source)
    type(bucket).clear_instance_cache()


@pytest.mark.parametrize("reads", ["the copy", "its ends"])
def test_a_server_that_sends_a_byte_now_and_then_is_left(
    reads: str, source: FoundSource, faulty: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte is a sign of life, so that no timeout of the library helps."""
    monkeypatch.setattr("seqcls.sources.least_rate.WINDOW_S", 0.2)
    monkeypatch.setattr("seqcls.sources.least_rate.LEAST_BYTES_PER_S", 10**6)  # a clip of some kB needs no time
    monkeypatch.setattr("seqcls.sources.remote.WAITS_S", (0.0,))
    faulty.faults["/a.mp4"] = ["trickle", "..."]
    faulty.asked.clear()
    if reads == "its ends":
        assert source.remote is not None and remote_digest(source.remote) == ""
        with pytest.raises(TooSlowError):
            _digest(source.remote)
    else:
        with pytest.raises(
            NotFetchedError, match=r"a\.mp4: cannot be fetched \(fewer than 1000 kB/s came for 0\.2 s\)"
        ):
            open_found(source)


def test_a_clip_that_somebody_writes_meanwhile_is_not_taken_for_what_was_listed(
    source: FoundSource, bucket: Any, faulty: FaultyS3, clip: Path
) -> None:
    def write() -> None:
        other = fsspec.core.url_to_fs("s3://clips/x", skip_instance_cache=True)[0]
        other.pipe_file("clips/x/a.mp4", clip.read_bytes()[::-1])

    faulty.faults["/a.mp4"] = [write]
    with pytest.raises(NotFetchedError, match="has changed since it was listed"):
        open_found(source)
    with pytest.raises(NotFetchedError, match="has changed since it was listed"):
        open_found(source)


def test_a_try_that_has_taken_long_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that has waited five times itself need not do so three times over."""
    now, tries = [0.0], [0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def slow() -> None:
        tries[0] += 1
        now[0] += MAX_WAIT_S
        raise TimeoutError("nothing came")

    for took_s, count in ((MAX_WAIT_S, 1), (0.0, 3)):
        monkeypatch.setattr("seqcls.sources.remote.MAX_WAIT_S", MAX_WAIT_S if took_s else float("inf"))
        tries[0] = 0
        with pytest.raises(NotFetchedError, match="nothing came"):
            tried("s3://b/a.mp4", slow, lambda _: None)
        assert tries[0] == count


def test_faults_of_the_store_cost_clips_and_not_the_run(
    bucket: Any, faulty: FaultyS3, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqcls.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seqcls.cli.run.SANDBOX_FROM", 1_000_000)
    monkeypatch.setattr("seqcls.detector.load", lambda *_, **__: detector(organs=("node",)))
    for number, name in enumerate(("good", "half", "forbidden", "gone", "busy", "late"), 4):
        bright_clip(tmp_path / "made.mp4", [True] * number)
        bucket.pipe_file(f"clips/y/{name}.mp4", (tmp_path / "made.mp4").read_bytes())

    def run() -> tuple[int, dict[str, str]]:
        monkeypatch.setattr(
            "sys.argv", ["seqcls", "run", "s3://clips/y", "-m", "m.safetensors", "-o", "out", "--quiet"]
        )
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        with Path("out/summary.csv").open(encoding="utf-8", newline="") as stream:
            return code, {row["path"]: row["status"] for row in csv.DictReader(stream)}

    bad = ("half", "forbidden", "gone", "busy")
    listing = expand(["s3://clips/y"]).sources  # what is listed is looked into, and that works
    assert len(listing) == 6
    faulty.faults |= {f"/y/{name}.mp4": ["", name, "..."] for name in bad}
    faulty.faults["/y/late.mp4"] = ["busy"]  # it cannot be looked into
    code, status = run()
    well = ("good.mp4", "late.mp4")
    assert code == 1 and status == dict.fromkeys(well, "done") | dict.fromkeys((f"{one}.mp4" for one in bad), "failed")
    made = [json.loads(Path(f"out/{name}/clip.json").read_bytes())["content"] for name in ("late", "good")]
    assert made == [content_digest(one) for name in ("late", "good") for one in listing if one.path == f"{name}.mp4"]
    faulty.faults.clear()
    assert run() == (0, dict.fromkeys(status, "done")), "nothing of it was the clips' fault"
    assert all(one["content"] for one in json.loads(Path("out/manifest.json").read_bytes())["clips"]), "looked at again"
    faulty.faults["/y/late.mp4"] = ["busy"]
    bucket.pipe_file("clips/y/late.mp4", (tmp_path / "made.mp4").read_bytes()[::-1])
    assert run() == (1, dict.fromkeys(status, "done") | {"late.mp4": "failed"}), "the store says that it was written"
