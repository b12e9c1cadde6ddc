"""Names of folders that are nearly right: what they are taken to mean, and how to call them instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher, get_close_matches

#: From this likeness on one name is taken for another that is misspelt.
ALIKE, ALIKE_ORGANS = 0.7, 0.85
_TEST = ("test", "testing", "tests", "holdout", "hold-out", "unseen")
_STATE = re.compile(r"^(?P<organ>.+?)[ _-]+(?P<state>[^ _-]+)$")
_JOINED = re.compile(r"^(?P<organ>.*\w)(?P<state>present|absent)$", re.IGNORECASE)
#: Words that stand for a state elsewhere.
_WORDS = dict.fromkeys(("yes", "true", "positive", "pos", "visible", "with", "1"), "present") | dict.fromkeys(
    ("no", "false", "negative", "neg", "invisible", "without", "none", "0"), "absent"
)


def side_hint(name: str) -> str:
    """What to do about a folder beside those of the split; "" where nothing can be told."""
    plain = re.sub(r"[\W_]*(set|data|images|frames)?$", "", name.lower())
    if plain in _TEST:
        return "a test set must not choose the model; keep it for `seqcls evaluate`, or rename it 'validation'"
    if plain in ("train", "training") or get_close_matches(plain, ("train", "training"), 1, ALIKE):
        return "rename it 'train' if it is meant for training"
    if plain in ("val", "valid") or get_close_matches(plain, ("validation", "valid", "val", "dev", "eval"), 1, ALIKE):
        return "rename it 'validation' if it is meant so"
    return state_hint(name)


def state_hint(name: str) -> str:
    """The same of a folder in which images of one state of an organ should be."""
    if name.lower() in ("present", "absent", *_WORDS):
        return f"put the organ before the state, as 'thyroid {_WORDS.get(name.lower(), name.lower())}'"
    for match in (_JOINED.match(name), _STATE.match(name)):
        if match is None:
            continue
        state = match["state"].lower()
        meant = _WORDS.get(state) or next(iter(get_close_matches(state, ("present", "absent"), 1, ALIKE)), "")
        if meant:
            organ = re.sub(r"[_\s-]+", " ", match["organ"]).strip().lower()
            return f"rename it '{organ} {meant}' if it is meant so"
    return ""


def alike_organs(shown: Sequence[tuple[str, str, bool]]) -> Iterator[str]:
    """Two spellings of what may be one organ, among triples of split, organ and state: one of the two lacks a state or
    a side that the other has."""
    organs = sorted({organ for _, organ, _ in shown})
    parts = {organ: {(split, state) for split, name, state in shown if name == organ} for organ in organs}
    for at, one in enumerate(organs):
        for other in organs[at + 1 :]:
            if parts[one] != parts[other] and SequenceMatcher(None, one, other).ratio() >= ALIKE_ORGANS:
                yield f"folders of {one!r} and of {other!r} count as two organs; if they are one, rename them alike"
