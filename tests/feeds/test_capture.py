"""The process that reads a camera or stream: nothing of it stays, nothing of it is seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.feeds import (
    DEADLINE_S,
    BlackHole,
    black_hole,  # noqa: F401 - a fixture
    children,
    nothing_left,  # noqa: F401 - a fixture
    stream,
    until,
)
from support.media import read_number, recipe, write_clip
from support.mjpeg import MjpegServer, numbered

from seqcls.errors import FinalError, SourceError, UsageError
from seqcls.feeds.camera_options import BACKENDS, CameraOptions
from seqcls.feeds.capture import CameraTarget, ChildConnection, StreamTarget
from seqcls.feeds.connection import Arrival
from seqcls.steady_clock import steady_s


@pytest.mark.skipif(sys.platform == "win32", reason="stops and kills processes by signals")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP"])
def test_a_reader_that_died_or_hangs(black_hole: BlackHole, name: str) -> None:  # noqa: F811 - the fixture
    connection = ChildConnection(stream(f"http://{black_hole.address}/"))
    child = connection._process
    assert child is not None
    black_hole.swallow()
    os.kill(child.pid, getattr(signal, name))
    if name == "SIGKILL":
        with pytest.raises(SourceError, match="died"):
            list(connection)
    connection.close()  # a stopped process does not hear a polite request
    connection.close()
    assert child.returncode is not None and children() == set()


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals of this kind")
def test_ctrl_c_is_left_to_the_parent() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with MjpegServer(lambda _: (numbered(0, 3), True)) as server:
        connection = ChildConnection(stream(f"http://{server.address}/"))
        child = connection._process
        assert child is not None
        os.kill(child.pid, signal.SIGINT)
        assert [read_number(arrival.image) for _, arrival in zip(range(3), connection, strict=False)] == [0, 1, 2]
        connection.close()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_child_shows_no_secret_and_ends_with_a_killed_parent(black_hole: BlackHole, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys, time\n"
        "from seqcls.feeds.capture import ChildConnection, StreamTarget\n"
        "if __name__ == '__main__':\n"
        f"    connection = ChildConnection(StreamTarget(url='http://s3me:s3cret@{black_hole.address}/', timeout_s={DEADLINE_S}))\n"
        "    print(connection._process.pid, flush=True)\n"
        "    time.sleep(60)\n",
        encoding="utf-8",
    )
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}) as parent:
        assert parent.stdout is not None
        place = Path("/proc") / parent.stdout.readline().strip()
        assert b"s3" not in (place / "cmdline").read_bytes() and b"s3" not in (place / "environ").read_bytes()
        until(lambda: os.readlink(place / "fd" / "2") == os.devnull)  # noqa: PTH115 - Path.readlink is the same
        black_hole.swallow()  # stuck in native code
        parent.kill()
        parent.wait(DEADLINE_S)
    # A process that nobody waits for any more may stay as a zombie.
    until(lambda: not place.exists() or "Z" in (place / "stat").read_text().rpartition(")")[2])


def test_a_camera_is_read_in_a_child(tmp_path: Path) -> None:
    """No machine has a camera in its tests: a clip stands in, by the backend that takes both."""
    clip = write_clip(tmp_path / "camera.avi", recipe("avi mjpeg", frames=12))
    camera = CameraTarget(device=str(clip), size=(160, 128), rate_hz=25.0, backend="ffmpeg")
    items: list[Arrival] = []
    with pytest.raises(SourceError, match="gives no more images"):
        for arrival in (connection := ChildConnection(camera)):
            items.append(arrival)
    connection.close()
    assert [read_number(arrival.image) for arrival in items] == list(range(12))
    assert np.all(np.diff([arrival.arrival_s for arrival in items]) >= 0) and items[-1].arrival_s <= steady_s()


def test_a_camera_that_is_not_there_is_told() -> None:
    with pytest.raises(SourceError, match="camera 77: cannot be opened; is it plugged in") as caught:
        list(connection := ChildConnection(CameraTarget(device=77)))
    connection.close()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("way", ["script", "code"])
def test_a_script_without_a_guard_and_strangers_in_the_working_directory(tmp_path: Path, way: str) -> None:
    for name in ("av", "cv2", "json", "numpy", "seqcls", "struct"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\n", encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    code = (
        f"import sys; sys.path[:] = [p for p in sys.path if p] + [{str(root)!r}]\n"
        "from seqcls.feeds.capture import CameraTarget, ChildConnection\n"
        "sys.path.insert(0, '')\n"
        f"camera = CameraTarget(device={str(tmp_path / 'camera.avi')!r}, backend='ffmpeg')\n"
        "connection = ChildConnection(camera)\n"
        "print(next(iter(connection)).image.shape)\n"
        "connection.close()\n"
    )
    write_clip(tmp_path / "camera.avi", recipe("avi mjpeg", frames=12))
    (elsewhere := tmp_path / "scripts").mkdir()
    (elsewhere / "watch.py").write_text(code, encoding="utf-8")
    command = [str(elsewhere / "watch.py")] if way == "script" else ["-c", code]
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S)
    assert (done.stdout.strip(), done.stderr) == ("(128, 160)", "")
    assert not (tmp_path / "imported").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="stops a process by a signal")
def test_a_parent_ends_without_waiting_for_its_child(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from seqcls.feeds.capture import CameraTarget, ChildConnection\n"
        "connection = ChildConnection(CameraTarget(device=77))\n"
        "os.kill(connection._process.pid, signal.SIGSTOP)\n"
        "print(connection._process.pid)\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env={**os.environ, "PYTHONPATH": root},
    )
    os.kill(int(done.stdout), signal.SIGKILL)
    assert done.returncode == 0 and done.stderr == ""


def test_large_pictures_come_whole_and_are_ones_own(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "camera.avi", recipe("avi mjpeg", frames=3, width=1920, height=1088))
    connection = ChildConnection(CameraTarget(device=str(clip), backend="ffmpeg", color=True))
    with pytest.raises(SourceError, match="no more images"):
        for number, arrival in enumerate(connection):
            image = arrival.image
            assert image.shape == (1088, 1920, 3) and read_number(image) == number
            image[:] = 0  # nobody else looks at it
    connection.close()


def test_a_mistake_of_ours_is_final() -> None:
    connection = ChildConnection(StreamTarget(url="gopher://cam/1", timeout_s=1.0))
    with pytest.raises(FinalError, match=r"reading failed \(KeyError: 'gopher'\); please report"):
        list(connection)
    connection.close()


def test_a_child_that_says_nonsense_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.processes.child_program._CODE", "print('Traceback')")
    connection = ChildConnection(CameraTarget(device=0))
    with pytest.raises(SourceError, match="died"):
        list(connection)
    connection.close()


def test_closing_twice_without_reading() -> None:
    connection = ChildConnection(CameraTarget(device=77))
    connection.close()
    connection.close()


@pytest.mark.parametrize(
    ("wish", "words"), [({"backend": "magic"}, "v4l2"), ({"size": (0, 480)}, "0x480"), ({"rate_hz": 0.0}, "rate")]
)
def test_what_no_camera_can_be_asked_for(wish: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        CameraOptions(**wish)


def test_a_backend_that_is_not_there_is_final() -> None:
    cv2 = pytest.importorskip("cv2")
    missing = [
        name
        for name in BACKENDS
        if name != "any" and not cv2.videoio_registry.hasBackend(getattr(cv2, f"CAP_{name.upper()}"))
    ]
    if not missing:
        pytest.skip("this OpenCV has them all")
    connection = ChildConnection(CameraTarget(device=0, backend=missing[0]))
    with pytest.raises(FinalError, match=f"has no {missing[0]}; leave the backend out"):
        list(connection)
    connection.close()
