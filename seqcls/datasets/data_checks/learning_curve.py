"""What this project's own learning curve says of a number of patients.

Measured on synthetic patients by ``scripts/learning_curve.py``, see docs/data-checks.md: a stand-in, of which the shape
rather than the level carries over.
"""

from __future__ import annotations

from seqcls.text.wording import count_of

#: Patients learned from: AUROC and accuracy on 20 others, means over two organs and 10 draws.
MEASURED: tuple[tuple[int, float, float], ...] = (
    (1, 0.694, 0.621),
    (2, 0.797, 0.709),
    (3, 0.854, 0.760),
    (5, 0.925, 0.844),
    (8, 0.980, 0.930),
    (12, 0.997, 0.976),
    (16, 1.000, 0.991),
)
#: Accuracy from which a further patient brought little.
ENOUGH = 0.95


def expectation(organ: str, patients: int, unit: str = "patient") -> str:
    """One sentence: where so many patients that show an organ stand on the curve, and how many more helped there.
    ``unit``: what stands for a patient where nobody stated them."""
    fewest, most = MEASURED[0][0], MEASURED[-1][0]
    here = max((point for point in MEASURED if point[0] <= max(patients, fewest)), key=lambda point: point[0])
    shown = f"{count_of(patients, unit)} to learn {organ} from"
    if patients >= most:
        return f"{shown}: as many as the learning curve was measured up to ({most}); what more bring is not known"
    further = [point for point in MEASURED if point[0] > max(patients, here[0])]
    goal = next((point for point in further if point[2] >= ENOUGH), further[-1])
    return (
        f"{shown}: {count_of(here[0], 'synthetic patient')} gave an accuracy of {here[2]:.2f} on unseen ones,"
        f" {goal[0] - patients} more gave {goal[2]:.2f}; what real ones give is not known before it is measured"
    )
