"""The editing model of the page, as it runs in a browser: by hand-computed tracks, and random acts."""

from __future__ import annotations

from typing import Any

import pytest
from support import browser

from seqcls.files.json_text import json_line
from seqcls.report.bundle import bundle
from seqcls.review.tracks import track_from

CLIP = 100  # frames


def review_file(name: str) -> str:
    from importlib.resources import files

    return (files("seqcls.review") / "page" / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def chromium(chromium: browser.Browser) -> browser.Browser:
    """With the page's functions for edits in it."""
    code = bundle("edit.js", review_file) + bundle("history.js", review_file)
    chromium.evaluate(f"window.eval({json_line(code)})")
    return chromium


def track(text: str) -> dict[str, Any]:
    """``0-10 present, 10-20 absent m, 30 present ...``: m is said by the model; the last is opened at 30."""
    spans, opened = [], None
    for part in filter(None, map(str.strip, text.split(","))):
        words = part.split()
        if words[-1] == "...":
            opened = {"at": int(words[0]), "mark": words[1]}
        else:
            first, behind = map(int, words[0].split("-"))
            by = "model" if words[-1] == "m" else "reader"
            spans.append({"first": first, "behind": behind, "mark": words[1], "by": by})
    return {"spans": spans, "opened": opened}


CASES = [
    # labelling from nothing: two keys
    ("", "markFrom(t, 20, 'present', 100)", "0-20 absent, 20 present ..."),
    ("0-20 absent, 20 present ...", "markFrom(t, 50, 'absent', 100)", "0-20 absent, 20-50 present, 50 absent ..."),
    ("0-20 absent, 20-50 present, 50 absent ...", "close(t, 100)", "0-20 absent, 20-50 present, 50-100 absent"),
    ("", "markFrom(t, 0, 'present', 100)", "0 present ..."),
    ("", "markFrom(t, 30, 'absent', 100)", "0-30 present, 30 absent ..."),
    ("20 present ...", "markFrom(t, 30, 'present', 100)", "20-30 absent, 30 present ..."),
    ("20 present ...", "markFrom(t, 20, 'absent', 100)", "20 absent ..."),
    ("20 present ...", "markFrom(t, 20, 'present', 100)", None),
    ("20 present, 60-70 absent".replace("20 present,", "20 present ...,"), "close(t, 100)", "20-60 present, 60-70 absent"),
    ("0-20 absent, 20 present ..., 60-70 ignore", "markFrom(t, 80, 'absent', 100)", "0-20 absent, 20-60 present, 60-70 ignore, 70-80 present, 80 absent ..."),
    ("50 present ...", "markFrom(t, 40, 'present', 100)", "40 present ..."),
    # edges of a model put right
    ("0-40 absent m, 40-100 present m", "markFrom(t, 30, 'present', 100)", "0-30 absent, 30-40 present, 40-100 present m"),
    ("0-40 absent m, 40-100 present m", "markFrom(t, 50, 'present', 100)", "0-40 absent m, 40-50 absent, 50-100 present"),
    ("0-40 present m, 40-100 absent m", "markFrom(t, 30, 'absent', 100)", "0-30 present, 30-40 absent, 40-100 absent m"),
    ("0-40 present m, 40-100 absent m", "markFrom(t, 50, 'absent', 100)", "0-40 present m, 40-50 present, 50-100 absent"),
    # one act each
    ("10-20 present", "add(t, 15, 30, 'absent')", "10-15 present, 15-30 absent"),
    ("10-40 present", "add(t, 20, 30, 'absent')", "10-20 present, 20-30 absent, 30-40 present"),
    ("10-20 present", "add(t, 30, 30, 'absent')", None),
    ("10-20 present, 30-40 absent", "remove(t, 19)", "30-40 absent"),
    ("10-20 present", "remove(t, 20)", None),
    ("10-20 present m", "setMark(t, 10, 'uncertain')", "10-20 uncertain"),
    ("10-20 present", "setMark(t, 10, 'present')", None),
    ("10-20 present m", "accept(t, 12)", "10-20 present"),
    ("10-20 present", "accept(t, 12)", None),
    ("10-20 present m", "split(t, 15)", "10-15 present m, 15-20 present m"),
    ("10-20 present", "split(t, 10)", None),
    ("10-20 present, 30-40 absent m", "merge(t, 12)", "10-40 present"),
    ("10-20 present", "merge(t, 12)", None),
    ("10-20 present m, 20-40 absent m", "moveEdge(t, 0, 'behind', 25, 100)", "10-25 present, 25-40 absent m"),
    ("10-20 present m, 20-40 absent m", "moveEdge(t, 1, 'first', 25, 100)", "10-25 present m, 25-40 absent"),
    ("10-20 present, 20-40 absent", "moveEdge(t, 0, 'behind', 90, 100)", "10-39 present, 39-40 absent"),
    ("10-20 present, 30-40 absent", "moveEdge(t, 0, 'behind', 90, 100)", "10-30 present, 30-40 absent"),
    ("10-20 present", "moveEdge(t, 0, 'behind', 0, 100)", "10-11 present"),
    ("10-20 present", "moveEdge(t, 0, 'behind', 500, 100)", "10-100 present"),
    ("10-20 present", "moveEdge(t, 0, 'first', -5, 100)", "0-20 present"),
    ("10-20 present", "moveEdge(t, 0, 'first', 10, 100)", None),
    ("0-10 absent, 10-20 present", "moveEdge(t, 1, 'first', -7, 100)", "0-1 absent, 1-20 present"),
    # all is right
    ("0-40 absent m, 40-50 absent, 50-100 present m", "acceptAll(t, 100)", "0-50 absent, 50-100 present"),
    ("0-40 absent", "acceptAll(t, 100)", None),
    ("", "acceptAll(t, 100)", None),
]  # fmt: skip


@pytest.mark.parametrize(
    "before, code, after", CASES, ids=[f"{before or 'nothing'}: {code}" for before, code, _ in CASES]
)
def test_one_act(chromium: browser.Browser, before: str, code: str, after: str | None) -> None:
    given = json_line(track(before))
    done = chromium.evaluate(
        f"(() => {{ const t = {given}; const text = JSON.stringify(t); const after = {code};"
        " return {after, same: after === t, kept: JSON.stringify(t) === text}; })()"
    )
    assert done["kept"], "a track was changed in place"
    assert done["same"] is (after is None)
    assert done["after"] == track(before if after is None else after)


def test_random_acts_leave_what_the_server_takes_and_are_taken_back(chromium: browser.Browser) -> None:
    """2,000 acts on one track: each gives a track that is in order, undo leads back to the first, redo to the last."""
    code = """
    (() => {
      let seed = 7;
      const any = (n) => (seed = (seed * 48271) % 2147483647) % n;
      const marks = ["present", "absent", "uncertain", "ignore"];
      let state = begin({ organ: { spans: [], opened: null } });
      const seen = [];
      for (let i = 0; i < 2000; i++) {
        const t = state.tracks.organ, k = any(100);
        const acts = [
          () => markFrom(t, k, "present", 100), () => markFrom(t, k, "absent", 100), () => add(t, k, Math.min(100, k + any(9)), marks[any(4)]),
          () => remove(t, k), () => setMark(t, k, marks[any(4)]), () => split(t, k), () => merge(t, k), () => accept(t, k),
          () => moveEdge(t, any(6), any(2) ? "first" : "behind", any(120) - 10, 100), () => (any(30) ? t : acceptAll(t, 100)),
          () => ({ ...t, spans: t.spans.map((s) => (any(3) ? s : { ...s, by: "model" })) }),
        ];
        const before = state;
        state = act(state, "organ", "act", acts[any(acts.length)]());
        if (state !== before) seen.push(state.tracks.organ);
      }
      const last = JSON.stringify(state.tracks.organ);
      let back = state;
      while (back.past.length) back = undo(back);
      let again = back;
      while (again.future.length) again = redo(again);
      return { seen, first: back.tracks.organ, same: JSON.stringify(again.tracks.organ) === last };
    })()
    """
    done = chromium.evaluate(code)
    assert len(done["seen"]) > 800 and done["same"] and done["first"] == track("")
    for one in done["seen"]:
        track_from(one, CLIP)  # raises for what overlaps, is empty or leaves the clip
