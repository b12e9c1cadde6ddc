"""From what a decoder delivers to frames and gaps on the clip's time axis.

A decoder delivers images in display order; the times on them may be missing, repeated, scrambled or
interrupted. ``Clock`` puts them right and finds the stretches from which frames are missing. It holds back one
image to know how long the one before it lasts, and a few more where packets are missed until it is clear whether
they are lost. It works in the stream's ticks, so that times stay exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from seqcls.sources.packet_clock import PacketClock
from seqcls.text.wording import count_of
from seqcls.types import Frame, Gap

#: Decoders reorder at most this many frames (H.264's limit), so times farther apart are not just scrambled.
MAX_REORDER = 16

#: A frame is missed when the next comes later than this many periods.
LATE = 1.5

#: A clock that leaps this far was set anew; no scan lasts so long without a frame.
LEAP_S = 3600.0

#: Packets this small hold no frame: MPEG-4 marks a repeated frame so.
EMPTY_PACKET_BYTES = 8

#: Why a frame is unknown that came behind those shown after it: where packets are lost, a decoder loses its order.
OUT_OF_ORDER = "out of order"

#: Why frames are unknown: one cannot be read as it was stored; others are predicted from such a one, or a lost one.
DAMAGED, FOLLOWS = "damaged picture", "predicted from a damaged picture"

#: Why frames are unknown behind damage in which the packets' clock leapt so often that it tells nothing any more.
NO_TIME, _SHATTERED = "its time is not known", 4

#: So many frames after damage the order in which a decoder gives them is not trusted, nor what it says is lost.
_DOUBT = 4 * MAX_REORDER

#: Frames in a row that have their own times end the sorting: only a few times were out of order.
_IN_ORDER = 2 * MAX_REORDER

_RECENT, _MOST_ODD = 9, 2


@dataclass(slots=True)
class _PendingImage:
    tick: int
    duration: int
    image: Any
    damaged: str
    is_key: bool


class Clock:
    """One run's clock. ``base`` is seconds per tick, ``period`` the nominal ticks per frame, ``start`` the first tick.

    ``zero``: the tick at which the clip's time is 0; the first frame's where it is None. A track may start late.
    ``strict``: the rate does not vary in this container, so a late frame alone is proof of a loss, and nothing tells
    where a packet ends, so that the last frame before a loss may lack a part.
    ``stated_durations``: every frame's own duration is meant, however long. ``borrowed``: so many frames behind a gap
    may have the time of another, so that none of them, a key frame neither, is known to be what stands there.
    ``alarms`` are reasons to distrust the clip, ``notes`` are repairs that cost nothing.
    """

    def __init__(
        self,
        base: Fraction,
        period: int,
        start: int | None,
        *,
        zero: int | None = None,
        strict: bool = False,
        stated_durations: bool = False,
        borrowed: int = 0,
    ) -> None:
        self.delivered = 0
        self.start_s = 0.0
        self.end_s = 0.0
        self.alarms: list[str] = []
        self.scrambled = self.was_scrambled = False
        self.repeated = 0
        self.unstamped = 0
        self._stated_durations = stated_durations
        self._base, self._strict, self._zero, self._late = base, strict, zero, 0
        self._stated_start, self._first = start is not None, 0 if start is None else start
        self._origin: int | None = None
        self._packets = PacketClock()
        self._pending: deque[_PendingImage] = deque()
        self._last_emitted: int | None = None
        self._distances: deque[int] = deque([max(1, period)], maxlen=_RECENT)
        self._waiting: dict[int, None] = {}  # ticks of packets whose frames have not come yet, in their order
        self._trouble_left = self._doubt_left = 0
        self._last_reliable: int | None = None  # the last time that was not made up
        self._made_up = 0
        self.late, self._is_late = 0, False
        self._in_order = 0
        self._behind_loss = False  # and before a key frame
        self._borrowed, self._borrowed_left = borrowed, 0
        self._depth = 0  # most times that waited where nothing was lost

    @property
    def period(self) -> int:
        """Ticks from frame to frame, lately."""
        return sorted(self._distances)[len(self._distances) // 2]

    @property
    def period_s(self) -> float:
        return self._seconds(self.period)

    @property
    def notes(self) -> list[str]:
        repairs = (
            (self.was_scrambled, "times were out of order and have been sorted"),
            (self.repeated, f"{count_of(self.repeated, 'repeated time')} moved apart"),
            (self.late, f"{count_of(self.late, 'frame')} out of order, put behind the one before"),
            (
                self.unstamped,
                f"{count_of(self.unstamped, 'frame')} without a time, put one period after the one before",
            ),
        )
        return [text for needed, text in repairs if needed]

    def start_at(self, tick: int) -> None:
        """The track starts here and not where it was stated; to be called before the first frame."""
        self._late, self._first = tick - self._first, tick

    def set_start(self, start: int, zero: int | None) -> None:
        """As in the constructor, where the start is known only now; to be called before the first frame."""
        self._stated_start, self._first, self._zero = True, start, zero

    def packet(self, tick: int | None, size: int) -> None:
        """A packet is about to be decoded; a frame with its time should come of it."""
        if tick is not None and size > EMPTY_PACKET_BYTES:
            in_doubt = self._doubt_left > 0
            leapt = self._packets.follow(tick, MAX_REORDER * self.period, in_doubt=in_doubt)
            if leapt and in_doubt and self._packets.leaps == _SHATTERED:
                self.alarms.append(f"the times of the file are damaged: from {self.last_s:.2f} s on nobody knows them")
            self._waiting[tick + self._packets.offset] = None
            if len(self._waiting) > 512:
                del self._waiting[next(iter(self._waiting))]

    def distrust(self) -> None:
        """The container is known to be damaged: where the rate was regular, a late frame is proof of a loss."""
        self._strict = True

    def spoil(self, tick: int) -> None:
        """The frame with this time is damaged, if it is the last one that was taken."""
        if self._pending and self._pending[-1].tick == tick + self._packets.offset:
            self._pending[-1].damaged = DAMAGED

    def trouble(self) -> None:
        """Something was lost about here; threads in the decoder make "here" a little vague."""
        self._trouble_left = self._doubt_left = _DOUBT

    def add(
        self,
        tick: int | None,
        duration: int | None,
        image: Any,
        damaged: str,
        *,
        follows: bool = False,
        key: bool = False,
    ) -> Iterator[Frame | Gap]:
        """The next frame; yields those before it whose times are certain now, and the gaps between them. damaged: what
        is wrong with it; follows: it is predicted from a damaged one; key: it is predicted from none."""
        if damaged:
            self._doubt_left = _DOUBT
        self._is_late = False
        stamp = self._stamp(tick)
        reason = damaged
        if not damaged and self._packets.leaps >= _SHATTERED:
            reason = NO_TIME
        elif not damaged and self._is_late:
            reason = OUT_OF_ORDER
        elif not damaged and follows:
            reason = FOLLOWS
        own = 0 if duration is None else duration
        self._pending.append(_PendingImage(stamp, own, image, reason, key and not self._is_late))
        while len(self._pending) > 1 and not self._must_wait():
            yield from self._emit(self._pending.popleft(), self._pending[0].tick)
        self._trouble_left = max(0, self._trouble_left - 1)
        self._doubt_left = max(0, self._doubt_left - 1)

    @property
    def last_s(self) -> float:
        """Time of the last frame taken so far."""
        return self._time_s(self._pending[-1].tick) if self._pending else self.end_s

    def finish(self, held_until_s: float | None = None) -> Iterator[Frame | Gap]:
        """The stream has ended: yields the rest, and the gap behind it when packets stayed without a frame.

        ``held_until_s``: the last frame is shown until then by the file's word; believed where its own duration says
        nothing else.
        """
        while len(self._pending) > 1:
            yield from self._emit(self._pending.popleft(), self._pending[0].tick)
        if self._pending:
            last = self._pending.popleft()
            length = self._own(last)
            if held_until_s is not None and not self._waiting:
                length = max(length, round((held_until_s - self._time_s(last.tick)) / self._base))
            yield from self._place(last, length)
            left = [] if self.scrambled else self._left_behind(last.tick + length // 2)
            if left:
                yield self._gap(last.tick + length, left[-1] + self.period, len(left))

    def _left_behind(self, tick: int) -> list[int]:
        """Times of packets behind the last frame of which none came. Where packets are damaged, so may their times be:
        those that follow each other are believed, and no lone one hours away."""
        reach = MAX_REORDER * self.period if self._packets.leaps or self._doubt_left else LEAP_S / self._base
        left: list[int] = []
        for waiting in sorted(self._waiting):
            if waiting - (left[-1] if left else tick) > reach:
                break
            if waiting > tick:
                left.append(waiting)
        return left

    def _stamp(self, raw: int | None) -> int:
        """The frame's place on the time axis, never before the one of the frame before it."""
        last = self._pending[-1].tick if self._pending else None
        if raw is None:
            self.unstamped += 1
            self._made_up += 1
            return self._next(last)
        tick = raw + self._packets.offset
        self._waiting.pop(tick, None)
        if last is None:
            self._last_reliable = tick
            return tick
        if self.scrambled:
            place = self._smallest(last, tick)
            self._in_order = self._in_order + 1 if place == tick else 0
            if self._in_order >= _IN_ORDER:
                self.scrambled, self._last_reliable, self._made_up = False, tick, 0
            return place
        if tick == self._last_reliable:
            self.repeated += 1
            self._made_up += 1
            # Halfway and ever closer: the next reliable time must still lie ahead.
            return last + max(1, self.period >> min(self._made_up, 8))
        if tick > last:
            if self._seconds(tick - last) > LEAP_S and tick - last > 1000 * self.period:
                return self._continue(last, tick, "forward")
            self._last_reliable, self._made_up = tick, 0
            return tick
        if self._made_up and self._last_reliable is not None and tick > self._last_reliable:
            self._last_reliable = tick
            return last  # a little late behind a time that was made up
        if self._is_outlier(self._pending[-1], tick):
            return tick
        is_near = last - tick <= MAX_REORDER * self.period
        if is_near and not self._doubt_left:
            return self._sort(tick)
        if not is_near and self._packets.was_set_back(raw, in_doubt=self._doubt_left > 0):
            return self._continue(last, tick, "back")
        self._is_late = True
        self.late += 1
        self._made_up += 1
        return last + max(1, self.period >> min(self._made_up, 8))

    def _is_outlier(self, pending: _PendingImage, tick: int) -> bool:
        """Whether the frame before the next one, and not this, has the wrong time: then it is put in its place."""
        before = self._pending[-2].tick if len(self._pending) > 1 else self._last_emitted
        far = pending.tick - tick > MAX_REORDER * self.period
        if before is None or not before + 1 < tick < pending.tick or not (far or self._doubt_left):
            return False
        self.late += 1
        pending.tick = before + max(1, min(self.period, tick - before) // 2)
        pending.damaged = pending.damaged or OUT_OF_ORDER
        self._last_reliable, self._made_up = tick, 0
        return True

    def _continue(self, last: int, tick: int, way: str) -> int:
        """The clock was set anew in the middle: count on from the frame before."""
        self.alarms.append(f"the clip's clock jumps {way} at {self._time_s(last):.2f} s; counted on from there")
        self._packets.go_on(self._next(last) - tick)
        self._waiting.clear()
        self._last_reliable, self._made_up = self._next(last), 0
        return self._next(last)

    def _must_wait(self) -> bool:
        """Packets wait from before the next frame: lost, or their times belong to frames still to be shown. Or the next
        frame is so far away that its time may be wrong: the one behind it tells."""
        first, second = self._pending[0].tick, self._pending[1].tick
        if self.scrambled or len(self._pending) > MAX_REORDER or second - first <= LATE * self.period:
            return False
        if len(self._pending) == 2 and (self._doubt_left or second - first > MAX_REORDER * self.period):
            return True
        return any(first < tick < second for tick in self._waiting)

    def _sort(self, tick: int) -> int:
        """Times came in the order of decoding: from now on each frame takes the smallest one that waits."""
        self.scrambled = self.was_scrambled = True
        self._in_order = 0
        self._waiting.update(dict.fromkeys((tick, *(pending.tick for pending in self._pending))))
        floor = self._last_emitted
        for pending in self._pending:
            pending.tick = floor = self._smallest(floor, pending.tick, began=True)
        return self._smallest(floor, tick, began=True)

    def _smallest(self, floor: int | None, own: int, *, began: bool = False) -> int:
        """Take the smallest waiting time behind ``floor``; the frame's own time waits for a later one. began: sorting
        begins with this frame, and all that waited before it waits still."""
        self._waiting[own] = None
        ahead = sorted(tick for tick in self._waiting if floor is None or tick > floor)
        if not (self._doubt_left or began):
            self._depth = max(self._depth, len(ahead))
        # More wait than ever did where nothing was lost: the first of them belong to frames that never came.
        lost = max(0, len(ahead) - self._depth) if self._doubt_left and self._depth else 0
        choice = ahead[lost] if ahead else self._next(floor)
        if own - choice > MAX_REORDER * self.period:
            choice = own  # what waited so long belongs to a frame that never came
        self._forget(before=choice + 1)
        return choice

    def _next(self, floor: int | None) -> int:
        return self._first if floor is None else floor + self.period

    def _forget(self, before: int) -> None:
        self._waiting = dict.fromkeys(tick for tick in self._waiting if tick >= before)

    def _own(self, pending: _PendingImage) -> int:
        """The frame's own duration where it is plausible, else one period."""
        plausible = pending.duration <= 4 * self.period or self._stated_durations
        return pending.duration if pending.duration > 0 and plausible else self.period

    def _emit(self, pending: _PendingImage, following: int) -> Iterator[Frame | Gap]:
        distance = following - pending.tick
        own = self._own(pending)
        lost = [tick for tick in self._waiting if pending.tick < tick < following]
        proved = self._trouble_left > 0 or (self._regular and self._doubt_left > 0)
        if not self.scrambled:  # of sorted times neither the order nor a late one tells anything
            proved = proved or bool(lost) or (self._regular and self._strict)
        if proved and distance > LATE * min(own, self.period):
            own = own if own < distance else self.period  # what the packet says of it was damaged, too
            pending.damaged = pending.damaged or (DAMAGED if self._strict else "")
            yield from self._place(pending, own)
            yield self._gap(pending.tick + own, following, len(lost))
        else:
            yield from self._place(pending, distance)
            self._distances.append(max(1, distance))
        if not self.scrambled:
            self._forget(before=following)

    @property
    def _regular(self) -> bool:
        """Lately, but for one or two distances that damage has changed."""
        period, recent = self.period, self._distances
        odd = sum(not 0.9 * period <= distance <= 1.1 * period for distance in recent)
        return len(recent) == _RECENT and odd <= (_MOST_ODD if self._doubt_left else 0)

    def _place(self, pending: _PendingImage, length: int) -> Iterator[Frame | Gap]:
        """Emit the frame; the first one decides where the clip begins."""
        if self._origin is None:
            begin, lead = pending.tick, pending.tick - self._first if self._stated_start else 0
            lost = [tick for tick in self._waiting if tick < pending.tick]
            # Where times count from the first frame, it may stand behind the start by what reordering holds back.
            least = self.period // 2 if lost or self._zero is not None else MAX_REORDER * self.period
            if lead > least and (lost or self._trouble_left) and self._seconds(lead) < LEAP_S:
                begin = self._first
            zero = begin - self._late if self._zero is None else self._zero
            self._origin = zero if 0 <= self._seconds(begin - zero) < LEAP_S else begin
            self.start_s = self._time_s(begin)
            if begin < pending.tick:
                yield self._gap(begin, pending.tick, len(lost))
        time_s = self._time_s(pending.tick)
        end_s = self._time_s(pending.tick + length)
        if pending.is_key and not pending.damaged and not self._borrowed_left:
            self._behind_loss = False
        self._borrowed_left = max(0, self._borrowed_left - 1)
        reason = pending.damaged if pending.damaged or not self._behind_loss else FOLLOWS
        yield Frame(self.delivered, time_s, end_s - time_s, pending.image, reason)
        self.delivered += 1
        self.end_s = max(self.end_s, end_s)
        self._last_emitted = pending.tick

    def _gap(self, start: int, end: int, lost: int) -> Gap:
        missing = max(1, round((end - start) / self.period))
        count = max(lost, missing) if self._strict or not lost else lost
        reason = f"{count_of(count, 'frame')} lost"
        self._trouble_left, self._behind_loss, self._borrowed_left = 0, True, self._borrowed
        end_s = self._time_s(end)
        self.end_s = max(self.end_s, end_s)
        return Gap(self._time_s(start), end_s, reason)

    def _time_s(self, tick: int) -> float:
        return self._seconds(tick - (self._first if self._origin is None else self._origin))

    def _seconds(self, ticks: int) -> float:
        return ticks * self._base.numerator / self._base.denominator
