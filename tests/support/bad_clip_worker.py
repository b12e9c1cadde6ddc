"""What does whole clips, with the decoder of ``bad_decoder``."""

from __future__ import annotations

from support import bad_decoder

from seqcls import sources
from seqcls.cli import clip_worker


def main() -> None:
    sources.open_found = bad_decoder.open_badly
    clip_worker.main()
