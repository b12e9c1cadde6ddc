"""Curves against points worked out by hand, and the files that they are drawn into."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import auc

from seqcls.evaluation.curves import MAX_POINTS, curves_of
from seqcls.evaluation.metrics import auroc
from seqcls.evaluation.plots import plot_paths, write_plots
from seqcls.evaluation.scored_frames import ScoredFrames


def scored(codes: list[list[int]], score: list[list[float]], organs: tuple[str, ...] = ("liver",)) -> ScoredFrames:
    """(N, K) codes and scores."""
    count = len(codes)
    names = np.full(count, "a")
    return ScoredFrames(
        organs=organs, codes=np.array(codes, np.int8).reshape(count, -1), score=np.array(score).reshape(count, -1),
        clip=names, patient=names, scanner=names, site=names, index=np.arange(count), time_s=np.arange(count) / 10,
        thresholds=(0.5,) * len(organs),
    )  # fmt: skip


def test_curves_by_hand() -> None:
    (one,) = curves_of(scored([1, 0, 1, 0, -1], [0.9, 0.8, 0.7, 0.1, 0.2]))
    assert one.roc.T.tolist() == [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]
    assert one.pr.T.tolist() == [[1, 0.5], [1, pytest.approx(2 / 3)], [0.5, 0.5], [0.5, 1], [0, 1]]
    assert one.point == (0.5, 1.0, pytest.approx(2 / 3)) and one.reliability.count.sum() == 4
    (single,) = curves_of(scored([1, 1], [0.9, 0.1]))
    assert single.roc.shape == single.pr.shape == (2, 0) and np.isnan(single.point[0])


def test_long_curves_are_thinned_and_keep_their_area() -> None:
    random = np.random.default_rng(0)
    truth = random.random(20_000) < 0.5
    score = np.clip(0.5 + 0.2 * truth + random.normal(0, 0.2, 20_000), 0, 1)
    (one,) = curves_of(scored(truth.astype(int).tolist(), score.tolist()))
    assert one.roc.shape[1] <= MAX_POINTS + 2 and one.roc[:, 0].tolist() == [0, 0] and one.roc[:, -1].tolist() == [1, 1]
    assert auc(*one.roc) == pytest.approx(auroc(truth, score), abs=1e-3)


def test_plots_are_the_same_for_the_same_evaluation(tmp_path: Path) -> None:
    """Also where an organ shows one class, or is called what matplotlib would take for a formula."""
    curves = curves_of(scored([[1, 1], [0, 1], [1, 1]], [[0.9, 0.2], [0.3, 0.4], [0.2, 0.1]], ("_$x^$", "spleen")))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert write_plots(curves, tmp_path / name) == plot_paths(tmp_path / name)
    for path in plot_paths(tmp_path / "one"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    assert (tmp_path / "one" / "roc.png").read_bytes().startswith(b"\x89PNG")
