"""Clips in an object store, by a real S3 server in this process; its faults cost a wait or the clip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.commands import bright_clip

from seqcls.archive.result_key import content_digest, stamp
from seqcls.errors import SourceError
from seqcls.sources import expand, open_found
from seqcls.sources.clip_digest import clip_digest

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bright_clip(tmp_path_factory.mktemp("clip") / "a.mp4", [True] * 5)


@pytest.fixture(scope="module")
def bucket(clip: Path) -> Iterator[Any]:
    """An S3 file system with clips in s3://clips/x; nothing outside this computer is asked."""
    at = pytest.MonkeyPatch()
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        at.setenv(name, value)
    at.setattr("seqcls.sources.remote.WAITS_S", (0.0, 0.0))
    system = fsspec.core.url_to_fs("s3://clips/x")[0]  # the very one that is used
    system.mkdir("clips")
    for name in ("x/a.mp4", "x/p/c.mp4", "x/notes.txt", "x/IM1"):
        system.pipe_file(f"clips/{name}", clip.read_bytes())
    yield system
    running.stop()
    at.undo()


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


def test_faults_cost_a_wait_or_the_clip(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = expand(["s3://clips/x/a.mp4"]).sources[0]
    real, faults = bucket.get_file, list[Any]()

    def fetch(path: str, copy: str, **more: Any) -> None:
        fault = faults.pop(0) if faults else None
        if isinstance(fault, Exception):
            raise fault
        real(path, copy, **more)
        if fault == "half":
            Path(copy).write_bytes(Path(copy).read_bytes()[:700])

    monkeypatch.setattr(bucket, "get_file", fetch)
    faults += [TimeoutError("the read timed out"), "half"]
    with open_found(source) as opened:
        assert sum(1 for _ in opened) == 5
    faults += ["half"] * 3
    with pytest.raises(SourceError, match=r"700 of 1653 bytes came.*run the same command again"):
        open_found(source)
    faults += [PermissionError("Access Denied")]
    with pytest.raises(SourceError, match=r"may not be read .*credentials"):
        open_found(source)
    assert faults == []
    bucket.pipe_file("clips/x/a.mp4", b"another clip")
    with pytest.raises(SourceError, match="has changed since it was listed"):
        open_found(source)
