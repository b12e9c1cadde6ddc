"""Video files: every frame once, in order, in time; and whatever is lost is reported."""

from __future__ import annotations

import itertools
import os
import struct
import subprocess
import sys
import threading
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from support.clips import make, read
from support.media import MUTATIONS, RECIPES, Recipe, draw, mutate, numbers, read_number, recipe, write_clip

from seqcls.errors import SourceError, UsageError
from seqcls.sources import Source, open_source
from seqcls.sources.timestamps import Clock
from seqcls.sources.video import VideoSource
from seqcls.types import Frame, Gap

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("made", RECIPES, ids=[r.name for r in RECIPES])
def test_every_frame_comes_once_in_order_and_in_time(made: Recipe, tmp_path: Path) -> None:
    frames, gaps, report = read(write_clip(tmp_path / f"clip{made.suffix}", made))
    assert numbers([f.image for f in frames]) == list(range(len(made.times_s)))
    # A variable rate is right to the container's tick (at most 1 ms), a constant one to far less than half a frame.
    tick_s = 0.0006 if made.suffix in (".mkv", ".webm") else 0.006 if made.suffix == ".gif" else 1e-6
    assert [f.time_s for f in frames] == pytest.approx(made.times_s, abs=tick_s)
    ends = [f.time_s + f.duration_s for f in frames]
    assert ends[:-1] == pytest.approx([f.time_s for f in frames[1:]])
    assert frames[-1].duration_s == pytest.approx(float(1 / made.rate), rel=0.35)
    assert (report.verdict, report.reasons, gaps) == ("complete", (), [])


@pytest.mark.real
def test_times_written_in_the_order_of_decoding_are_sorted(real_clips: Path) -> None:
    frames, _, report = read(real_clips / "clips" / "liver_sweep.mp4")
    assert [f.time_s for f in frames] == pytest.approx([0.04 * k for k in range(139)])
    assert report.verdict == "complete" and "sorted" in report.reasons[0]


def test_times_that_no_clip_has_are_refused(tmp_path: Path) -> None:
    """An AVI that shows an image in 32 years, and its neighbours, whose numbers are as wrong."""
    path = write_clip(tmp_path / "a.avi", recipe("avi mjpeg"))
    data = bytearray(path.read_bytes())
    place = data.index(b"strh") + 28
    for scale, rate, refused in ((10**9, 1, True), (1, 10**9, False)):
        data[place : place + 8] = struct.pack("<II", scale, rate)
        path.write_bytes(data)
        with open_source(path) as source:
            if not refused:
                assert list(source)
                continue
            with pytest.raises(SourceError, match=r"a\.avi: states times that no clip has \(frame 5 at 5"):
                list(source)


def test_info_says_what_the_file_says(tmp_path: Path) -> None:
    with open_source(make(tmp_path, "mp4 h264 29.97")) as source:
        info = source.info
        assert isinstance(source, Source)
    assert (info.kind, info.codec, info.width, info.height, info.declared_frames) == ("file", "h264", 160, 128, 40)
    assert info.rate_hz == pytest.approx(30000 / 1001) and info.declared_duration_s == pytest.approx(40 * 1001 / 30000)
    assert info.name == "clip.mp4" and info.has_clock


@pytest.mark.parametrize(
    "name",
    ["a b+c (1).mp4", "UPPER.MP4", "50%d %s.mp4", "größe 声.mp4", "concat:x.mp4", "-i.mp4", "no suffix", "wrong.avi"],
)
def test_any_name_will_do(name: str, tmp_path: Path) -> None:
    if os.name == "nt" and ":" in name:
        pytest.skip("Windows forbids the colon")
    path = write_clip(tmp_path / "plain.mp4", recipe("mp4 h264", frames=3)).rename(tmp_path / name)
    frames, _, report = read(path)
    assert len(frames) == 3 and report.verdict == "complete"


def test_a_relative_name_that_looks_like_a_protocol_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(Path("plain.mp4"), recipe("mp4 h264", frames=3)).rename("file,crypto.mp4")
    assert len(read(Path("file,crypto.mp4"))[0]) == 3


