"""Whether frames are fit to be trained on: one check per file, all of them run by ``check_frames``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.datasets.data_checks import balance as balances
from seqcls.datasets.data_checks.balance import Balance, Part
from seqcls.datasets.data_checks.finding import Finding, first_of
from seqcls.datasets.data_checks.leakage import contradictions, leakage, leaked_rows, lone_images, same_clips, twins_of
from seqcls.datasets.data_checks.learning_curve import expectation
from seqcls.datasets.data_checks.near_duplicates import Floats
from seqcls.datasets.data_checks.odd_frames import SetAside, odd_frames
from seqcls.datasets.data_checks.wrong_labels import Scores, likely_wrong
from seqcls.datasets.dataset import FrameSet
from seqcls.datasets.frame_table import STATES
from seqcls.errors import DataError
from seqcls.text.wording import count_of

#: The kind of such findings.
WRONG_LABEL = "likely wrong label"

__all__ = [
    "WRONG_LABEL",
    "Balance",
    "DataCheck",
    "Finding",
    "Part",
    "SetAside",
    "check_frames",
    "check_labels",
    "refuse_leakage",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DataCheck:
    """``frames``: what is left to train on; ``whole``: all, which ``rows`` of findings refer to.

    independent: per organ, how many independent frames the training frames count as, the intraclass correlation and
    the design effect. site_from: where the site of a frame is known from. leaked: so many validation frames show the
    same as a training frame. kept: rows of ``whole`` that ``frames`` are.
    features: their embeddings, where likely wrong labels are still to be looked for and they are known.
    """

    frames: FrameSet
    whole: FrameSet
    set_aside: tuple[SetAside, ...]
    findings: tuple[Finding, ...]
    balance: tuple[Balance, ...]
    parts: tuple[Part, ...]
    independent: tuple[tuple[str, float, float, float], ...]
    site_from: str
    leaked: int
    kept: NDArray[np.int64]
    features: Floats | None

    def of(self, *levels: str) -> tuple[Finding, ...]:
        """Findings of these levels."""
        return tuple(finding for finding in self.findings if finding.level in levels)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "format": 1,
            "organs": list(self.frames.organs),
            "frames": len(self.frames.images),
            "set_aside": [{"name": one.name, "reason": one.reason} for one in self.set_aside],
            "findings": [
                {
                    "level": one.level,
                    "kind": one.kind,
                    "text": one.text,
                    "frames": [{"name": name, "remark": remark} for name, remark in one.frames],
                }
                for one in self.findings
            ],
            "balance": [asdict(one) for one in self.balance],
            "independent": [
                {"organ": organ, "frames": _number(frames), "icc": _number(icc), "design_effect": _number(effect)}
                for organ, frames, icc, effect in self.independent
            ],
            "site_from": self.site_from,
            "parts": [
                {
                    "unit": one.unit,
                    "name": one.name,
                    "frames": one.frames,
                    "states": [{"organ": o, "present": p, "absent": a} for o, p, a in one.states],
                }
                for one in self.parts
            ],
        }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def check_frames(
    frames: FrameSet,
    embed: Callable[[NDArray[np.uint8]], Floats] | None = None,
    *,
    keep_odd: bool = False,
    labels: bool = True,
) -> DataCheck:
    """Set aside what cannot be learned from, then look for leakage, contradictions and likely wrong labels.

    embed: (N, S, S) uint8 -> (N, D) float32 embeddings; without it the checks that need them are left out. keep_odd:
    odd frames are kept, blank ones are not. labels: whether likely wrong labels are looked for. Raises DataError where
    setting aside leaves no training frame of a state.
    """
    aside = tuple(one for one in odd_frames(frames) if not (keep_odd and one.odd))
    left, kept = without(frames, aside)
    _require_states(left, aside)
    features = None if embed is None else embed(left.images)
    twins = twins_of(left, features)
    balance = balances.balance_of(left)
    found = [
        *leakage(left, twins),
        *contradictions(left, twins),
        *same_clips(left, twins),
        *lone_images(left),
        *balances.few_frames(balance, left),
    ]
    independent: list[tuple[str, float, float, float]] = []
    if features is not None:
        independent = [
            (organ, *balances.independent_frames(left, features, column)) for column, organ in enumerate(left.organs)
        ]
        if labels:
            found += likely_wrong(left, features)
    found = _in_whole(found, kept)
    if aside:
        found.append(_of_aside(aside))
    found += balances.advice(balance, left)
    found += [
        Finding("advice", "how many patients", expectation(one.organ, one.patients_present, left.group_name))
        for one in balance
        if one.split == "train" and (left.facts is None or left.facts.clips != "unknown")
    ]
    return DataCheck(
        frames=left,
        whole=frames,
        set_aside=aside,
        findings=tuple(found),
        balance=balance,
        parts=balances.parts_of(left),
        independent=tuple(independent),
        site_from=balances.sites_of(left)[1],
        leaked=len(leaked_rows(left, twins)),
        kept=kept,
        features=None if labels else features,
    )


def without(frames: FrameSet, aside: Sequence[SetAside]) -> tuple[FrameSet, NDArray[np.int64]]:
    """What is left, and the rows that it has."""
    out = np.array([one.row for one in aside if one.row >= 0], np.int64)
    kept = np.setdiff1d(np.arange(len(frames.images)), out)
    return frames.of_rows(kept) if len(out) else frames, kept


def _of_aside(aside: Sequence[SetAside]) -> Finding:
    reasons = Counter(one.reason.split(":")[0] for one in aside)
    why = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    text = f"{count_of(len(aside), 'image')} set aside ({why}): {first_of((one.name for one in aside), len(aside))}"
    rows = tuple(one.row for one in aside if one.row >= 0)
    return Finding("look", "set aside", text, tuple((one.name, one.reason) for one in aside), rows)


def _require_states(frames: FrameSet, aside: Sequence[SetAside]) -> None:
    """Raise DataError where nothing but what was set aside showed an organ's state."""
    counts = frames.counts(np.flatnonzero(frames.split == "train"))
    for organ, states in zip(frames.organs, counts, strict=True):
        for state in STATES.values():
            if not states[state] and aside:
                raise DataError(
                    f"no training frame shows {organ} {state} once {count_of(len(aside), 'image')} are set aside, as"
                    f" {aside[0].name} ({aside[0].reason}); label more, or keep odd ones with keep_odd=True"
                )


