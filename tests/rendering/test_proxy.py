"""A proxy shows each frame of its clip, at a constant rate, and says which."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from support.clips import make
from support.dicom_files import tiny
from support.encoded import write_video
from support.media import draw, read_number
from support.screens import screen

from seqcls.errors import GeometryError, NoFramesError, OutputError, SourceError
from seqcls.geometry import Geometry, region_mask
from seqcls.rendering.proxy import PROXY_NAME, TIMEMAP_NAME, Proxy, plan_proxy, write_planned, write_proxy
from seqcls.sources import MemorySource, Source, open_source
from seqcls.timemap import TimeMap
from seqcls.types import Frame, Gap

WHOLE = Geometry(region="none")


def numbers(path: Path) -> list[int | None]:
    """What is drawn into each frame; their times are checked on the way."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        rate = stream.average_rate
        assert rate is not None and stream.codec_context.pix_fmt == "yuv420p"
        assert stream.codec_context.width % 2 == stream.codec_context.height % 2 == 0
        assert stream.start_time == 0 and stream.base_rate == rate
    for number, frame in enumerate(frames):
        assert frame.pts is not None and frame.time_base is not None
        assert frame.pts * frame.time_base == number / rate
    keys = [number for number, frame in enumerate(frames) if frame.key_frame]
    assert keys == list(range(0, len(frames), max(1, round(rate))))
    return [read_number(frame.to_ndarray(format="gray")) for frame in frames]


