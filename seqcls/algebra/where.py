"""Organs made of others: "thyroid and not trachea", "liver before spleen", as strips of the timeline like any other.

An expression is made of names, parentheses, and, in the order in which they bind: `not`, then `before` and `during`,
then `and`, then `or`. A name of several words needs no quotes unless one of the words is one of these.

`and`, `or` and `not` are decided at every moment by Kleene's three-valued logic (S. C. Kleene, Introduction to
Metamathematics, 1952, § 64): unknown wherever the answer depends on what is unknown, so `thyroid and trachea` is
absent where one of them is absent, whatever the other. `before` and `during` choose among the presences of the left
side, as in Allen's interval algebra (J. F. Allen, Communications of the ACM 26, 1983): `A during B` keeps those that
lie wholly in a presence of B, `A before B` those that have ended when some presence of B begins. A presence is unknown
as a whole where what is unknown could change the choice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from seqcls.algebra.expression import Tree, evaluated, parsed
from seqcls.algebra.stretches import Stretches
from seqcls.errors import UsageError
from seqcls.files import nfc
from seqcls.timeline import MAX_INTERVALS, Timeline
from seqcls.types import MAX_ORGANS, UNFIT_IN_ORGANS, require_organs

#: Letters of one expression.
MAX_LETTERS = 1000
#: What needs no quotes in front of an equals sign.
_PLAIN_NAME = re.compile("[^=()]+")


def where(timeline: Timeline, *expressions: str) -> Timeline:
    """The timeline with one more organ for each expression, such as ``thyroid and not trachea``.

    Args:
        timeline: of ``Detector.analyze``, ``read_run`` or ``replay``; it stays as it is.
        expressions: each is the new organ's name, too, unless it begins with another: ``both = thyroid and trachea``.
            Later ones may name earlier ones.

    The new organs have no scores: mean and peak of their intervals are NaN. Raises UsageError for what is no
    expression, for organs that the timeline does not know, and for a name that is taken.
    """
    if not expressions:
        return timeline
    stretches, organs, intervals, kept = Stretches.of(timeline), list(timeline.organs), list(timeline.intervals), []
    for text in expressions:
        name, expression = _named(text)
        tree = parsed(expression, organs)
        _require_free(name, organs)
        intervals += stretches.add(name, evaluated(tree, stretches), timeline)
        if len(intervals) > MAX_INTERVALS:
            raise UsageError(f"{text!r} makes more than {MAX_INTERVALS:,} intervals in all; leave it out")
        organs.append(name)
        kept.append(f"{name} = {expression}" if _PLAIN_NAME.fullmatch(name) else f'"{name}" = {expression}')
    return replace(timeline, organs=tuple(organs), intervals=tuple(intervals), where=(*timeline.where, *kept))


def again(timeline: Timeline) -> Timeline:
    """The timeline with its expressions decided anew, where the intervals of the model's organs have changed."""
    own = timeline.scored_organs
    plain = replace(timeline, organs=own, where=(), intervals=tuple(i for i in timeline.intervals if i.organ in own))
    return where(plain, *timeline.where)


def trees(timeline: Timeline) -> list[tuple[str, Tree]]:
    """Names and expressions of its organs that are made of others, for a page that decides them, too."""
    known, found = list(timeline.scored_organs), list[tuple[str, Tree]]()
    for text in timeline.where:
        name, expression = _named(text)
        found.append((name, parsed(expression, known)))
        known.append(name)
    return found


def require_expressions(expressions: Sequence[str], organs: Sequence[str]) -> None:
    """Raises UsageError where ``where`` would, before there is a timeline; ``organs`` are those it will know."""
    known = list(organs)
    for text in expressions:
        name, expression = _named(text)
        parsed(expression, known)
        _require_free(name, known)
        known.append(name)


def _named(text: str) -> tuple[str, str]:
    """The name and the expression of ``NAME = EXPRESSION`` or of an expression alone.

    Quotes are no part of a name, so that it can be written down in quotes.
    """
    if len(text) > MAX_LETTERS:
        raise UsageError(f"an expression of {len(text):,} letters: {MAX_LETTERS} are the most")
    named = re.fullmatch(r"""\s*([^="'()]+?|"[^"]*"|'[^']*')\s*=\s*(.*)""", text, re.DOTALL)
    name, expression = (named[1], named[2]) if named else (text, text)
    name, expression = " ".join(re.sub("[\"']", " ", name).split()), " ".join(expression.split())
    if not name or not expression:
        raise UsageError(f"{text!r} is no expression: write it as 'thyroid and not trachea'")
    return name, expression


def _spelt(name: str) -> str:
    """Equal for names that labels would refuse side by side."""
    return re.sub(r"[_\s-]+", " ", nfc(name)).strip().casefold()


def _require_free(name: str, known: Sequence[str]) -> None:
    if unfit := UNFIT_IN_ORGANS.search(name):
        raise UsageError(f"an organ cannot be called {name!r}, with {unfit[0]!r}: folders are named after organs")
    if any(_spelt(name) == _spelt(organ) for organ in known):
        raise UsageError(f"there is an organ {name!r} already: name this one, as in 'NAME = EXPRESSION'")
    require_organs((name,))
    if len(known) >= MAX_ORGANS:
        raise UsageError(f"more than {MAX_ORGANS} organs, those made of others included; leave some out")
