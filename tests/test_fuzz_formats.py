"""The short form of scripts/fuzz_formats.py: the same damaged files each time, opened in this process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import fuzz_formats

#: Graphs may end the process, and are left to the script, which opens them in a child.
KINDS = [kind for kind, of in fuzz_formats.FORMATS.items() if not of.native]


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    tally, findings = fuzz_formats.fuzz([kind], tmp_path, 40, 0, child=False)
    assert findings == []
    assert sum(tally.values()) == 40


@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_are_read(kind: str, tmp_path: Path) -> None:
    for sample in fuzz_formats.samples(kind):
        path = tmp_path / fuzz_formats.FORMATS[kind].name
        path.write_bytes(sample)
        assert fuzz_formats.open_one(kind, path) == fuzz_formats.Outcome("read")


def test_a_seed_gives_the_same_file_again() -> None:
    for kind in ("journal", "layouts", "openigtlink"):
        mutants = [fuzz_formats.mutant(kind, seed) for seed in range(20)]
        assert mutants == [fuzz_formats.mutant(kind, seed) for seed in range(20)]
        assert len(set(mutants)) > 15


def test_what_is_neither_a_value_nor_one_line_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(path: Path) -> None:
        raise {b"s": fuzz_formats.SeqclsError("x" * 5000), b"m": MemoryError()}.get(path.read_bytes(), KeyError("x"))

    broken = fuzz_formats.Format("x", lambda: [b"s"], lambda data, rng: data, opened)
    monkeypatch.setitem(fuzz_formats.FORMATS, "x", broken)
    kinds = []
    for data in (b"s", b"m", b"k"):
        (tmp_path / "x").write_bytes(data)
        kinds.append(fuzz_formats.open_one("x", tmp_path / "x").kind)
    assert kinds == ["error", "memory", "error"]
