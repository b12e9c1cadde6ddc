"""The table of a safetensors file: read whole, or refused before the library sees the file."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from seqcls.models import tensor_table
from seqcls.models.tensor_table import Entry, read_table


def table_of(
    path: Path, table: dict[str, Any], *, length: int | None = None
) -> tuple[dict[str, str], dict[str, Entry]]:
    text = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + bytes(16))
    return read_table(path)


def one(**changed: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16], **changed}}


def test_the_table_of_a_file_that_the_library_wrote(tmp_path: Path) -> None:
    arrays = {"a": np.zeros((2, 3), np.float32), "b": np.zeros((), np.int64), "c": np.zeros((0, 4), np.float16)}
    save_file(arrays, tmp_path / "m", metadata={"seqcls": "header"})
    texts, entries = read_table(tmp_path / "m")
    assert texts == {"seqcls": "header"}
    assert entries == {"a": Entry("F32", (2, 3)), "b": Entry("I64", ()), "c": Entry("F16", (0, 4))}
    assert table_of(tmp_path / "m", one()) == ({}, {"a": Entry("F32", (2, 2))})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (one(dtype="F8_E4M3"), "a is of type F8_E4M3, which no weights are kept in"),
        (one(dtype=["F32"]), "a is of type"),
        (one(shape=[3]), "a has another size than its shape"),
        (one(shape=[2**39, 2**39]), "a has another size than its shape"),
        (one(shape=[-1, -4]), "a has a shape that no tensor has"),
        (one(shape=[1] * 9), "a has a shape that no tensor has"),
        (one(shape=2), "a is 2, not a list"),
        (one(shape=[2.0, 2]), r"a\[0\] is 2.0, not a whole number"),
        (one(data_offsets=[8, 24]), "a has another size"),
        (one(data_offsets=[-8, 8]), "a has another size"),
        (one(data_offsets=[0]), "a holds 1 values, not 2"),
        ({"a": 1}, "a is 1, not an object"),
        ({"__metadata__": 1}, "__metadata__ is 1, not an object"),
        ({f"t{k}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for k in range(12)}, "it has 12 tensors"),
        ({"a": [[[[]]]] * 9, "b": "x" * 70_000}, "a is"),
    ],
)  # fmt: skip
def test_what_a_file_states_is_held_against_what_it_has(
    table: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_table, "MAX_TENSORS", 11)
    with pytest.raises(ValueError, match=message):
        table_of(tmp_path / "m", table)


@pytest.mark.parametrize("length", [0, 1, 200, 1 << 40, (1 << 64) - 1])
def test_a_length_that_lies(length: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="its table is said to be longer than it can be"):
        table_of(tmp_path / "m", one(), length=length)
    (tmp_path / "m").write_bytes(b"\2")
    with pytest.raises(ValueError, match="its table is said"):
        read_table(tmp_path / "m")


def test_a_file_larger_than_any_model(tmp_path: Path) -> None:
    with (tmp_path / "m").open("wb") as stream:
        stream.truncate(tensor_table.MAX_BYTES + 1)  # a hole: takes no room on the disk
    with pytest.raises(ValueError, match="more than the 1024 MB"):
        read_table(tmp_path / "m")
