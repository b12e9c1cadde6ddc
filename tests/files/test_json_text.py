"""One way to write JSON: strict, with null for numbers that do not exist."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from seqcls.files import json_text as module
from seqcls.files.json_text import MAX_DEPTH, json_line, json_text, parse_json, read_json, write_json

VALUE = {"a": math.nan, "b": [1.5, -math.inf, (math.inf, {"c": math.nan})], "é": None, "d": True}
WRITTEN = {"a": None, "b": [1.5, None, [None, {"c": None}]], "é": None, "d": True}


def test_numbers_that_do_not_exist_are_null(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", VALUE)
    for text in (json_text(VALUE), json_line(VALUE), (tmp_path / "x.json").read_text(encoding="utf-8")):
        assert json.loads(text, parse_constant=pytest.fail) == WRITTEN


def test_a_line_is_short_ascii_and_a_text_can_be_read() -> None:
    assert json_line({"é": [1, 0.5]}) == '{"\\u00e9":[1,0.5]}'
    assert json_text({"é": [1]}) == '{\n "é": [\n  1\n ]\n}'
    assert json_text({"é": [1]}, indent=None) == '{"é": [1]}'


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError):
        json_text({"path": Path("a")})


def test_numbers_of_numpy_are_written_as_numbers() -> None:
    assert json_line({"a": np.float32(0.5), "b": [np.int64(3), np.float64("nan")], "c": np.True_}) == (
        '{"a":0.5,"b":[3,null],"c":true}'
    )


def test_what_a_text_holds_is_bounded_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert len(parse_json(deep)) == 1
    for text in (f"[{deep}]", '{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), "[" * 100_000):
        with pytest.raises(ValueError, match=rf"^it is nested deeper than {MAX_DEPTH} lists$"):
            parse_json(text)
    with pytest.raises(ValueError, match=r"^the field 'a' stands twice in one object$"):
        parse_json('{"b": {"a": 1, "c": 2, "a": 3}}')
    with pytest.raises(ValueError, match=r"^1e999 is no number of JSON$"):
        parse_json("[1e999]")
    monkeypatch.setattr(module, "MAX_VALUES", 3)
    assert parse_json("[1,2,3]") == [1, 2, 3]
    monkeypatch.setattr(json, "loads", pytest.fail)
    for text in ("[1,2,3,4]", b"[[],{}]" + b"["):
        with pytest.raises(ValueError, match=r"^it holds more than 3 values$"):
            parse_json(text)


def test_a_file_of_json_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}
    with pytest.raises(OSError, match="it has more than the 0 KB"):
        read_json(tmp_path / "a.json", 10)


@pytest.mark.parametrize("text", ["{", "NaN", "[-Infinity]", '{"a": Infinity}'])
def test_what_is_no_json_is_refused(text: str) -> None:
    assert parse_json(b'{"a": null}') == {"a": None}
    with pytest.raises(ValueError):
        parse_json(text)