def test_a_name_that_is_not_utf8_is_read(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has such names")
    path = write_clip(tmp_path / "plain.mp4", recipe("mp4 h264", frames=3)).rename(
        tmp_path / os.fsdecode(b"caf\xe9.mp4")
    )
    assert len(read(path)[0]) == 3


# recipe -> codec of the sound, and by how much that codec begins before 0, which delays the images
SOUND = {
    "mp4 h264": ("aac", 0.0),
    "mov mjpeg": ("pcm_s16le", 0.0),
    "mkv mpeg4 120": ("pcm_s16le", 0.0),
    "webm vp8": ("libopus", 0.0),
    "ts mpeg2": ("mp2", 481 / 48000),
    "mpg mpeg2": ("mp2", 481 / 48000),
    "wmv": ("pcm_s16le", 0.0),
}


@pytest.mark.parametrize("name", SOUND)
def test_images_that_start_behind_the_sound_have_the_times_of_a_player(name: str, tmp_path: Path) -> None:
    codec, early_s = SOUND[name]
    made = recipe(name, frames=10, late=37, sound=codec)
    frames, gaps, report = read(write_clip(tmp_path / f"clip{made.suffix}", made))
    times_s = [float((37 + k) / made.rate) + early_s for k in range(10)]
    assert numbers([f.image for f in frames]) == list(range(10))
    assert [f.time_s for f in frames] == pytest.approx(times_s, abs=0.0006)
    remark = f"the first image comes {frames[0].time_s:.2f} s into the clip, as in a player"
    assert (report.verdict, report.reasons, gaps) == ("complete", (remark,), [])


def test_images_behind_a_minute_of_sound_are_found(tmp_path: Path) -> None:
    made = recipe("ts mpeg2", frames=3, late=25 * 20, sound="mp2")  # behind what FFmpeg looks through by itself
    frames, _, report = read(write_clip(tmp_path / "clip.ts", made))
    assert frames[0].time_s == pytest.approx(20 + 481 / 48000, abs=1e-4) and report.verdict == "complete"
    made = recipe("mkv h264", frames=3, late=25 * 20, sound="pcm_s16le")
    frames, _, report = read(write_clip(tmp_path / "clip.mkv", made))
    assert [f.time_s for f in frames] == pytest.approx([20, 20.04, 20.08]) and report.verdict == "complete"


@pytest.mark.parametrize("name", ["mp4 h264", "mkv h264", "ts h264"])
def test_images_alone_count_from_the_first_whatever_time_the_file_gives_it(name: str, tmp_path: Path) -> None:
    made = recipe(name, frames=5, late=50)
    frames, gaps, report = read(write_clip(tmp_path / f"clip{made.suffix}", made))
    assert [f.time_s for f in frames] == pytest.approx([0.04 * k for k in range(5)]) and not gaps
    remark = "times count from the first image, to which the file gives the time 2.00 s"
    assert (report.verdict, report.reasons) == ("complete", () if made.suffix == ".ts" else (remark,))


@pytest.mark.parametrize(("count", "sound"), [(1, ""), (5, ""), (3, "pcm_s16le")])
def test_a_few_frames_with_a_late_start_are_whole(count: int, sound: str, tmp_path: Path) -> None:
    """FFmpeg names no start for so few frames of H.264 in a Matroska; its end is stated on the file's clock, 2.04 s."""
    made = recipe("mkv h264", frames=count, late=50, sound=sound, options=(("bf", "0"),))
    frames, gaps, report = read(write_clip(tmp_path / "clip.mkv", made))
    first_s = 2.0 if sound else 0.0
    assert [f.time_s for f in frames] == pytest.approx([first_s + 0.04 * k for k in range(count)]) and not gaps
    assert frames[-1].time_s + frames[-1].duration_s == pytest.approx(first_s + 0.04 * count)
    assert report.verdict == "complete" and "2.00 s" in report.reasons[0]


def test_the_last_frame_of_a_gif_lasts_as_the_file_says(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.gif", recipe("gif", frames=3))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"\x21\xf9\x04") + 4  # the delay of the last image, in hundredths of a second
    data[at : at + 2] = (50).to_bytes(2, "little")
    path.write_bytes(data)
    frames, _, report = read(path)
    assert [f.duration_s for f in frames] == pytest.approx([0.04, 0.04, 0.5]) and report.verdict == "complete"


@pytest.mark.parametrize("name", ["avi mjpeg", "avi mpeg4 with B-frames"])
def test_the_start_that_an_avi_states_for_its_images_counts(name: str, tmp_path: Path) -> None:
    made = recipe(name, frames=5, sound="pcm_s16le")
    path = write_clip(tmp_path / "clip.avi", made)
    data = path.read_bytes()
    start = data.index(b"strh") + 8 + 28  # dwStart of the first stream, in frames
    path.write_bytes(data[:start] + (38).to_bytes(4, "little") + data[start + 4 :])
    frames, _, report = read(path)
    assert [f.time_s for f in frames] == pytest.approx([1.52 + 0.04 * k for k in range(5)])
    assert report.verdict == "complete"


def test_a_length_in_place_of_an_end_is_no_truncation(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "clip.mkv",
        recipe("mkv h264", frames=10, late=37, sound="pcm_s16le", muxer_options=(("write_crc32", "0"),)),
    )
    data = path.read_bytes()
    assert data.count(b"00:00:01.880000000") > 0  # FFmpeg states the end; mkvmerge would state 0.4 s
    path.write_bytes(data.replace(b"00:00:01.880000000", b"00:00:00.400000000"))
    frames, gaps, report = read(path)
    assert frames[0].time_s == 1.48 and report.verdict == "complete" and not gaps


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_a_last_frame_that_is_held_lasts_as_the_file_says(name: str, tmp_path: Path) -> None:
    """19 frames of 0.04 s and one of 2 s: a still end is recorded so."""
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        frames = [av.VideoFrame.from_ndarray(draw(k), format="gray").reformat(format="yuv420p") for k in range(20)]
        packets = [packet for frame in (*frames, None) for packet in stream.encode(frame)]
        packets[-1].duration = round(2 / packets[-1].time_base)
        container.mux(packets)
    frames, _, report = read(tmp_path / name)
    assert report.verdict == "complete" and not report.gaps and len(frames) == 20
    assert frames[18].duration_s == pytest.approx(0.04, abs=0.001)
    assert (frames[19].time_s, frames[19].duration_s) == pytest.approx((0.76, 2.0), abs=0.002)


def test_an_edit_list_that_delays_and_trims_ends_the_clip(tmp_path: Path) -> None:
    """1.5 s of nothing, then the first 0.4 s of a track of 1 s: whole, and no gap behind it."""
    path = make(tmp_path, "mp4 mpeg4", frames=25)
    scale = int.from_bytes(_payload(path.read_bytes(), b"moov", b"mvhd")[12:16], "big")
    edits = ((round(1.5 * scale), -1), (round(0.4 * scale), 0))
    table = struct.pack(">II", 0, len(edits)) + b"".join(struct.pack(">IiI", *edit, 1 << 16) for edit in edits)
    path.write_bytes(_with_edits(path.read_bytes(), table))
    frames, _, report = read(path)
    assert numbers([frame.image for frame in frames]) == list(range(10))
    assert (report.verdict, report.gaps) == ("complete", ())
    assert frames[-1].time_s + frames[-1].duration_s == pytest.approx(0.4, abs=0.001)


def _box(data: bytes, kind: bytes, start: int, end: int) -> tuple[int, int]:
    """Where a box of this kind between two places begins and ends."""
    while start < end:
        size, found = struct.unpack_from(">I4s", data, start)
        if found == kind:
            return start, start + size
        start += size
    raise AssertionError(f"no {kind!r}")


def _payload(data: bytes, *path: bytes) -> bytes:
    start, end = 0, len(data)
    for kind in path:
        start, end = _box(data, kind, start, end)
        start += 8
    return data[start:end]


def _with_edits(data: bytes, table: bytes) -> bytes:
    """The file, whose index lies behind its images, with this edit list in the place of its own."""
    moov = _box(data, b"moov", 0, len(data))
    trak = _box(data, b"trak", moov[0] + 8, moov[1])
    own = _box(data, b"edts", trak[0] + 8, trak[1])
    edts = struct.pack(">I4sI4s", len(table) + 16, b"edts", len(table) + 8, b"elst") + table
    out = bytearray(data[: own[0]] + edts + data[own[1] :])
    for start, end in (moov, trak):
        struct.pack_into(">I", out, start, end - start + len(edts) - (own[1] - own[0]))
    return bytes(out)


def test_the_first_image_of_a_bare_mpeg_1_stream_lasts_as_long_as_the_others(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.m1v"), "w", format="mpeg1video") as container:
        stream = container.add_stream("mpeg1video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        for k in range(8):
            frame = av.VideoFrame.from_ndarray(draw(k), format="gray").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames, _, _ = read(tmp_path / "a.m1v")
    assert [frame.time_s for frame in frames] == pytest.approx([k * 0.04 for k in range(8)])


def test_a_cut_behind_a_late_start_is_a_gap_in_its_place(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", recipe("mkv ffv1 gray", frames=10, late=37, sound="pcm_s16le"))
    path.write_bytes(path.read_bytes()[:-60_000])
    frames, gaps, report = read(path)
    end_s = 1.48 + 0.04 * len(frames)
    assert 0 < len(frames) < 10 and gaps == [Gap(pytest.approx(end_s), pytest.approx(1.88), "the clip ends early")]
    assert report.verdict == "truncated"


ASPECTS = ("mp4 h264", "mkv mpeg4 120", "mov prores", "mov mjpeg", "avi mpeg4", "mpg mpeg2", "ts h264", "wmv")


@pytest.mark.parametrize("name", ASPECTS)
def test_pixels_that_are_not_square_are_stretched(name: str, tmp_path: Path) -> None:
    # MPEG-2 states the ratio of the whole picture: 4:3, which 192x128 pixels of 8:9 have
    made = recipe(name, frames=3, width=192, aspect=Fraction(8, 9))
    with open_source(write_clip(tmp_path / f"clip{made.suffix}", made)) as source:
        frames = [item for item in source if isinstance(item, Frame)]
        assert (source.info.width, source.info.height) == (192, 144) and source.report().reasons == ()
    assert source.info.pixel_aspect == pytest.approx(8 / 9)
    assert numbers([f.image for f in frames]) == [0, 1, 2] and frames[0].image.shape == (144, 192)


def test_the_size_that_a_matroska_is_to_be_shown_in_counts(tmp_path: Path) -> None:
    path = make(tmp_path, "webm vp9", frames=3, width=192)
    size, shown = b"\xb0\x81\xc0\xba\x81\x80", b"\x54\xb0\x81\x80\x54\xba\x81\x60"  # 192x128, shown as 128x96
    rate = b"\x23\xe3\x83\x84" + (40_000_000).to_bytes(4, "big")  # makes room for it
    data = path.read_bytes()
    assert rate + b"\xe0\x86" + size in data
    path.write_bytes(data.replace(rate + b"\xe0\x86" + size, b"\xe0\x8e" + size + shown))
    assert read(path)[0][0].image.shape == (144, 192)


def test_stretched_images_are_those_of_square_pixels(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(30, 220, 320), (128, 1)).astype(np.uint8)
    made = recipe("mp4 h264", frames=2, width=160, aspect=Fraction(2))
    path = write_clip(tmp_path / "clip.mp4", made, lambda _: np.ascontiguousarray(ramp[:, ::2]))
    for color in (False, True):
        frames, _, _ = read(path, color=color)
        image = frames[1].image if frames[1].image.ndim == 2 else frames[1].image[..., 1]
        assert image.shape == (128, 320) and np.abs(image.astype(int) - ramp).max() < 6


def test_stretched_images_are_turned_afterwards(tmp_path: Path) -> None:
    made = recipe("mov h264 turned", frames=2, aspect=Fraction(2))
    with open_source(write_clip(tmp_path / "clip.mov", made)) as source:
        frames = [item for item in source if isinstance(item, Frame)]
    assert frames[0].image.shape == (384, 128) == (source.info.height, source.info.width)
    assert numbers([f.image for f in frames]) == [0, 1]


def test_an_implausible_ratio_is_ignored_with_a_remark(tmp_path: Path) -> None:
    frames, _, report = read(make(tmp_path, "mp4 h264", frames=2, aspect=Fraction(10)))
    assert frames[0].image.shape == (128, 160) and report.verdict == "complete"
    assert "10:1 is implausible" in report.reasons[0]


def test_sound_that_goes_on_longer_is_no_truncation(tmp_path: Path) -> None:
    for suffix in (".mkv", ".mp4"):
        path = tmp_path / f"sound{suffix}"
        with av.open(str(path), "w") as container:
            video = container.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt = 160, 128, "yuv420p"
            audio = container.add_stream("aac", rate=8000)
            for k in range(20):
                container.mux(video.encode(av.VideoFrame.from_ndarray(draw(k), format="gray")))
            container.mux(video.encode(None))
            for k in range(24):
                samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                samples.sample_rate, samples.pts, samples.time_base = 8000, k * 1024, Fraction(1, 8000)
                container.mux(audio.encode(samples))
            container.mux(audio.encode(None))
        frames, _, report = read(path)
        assert len(frames) == 20 and (report.verdict, report.reasons) == ("complete", ())


def _mkfifo(path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no FIFOs here")
    os.mkfifo(path)


def _sound_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _huge(path: Path) -> None:
    """A raw AVI of 96 x 80 whose header says 60,000 x 60,000."""
    data = write_clip(path.with_suffix(".avi"), recipe("avi raw gray", frames=1)).read_bytes()
    sizes, huge = (96).to_bytes(4, "little") + (80).to_bytes(4, "little"), (60_000).to_bytes(4, "little") * 2
    assert data[:400].count(sizes) == 2
    path.write_bytes(data[:400].replace(sizes, huge) + data[400:])


REFUSED = {
    "missing": lambda p: None,
    "folder": lambda p: p.mkdir(),
    "empty": lambda p: p.write_bytes(b""),
    "one byte": lambda p: p.write_bytes(b"x"),
    "text": lambda p: p.write_text("this is no film\n" * 100),
    "zeros": lambda p: p.write_bytes(bytes(5000)),
    "fifo": _mkfifo,
    "sound only": _sound_only,
    "huge": _huge,
    "concat script": lambda p: p.write_text("ffconcat version 1.0\nfile other.mp4\n"),
    "hls list": lambda p: p.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n"),
    "dash": lambda p: p.write_text("<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>"),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_clip_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    write_clip(tmp_path / "other.mp4", recipe("mp4 h264", frames=2))
    path = tmp_path / "clip.mp4"
    REFUSED[case](path)
    with pytest.raises(SourceError) as caught:
        open_source(path)
    assert "\n" not in str(caught.value) and "clip.mp4" in str(caught.value)


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mpg", ".ts", ".gif", ".wmv", ".xyz"])
def test_a_script_opens_no_other_file_whatever_its_suffix(suffix: str, tmp_path: Path) -> None:
    write_clip(tmp_path / "other.mp4", recipe("mp4 h264", frames=2))
    path = tmp_path / f"clip{suffix}"
    path.write_text(f"ffconcat version 1.0\nfile '{tmp_path / 'other.mp4'}'\n" * 40)
    try:
        frames, _, report = read(path)
    except SourceError:
        return
    assert frames == [] and report.verdict != "complete"


def test_options_are_checked(tmp_path: Path) -> None:
    path = make(tmp_path, "mp4 h264", frames=1)
    for options in ({"rate_hz": 0.0}, {"rate_hz": -1.0}, {"rate_hz": float("nan")}):
        with pytest.raises(UsageError):
            open_source(path, **options)


def test_leaving_early_is_reported_and_everything_is_let_go(tmp_path: Path) -> None:
    path, before = make(tmp_path, "mp4 h264"), threading.active_count()
    source = open_source(path)
    for item in source:
        if isinstance(item, Frame) and item.index == 4:
            break
    report = source.report()
    assert report.verdict == "unknown" and report.reasons[-1] == "not read to the end"
    with pytest.raises(SourceError, match="open it again"):
        iter(source)
    source.close()
    source.close()
    assert source.report().verdict == "unknown"
    with pytest.raises(SourceError, match="open it again"):
        iter(source)
    path.unlink()  # Windows refuses while a handle is open
    assert threading.active_count() == before


def test_closing_in_the_middle_ends_the_frames(tmp_path: Path) -> None:
    source = open_source(make(tmp_path, "mp4 h264"))
    items = iter(source)
    first = next(items)
    source.close()
    assert isinstance(first, Frame) and list(items) == []
    assert source.report().verdict == "unknown" and source.report().delivered < 40


def test_importing_loads_no_library() -> None:
    heavy = "{'av', 'cv2', 'pydicom', 'PIL', 'torch'}"
    code = f"import sys, seqcls.sources; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


CUT = ("mp4 h264 fragmented", "mkv h264", "webm vp9", "avi mpeg4", "mpg mpeg2", "mpeg mpeg2 with B-frames", "ts h264", "gif", "mkv ffv1 gray")  # fmt: skip


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("kept", [0.3, 0.5, 0.93])
def test_a_cut_clip_is_truncated(name: str, kept: float, tmp_path: Path) -> None:
    path = make(tmp_path, name)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept) + 1])
    frames, _, report = read(path)
    assert len(frames) < 40 and report.verdict == "truncated"
    intact = numbers([f.image for f in frames if not f.damaged])  # the last frame may be half of one, and marked so
    whole = [number for number in intact if number is not None]
    assert whole == sorted(whole) and len(whole) >= 40 * kept - 18


def test_the_rest_that_the_file_promises_is_a_gap(tmp_path: Path) -> None:
    path = make(tmp_path, "mkv h264")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    frames, gaps, _ = read(path)
    end_s = frames[-1].time_s + frames[-1].duration_s
    assert (gaps[-1].start_s, gaps[-1].end_s) == (pytest.approx(end_s), pytest.approx(1.6))


@pytest.fixture(scope="module")
def clip_of_200(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    made = recipe("mp4 h264", frames=200, width=640, height=480, options=(("preset", "ultrafast"),))
    return write_clip(tmp_path_factory.mktemp("video") / "clip.mp4", made).read_bytes()


@pytest.mark.parametrize("place", [0.2, 0.35, 0.5, 0.65, 0.8])
def test_a_hole_of_3_kb_costs_one_frame_of_200(place: float, clip_of_200: bytes, tmp_path: Path) -> None:
    path, data = tmp_path / "hole.mp4", bytearray(clip_of_200)
    start = int(len(data) * place)
    data[start : start + 3000] = bytes(3000)
    path.write_bytes(data)
    frames, _, report = read(path)
    assert len(frames) >= 199 and report.verdict == "damaged"


def _spoil_packets(path: Path, which: range) -> None:
    """Overwrite whole packets with noise, so that nothing can be decoded from them."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        places = [(packets[k].pos, packets[k].size) for k in which]
    for position, size in places:
        data[position + 4 : position + size] = b"\xff" * (size - 4)
    path.write_bytes(data)


def test_lost_frames_leave_a_gap_in_their_place(tmp_path: Path) -> None:
    path = make(tmp_path, "mp4 h264 without B-frames", options=(("preset", "veryfast"), ("g", "1"), ("bf", "0")))
    _spoil_packets(path, range(10, 13))
    with open_source(path) as source:
        items = list(source)
        report = source.report()
    assert [read_number(i.image) for i in items if isinstance(i, Frame)] == [k for k in range(40) if not 10 <= k < 13]
    gap = items[10]
    assert isinstance(gap, Gap) and gap.start_s == pytest.approx(0.40) and gap.end_s == pytest.approx(0.52)
    assert "3 frames lost" in gap.reason and report.verdict == "damaged"


def test_lost_frames_at_the_start_and_at_the_end_are_gaps_too(tmp_path: Path) -> None:
    path = make(tmp_path, "mp4 h264 without B-frames", options=(("preset", "veryfast"), ("g", "1"), ("bf", "0")))
    _spoil_packets(path, range(3))
    _spoil_packets(path, range(38, 40))
    frames, gaps, report = read(path)
    assert frames[0].time_s == pytest.approx(0.12) and len(frames) == 35
    assert [(g.start_s, g.end_s) for g in gaps] == [pytest.approx((0.0, 0.12)), pytest.approx((1.52, 1.60))]
    assert report.verdict == "damaged"


def test_a_damaged_frame_is_marked_every_time(tmp_path: Path) -> None:
    """With frame threads FFmpeg forgot the mark in one read of 25."""
    path = make(tmp_path, "ts h264")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.3) + 1])
    results = {(tuple(f.damaged for f in frames), report) for frames, _, report in (read(path) for _ in range(60))}
    assert len(results) == 1 and results.pop()[0][-1] == "damaged picture"


@pytest.mark.parametrize("how", ["noise", "a flipped bit"])
def test_a_broken_jpeg_is_lost_and_reported(how: str, tmp_path: Path) -> None:
    """FFmpeg by itself hands over what came out of it, and does not mark it."""
    path = make(tmp_path, "avi mjpeg", frames=20)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][7]
    middle = packet.pos + packet.size // 2
    data[middle : middle + 200] = (
        b"\xff" * 200 if how == "noise" else bytes([data[middle] ^ 0x10]) + data[middle + 1 : middle + 200]
    )
    path.write_bytes(data)
    frames, gaps, report = read(path)
    assert [read_number(f.image) for f in frames] == [k for k in range(20) if k != 7]
    assert [(g.start_s, g.end_s) for g in gaps] == [pytest.approx((0.28, 0.32))] and report.verdict == "damaged"


@pytest.mark.parametrize("name", ["webm vp9", "webm av1"])
def test_a_flipped_bit_that_no_container_knows_of_is_noticed_by_a_strict_decoder(name: str, tmp_path: Path) -> None:
    """FFmpeg's own VP9, and dav1d unless told, make an image of it."""
    path = make(tmp_path, name, frames=12)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][1]
    data[packet.pos + packet.size * 2 // 5] ^= 0x10
    path.write_bytes(data)
    _, _, report = read(path)
    assert report.verdict == "damaged" and "decoding error" in " ".join(report.reasons)


def test_a_frame_that_vanishes_without_an_error_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No error, and no time to tell by: only the count of packets knows."""
    decode, calls = VideoSource._decode, itertools.count()
    monkeypatch.setattr(VideoSource, "_decode", lambda self, p: [] if next(calls) == 38 else decode(self, p))
    monkeypatch.setattr(Clock, "packet", lambda self, tick, size: None)
    frames, _, report = read(make(tmp_path, "mp4 h264 without B-frames", options=(("g", "1"), ("bf", "0"))))
    assert len(frames) == 39 and report.verdict == "damaged" and "39 of 40" in report.reasons[0]


def test_two_recordings_in_one_file_are_both_read(tmp_path: Path) -> None:
    """A transport stream may simply be joined: the clock starts anew and the images change their size."""
    first = write_clip(tmp_path / "1.ts", recipe("ts mpeg2")).read_bytes()
    second = write_clip(tmp_path / "2.ts", recipe("ts mpeg2", width=192, height=160)).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(first + second)
    frames, _, report = read(path)
    assert len(frames) >= 78 and {f.image.shape for f in frames} == {(128, 160), (160, 192)}
    steps = [b.time_s - a.time_s for a, b in itertools.pairwise(frames)]
    assert min(steps) > 0.03 and frames[-1].time_s == pytest.approx(3.16, abs=0.2)
    assert report.verdict == "damaged" and any("size changes" in reason for reason in report.reasons)


@pytest.mark.parametrize(
    "name", ["mp4 h264", "mkv h264", "ts h264", "mpg mpeg2", "avi mjpeg", "avi mpeg4 with B-frames"]
)
def test_damage_moves_no_later_frame(name: str, tmp_path: Path) -> None:
    """What comes out as in the undamaged clip has the time that it has there, or is unknown: blocks of zeros, bytes that
    are other ones, bytes that are missing."""
    path = make(tmp_path, name, frames=150)
    whole = path.read_bytes()
    times = {frame.image.tobytes(): frame.time_s for frame in read(path)[0]}
    assert len(times) == 150
    first, size = len(whole) // 5, len(whole) // 6
    zeros, changed = bytearray(whole), bytearray(whole)
    for at in range(first, first + size, 2048):
        zeros[at : at + 1024] = bytes(1024)
    for at in range(first, first + size, 11):
        changed[at] ^= 0x55
    in_place = 0
    spoilt = [bytes(zeros), bytes(changed)] + [whole[:first] + whole[first + size :]] * (path.suffix != ".mp4")
    for content in spoilt:
        path.write_bytes(content)
        frames, _, report = read(path)
        known = [(frame.time_s, times.get(frame.image.tobytes())) for frame in frames if not frame.damaged]
        moved = [(now, before) for now, before in known if before is not None and abs(now - before) > 0.021]
        assert not moved and report.verdict != "complete"
        in_place += sum(before is not None for _, before in known)
    assert in_place >= 100


def test_a_pause_in_a_variable_rate_is_no_gap(tmp_path: Path) -> None:
    times = tuple(40 * k + (3000 if k >= 20 else 0) for k in range(40))
    for suffix in (".mkv", ".mp4", ".webm"):
        made = recipe("mp4 h264 variable rate" if suffix != ".webm" else "webm vp9", times_ms=times)
        frames, gaps, report = read(write_clip(tmp_path / f"pause{suffix}", made))
        assert (gaps, report.verdict) == ([], "complete")
        assert frames[19].duration_s == pytest.approx(3.04, abs=0.002)


def test_a_hundred_damaged_clips(tmp_path: Path) -> None:
    """The short form of scripts/fuzz_media.py, in its worker process so that a crash is seen as one."""
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, 'scripts'); import fuzz_media as f\n"
        "def main():\n"
        " folder = Path(sys.argv[1]); tally, failures = f.fuzz(f.make_bases(folder / 'bases'), folder, 130, 3)\n"
        " failures = [line for line in failures if 'spoilt, silent' not in line]\n"
        " print(*failures, sep='\\n'); print(sum(n for (_, _, k), n in tally.items() if k == 'short'), len(failures))\n"
        "if __name__ == '__main__': main()"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SVT_LOG": "0", "PYTHONPATH": os.pathsep.join([str(ROOT / "scripts"), str(ROOT / "tests"), str(ROOT)])}  # fmt: skip
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    short, failed = (int(number) for number in done.stdout.split("\n")[-2].split())
    assert short >= 60, "the mutations no longer damage anything"
    assert failed == 0, done.stdout


def test_mutations_are_repeatable_and_change_the_file() -> None:
    data = bytes(range(256)) * 100
    for kind in MUTATIONS:
        once = mutate(data, kind, 1)
        assert once == mutate(data, kind, 1) != data
    assert Counter(len(mutate(data, "cut 50 %", seed)) // 5000 for seed in range(5)) == {2: 5}


def test_an_image_shows_its_number_or_nothing() -> None:
    assert [read_number(draw(k)) for k in (0, 1, 511, 1023)] == [0, 1, 511, 1023]
    torn = draw(5)
    torn[:64] = draw(10)[:64]
    assert read_number(torn) is None and read_number(np.full((128, 160), 90, np.uint8)) is None


def test_an_avi_of_a_million_frames_a_second_is_not_believed(tmp_path: Path) -> None:
    path = make(tmp_path, "avi mpeg4")
    data = bytearray(path.read_bytes())
    header = data.index(b"strh") + 8
    struct.pack_into("<II", data, header + 20, 1, 1_000_000)  # dwScale, dwRate
    path.write_bytes(bytes(data))
    _, _, report = read(path)
    assert report.verdict == "damaged" and "says 1,000,000 frames/s, which no probe gives" in report.reasons[0]
