"""One part of the clips for one of several machines, none of which needs to know of the others."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from seqcls.errors import UsageError
from seqcls.files import nfc

#: More parts than any cluster has places.
MAX_SHARDS = 100_000
_WRITTEN = re.compile(r"(\d{1,6})/(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``number`` of ``count``, from 1. Raises UsageError for a part that there is not."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count <= MAX_SHARDS:
            raise UsageError(
                f"--shard {self.number}/{self.count}: the part is from 1 to the number of parts, at most {MAX_SHARDS:,}"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """As ``3/16``. Raises UsageError."""
        found = _WRITTEN.fullmatch(text.strip())
        if found is None:
            raise UsageError(f"--shard takes the part and the number of parts, as 3/16, not {text!r}")
        return cls(int(found[1]), int(found[2]))

    def takes(self, path: str) -> bool:
        """Whether the clip of this path, as the run names it, belongs to this part: to one in any case, and to the same
        on every machine, whatever other clips there are."""
        digest = hashlib.sha256(nfc(path).encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"
