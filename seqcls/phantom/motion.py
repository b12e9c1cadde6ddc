"""How the probe travels: over the neck from level to level, with a hand's tremor, and now and then losing the skin.

Everything is a function of time alone: the same sweep at another frame rate shows the same neck at the same time.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seqcls.phantom.anatomy import Anatomy
from seqcls.phantom.beam import Probe

# Stations: S floor of the mouth, L larynx, T thyroid (both organs), R beside it (lobe, no trachea), V far lateral
# (vessels and muscle only), B below the thyroid (trachea only), M breast bone, W far lateral and high. The first three
# of each route switch both organs, whatever the duration.
_ROUTES = ("STRVTBM", "MTLTRVT", "VTBMBTL", "LTBTRVW", "WTRTBMT", "STVRTBM", "BTVWSTM", "LTMBTRV")
_DWELL = 0.28  # part of the time spent resting at stations
_LIFT_S = 0.08  # how quickly the probe comes off


class Pose(NamedTuple):
    """Probe position in neck coordinates (mm), in-plane tilt (radians), phases 0..1 of pulse and breath."""

    x: float
    z: float
    tilt: float
    press: float
    pulse: float
    breath: float


@dataclass(frozen=True, slots=True)
class Lift:
    """The probe leaves the skin from one side over [start_s, end_s)."""

    start_s: float
    end_s: float
    from_left: bool
    reach: float

    @property
    def full(self) -> bool:
        """Whether all of the face comes off."""
        return self.reach > 1

    def part(self, time_s: float) -> float:
        """Part of the face that is off the skin, about 0..1."""
        ramp = min(time_s - self.start_s, self.end_s - time_s) / _LIFT_S
        return self.reach * min(1.0, max(0.0, ramp))


@dataclass(frozen=True, slots=True)
class Bubble:
    """Air or hair under the face: a shadow over part of the beams that comes, drifts and goes."""

    centre: float
    width: float
    size: float  # dB
    hz: float
    phase: float

    def place(self, time_s: float) -> float:
        return self.centre + 0.15 * float(np.sin(2 * np.pi * 0.7 * self.hz * time_s + 2 * self.phase))

    def loss(self, time_s: float) -> float:
        return self.size * max(0.0, float(np.sin(2 * np.pi * self.hz * time_s + self.phase)))


@dataclass(frozen=True, slots=True)
class Motion:
    times: tuple[float, ...]  # start and end of each rest, ascending
    x: tuple[float, ...]
    z: tuple[float, ...]
    tremor: tuple[tuple[float, float, float], ...]  # (Hz, phase, size)
    pulse_hz: float
    breath_hz: float
    lifts: tuple[Lift, ...]
    bubbles: tuple[Bubble, ...]

    def pose(self, time_s: float) -> Pose:
        k = min(max(bisect.bisect_right(self.times, time_s), 1), len(self.times) - 1)
        t = (time_s - self.times[k - 1]) / (self.times[k] - self.times[k - 1])
        t = min(1.0, max(0.0, t))
        t = t * t * (3 - 2 * t)
        waves = [size * np.sin(2 * np.pi * hz * time_s + phase) for hz, phase, size in self.tremor]
        breath = 0.5 - 0.5 * np.cos(2 * np.pi * self.breath_hz * time_s)
        return Pose(
            x=self.x[k - 1] + t * (self.x[k] - self.x[k - 1]) + waves[0] + waves[1],
            z=self.z[k - 1] + t * (self.z[k] - self.z[k - 1]) + 0.5 * waves[2] + 0.8 * breath,
            tilt=0.035 * (waves[3] + 2 * waves[4]),
            press=0.5 * breath + 0.5 * waves[4],
            pulse=(self.pulse_hz * time_s) % 1.0,
            breath=breath,
        )

    def lift(self, time_s: float) -> Lift | None:
        """The lift that is under way, if any."""
        return next((lift for lift in self.lifts if lift.start_s <= time_s < lift.end_s), None)


def plan(
    rng: np.random.Generator, a: Anatomy, probe: Probe, duration_s: float, station_s: float, contact_loss: bool
) -> Motion:
    """Draw one sweep over the neck of ``a``, a new station about every ``station_s``."""
    u = rng.uniform
    count = max(3, round(duration_s / station_s))
    route = ""
    while len(route) < count:
        route += str(rng.choice([r for r in _ROUTES if r[0] != route[-1:]]))
    stations = [_station(rng, a, probe, name) for name in route[:count]]
    side = rng.choice([-1.0, 1.0])
    points = np.array([(x * side, z) for x, z in stations])
    rests = rng.uniform(0.7, 1.3, count)
    rests *= _DWELL * duration_s / rests.sum()
    # Along the neck an organ ends within a millimetre or two: slower there than sideways.
    moves = np.hypot(*(np.diff(points, axis=0) * (1.0, 1.5)).T) + 12
    moves *= (1 - _DWELL) * duration_s / moves.sum()
    times = np.cumsum(np.stack([rests, np.append(moves, 0.0)], axis=1).ravel())
    times = np.concatenate([[0.0], times[:-1]])
    return Motion(
        times=tuple(times.tolist()),
        x=tuple(np.repeat(points[:, 0], 2).tolist()),
        z=tuple(np.repeat(points[:, 1], 2).tolist()),
        tremor=tuple((rng.uniform(0.5, 5.0), rng.uniform(0, 6.3), rng.uniform(0.1, 0.35)) for _ in range(5)),
        pulse_hz=rng.uniform(0.9, 1.5),
        breath_hz=rng.uniform(0.2, 0.35),
        lifts=_lifts(rng, duration_s) if contact_loss else (),
        bubbles=tuple(Bubble(u(0, 1), u(0.04, 0.2), u(3, 16), u(0.03, 0.2), u(0, 6.3)) for _ in range(4)),
    )


def _station(rng: np.random.Generator, a: Anatomy, probe: Probe, name: str) -> tuple[float, float]:
    jitter = rng.uniform(-1, 1)
    starts, ends = zip(*a.lobe_z, strict=True)
    middle = 0.5 * (max(*starts, a.trachea_z[0]) + min(ends)) + 5 * jitter
    depth = a.front(middle) + a.trachea_ry
    beside = probe.half_width(depth) + a.trachea_rx + 2.0
    beyond = probe.half_width(depth + 0.7 * max(a.lobe_ry)) + a.lobe_reach + 2.0
    x = 8 * rng.uniform(-1, 1)
    return {
        "S": (x, -20 + 7 * jitter),
        "L": (x, rng.uniform(a.larynx_z[0] + 2, min(a.cricoid_z[1] - 1.5, min(starts) - 4))),
        "T": (x, middle),
        "R": (beside + 1 * jitter, middle),
        "V": (beyond + 3 + 3 * jitter, middle),
        "B": (x, 0.5 * (max(ends) + a.trachea_z[1]) + 1.5 * jitter),
        "M": (x, a.trachea_z[1] + 12 + 2 * jitter),
        "W": (beyond - 6 + 3 * jitter, 2 + 8 * jitter),
    }[name]


def _lifts(rng: np.random.Generator, duration_s: float) -> tuple[Lift, ...]:
    """About one full loss of contact in 13 seconds, and as many small ones at an edge, none overlapping."""
    slots = max(1, int(duration_s / 6.5))
    lifts = []
    for k in range(slots):
        full = k % 2 == int(rng.integers(2)) or slots == 1
        length_s = rng.uniform(0.3, 0.7)
        start_s = (k + rng.uniform(0.1, 0.8)) * duration_s / slots
        reach = 1.15 if full else rng.uniform(0.05, 0.2)
        end_s = min(start_s + length_s, (k + 1) * duration_s / slots)
        lifts.append(Lift(start_s, end_s, bool(rng.integers(2)), reach))
    return tuple(lifts)
