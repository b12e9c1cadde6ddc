"""Organs made of others, against hand-drawn strips and against every way in which the unknown could turn out."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.timelines import GLYPHS, drawn, timeline

from seqcls.algebra.expression import MAX_DEPTH, MAX_JOINS, parsed_search
from seqcls.algebra.logic import before, during
from seqcls.algebra.where import require_expressions, where
from seqcls.errors import DataError, UsageError
from seqcls.exports import read_run, write_run
from seqcls.files.json_text import read_json, write_json
from seqcls.intervals import IntervalOptions
from seqcls.reprocess import replay
from seqcls.timeline import Timeline


def strip(made: Timeline, organ: str) -> str:
    """The states as they were drawn."""
    return "".join(GLYPHS[i.state] * (i.end_index - i.start_index + 1) for i in made.of(organ))


def made(expression: str, **strips: str) -> str:
    return strip(where(drawn(**strips), f"made = {expression}"), "made")


@pytest.mark.parametrize(
    ("expression", "a", "b", "expected"),
    [
        ("a and b", "PPP...???", "P.?P.?P.?", "P.?...?.?"),
        ("a or b", "PPP...???", "P.?P.?P.?", "PPPP.?P??"),
        ("not a", "P.?", "P.?", ".P?"),
        ("a and not b", "PPP...???", "P.?P.?P.?", ".P?....??"),
        # the second presence of a has a frame outside b
        ("a during b", ".PP..PPP.", "PPPP.PP..", ".PP......"),
        ("a during b", ".PP..PPP.", "PPPP.PP?.", ".PP..???."),
        ("a during b", ".P?PP....", "PPPPP....", ".P?PP...."),  # wherever a ends, b is there
        (
            "a during b",
            ".P?......",
            "PP.......",
            ".?.......",
        ),  # a may go on where b is not: then none of it is during b
        ("a before b", "PP..PP..PP", "...P..P...", "PP..PP...."),
        ("a before b", "PP........", "PPP.......", ".........."),  # b had begun already
        ("a before b", "PP........", "..P.......", "PP........"),  # Allen's "meets" counts
        ("a before b", "PP........", "......?...", "??........"),  # b may begin there
        ("a before b", "PP??......", "...P......", "???......."),
        ("a before b", ".........P", "P.........", ".........."),
    ],
)
def test_what_an_expression_gives(expression: str, a: str, b: str, expected: str) -> None:
    assert made(expression, a=a, b=b) == expected


@pytest.mark.parametrize(
    ("loose", "tight"),
    [
        ("a or b and c", "a or (b and c)"),
        ("not a and b", "(not a) and b"),
        ("not a before b", "(not a) before b"),
        ("a and b during c", "a and (b during c)"),
        ("a before b before c", "(a before b) before c"),
        ("NOT A AND 'b'", 'not a and "b"'),
    ],
)
def test_how_operators_bind(loose: str, tight: str) -> None:
    strips = {"a": "PP..??PP..P", "b": ".PP.PP?..P.", "c": "P..PP.PPP?P"}
    assert made(loose, **strips) == made(tight, **strips)


states = st.text("P.?", min_size=6, max_size=6)


def completions(text: str) -> list[str]:
    choices = ["P." if glyph == "?" else glyph for glyph in text]
    return ["".join(one) for one in itertools.product(*choices)]


@settings(max_examples=25, deadline=None)
@given(word=st.sampled_from(["and", "or", "during", "before"]), a=states, b=states)
def test_known_is_what_holds_however_the_unknown_turns_out(word: str, a: str, b: str) -> None:
    if a.count("?") + b.count("?") > 5:
        return
    ours = made(f"a {word} b", a=a, b=b)
    possible = {made(f"a {word} b", a=x, b=y) for x in completions(a) for y in completions(b)}
    for glyph, outcomes in zip(ours, zip(*possible, strict=True), strict=True):
        assert glyph == "?" or set(outcomes) == {glyph}
        if word in ("and", "or"):  # and no more than that is unknown
            assert (glyph == "?") == (len(set(outcomes)) == 2)


def test_intervals_of_an_organ_made_of_others() -> None:
    one = where(drawn(a="PP??..", b="PPPP.."), "a and b")
    first, second, third = one.of("a and b")
    assert (first.state, first.start_s, first.end_s, first.start_index, first.end_index) == ("present", 0, 0.2, 0, 1)
    assert (second.state, second.reason) == ("unknown", "a lost")
    assert (third.state, third.end_s) == ("absent", one.end_s)
    assert math.isnan(first.mean_score) and math.isnan(first.peak_score)
    assert one.organs == ("a", "b", "a and b") and one.scores.organs == ("a", "b")
    assert one.gaps == drawn(a="PP??..", b="PPPP..").gaps


def test_a_single_frame_without_duration() -> None:
    one = drawn(a="P", b=".")
    still = replace(one, end_s=0.0, intervals=tuple(replace(i, end_s=0.0) for i in one.intervals))
    assert [i.state for i in where(still, "a or b").of("a or b")] == ["present"]


def test_expressions_may_name_what_went_before_and_names_of_several_words() -> None:
    base = drawn(**{"left lobe": "PP..", "right lobe": ".PP."})
    both = where(base, "both = left lobe and right lobe", "one = (left lobe or right lobe) and not both")
    assert strip(both, "both") == ".P.." and strip(both, "one") == "P.P."
    assert both.where == ("both = left lobe and right lobe", "one = (left lobe or right lobe) and not both")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "is no expression"),
        ("x =", "is no expression"),
        ("a and", "an organ is missing at the end"),
        ("and a", "an organ is missing before 'and'"),
        ("a b", "there is no organ 'a b', choose from a, b"),
        ("a 'b'", "'b' is one too many"),
        ("(a", "a parenthesis is not closed"),
        ("a)", "')' is one too many"),
        ("'a", "a quote is not closed"),
        ("a or liver", "there is no organ 'liver'"),
        ("a", "there is an organ 'a' already"),
        ("a/b = a", "folders are named after organs"),
        ("c? = a", "folders are named after organs"),
        ("c: absent = a", "folders are named after organs"),
        ("a = not b", "there is an organ 'a' already"),
        ("A = not b", "there is an organ 'A' already"),
        ("not " * (MAX_DEPTH + 1) + "a", "inside each other"),
        ("a or " * 500 + "a", "letters"),
        ("a or b or " * 12 + "a", "characters, more than"),
    ],
)
def test_what_is_no_expression_is_refused(expression: str, words: str) -> None:
    base = drawn(a="P.", b=".P")
    with pytest.raises(UsageError, match=r".") as refused:
        where(base, expression)
    assert words in str(refused.value)
    with pytest.raises(UsageError):
        require_expressions([expression], base.organs)


def test_more_than_the_recursion_holds_is_refused_with_a_reason() -> None:
    parsed_search("a or " * MAX_JOINS + "a", ["a"], {})
    with pytest.raises(UsageError, match=r"more than 300 organs or conditions are joined"):
        parsed_search("a or " * (MAX_JOINS + 1) + "a", ["a"], {})


def test_a_replay_decides_them_anew() -> None:
    base = where(timeline(a="PPPPmmmm....", b="....PPPPPPPP"), "a and b")
    assert [i.state for i in base.of("a and b")] == ["absent", "present", "absent"]
    strict = replay(base, intervals=IntervalOptions(offset=0.5))
    assert [i.state for i in strict.of("a and b")] == ["absent"]


@pytest.mark.parametrize(
    "expression",
    ["a and b", "late = b before a", 'not "a"', "a and not (b or a)", '"(x)" = a', '"a=b" = not a', "'it' = not (a)"],
)
def test_they_come_back_from_a_run(tmp_path: Path, expression: str) -> None:
    base = where(timeline(a="PPPP....PPPP", b="..PPPPPP...."), expression)
    write_run(base, tmp_path)
    back = read_run(tmp_path)
    assert back.where == base.where and repr(back) == repr(base)
    body = read_json(tmp_path / "timeline.json")
    body["intervals"][-1]["reason"] = "made up"
    write_json(tmp_path / "timeline.json", body)
    with pytest.raises(DataError, match="made of others"):
        read_run(tmp_path)


def test_intervals_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.algebra.where.MAX_INTERVALS", 5)
    base = drawn(a="P.", b=".P")
    assert len(where(base, "never = a and b").intervals) == 5
    with pytest.raises(UsageError, match="more than 5 intervals"):
        where(base, "not a")


def test_long_timelines_are_decided_at_once() -> None:
    """Operators work on whole timelines: 70 of them over 20,000 stretches are more than a loop could do."""
    states = np.tile(np.array([2, 1, 2, 0], np.int8), 5000)
    other = np.roll(states, 1)
    for _ in range(70):
        states = during(states, before(other, states))
    assert len(states) == 20_000
