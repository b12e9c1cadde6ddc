"""Event F1 against the program that defines it: sed_eval, on random presences of random clips.

    python scripts/event_f1_by_sed_eval.py write FILE    with seqcls: cases, and what seqcls makes of them
    python scripts/event_f1_by_sed_eval.py read FILE     in an environment with sed_eval: what that makes of them

sed_eval cannot be installed beside seqcls (its dcase_util brings old audio libraries): `pip install sed_eval` into an
environment of its own. Exit code 1 where the two differ. The same algorithm is written out in
tests/evaluation/test_interval_metrics.py.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CASES, COLLARS = 300, (0.1, 0.2, 0.5)


def spans(chance: random.Random) -> list[list[float]]:
    """Up to seven presences that do not touch, on a grid of 0.05 s."""
    edges = sorted(chance.sample(range(200), 2 * chance.randint(0, 7)))
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [[start / 20, (end - 0.5) / 20] for start, end in pairs]


def moved(chance: random.Random, truth: list[list[float]]) -> list[list[float]]:
    """Presences near the labelled ones, some left out, one more. None differs by just the collar: there rounding would
    decide, which seqcls does by microseconds and sed_eval by the last bit."""
    found = [[edge + 0.013 + chance.randint(-8, 8) / 20 for edge in span] for span in truth if chance.random() < 0.8]
    kept: list[list[float]] = []
    for start, end in sorted([*found, *([a + 0.007, b + 0.007] for a, b in spans(chance)[:1])]):
        if start >= 0 and end - start > 0.04 and (not kept or start > kept[-1][1] + 0.01):
            kept.append([start, end])
    return kept


def write(path: Path) -> None:
    sys.path.insert(0, str(ROOT))
    from seqcls.evaluation.interval_metrics import ClipIntervals, event_f1

    chance, cases = random.Random(0), []
    for number in range(CASES):
        truth, collar_s = spans(chance), COLLARS[number % len(COLLARS)]
        prediction = moved(chance, truth)
        if truth:  # of a clip without a labelled presence sed_eval gives no figure
            clip = ClipIntervals(
                truth=tuple((a, b) for a, b in truth), prediction=tuple((a, b) for a, b in prediction), end_s=20.0
            )
            value = event_f1([clip], collar_s=collar_s)
            cases.append({"truth": truth, "prediction": prediction, "collar_s": collar_s, "event_f1": value})
    path.write_text(json.dumps(cases), encoding="utf-8")
    print(f"{len(cases)} cases")


def read(path: Path) -> int:
    import dcase_util
    import sed_eval

    def listed(own: list[list[float]]) -> object:
        events = [{"event_label": "organ", "onset": a, "offset": b, "filename": "a"} for a, b in own]
        return dcase_util.containers.MetaDataContainer(events)

    cases = json.loads(path.read_text(encoding="utf-8"))
    wrong = 0
    for case in cases:
        metrics = sed_eval.sound_event.EventBasedMetrics(
            event_label_list=["organ"], t_collar=case["collar_s"], percentage_of_length=0.5
        )
        metrics.evaluate(listed(case["truth"]), listed(case["prediction"]))
        value = metrics.results_overall_metrics()["f_measure"]["f_measure"]
        value = 0.0 if value != value else value  # without a hit
        if abs(value - case["event_f1"]) > 1e-9:
            wrong += 1
            print(f"sed_eval {value}, seqcls {case['event_f1']}: {case}")
    print(f"{len(cases)} cases, {wrong} of them differ")
    return int(wrong > 0 or not cases)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("write", "read"):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(write(Path(sys.argv[2])) if sys.argv[1] == "write" else read(Path(sys.argv[2])))