def check_labels(
    check: DataCheck, scores: NDArray[np.float32], embed: Callable[[NDArray[np.uint8]], Floats] | None = None
) -> DataCheck:
    """The same with likely wrong labels by the networks' scores (N, K) of ``check.frames``, out of fold.

    Those that the frames most like them contradict are found as before; ``embed``: for a check that has no features.
    """
    by = Scores(scores, "networks that have not seen their patients")
    features = embed(check.frames.images) if check.features is None and embed is not None else check.features
    found = _in_whole(likely_wrong(check.frames, features, by), check.kept)
    others = [one for one in check.of("leak", "look") if one.kind != WRONG_LABEL]
    return replace(check, findings=(*others, *found, *check.of("advice")))


def _in_whole(found: Iterable[Finding], kept: NDArray[np.int64]) -> list[Finding]:
    """Findings about rows of what was kept, about rows of the whole."""
    return [replace(one, rows=tuple(kept[list(one.rows)].tolist())) for one in found]


def refuse_leakage(check: DataCheck, report: str) -> None:
    """Raise DataError, which names the first of all that stands on both sides; ``report``: where the rest is listed."""
    leaks = check.of("leak")
    if leaks:
        more = f"; and {leaks[1].text}" if len(leaks) > 1 else ""
        raise DataError(
            f"{leaks[0].text}{more}: the validation figures would flatter, by 5 to 30 % in published work; the list is"
            f" in {report}; to train all the same, add allow_leakage=True"
        )
