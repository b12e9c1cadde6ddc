"""When a frame was taken, by the clock of the device that sent it, as far as that clock can be trusted."""

from __future__ import annotations

#: No frame is taken to be older than this; a sender that is further off has a wrong clock, or a broken network.
MAX_BEHIND_S = 0.5

#: The smallest delay is looked for in one to two of these, and the clock trusted after two that agree.
SPAN_S = 5.0

#: How much the smallest delay may differ from one span to the next: 0.5 % of drift, or a change of the network.
MAX_DRIFT_S = 0.025


class SenderClock:
    """Times of frames in the receiver's clock, without the network's jitter.

    A frame is as much older than its arrival as its delay (arrival minus timestamp, of which the distance of the two
    clocks is an unknown constant part) exceeds the smallest delay of the last five to ten seconds; that one is taken
    for no delay at all. What the network always needs therefore stays in the times.

    Until the clock has kept pace for ten seconds, and whenever it states nothing, stands still, runs backwards, is off
    by more than half a second or drifts by more than 0.5 %, a frame's time is that of its arrival, as if there were no
    timestamps, and the ten seconds begin anew. So whatever the sender's clock does, times never decrease, are never
    after the arrival and never more than half a second before it.
    """

    def __init__(self) -> None:
        self._last_s = float("-inf")
        self._timestamp_s = 0.0
        self._since_s = 0.0  # arrival of the first frame of this span
        self._delay_s: float | None = None  # smallest of this span
        self._before_s: float | None = None  # smallest of the span before it
        self._trusted = False

    def time_s(self, arrival_s: float, timestamp_s: float) -> float:
        """``arrival_s``: monotonic, not before that of the last call. ``timestamp_s``: the sender's, 0.0 for none."""
        self._last_s = max(self._last_s, arrival_s - self._behind_s(arrival_s, timestamp_s))
        return self._last_s

    def _behind_s(self, arrival_s: float, timestamp_s: float) -> float:
        delay_s = arrival_s - timestamp_s
        runs = timestamp_s > self._timestamp_s
        self._timestamp_s = timestamp_s
        if not runs or self._delay_s is None:
            self._restart(arrival_s, delay_s if runs else None)
            return 0.0
        least_s = self._delay_s if self._before_s is None else min(self._delay_s, self._before_s)
        if abs(delay_s - least_s) > MAX_BEHIND_S:
            self._restart(arrival_s, delay_s)
            return 0.0
        if arrival_s - self._since_s < SPAN_S:
            self._delay_s = min(self._delay_s, delay_s)
        else:
            self._trusted = self._before_s is not None and abs(self._delay_s - self._before_s) <= MAX_DRIFT_S
            self._before_s, self._delay_s, self._since_s = self._delay_s, delay_s, arrival_s
        return max(delay_s - least_s, 0.0) if self._trusted else 0.0

    def _restart(self, arrival_s: float, delay_s: float | None) -> None:
        self._trusted = False
        self._before_s, self._delay_s, self._since_s = None, delay_s, arrival_s
