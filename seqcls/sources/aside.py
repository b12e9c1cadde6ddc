"""What a search left aside: nothing goes without a count and a reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Aside:
    """What was left aside, counted by reason."""

    suffixes: Counter[str] = field(default_factory=Counter)
    """Of files that are no clip and no image, by suffix."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Of everything else."""

    def __str__(self) -> str:
        """One line for a person; empty where nothing was left aside."""
        parts = [f"{reason} ({count})" for reason, count in sorted(self.reasons.items())]
        if self.suffixes:
            most = self.suffixes.most_common(8)
            kinds = [f"{count} {suffix if suffix else 'without suffix'}" for suffix, count in most]
            kinds += ["and others"] if len(self.suffixes) > len(most) else []
            parts.append(f"no clip and no image ({sum(self.suffixes.values())}: {', '.join(kinds)})")
        return f"left aside: {', '.join(parts)}" if parts else ""
