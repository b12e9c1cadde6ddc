"""Runs as nobody would film them: gaps, variable rates, repeated times, unscored frames, scores beside thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from support.timelines import timeline

from seqcls.intervals import IntervalOptions
from seqcls.reprocess import replay
from seqcls.smoothing import SmoothingOptions
from seqcls.timeline import Timeline
from seqcls.types import Gap, ScoreTable

KINDS = ("none", "exponential", "median", "mean", "hmm")


def random_run(seed: int, frames: int = 200) -> Timeline:
    """One organ or two; every third run repeats times, every seventh lets time run back. Deterministic."""
    rng = np.random.default_rng(seed)
    organs = ("liver", "kidney")[: 1 + seed % 2]
    usual_s = rng.choice([1 / 25, 0.1, 1 / 30])
    steps = np.full(frames, usual_s) if seed % 4 == 0 else rng.uniform(0.2, 1.8, frames) * usual_s
    if seed % 3 == 0:
        steps[rng.random(frames) < 0.1] = 0.0
    if seed % 7 == 6:
        steps[rng.integers(1, frames)] = -0.15
    gaps = []
    for row in sorted(rng.choice(np.arange(5, frames), 1 + seed % 4, replace=False)):
        steps[row] += (lost_s := float(rng.choice([0.05, 0.3, 1.5])))
        gaps.append((int(row), lost_s))
    time_s = np.cumsum(steps)
    walk = np.clip(0.5 + np.cumsum(rng.normal(0, 0.12, (frames, len(organs))), axis=0) % 1.6 - 0.8, 0, 1)
    raw = np.where(rng.random((frames, len(organs))) < 0.1, 0.5, walk).astype(np.float32)
    reason = [""] * frames
    for start in rng.integers(0, frames, seed % 5):
        for row in range(start, min(frames, start + int(rng.integers(1, 12)))):
            reason[row] = ("black", "no contact", "frozen")[start % 3]
    raw[[bool(why) for why in reason]] = np.nan
    found = tuple(Gap(float(time_s[row]) - lost_s, float(time_s[row]), "lost") for row, lost_s in gaps)
    shown_s = np.append(np.diff(time_s), usual_s).clip(0)
    base = timeline(**dict.fromkeys(organs, "P"), gaps=found)
    table = ScoreTable(
        organs, np.arange(frames), time_s, shown_s, raw, raw.copy(), tuple(reason), np.ones(frames, np.bool_)
    )
    return replace(base, scores=table, end_s=float(time_s.max() + usual_s), start_s=float(time_s[0]))


def random_options(seed: int, organs: int) -> tuple[SmoothingOptions, list[IntervalOptions]]:
    """All kinds of smoothing in turn."""
    rng = np.random.default_rng(1000 + seed)
    window_s = float(rng.choice([0.0, 0.2, 0.5, 1.3]))
    smoothing = SmoothingOptions(
        kind=KINDS[seed % len(KINDS)],  # type: ignore[arg-type]
        window_s=window_s,
        look_ahead_s=window_s * float(rng.choice([0.0, 0.5, 1.0])),
        time_constant_s=float(rng.choice([0.0, 0.2, 0.7])),
        dwell_s=float(rng.choice([0.3, 2.0])),
    )
    each = []
    for _ in range(organs):
        onset = float(np.round(rng.uniform(0.3, 0.8), 2))
        each.append(
            IntervalOptions(
                onset=onset,
                offset=float(np.round(onset * rng.uniform(0.4, 1.0), 3)),
                min_present_s=float(rng.choice([0.0, 0.12, 0.3, 1.0])),
                min_absent_s=float(rng.choice([0.0, 0.08, 0.2, 0.6])),
                pad_s=float(rng.choice([0.0, 0.1, 0.35])),
            )
        )
    return smoothing, each


def random_expressions(seed: int, organs: Sequence[str]) -> list[str]:
    """Two for ``--where``, of which the second may name the first."""
    rng = np.random.default_rng(2000 + seed)
    known, made = list(organs), []
    for name in ("one", "other"):
        text = str(rng.choice(known))
        for _ in range(int(rng.integers(1, 4))):
            operator, organ = rng.choice(["and", "or", "before", "during"]), rng.choice(known)
            text = f"({text}) {operator} {'not ' if rng.random() < 0.3 else ''}{organ}"
        made.append(f"{name} = {'not (' + text + ')' if rng.random() < 0.2 else text}")
        known.append(name)
    return made


def long_run(frames: int = 360_000, rate_hz: float = 25.0) -> Timeline:
    """Four hours of two organs; scores with noise in every bit."""
    rng = np.random.default_rng(1)
    time_s = np.arange(frames) / rate_hz
    slow = np.stack([np.sin(time_s / 37) + np.sin(time_s / 11), np.cos(time_s / 23)], axis=1)
    raw = (1 / (1 + np.exp(-4 * slow - rng.normal(0, 0.3, slow.shape)))).astype(np.float32)
    organs = ("thyroid", "trachea")
    shown_s, measured = np.full(frames, 1 / rate_hz), np.ones(frames, np.bool_)
    table = ScoreTable(organs, np.arange(frames), time_s, shown_s, raw, raw, ("",) * frames, measured)
    made = timeline(**dict.fromkeys(organs, "P"))
    return replay(replace(made, scores=table, frame_counts=table.frame_counts(), end_s=frames / rate_hz))
