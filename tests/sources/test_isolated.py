"""Clips read in children: the same as without, and whatever a decoder does costs its clip alone."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import MPEG4HP41
from support.clips import make, stills
from support.dicom_files import dataset, save

from seqcls.errors import NoFramesError, SourceError
from seqcls.processes.process_limits import MEMORY_BYTES
from seqcls.sources import Source, open_found
from seqcls.sources.decoder_child import STALL_S, DecoderChild, Order
from seqcls.sources.found import FoundSource
from seqcls.sources.isolated import DecoderPool
from seqcls.types import Frame, Gap, SourceInfo, SourceReport


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    """Its one child reads the clips of every test."""
    made = DecoderPool()
    yield made
    made.close()


def whole(source: Source) -> tuple[list[object], SourceInfo, SourceReport]:
    with source:
        items = list(source)
        plain: list[object] = []
        for item in items:
            if isinstance(item, Gap):
                plain.append(item)
            else:
                plain.append((item.index, item.time_s, item.duration_s, item.damaged, item.image.tobytes()))
        return plain, source.info, source.report()


@pytest.mark.parametrize("name", ["a cut clip", "a gif", "a video in DICOM", "images", "a stated rate"])
def test_a_child_gives_what_is_given_without(name: str, pool: DecoderPool, tmp_path: Path) -> None:
    rate_hz = None
    if name == "a cut clip":  # frames, a gap and reasons
        path = make(tmp_path, "mkv h264")
        path.write_bytes(path.read_bytes()[:-4000])
    elif name == "a gif":
        path = make(tmp_path, "gif", frames=5)
    elif name == "a video in DICOM":  # which goes through a temporary file
        inside = make(tmp_path, "mp4 h264", frames=5).read_bytes()
        path = save(dataset(MPEG4HP41, "YBR_PARTIAL_420", count=5), tmp_path / "video.dcm", [inside])
    else:
        path = stills(tmp_path / "images", [f"{k}.png" for k in range(4)])
        rate_hz = 10.0 if name == "a stated rate" else None
    images = tuple(sorted(path.iterdir())) if path.is_dir() else ()
    found = FoundSource(spec=str(path), path="P1/clip", images=images)
    expected = whole(open_found(found, rate_hz=rate_hz))
    assert whole(pool.open(found, rate_hz=rate_hz)) == expected and expected[0]
    assert len(pool._idle) == 1


def test_a_child_gives_colours_where_they_are_asked_for(pool: DecoderPool, tmp_path: Path) -> None:
    found = FoundSource(spec=str(make(tmp_path, "avi raw bgr", frames=3)), path="clip.avi")
    expected = whole(open_found(found, color=True))
    assert whole(pool.open(found, color=True)) == expected and expected[0]
    assert whole(pool.open(found)) == whole(open_found(found))


def test_what_cannot_be_opened_is_refused_in_the_same_words(pool: DecoderPool, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    for name in ("missing.mp4", "text.mp4"):
        messages = []
        for opener in (open_found, pool.open):
            with pytest.raises(SourceError) as caught:
                opener(FoundSource(spec=str(tmp_path / name), path=name))
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


def test_a_clip_that_is_left_early_is_unknown_and_its_child_is_used_as_long_as_it_lives(
    pool: DecoderPool, tmp_path: Path
) -> None:
    found = FoundSource(spec=str(make(tmp_path, "avi raw gray")), path="a.avi")
    source = pool.open(found)
    first = next(iter(source))
    child = source._child
    report = source.report()
    assert isinstance(first, Frame) and (report.verdict, report.reasons) == ("unknown", ("not read to the end",))
    source.close()
    with pytest.raises(SourceError, match=r"a\.avi: is closed"):
        iter(source)
    with pool.open(found) as again:
        assert again._child is child and sum(isinstance(item, Frame) for item in again) == 40
    child._process.kill()  # as the system does where memory is short
    child._process.wait()
    with pool.open(found) as another:
        assert another._child is not child and sum(isinstance(item, Frame) for item in another) == 40


def test_frames_by_number_are_those_of_the_clip_and_harm_costs_the_video_alone(
    pool: DecoderPool, tmp_path: Path
) -> None:
    path = make(tmp_path, "mp4 h264", frames=40)
    with open_found(FoundSource(spec=str(path))) as source:
        frames = [item for item in source if isinstance(item, Frame)]
    times = np.array([frame.time_s for frame in frames])
    with closing(pool.open_video(path, times)) as video:
        assert (video.info.width, video.info.codec) == (frames[0].image.shape[1], "h264")
        for index in (33, 2, 3, 39, 1):
            assert np.array_equal(video.image(index), frames[index].image)
    with pytest.raises(SourceError, match="closed"):
        video.image(3)
    with pytest.raises(SourceError, match="only be read from the beginning"):
        pool.open_video(path, times[:-1])
    with closing(pool.open_video(path, times)) as video:  # by the child that refused
        video._child._process.kill()
        with pytest.raises(SourceError, match="the process that decodes it died"):
            for _ in range(2):
                video.image(30)
    with closing(pool.open_video(path, times)) as video:
        assert np.array_equal(video.image(7), frames[7].image)


def test_deep_images_of_a_set_share_a_scale(pool: DecoderPool, tmp_path: Path) -> None:
    import cv2

    paths = []
    for number, top in enumerate((1000, 4000)):
        paths.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(paths[-1]), np.linspace(0, top, 64, dtype=np.uint16).reshape(8, 8))
    images = tuple(paths)
    brightest = []
    for path in paths:
        with pool.open(FoundSource(spec=str(path), path=path.name, images=(path,)), images=images) as source:
            (frame,) = [item for item in source if isinstance(item, Frame)]
            brightest.append(int(frame.image.max()))
    assert brightest == [64, 255]


@pytest.fixture(scope="module")
def bad() -> Iterator[DecoderPool]:
    made = DecoderPool(memory_bytes=1 << 30, worker="support.bad_decoder")
    yield made
    made.close()


HARM = [
    ("wrong", r"P1/wrong\.mkv: reading failed \(TypeError: a mistake of ours\); please report"),
    pytest.param(
        "swell",
        "swell.mkv: needs more memory than decoding may take",
        marks=pytest.mark.skipif(sys.platform != "linux", reason="bounds memory on Linux"),
    ),
    ("die", r"die\.mkv: the process that decodes it died \((SIGSEGV|exit code)"),
    pytest.param(
        "nonsense",
        r"nonsense\.mkv: the process that decodes it sends a message of an impossible size, and was ended",
        marks=pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    ),
]


@pytest.mark.parametrize(("what", "reason"), HARM)
def test_harm_costs_its_clip_alone(what: str, reason: str, bad: DecoderPool) -> None:
    with bad.open(FoundSource(spec=f"{what}.mkv", path=f"P1/{what}.mkv")) as source:
        items = iter(source)
        assert isinstance(next(items), Frame)
        with pytest.raises(SourceError, match=reason) as caught:
            list(items)
        assert "\n" not in str(caught.value) and source.report().verdict == "unknown"


def test_a_decoder_that_hangs_is_ended() -> None:
    with (
        closing(DecoderPool(stall_s=0.5, worker="support.bad_decoder")) as pool,
        pytest.raises(SourceError, match=r"hang\.mkv: .* gave no sign for 0\.5 s, and was ended"),
        pool.open(FoundSource(spec="hang.mkv", path="hang.mkv")) as source,  # where it is if the machine is busy
    ):
        list(source)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_decoder_that_reads_for_ever_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives a sign all the time: it reads. What it may read goes by the size of its clip."""
    clip = tmp_path / "circle.mkv"
    clip.write_bytes(bytes(1000))
    monkeypatch.setattr("seqcls.sources.decoder_child.MOST_BYTES", 8 << 20)
    monkeypatch.setattr("seqcls.sources.decoder_child._LOOK_S", 0.02)
    with closing(DecoderPool(worker="support.bad_decoder")) as pool:
        source = pool.open(FoundSource(spec=str(clip), path="circle.mkv"))
        with pytest.raises(
            SourceError, match=r"circle\.mkv: .* read [\d,]+ MB without coming to an end, and was ended"
        ):
            list(source)
        source.close()
        child = DecoderChild("support.bad_decoder", MEMORY_BYTES, STALL_S)
        child._reading = Order(FoundSource(spec=str(clip), path="circle.mkv"), None, None)
        allowed = (8 << 20) + 100 * 1000
        assert [child._is_endless(read) for read in (0, allowed, allowed + 1)] == [False, False, True]
        child.close()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_no_child_outlives_the_pool_and_its_sources(tmp_path: Path) -> None:
    made = DecoderPool()
    found = FoundSource(spec=str(make(tmp_path, "gif", frames=3)), path="a.gif")
    source = made.open(found)
    process = source._child._process
    made.close()  # the source is still read
    assert sum(isinstance(item, Frame) for item in source) == 3
    source.close()
    assert process.returncode is not None and not Path(f"/proc/{process.pid}").exists()


def test_errors_keep_their_kind(bad: DecoderPool, tmp_path: Path) -> None:
    with (
        bad.open(FoundSource(spec="refuse.mkv", path="refuse.mkv")) as source,
        pytest.raises(NoFramesError, match="holds nothing"),
    ):
        list(source)
    with bad.open(FoundSource(spec=str(make(tmp_path, "gif", frames=3)), path="a.gif")) as source:  # the next one
        assert [item.index for item in itertools.islice(source, 3) if isinstance(item, Frame)] == [0, 1, 2]
