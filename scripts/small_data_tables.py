"""The tables of what small_data_figures.py has done so far, in Markdown.

    python scripts/small_data_tables.py out

Arms of networks: over the real clips, each patient scored by the network that did not see them. Smoothers at their
delay, and tuned against default options: over unseen phantoms. The rule that these figures are held against stands at
the top of small_data_figures.py.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from small_data_figures import UNSEEN, Work, foldable, kept_frames, phantom_number, read_results, rows_of

from seqcls.datasets.dataset import FrameSet
from seqcls.evaluation.interval_metrics import ClipIntervals, IntervalMetrics, interval_metrics, spans_of
from seqcls.evaluation.metrics import auroc
from seqcls.intervals import IntervalOptions
from seqcls.postprocess import RawScores
from seqcls.reprocess import post_process
from seqcls.smoothing import SmoothingOptions
from seqcls.training.calibration import fit_calibration, operating_point
from seqcls.training.operating_point import tune
from seqcls.training.operating_search import TuneOptions, shortened
from seqcls.training.scored_clips import ScoredClip

#: Name, training, weights, how many seeds' logits are averaged.
ARMS = (
    ("exponential average (the default before)", "full", "ema", 1),
    ("last weights", "full", "last", 1),
    ("uniform average, clean norms (the default now)", "full", "mean", 1),
    ("exponential average, clean norms", "full", "ema, clean norms", 1),
    ("mean of 3 seeds", "full", "ema", 3),
    ("mean of 5 seeds", "full", "ema", 5),
    ("uniform, clean norms, mean of 3", "full", "mean", 3),
    ("uniform, clean norms, mean of 5", "full", "mean", 5),
    ("geometry alone", "geometry", "ema", 1),
    ("pretrained", "pretrained", "ema", 1),
)
SMOOTHINGS = (
    SmoothingOptions(kind="none"),
    *(SmoothingOptions(kind="exponential", time_constant_s=seconds) for seconds in (0.1, 0.2)),
    *(SmoothingOptions(kind="hmm", dwell_s=seconds) for seconds in (0.5, 2.0)),
    *(SmoothingOptions(kind=kind, window_s=0.5, look_ahead_s=0.0) for kind in ("mean", "median")),
    *(SmoothingOptions(kind=kind, window_s=0.25, look_ahead_s=0.125) for kind in ("mean", "median")),
    *(SmoothingOptions(kind=kind, window_s=0.5, look_ahead_s=0.25) for kind in ("mean", "median")),
    *(SmoothingOptions(kind=kind, window_s=1.0, look_ahead_s=0.5) for kind in ("mean", "median")),
)


#: Within which the operating point is tuned; the last is that of the default options.
DELAYS_S = (0.0, 0.1, 0.3, 0.55)


@dataclass(frozen=True)
class Figures:
    accuracy: float
    auroc: float
    presences: int
    found: int
    false_events: int


def scored_clips(frames: FrameSet, rows: np.ndarray, scores: np.ndarray) -> list[ScoredClip]:
    """Whole clips; scores (len(rows), K)."""
    clips = []
    codes = np.where(frames.mask[rows], frames.targets[rows] > 0.5, -1).astype(np.int8)
    for name in np.unique(frames.clip[rows]):
        inside = np.flatnonzero(frames.clip[rows] == name)
        time_s = frames.time_s[rows[inside]]
        step_s = float(np.median(np.diff(time_s)))
        raw = RawScores(frames.organs)
        raw.add_frames(np.arange(len(inside)), time_s, np.full(len(inside), step_s), scores[inside].astype(np.float32))
        clips.append(ScoredClip(str(name), raw, codes[inside], float(time_s[0]), float(time_s[-1]) + step_s))
    return clips


def intervals_of(
    clips: Sequence[ScoredClip], smoothing: SmoothingOptions, options: Sequence[IntervalOptions]
) -> list[IntervalMetrics]:
    """Of each organ."""
    organs = clips[0].raw.organs
    found: list[list[ClipIntervals]] = [[] for _ in organs]
    for clip in clips:
        _, intervals = post_process(clip.raw, smoothing, options, clip.end_s)
        time_s = clip.raw.table().time_s
        for k, organ in enumerate(organs):
            found[k].append(
                ClipIntervals(
                    truth=spans_of(clip.codes[:, k] == 1, time_s, clip.end_s),
                    prediction=tuple(
                        (one.start_s, one.end_s) for one in intervals if one.organ == organ and one.state == "present"
                    ),
                    ignore=spans_of(clip.codes[:, k] == -1, time_s, clip.end_s),
                    start_s=clip.start_s,
                    end_s=clip.end_s,
                )
            )
    return [interval_metrics(own) for own in found]


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


class Real:
    """Out-of-fold logits of the real clips."""

    def __init__(self, frames: FrameSet, done: dict[Work, dict]) -> None:
        self.frames, self._done = frames, done
        self.left_out = foldable(frames)
        self.rows = np.concatenate([rows_of(frames, name)[1] for name in self.left_out])

    def seeds(self, training: str) -> list[int]:
        """Those of which every patient was left out."""
        return [
            seed for seed in range(100) if all(Work("real", p, seed, training) in self._done for p in self.left_out)
        ]

    def logits(self, training: str, weights: str, seed: int) -> np.ndarray:
        records = (self._done[Work("real", patient, seed, training)] for patient in self.left_out)
        return np.concatenate([np.array(record["logits"][weights]) for record in records])

    def figures(self, logits: np.ndarray) -> Figures:
        known = self.frames.mask[self.rows, 0]
        truth = self.frames.targets[self.rows, 0][known] > 0.5
        (intervals,) = intervals_of(
            scored_clips(self.frames, self.rows, sigmoid(logits)), SmoothingOptions(), [IntervalOptions()]
        )
        return Figures(
            accuracy=float(((logits[known, 0] >= 0) == truth).mean()),
            auroc=auroc(truth, logits[known, 0]),
            presences=intervals.presences,
            found=intervals.found,
            false_events=intervals.false_events,
        )

    def seconds(self, training: str, weights: str) -> float:
        """Of the processor, to train once."""
        records = [r for work, r in self._done.items() if work.data == "real" and work.training == training]
        parts = ("train_cpu", "norms_cpu") if weights in ("mean", "ema, clean norms") else ("train_cpu",)
        return float(np.mean([sum(record["seconds"][part] for part in parts) for record in records]))


def error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def arms(real: Real) -> Iterator[str]:
    heads = "arm, seeds, accuracy, worst, AUROC, worst, presences found, false events, accuracy gained, training"
    yield f"| {heads.replace(', ', ' | ')} |"
    yield "|---" * 10 + "|"
    single = {
        weights: {seed: real.figures(real.logits("full", weights, seed)).accuracy for seed in real.seeds("full")}
        for weights in ("ema", "mean")
    }
    for name, training, weights, count in ARMS:
        # Several networks are held against the single ones that they are made of, all others against the first arm.
        base = single["ema" if count == 1 else weights]
        seeds = [seed for seed in real.seeds(training) if seed in base]
        groups = list(itertools.combinations(seeds, count))
        if not groups:
            yield f"| {name} | {len(seeds)} | not measured to the end |" + " |" * 7
            continue
        found = [
            real.figures(np.mean([real.logits(training, weights, seed) for seed in group], axis=0)) for group in groups
        ]
        gains = [
            one.accuracy - float(np.mean([base[seed] for seed in group]))
            for one, group in zip(found, groups, strict=True)
        ]
        se = error(gains) if count == 1 else error(list(base.values()))
        accuracy, area = [one.accuracy for one in found], [one.auroc for one in found]
        hits = f"{np.mean([one.found for one in found]):.1f} of {found[0].presences}"
        false = f"{np.mean([one.false_events for one in found]):.1f} (most {max(one.false_events for one in found)})"
        gain = "-" if name == ARMS[0][0] else f"{np.mean(gains):+.4f} ± {se:.4f}"
        cost = count * real.seconds(training, weights) / real.seconds("full", "ema")
        yield (
            f"| {name} | {len(seeds)} | {np.mean(accuracy):.4f} | {min(accuracy):.4f} | {np.mean(area):.4f}"
            f" | {min(area):.4f} | {hits} | {false} | {gain} | {cost:.2f}x |"
        )


class Phantoms:
    """Logits of the phantoms to tune on and of the unseen ones."""

    def __init__(self, frames: FrameSet, done: dict[Work, dict]) -> None:
        rows = rows_of(frames, "unseen")[1]
        numbers = np.array([phantom_number(patient) for patient in frames.patient[rows]])
        self.frames, self._rows, self._is_unseen = frames, rows, numbers >= UNSEEN
        self._logits = {
            work.seed: np.array(record["logits"]["ema"])
            for work, record in done.items()
            if work.data == "phantom" and work.training == "full"
        }
        self.seeds = sorted(self._logits)

    def clips(self, seed: int, unseen: bool, calibration: Sequence[tuple[float, float]]) -> list[ScoredClip]:
        chosen = self._is_unseen == unseen
        slope, shift = np.array(calibration).T
        return scored_clips(self.frames, self._rows[chosen], sigmoid(slope * self._logits[seed][chosen] + shift))

    def calibration(self, seed: int) -> tuple[tuple[float, float], ...]:
        chosen = ~self._is_unseen
        rows, logits = self._rows[chosen], self._logits[seed][chosen]
        pairs = []
        for k in range(len(self.frames.organs)):
            known = self.frames.mask[rows, k]
            truth = self.frames.targets[rows, k][known]
            pairs.append(fit_calibration(logits[known, k], truth, self.frames.clip[rows][known]))
        return tuple(pairs)

    def thresholds(self, seed: int) -> list[IntervalOptions]:
        """Frame by frame, as before there was tuning."""
        chosen = ~self._is_unseen
        rows, (slope, shift) = self._rows[chosen], np.array(self.calibration(seed)).T
        scores = sigmoid(slope * self._logits[seed][chosen] + shift)
        masks = self.frames.mask[rows].T
        return [
            operating_point(scores[known, k], self.frames.targets[rows, k][known], self.frames.clip[rows][known])
            for k, known in enumerate(masks)
        ]


def mean_of(metrics: Sequence[IntervalMetrics], value: Callable[[IntervalMetrics], float]) -> float:
    return float(np.mean([value(one) for one in metrics]))


def smoothers(phantoms: Phantoms, real: Real) -> Iterator[str]:
    yield "| smoother | delay (s) | event F1, mean | worst seed | gain | F1@50 | false events, real clips |"
    yield "|---|---|---|---|---|---|---|"
    clips = {seed: phantoms.clips(seed, True, phantoms.calibration(seed)) for seed in phantoms.seeds}
    out_of_fold = [
        scored_clips(real.frames, real.rows, sigmoid(real.logits("full", "ema", seed))) for seed in real.seeds("full")
    ]
    default = [intervals_of(own, SmoothingOptions(), [IntervalOptions()] * 2) for own in clips.values()]
    base = [mean_of(one, lambda m: m.event_f1) for one in default]
    for smoothing in sorted(SMOOTHINGS, key=lambda one: one.delay_s):
        found = [intervals_of(own, smoothing, [IntervalOptions()] * 2) for own in clips.values()]
        f1 = [mean_of(one, lambda m: m.event_f1) for one in found]
        false = [intervals_of(own, smoothing, [IntervalOptions()])[0].false_events for own in out_of_fold]
        gains = np.subtract(f1, base)
        seconds = ", ".join(
            f"{name.removesuffix('_s').replace('_', ' ')} {getattr(smoothing, name):g}" for name in smoothing.uses
        )
        f50 = np.mean([mean_of(one, lambda m: m.f1_at[2]) for one in found])
        name = f"{smoothing.kind}{' (default)' if smoothing == SmoothingOptions() else ''} {seconds}"
        yield (
            f"| {name} | {smoothing.delay_s:g} | {np.mean(f1):.4f} | {min(f1):.4f}"
            f" | {np.mean(gains):+.4f} ± {error(gains):.4f} | {f50:.4f} | {np.mean(false):.1f} |"
        )


def tuned(phantoms: Phantoms) -> Iterator[str]:
    """Default options, cut to fit into a delay, against those tuned within it on other phantoms."""
    yield "| delay (s), at most | options | event F1 | worst | gained | F1@50 | presences found | false events |"
    yield "|---" * 8 + "|"
    frames = phantoms.frames
    for delay_s in DELAYS_S:
        ways: dict[str, list[list[IntervalMetrics]]] = {"default": [], "tuned": []}
        for seed in phantoms.seeds:
            calibration = phantoms.calibration(seed)
            cut = shortened(SmoothingOptions(), (IntervalOptions(),) * len(frames.organs), delay_s)
            found = tune(
                phantoms.clips(seed, False, calibration), frames.organs, *cut, TuneOptions(max_delay_s=delay_s)
            )
            unseen = phantoms.clips(seed, True, calibration)
            ways["default"].append(intervals_of(unseen, *cut))
            ways["tuned"].append(intervals_of(unseen, found.smoothing, found.intervals))
        base = [mean_of(one, lambda m: m.event_f1) for one in ways["default"]]
        for name, each in ways.items():
            f1 = [mean_of(one, lambda m: m.event_f1) for one in each]
            gains = np.subtract(f1, base)
            hits = f"{np.mean([sum(m.found for m in one) for one in each]):.1f} of {sum(m.presences for m in each[0])}"
            false = np.mean([sum(m.false_events for m in one) for one in each])
            f50 = np.mean([mean_of(one, lambda m: m.f1_at[2]) for one in each])
            gain = "-" if name == "default" else f"{np.mean(gains):+.4f} ± {error(gains):.4f}"
            cells = f"{np.mean(f1):.4f} | {min(f1):.4f} | {gain} | {f50:.4f} | {hits} | {false:.1f}"
            yield f"| {delay_s:g} | {name} | {cells} |"


def main(arguments: argparse.Namespace) -> int:
    out: Path = arguments.folder
    done = read_results(out / "results.jsonl")
    real = Real(kept_frames(out / "real.npz", None), done)
    print(f"{len(done)} trainings\n\n" + "\n".join(arms(real)) + "\n", flush=True)
    if any(work.data == "phantom" for work in done):
        phantoms = Phantoms(kept_frames(out / "phantom.npz", None), done)
        print("\n".join(smoothers(phantoms, real)) + "\n", flush=True)
        print("\n".join(tuned(phantoms)), flush=True)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    sys.exit(main(parser.parse_args()))
