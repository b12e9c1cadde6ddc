"""Video files through PyAV, packet by packet: a damaged packet costs only its own frames, and is reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from seqcls.errors import SourceError, UsageError, one_line
from seqcls.sources.avi_index import AviIndex
from seqcls.sources.base import Clip, few, require_regular_file, require_sane_size
from seqcls.sources.container import examine
from seqcls.sources.container_bytes import Structure
from seqcls.sources.decoder_log import decoder_messages
from seqcls.sources.error_propagation import ErrorPropagation
from seqcls.sources.moved_tables import FilledFile, find_loss
from seqcls.sources.nal_units import zeroed
from seqcls.sources.packet_budget import PacketBudget
from seqcls.sources.pixel_aspect import pixel_aspect, square_size
from seqcls.sources.sniff import DEMUXERS, is_archive, kind_of
from seqcls.sources.stated_times import stated_times
from seqcls.sources.timestamps import DAMAGED, EMPTY_PACKET_BYTES, LEAP_S, MAX_REORDER, Clock
from seqcls.sources.video_open import choose_stream, open_container, strict_decoder, strictness
from seqcls.text.foreign_text import for_name
from seqcls.text.wording import count_of
from seqcls.types import MAX_PIXELS, Frame, Gap, SourceInfo

#: A demuxer that fails this often in a row has nothing more to give.
MAX_FAILURES = 20

#: A first image that is later than this is remarked on; less may come of reordering or of how sound is encoded.
NOTED_S = 0.1

#: A last frame that is said to be shown longer than this is not believed.
MAX_HOLD_S = 600.0

#: A higher rate is not believed.
MAX_RATE_HZ = 2000

#: Without a rate, and before two frames show one.
FALLBACK_RATE = Fraction(25)

_MARKED_FRAMES = ("frame that the decoder marks as damaged", "frames that the decoder marks as damaged")
_MARKED_PACKETS = ("packet marked as damaged by the container", "packets marked as damaged by the container")
_ZEROED_PACKETS = ("packet of which a part is zeros", "packets of which a part is zeros")
_CUT_PACKETS = ("packet of which bytes are missing", "packets of which bytes are missing")

#: Codecs of which every packet shows a frame, however small it is.
_NEVER_EMPTY = ("h264", "hevc", "av1", "vp9")

#: Not every picture of an MPEG program stream has a time of its own. Behind a loss so many are given those of others.
_BORROWED = 3

#: FFmpeg passes over what is damaged in these without a word.
_SKIPS_SILENTLY = ("asf",)

#: FFmpeg looks for streams in a file's first 7 seconds and 5 MB; here in so many microseconds and bytes.
_LOOK_FAR = {"analyzeduration": "600000000", "probesize": "100000000"}


class VideoSource(Clip):
    """One video file. ``color=False`` gives (H, W) gray, True (H, W, 3) BGR images.

    ``rate_hz`` serves a bare stream, which has no clock of its own.

    Raises SourceError when it cannot be opened as video; damage met later is described in ``report()``.
    """

    def __init__(self, path: Path, *, color: bool = False, name: str = "", rate_hz: float | None = None) -> None:
        super().__init__()
        self.name = for_name(name if name else path.name)
        self._path, self._color = path, color
        require_regular_file(path)
        self._demuxer = kind_of(path)
        if self._demuxer not in DEMUXERS:
            if is_archive(path):
                raise SourceError(f"{path}: is an archive; unpack it, and name the folder with the clips")
            raise SourceError(
                f"{path}: is no clip that seqcls reads; save it as mp4, mov, mkv, webm, avi, mpeg, ts, gif or DICOM"
            )
        self._loss = find_loss(path) if self._demuxer == "mov" else None
        self._filled = None if self._loss is None else FilledFile(path, self._loss.start, self._loss.count)
        self._container = open_container(path, self._demuxer, rate_hz, file=self._filled)
        try:
            self._stream = choose_stream(self._container, path)
            if self._stream.codec_context.width == 0:  # its first packet may lie far behind those of the sound
                self._container.close()
                self._container = open_container(path, self._demuxer, rate_hz, _LOOK_FAR, file=self._filled)
                self._stream = choose_stream(self._container, path)
            self._stated = stated_times(self._container, self._stream)
            self.info = self._describe()
        except BaseException:
            self.close()
            raise
        self._errors: Counter[tuple[str, str]] = Counter()  # what is counted: one of it, several
        self._packets_seen = self._packets_read = 0
        self._budget = PacketBudget(self.name, path.stat().st_size, self._demuxer)
        self._ends_by_edit = False  # whether an edit list ends the clip before its track
        self._index = AviIndex(path, self._stream.index) if self._demuxer == "avi" else None
        self._reported: set[int] = set()  # times of packets that the decoder found damaged without giving them up
        self._latest_packet: int | None = None  # its time
        self._clock, self._propagation = self._make_clock(), ErrorPropagation(self._decoder.name)
        self._zeroed = zeroed(self._stream.codec_context)

    def _describe(self) -> SourceInfo:
        stream, context = self._stream, self._stream.codec_context
        ratio = stream.sample_aspect_ratio
        aspect, ignored = (1.0, "") if ratio is None else pixel_aspect(ratio.numerator, ratio.denominator)
        self._notes += [ignored] if ignored else []
        width, height = square_size(context.width, context.height, aspect)
        if context.width == context.height == 0:  # FFmpeg forgets a size that is more than ``max_pixels``
            raise SourceError(
                f"{self.name}: states no size of its images, or more than {MAX_PIXELS // 1_000_000} megapixels; is the"
                " file whole?"
            )
        for size in ((context.width, context.height), (width, height)):
            require_sane_size(self.name, *size)
        self._decoder = strict_decoder(context)
        # With frame threads FFmpeg now and then forgets to mark a damaged frame (6 of 150 reads); with slice threads
        # nobody knows which frame a message of the decoder is about.
        self._decoder.thread_count = 1
        self._decoder.options = {"max_pixels": str(MAX_PIXELS), **strictness(self._decoder.name)}
        videos, rate = len(self._container.streams.video), stream.average_rate
        if self._demuxer == "avi" and rate is not None and rate > MAX_RATE_HZ:  # which is all that an AVI has for times
            self._alarms.append(f"says {float(rate):,.0f} frames/s, which no probe gives: its times are wrong")
        details = [("pixel format", str(context.pix_fmt)), ("time base", f"{stream.time_base}")]
        if videos > 1:
            details.append(("video streams", f"{videos}, of which number {stream.index} is read"))
        return SourceInfo(
            name=self.name,
            kind="file",
            container=str(self._container.format.name),
            codec=str(context.codec.canonical_name),
            width=width,
            height=height,
            pixel_aspect=aspect,
            declared_frames=stream.frames if stream.frames > 0 else None,
            declared_duration_s=self._stated.end_s,
            rate_hz=float(rate) if rate is not None and 0.01 <= rate <= MAX_RATE_HZ else None,
            details=tuple(details),
        )

    def _make_clock(self) -> Clock:
        stream = self._stream
        rate = stream.average_rate if self.info.rate_hz is not None else FALLBACK_RATE
        base = Fraction(stream.time_base)
        # FFmpeg's MPEG demuxers know no variable rate; in the others a late frame may be meant.
        strict = self._demuxer in ("mpeg", "mpegts")
        stated = self._stated
        # In AVI, which has no times, FFmpeg counts them behind what reordering holds back: they count from the first.
        zero = None if self._demuxer == "avi" else stated.zero
        period, gif = round(1 / (rate * base)), self._demuxer == "gif"
        most = _BORROWED if self._demuxer == "mpeg" else 0
        return Clock(base, period, stated.start, zero=zero, strict=strict, stated_durations=gif, borrowed=most)

    def _items(self) -> Iterator[Frame | Gap]:
        try:
            yield from self._timed_frames()
        except UsageError as error:  # a clock that ticks once in a century
            raise SourceError(f"{self.name}: states times that no clip has ({error}); get a fresh copy") from None

    def _timed_frames(self) -> Iterator[Frame | Gap]:
        from seqcls.sources.pixels import bgr, gray

        image_of, clock, aspect = bgr if self._color else gray, self._clock, self.info.pixel_aspect
        structure = examine(self._path, self._demuxer) if self._demuxer in _SKIPS_SILENTLY else None
        if structure is not None and (structure.flaw or structure.unknown):
            clock.distrust()
        for decoded, damaged, spoilt in self._propagation.judged(self._decoded(), self._is_damaged):
            if self._closed:
                return
            try:
                image = image_of(decoded, aspect)
            except Exception as error:  # a pixel format that swscale cannot read, memory
                self._trouble(error)
                continue
            if not self._shape:  # now it is known whether the images are turned
                self.info = replace(self.info, width=image.shape[1], height=image.shape[0])
            self._watch_size(image, f"{clock.end_s:.2f} s")
            unknown = DAMAGED if damaged else ""
            tick, key = self._tick(decoded), decoded.key_frame
            yield from clock.add(tick, decoded.duration, image, unknown, follows=spoilt, key=key)
        if self._closed:
            return
        if self._loss is not None:
            structure = self._loss.structure
        structure = examine(self._path, self._demuxer) if structure is None else structure
        declared_s = self._stated.end_s
        ends_early = structure.truncated or (declared_s is not None and declared_s - clock.last_s > 3 * clock.period_s)
        if structure.flaw and ends_early and self._latest_packet is not None:
            clock.spoil(self._latest_packet)  # it may lie across the place at which reading ended
        yield from clock.finish(self._held_until(structure))
        yield from self._check_the_end(structure)

    def _is_damaged(self, decoded: Any) -> bool:
        if decoded.is_corrupt:
            self._errors[_MARKED_FRAMES] += 1
        return decoded.is_corrupt or self._tick(decoded) in self._reported

    def _tick(self, decoded: Any) -> int | None:
        """The time of a frame, or of a packet."""
        if self._demuxer == "mpegvideo" and None not in (decoded.pts, decoded.dts):
            return int(max(decoded.pts, decoded.dts))  # of MPEG-1 the first image has the time of the one before it
        tick: int | None = decoded.pts if decoded.pts is not None else decoded.dts
        return tick

    def _decoded(self) -> Iterator[Any]:
        for packet in self._packets():
            if packet.is_corrupt:  # a piece of it is missing, or what was before it
                self._errors[_MARKED_PACKETS] += 1
                self._lose()
                self._spoil(self._tick(packet))
            self._ends_by_edit = packet.is_discard
            if not packet.is_discard:
                if not self._packets_seen and packet.size > EMPTY_PACKET_BYTES:
                    self._check_the_start(packet)
                self._clock.packet(packet.pts, packet.size)
                self._packets_seen += packet.size > EMPTY_PACKET_BYTES or self.info.codec in _NEVER_EMPTY
            if self._zeroed is not None and self._zeroed(bytes(packet)):
                self._errors[_ZEROED_PACKETS] += 1
                self._spoil(self._tick(packet))
            self._propagation.packet(packet)
            yield from self._decode(packet)
        for _ in range(0 if self._closed else MAX_FAILURES):  # an error while flushing leaves more to flush
            flushed = self._decode(None)
            if not flushed:
                return
            yield from flushed

    def _packets(self) -> Iterator[Any]:
        """The stream's packets; after an error the demuxer is asked again, it may find its way."""
        demux, failures, end = self._container.demux(), 0, None
        while failures < MAX_FAILURES and not self._closed:
            try:
                packet = next(demux)
            except StopIteration:
                return
            except Exception as error:
                self._count(error)
                self._lose_packets()
                failures += 1
                demux = self._container.demux()
                continue
            failures = 0
            self._budget.take(packet.size)
            if packet.size == 0 or packet.stream_index != self._stream.index:
                end = None
                continue
            if self._demuxer == "matroska" and end is not None and packet.pos is not None and packet.pos - end > 1024:
                self._lose_packets()  # bytes were skipped to find the next packet
            end = packet.pos + packet.size if packet.pos is not None else None
            self._packets_read += 1
            if self._index is not None and (doubtful := self._index.count(packet, self._packets_read - 1)):
                self._reported.update(doubtful)
                if self._index.is_behind_a_loss:
                    self._lose_packets()
            self._latest_packet = self._tick(packet)
            if self._loss is not None and self._loss.touches(packet):
                self._errors[_CUT_PACKETS] += 1
                self._lose(self._latest_packet)
                continue
            yield packet

    def _decode(self, packet: Any) -> list[Any]:
        decoded: list[Any] = []
        try:
            with decoder_messages() as messages:
                decoded = list(self._decoder.decode(packet))
        except EOFError:
            pass  # it was flushed before
        except Exception as error:
            self._trouble(error, None if packet is None else packet.pts)
        else:
            for what in set(messages):
                self._errors[
                    f"report of damage by the decoder ({what})", f"reports of damage by the decoder ({what})"
                ] += 1
            if messages:
                about = packet.pts if packet is not None and packet.pts is not None else None
                stamps = [frame.pts for frame in decoded if frame.pts is not None] if about is None else [about]
                for stamp in stamps:
                    self._spoil(stamp)
        return decoded

    def _spoil(self, tick: int | None) -> None:
        """The frame of this time, or of this packet, is damaged."""
        if tick is not None:
            self._reported.add(tick)
            self._propagation.lost(tick)

    def _trouble(self, error: Exception, about: int | None = None) -> None:
        self._count(error)
        self._lose(about)

    def _count(self, error: Exception) -> None:
        what = one_line(error)
        self._errors[f"decoding error ({what})", f"decoding errors ({what})"] += 1

    def _lose_packets(self) -> None:
        """Packets are missing before the next one; of the one before them a part may be."""
        if self._latest_packet is not None:
            self._clock.spoil(self._latest_packet)
        self._spoil(self._latest_packet)
        self._lose()

    def _lose(self, about: int | None = None) -> None:
        """Frames about here are missing, and those that are predicted from them spoilt."""
        self._clock.trouble()
        self._propagation.lost(about)

    def _check_the_start(self, packet: Any) -> None:
        """FFmpeg makes up the start of a track that begins behind what it looked through, and of every track of an AVI:
        where the first packet lies behind the start, it is the start. So it is where FFmpeg names none."""
        stated, period = self._stated, self._clock.period
        if stated.start is None and packet.pts is not None and self._demuxer in ("matroska", "asf"):
            self._stated = stated_times(self._container, self._stream, packet.pts)
            self.info = replace(self.info, declared_duration_s=self._stated.end_s)
            self._clock.set_start(packet.pts, self._stated.zero)
            return
        known = packet.dts if packet.dts is not None else packet.pts
        if known is None or stated.start is None or stated.zero is None:
            return
        reorder = 0 if packet.dts is not None else MAX_REORDER * period
        first = known if self._demuxer == "avi" or packet.pts is None else packet.pts
        late_s = (first - stated.zero) * self._stream.time_base
        if known - reorder > stated.start + period // 2 and late_s < LEAP_S:
            self._clock.start_at(first)
            self._stated = replace(stated, end_s=None)  # made up as well

    @property
    def _is_whole_table(self) -> bool:
        """Whether a table of all samples was read to its end."""
        listed = self._demuxer == "mov" and self._stream.frames > 0
        return listed and self._packets_read == self._stream.frames and not self._errors

    def _held_until(self, structure: Structure) -> float | None:
        """Until when the last frame is shown by the file's word, in seconds; None where there is none to believe.

        Screens and phones record a still end as one long frame. A file that was cut short looks alike, so only one that
        is whole is believed: the table of an MP4 is read to its end, or a Matroska file, whose length is written when
        all else is, misses nothing.
        """
        declared_s = self._stated.end_s
        whole = not (structure.flaw or structure.unknown or self._errors or self._clock.alarms)
        if declared_s is None or not whole or declared_s - self._clock.last_s > MAX_HOLD_S:
            return None
        believed = self._demuxer == "matroska" or (self._is_whole_table and not self._ends_by_edit)
        return declared_s if believed else None

    def _check_the_end(self, structure: Structure) -> Iterator[Gap]:
        """Compare the frames read with what the file declares; a declared rest that is missing becomes a gap."""
        clock = self._clock
        if structure.flaw:
            self._truncated = structure.truncated
            self._alarms.append(structure.flaw)
        self._unsure = structure.unknown
        self._notes += [structure.remark] if structure.remark else []
        read, held = max(self._packets_read, clock.delivered), structure.frames
        if held is not None and held > read and not _are_fields(held, read):
            self._alarms.append(f"{read} of {count_of(held, 'frame')} of the container could be read")
        if self._one_frame_per_packet and clock.delivered < self._packets_seen:
            self._alarms.append(f"{clock.delivered} of {count_of(self._packets_seen, 'frame')} could be decoded")
        declared_s = self._stated.end_s
        if declared_s is None or self._demuxer in ("mpeg", "mpegts", "avi", "gif", "mpegvideo"):
            return  # a guess by FFmpeg or a number that recorders get wrong
        if self._ends_by_edit:
            return  # the end that is stated is the track's
        if declared_s - clock.end_s > 1.5 * clock.period_s + 0.002:
            self._truncated = True
            self._alarms.append(f"ends at {clock.end_s:.2f} s though it says that it lasts {declared_s:.2f} s")
            if declared_s < 100 * max(clock.end_s, 1.0):
                yield Gap(clock.end_s, declared_s, "the clip ends early")

    @property
    def _one_frame_per_packet(self) -> bool:
        """VP8 has packets that show nothing; H.264 may have a packet for each field."""
        fields = _are_fields(self._packets_seen, self._clock.delivered)
        return self._demuxer in ("mov", "matroska", "gif") and self.info.codec != "vp8" and not fields

    def _remarks(self) -> tuple[list[str], list[str]]:
        clock = self._clock
        counted = [count_of(count, *what) for what, count in self._errors.items()]
        lost = [f"{gap.reason} at {gap.start_s:.2f} s" for gap in self._gaps if gap.reason.endswith("lost")]
        alarms = [*few(self._alarms), *few(clock.alarms), *few(lost), *few(counted)]
        notes = [*self._notes, *clock.notes]
        if clock.start_s > NOTED_S:
            notes.append(f"the first image comes {clock.start_s:.2f} s into the clip, as in a player")
        elif (late_s := self._stated.start_s) > NOTED_S and self._demuxer in ("mov", "matroska", "avi", "asf"):
            notes.append(f"times count from the first image, to which the file gives the time {late_s:.2f} s")
        if self._ended and clock.delivered == 0:
            alarms.append("no frame could be decoded")
        return alarms, notes

    def close(self) -> None:
        super().close()
        self._container.close()
        if self._filled is not None:
            self._filled.close()


def _are_fields(count: int, frames: int) -> bool:
    """Whether each frame is in two parts, its odd and its even lines."""
    return abs(count - 2 * frames) <= 2
