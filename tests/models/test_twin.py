"""The proof of an int8 twin: whole or none."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from seqcls.models import int8
from seqcls.models.twin import Proof, file_digest, twin_files

PROOF = Proof(model="a", drift=0.001, largest=0.02, compared="3 frames", times_as_fast=2.5, logits=((0.5, -1.0),) * 4)


def test_a_proof_comes_back_as_it_was() -> None:
    assert Proof.from_json(PROOF.to_json()) == PROOF


@pytest.mark.parametrize("text", ["", "{}", '{"model": 1}', replace(PROOF, drift=2.0).to_json(), "[" * 10_000])
def test_what_is_no_proof(text: str) -> None:
    with pytest.raises(ValueError):
        Proof.from_json(text)


def test_what_belongs_to_a_twin(tmp_path: Path) -> None:
    names = [path.name for path in twin_files(Path("m/organ.safetensors"))]
    assert names == ["organ-int8.xml", "organ-int8.bin", "organ-int8.xml.parity.json"]
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(
    ("facts", "fast"),
    [
        ("flags\t\t: fpu avx2 sha_ni\nbugs\t: avx512_vnni\n", False),
        ("flags\t\t: fpu avx512_vnni\n", True),
        ("flags : avx2 avx_vnni", True),
        ("Features\t: fp asimd i8mm\n", None),
    ],
)
def test_processors_that_sum_products_of_bytes_are_quick(
    monkeypatch: pytest.MonkeyPatch, facts: str, fast: bool | None
) -> None:
    monkeypatch.setattr(int8.Path, "read_text", lambda *_, **__: facts)
    assert int8.fast_int8() is fast
