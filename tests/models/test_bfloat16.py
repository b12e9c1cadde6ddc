"""Which processors are taken to be quicker in bfloat16, by what Linux tells of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqcls.models.bfloat16 import fast_bfloat16

#: Maker, flags of /proc/cpuinfo, and the answer.
PROCESSORS = {
    "Intel with AMX": ("GenuineIntel", "avx512_bf16 amx_bf16", True),
    "Intel with AVX-512 and bf16": ("GenuineIntel", "avx512_bf16", False),
    "Intel with AVX2": ("GenuineIntel", "avx2", False),
    "AMD with AVX-512 and bf16": ("AuthenticAMD", "avx512_bf16", True),
    "AMD with AVX2": ("AuthenticAMD", "avx2", False),
    "64-bit Arm with bf16": ("0x41", "asimdhp bf16", False),
}


@pytest.mark.parametrize(("maker", "flags", "quick"), PROCESSORS.values(), ids=PROCESSORS.keys())
def test_the_kind_of_processor_decides(maker: str, flags: str, quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self, **_: f"vendor_id\t: {maker}\nflags\t\t: fpu {flags}\n")
    assert fast_bfloat16() is quick


def test_where_nothing_is_told_it_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(self: Path, **_: str) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", absent)
    assert fast_bfloat16() is False
