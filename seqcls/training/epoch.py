"""The figures of one pass of training, as learning curves show them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class OrganFigure:
    """Of one organ's validation; NaN where it does not show both classes."""

    organ: str
    auroc: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The figures of one epoch. The losses are cross-entropies, means per labelled frame and organ, whatever is learned
    by (``plain_loss``), so that both may stand on one axis; NaN without validation.

    auroc: of the validation, mean over the organs of which it shows both classes; organs: that of each, none without
    validation. In a fold that is watched (``plateau``) the validation is of what was left out. lr: at the end of the
    epoch.
    """

    number: int
    loss: float
    validation_loss: float
    auroc: float
    lr: float
    seconds: float
    images_per_s: float
    best: bool
    organs: tuple[OrganFigure, ...] = ()

    def row(self) -> dict[str, Any]:
        """For a table: a column for each organ."""
        plain = asdict(self)
        del plain["organs"]
        return plain | {f"auroc {one.organ}": one.auroc for one in self.organs}


def quality(epoch: Epoch) -> tuple[float, float]:
    """Higher is better. Where no AUROC exists there is nothing to select by, and the latest weights are the best."""
    if math.isnan(epoch.auroc):
        return -math.inf, float(epoch.number)
    return round(epoch.auroc, 4), -epoch.validation_loss


def epoch_from(plain: Mapping[str, Any]) -> Epoch:
    """Of what ``asdict`` gave and JSON kept, which has no NaN: a figure that does not exist is null there."""
    known = _with_nan(plain)
    return Epoch(**{**known, "organs": tuple(OrganFigure(**_with_nan(one)) for one in known.get("organs", ()))})


def _with_nan(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in plain.items()}
