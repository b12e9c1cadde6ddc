"""The clock that a container's packets go by, and the places at which it was set anew: by a recorder that began again,
or by damage to the packets' own times."""

from __future__ import annotations

#: Behind damage a clock is believed to be set anew when so many packets are of the new one.
_MIN_SET_ANEW = 2
#: So many times since it was set back are remembered.
_MOST = 512


class PacketClock:
    """Told of each packet's time, in ticks. ``offset``: ticks from what packets say to the clip's own time axis.

    leaps: how often the times leapt where they were in doubt.
    """

    def __init__(self) -> None:
        self.offset = self.leaps = 0
        self._furthest: int | None = None  # as packets say it; and the one before it leapt
        self._before_leap: int | None = None
        self._since_leap = self._offset_before = 0
        self._set_back: set[int] | None = None  # times of packets since they jumped back

    def follow(self, tick: int, reach: int, *, in_doubt: bool) -> bool:
        """Whether the clock leaps here, but for a single packet with a wrong time. reach: ticks by which reordered
        packets lie apart; in_doubt: packets about here are damaged."""
        furthest, before, leapt = self._furthest, self._before_leap, False
        if furthest is None or abs(tick - furthest) <= reach:
            self._furthest = tick if furthest is None else max(furthest, tick)
            self._since_leap += 1
        elif before is not None and abs(tick - before) <= reach and self._since_leap < _MIN_SET_ANEW:
            self._furthest, self._before_leap, self._set_back = max(before, tick), None, None
            self.offset = self._offset_before
        else:
            leapt = True
            self.leaps += in_doubt
            self._furthest, self._before_leap, self._since_leap = tick, furthest, 1
            self._offset_before = self.offset
            self._set_back = set() if tick < furthest else None
        if self._set_back is not None:
            self._set_back.add(tick)
            if len(self._set_back) > _MOST:
                self._set_back = None
        return leapt

    def was_set_back(self, tick: int, *, in_doubt: bool) -> bool:
        """Whether packets say so, too, at the time of a frame. Where they say nothing, it is believed."""
        if self._furthest is None:
            return True
        least = _MIN_SET_ANEW if in_doubt else 1
        return self._set_back is not None and tick in self._set_back and len(self._set_back) >= least

    def go_on(self, ticks: int) -> None:
        """It was set anew: from now on so many ticks more lie between it and the clip's time axis."""
        self.offset += ticks
        self._set_back = None