@pytest.fixture(autouse=True)
def _everything_is_ultrasound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbered pictures are none to the gate."""
    monkeypatch.setattr("seqcls.keepable.is_not_ultrasound", lambda *_: False)


@pytest.mark.parametrize(
    "name",
    ["mp4 h264 variable rate", "webm vp9 variable rate", "avi mjpeg 4:2:2 12.5", "mpeg mpeg2 with B-frames", "gif",
     "vob mpeg2 29.97", "mp4 h264 odd size", "mkv mpeg4 120", "mp4 h264 one frame", "mp4 h264 10 bit"],
)  # fmt: skip
def test_each_frame_is_the_one_that_the_map_names(name: str, tmp_path: Path) -> None:
    clip = make(tmp_path, name)
    done = write_proxy(clip, tmp_path / "out", geometry=WHOLE)
    mapped = TimeMap.read(tmp_path / "out" / TIMEMAP_NAME)
    assert numbers(tmp_path / "out" / PROXY_NAME) == mapped.source_index.tolist()
    with open_source(clip) as source:
        times_s = [item.time_s for item in source if isinstance(item, Frame)]
    assert sorted(set(mapped.source_index.tolist())) == list(range(len(times_s)))
    for index, time_s in enumerate(times_s):
        assert mapped.source_frame(mapped.proxy_frame_at(time_s)) == index
        assert mapped.to_source_s(mapped.to_proxy_s(time_s)) == time_s
    assert done.path == tmp_path / "out" / PROXY_NAME and done.black == ()


def test_a_dicom_cine(tmp_path: Path) -> None:
    clip = tiny(
        tmp_path / "cine.dcm", np.stack([draw(k) for k in range(12)]), Rows=128, Columns=160, NumberOfFrames="12"
    )
    write_proxy(clip, tmp_path / "out", geometry=WHOLE)
    assert numbers(tmp_path / "out" / PROXY_NAME) == list(range(12))


def held(items: list[Frame | Gap]) -> Source:
    return MemorySource(items)


def written(out: Path, items: list[Frame | Gap], geometry: Geometry = WHOLE) -> Proxy:
    return write_proxy(lambda: held(items), out, geometry=geometry)


def numbered(times_s: list[float]) -> list[Frame | Gap]:
    return [Frame(k, time_s, 0.04, draw(k)) for k, time_s in enumerate(times_s)]


def test_over_a_gap_the_frame_before_it_stands(tmp_path: Path) -> None:
    items = numbered([0.0, 0.04, 0.2, 0.24])
    items.insert(2, Gap(0.08, 0.2, "3 frames lost"))
    done = written(tmp_path, [*items, Gap(0.28, 0.36, "2 frames lost")])
    assert numbers(done.path) == [0, 1, 1, 1, 1, 2, 3, 3, 3]
    assert done.timemap.rate == 25 and done.timemap.repeated == 5


def test_a_damaged_frame_is_black_and_counted(tmp_path: Path) -> None:
    items = numbered([k / 25 for k in range(5)])
    damaged = items[2]
    assert isinstance(damaged, Frame)
    items[2] = Frame(2, damaged.time_s, damaged.duration_s, damaged.image, "corrupt packet")
    done = written(tmp_path, items)
    assert numbers(done.path) == [0, 1, None, 3, 4]
    assert done.warnings[0] == "1 of 5 frames are black: damaged: corrupt packet"


def test_frames_without_one_of_their_own_are_named(tmp_path: Path) -> None:
    done = written(tmp_path, numbered([k / 400 for k in range(100)]))
    first, _ = done.timemap.not_shown[0]
    assert any(f"the first of them {first}" in line and "120 frames per second" in line for line in done.warnings)
    assert numbers(done.path) == done.timemap.source_index.tolist()


def test_nothing_from_outside_the_region_is_in_it(tmp_path: Path) -> None:
    drawn = screen("convex", ("text", "logo", "clock"), frames=30)
    clip = tmp_path / "screen.avi"
    write_video(clip, drawn.images, bits=8_000_000)
    done = write_proxy(clip, tmp_path / "out")
    (region,) = done.regions
    assert done.box == region.box
    box = np.s_[region.y0 : region.y1, region.x0 : region.x1]
    inside = region_mask(region)[box]
    far = cv2.dilate(inside.astype(np.uint8), np.ones((33, 33), np.uint8)) == 0
    assert far.any()
    with open_source(done.path) as source:
        images = [item.image[: inside.shape[0], : inside.shape[1]] for item in source if isinstance(item, Frame)]
    assert max(int(image[far].max(initial=0)) for image in images) <= 2
    mean = np.mean([image[inside].mean() for image in images])
    assert mean == pytest.approx(np.mean([image[box][inside].mean() for image in drawn.images]), rel=0.05)


def test_regions_of_several_places_lie_in_one_picture(tmp_path: Path) -> None:
    small = [Frame(k, k / 25, 0.04, draw(k)) for k in range(3)]
    large = [Frame(k, k / 25, 0.04, draw(k, 200, 160)) for k in range(3, 6)]
    done = written(tmp_path, [*small, *large])
    assert done.box == (0, 0, 200, 160) and len(done.regions) == 2
    with open_source(done.path) as source:
        images = [item.image for item in source if isinstance(item, Frame)]
    assert [read_number(image[:128, :160]) for image in images[:3]] == [0, 1, 2]
    assert [read_number(image) for image in images[3:]] == [3, 4, 5]


def test_without_a_region_nothing_is_written(tmp_path: Path) -> None:
    page = np.full((120, 160), 230, np.uint8)
    for line in range(10, 120, 12):
        cv2.putText(page, "Doe Jane 1970", (4, line), cv2.FONT_HERSHEY_PLAIN, 0.7, 0, 1)
    with pytest.raises(GeometryError, match="no ultrasound region is found"):
        written(tmp_path / "out", [Frame(k, k / 10, 0.1, page) for k in range(30)], Geometry())
    assert not (tmp_path / "out").exists()


def test_where_no_frame_shows_ultrasound_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.keepable.is_not_ultrasound", lambda *_: True)
    with pytest.raises(GeometryError, match=r"no frame of .* shows ultrasound"):
        written(tmp_path / "out", numbered([0.0, 0.1]))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_clip_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    plan = plan_proxy(held(numbered([0.0, 0.1, 0.2])), WHOLE)
    for other in ([0.0, 0.1], [0.0, 0.1, 0.25], [0.0, 0.1, 0.2, 0.3]):
        with pytest.raises(SourceError, match="has changed"):
            write_planned(plan, held(numbered(other)), tmp_path / "p.mp4", tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / TIMEMAP_NAME).write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        written(tmp_path, numbered([0.0]))
    assert (tmp_path / TIMEMAP_NAME).read_text() == "mine"


def test_a_clip_of_nothing_has_no_proxy(tmp_path: Path) -> None:
    with pytest.raises(NoFramesError):
        written(tmp_path, [])


def test_colours_stay(tmp_path: Path) -> None:
    items: list[Frame | Gap] = []
    for k in range(6):
        image = cv2.cvtColor(draw(k), cv2.COLOR_GRAY2BGR)
        image[100:, 100:] = (0, 0, 220)  # blood towards the probe
        items.append(Frame(k, k / 25, 0.04, np.asarray(image, np.uint8)))
    done = written(tmp_path, [*items, Frame(6, 0.24, 0.04, draw(6))])
    with open_source(done.path, color=True) as source:
        images = [item.image for item in source if isinstance(item, Frame)]
    assert images[0][110, 120].tolist() == pytest.approx([0, 0, 220], abs=12)
    assert np.ptp(images[6][110, 120].astype(int)) < 8 and read_number(images[6]) == 6


def test_the_rate_of_television_is_kept_as_a_ratio(tmp_path: Path) -> None:
    done = written(tmp_path, numbered([k * 1001 / 30000 for k in range(40)]))
    assert done.timemap.rate == Fraction(30000, 1001)
    assert numbers(done.path) == list(range(40))
