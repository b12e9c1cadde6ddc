"""The grammar of a search: that of --where, with comparisons."""

from __future__ import annotations

import pytest

from seqcls.algebra.conditions import Fact, by_name
from seqcls.algebra.expression import parsed, parsed_search, spelt
from seqcls.errors import UsageError

FACTS = by_name(
    [
        Fact("verdict", "word", ("complete", "damaged")),
        Fact("coverage", "share"),
        Fact("duration", "seconds"),
        Fact("frames", "number"),
        Fact("path", "text"),
    ]
)
ORGANS = ("thyroid", "left lobe", "coverage")
THYROID, LOBE = ("organ", "thyroid"), ("organ", "left lobe")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("thyroid > 2 s and not left lobe", ("and", ("lasts", THYROID, ">", 2.0), ("not", LOBE))),
        ("thyroid>=500ms", ("lasts", THYROID, ">=", 0.5)),
        ("left lobe <= 1.5 MIN", ("lasts", LOBE, "<=", 90.0)),
        ("not thyroid > 2 s", ("not", ("lasts", THYROID, ">", 2.0))),
        ("(thyroid and left lobe) != .5 h", ("lasts", ("and", THYROID, LOBE), "!=", 1800.0)),
        ("coverage<90%", ("fact", "coverage", "<", 0.9)),
        ("'coverage' < 2 s", ("lasts", ("organ", "coverage"), "<", 2.0)),  # in quotes it is an organ
        ("coverage", ("organ", "coverage")),
        ("VERDICT=Damaged", ("fact", "verdict", "=", "damaged")),
        ("duration = 2 s or frames > 30", ("or", ("fact", "duration", "=", 2.0), ("fact", "frames", ">", 30.0))),
        ("path = 'a and b*'", ("fact", "path", "=", "a and b*")),
        ("thyroid before left lobe", ("before", THYROID, LOBE)),
    ],
)
def test_what_a_search_means(text: str, tree: object) -> None:
    assert parsed_search(text, ORGANS, FACTS) == tree


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("thyroid >", "what to compare with is missing at the end"),
        ("thyroid > > 2 s", "what to compare with is missing before '>' (at letter 11)"),
        ("thyroid > 2", "'2' lacks its unit, choose from s, ms, min, h (at letter 11)"),
        ("thyroid > 2 weeks", "there is no unit 'weeks'"),
        ("thyroid > 9999999 h", "is more than 4e+09 s"),
        ("thyroid > -2 s", "'-2 s' is no number"),
        (
            "liver > 2 s",
            "there is no organ 'liver', choose from thyroid, left lobe, coverage; besides organs there are",
        ),
        ("verdict = broken", "there is no verdict 'broken', choose from complete, damaged (at letter 11)"),
        ("verdict < damaged", "verdict is a word: compare it by = or !=, not by < (at letter 11)"),
        ("coverage > 2", "'2' is no share: write it as 0.9 or 90 %"),
        ("coverage > 2 s", "is no share"),
        ("frames > 2 s", "'2 s' is no plain number"),
        ("frames", "frames is to be compared, as in 'coverage < 0.9' (at letter 1)"),
        ("(thyroid > 2 s) > 2 s", "what is compared holds a comparison itself (at letter 1)"),
        ("thyroid before coverage < 0.9", "'before' stands between organs, not between comparisons (at letter 9)"),
        ("thyroid > 2 s) or thyroid", "')' is one too many (at letter 14)"),
        ("= 2 s", "an organ is missing before '=' (at letter 1)"),
        ("thyroid 'and", "a quote is not closed (at letter 9)"),
    ],
)
def test_what_is_no_search_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        parsed_search(text, ORGANS, FACTS)
    assert words in str(refused.value) and str(refused.value).endswith("'thyroid > 2 s and not trachea'")


def test_where_compares_nothing() -> None:
    with pytest.raises(UsageError, match="compared by `seqcls find`"):
        parsed("thyroid > 2 s", ("thyroid",))
    assert parsed("a=b or c", ("a=b", "c")) == ("or", ("organ", "a=b"), ("organ", "c"))


def test_a_tree_can_be_spelt() -> None:
    text = "not thyroid and (left lobe before thyroid)"
    assert spelt(parsed(text, ORGANS)) == "(not thyroid) and (left lobe before thyroid)"
    assert parsed(spelt(parsed(text, ORGANS)), ORGANS) == parsed(text, ORGANS)
