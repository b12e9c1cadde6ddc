"""The tree of exceptions is the one that its docstring draws, and an error becomes one line."""

from __future__ import annotations

import inspect
import re

import pytest

from seqcls import errors
from seqcls.errors import SeqclsError, one_line


def test_the_tree_in_the_docstring_is_that_of_the_classes() -> None:
    drawn: dict[str, str] = {}
    parents = ["SeqclsError"]
    for line in str(errors.__doc__).splitlines():
        match = re.match(r"    ((?:│   |    )*)[├└]── (\w+)", line)
        if match is not None:
            depth = len(match[1]) // 4 + 1
            drawn[match[2]] = parents[depth - 1]
            parents[depth:] = [match[2]]
    classes = {
        name: each.__base__.__name__
        for name, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, SeqclsError) and each is not SeqclsError and each.__base__ is not None
    }
    assert drawn == classes


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\n   lines "), "two lines"),
        (OSError(28, "No space left on device", "/home/joe/run.mp4"), "No space left on device"),
        (OSError("no number"), "no number"),
        (KeyError(), "KeyError"),
        (ValueError("x" * 300), "x" * 200),
    ],
    ids=["lines", "system", "system without number", "nothing", "long"],
)
def test_an_error_in_one_line(error: Exception, line: str) -> None:
    assert one_line(error) == line


def test_a_line_of_another_length() -> None:
    assert one_line(ValueError("abcdef"), max_chars=3) == "abc"


def test_a_message_is_one_line_whatever_names_stand_in_it() -> None:
    error = errors.DataError("a\x1b[31m\nb.mp4 is not \ud800")
    assert str(error) == r"a\x1b[31m\nb.mp4 is not \ud800"
    assert error.args == ("a\x1b[31m\nb.mp4 is not \ud800",)


def test_a_message_is_no_longer_than_a_screen_whatever_a_file_states() -> None:
    shown = str(errors.DataError(f"clip.mp4, task {'x' * 20_000_000}: has no end; give it one"))
    assert len(shown) == 8003 and shown.startswith("clip.mp4, task x") and shown.endswith("x: has no end; give it one")
