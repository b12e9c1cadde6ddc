"""The sliders of the page against `replay`, in a real browser: the same scores, the same intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pytest
from support import browser
from support.random_runs import KINDS, random_options, random_run

from seqcls.files.json_text import json_line
from seqcls.report.bundle import bundle
from seqcls.report.data import page_data
from seqcls.reprocess import replay

RUNS = 50
_FIND = """
(async () => {
  const found = [];
  for (const [facts, numbers, smoothing, options] of cases) {
    const run = await readRun(facts, numbers);
    const { smooth, intervals } = replay(run, smoothing, options);
    found.push({
      smooth: smooth.map((column) => [...new Int32Array(column.buffer)]),
      intervals: intervals.map((own) => own.map((one) => ({ ...one, mean_score: one.mean_score || 0, peak_score: one.peak_score || 0 }))),
      times: [...run.time_s],
    });
  }
  return found;
})()
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    path = browser.find()
    if path is None:
        pytest.skip("no Chromium here (on Debian: apt-get install chromium)")
    opened = browser.Browser(path, tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


def test_fifty_runs_are_replayed_as_python_replays_them(chromium: browser.Browser) -> None:
    cases, wanted = [], []
    for seed in range(RUNS):
        run = random_run(seed)
        smoothing, intervals = random_options(seed, len(run.organs))
        data = page_data(run)
        cases.append([data.facts, data.block, asdict(smoothing), [asdict(one) for one in intervals]])
        wanted.append(replay(run, smoothing, intervals))
    code = bundle("replay.js") + bundle("run.js")
    given = json_line(cases)
    found = chromium.evaluate(f"(() => {{ const cases = {given};\n{code}\nreturn {_FIND.strip()}; }})()")
    kinds = set[str]()
    for seed, (mine, right) in enumerate(zip(found, wanted, strict=True)):
        own = right.scores
        assert mine["times"] == own.time_s.tolist(), seed
        smooth = np.array(mine["smooth"], np.int32).view(np.float32).T
        kind = KINDS[seed % len(KINDS)]
        if kind in ("exponential", "hmm"):  # exp and pow of two libraries may differ in the last bit of a float64
            np.testing.assert_allclose(smooth, own.smooth, rtol=2e-7, atol=0, err_msg=str(seed))
        else:
            np.testing.assert_array_equal(smooth, own.smooth, err_msg=f"{seed} {kind}")
        for organ, intervals in zip(right.organs, mine["intervals"], strict=True):
            exact = [(i.state, i.start_s, i.end_s, i.start_index, i.end_index, i.reason) for i in right.of(organ)]
            assert [
                tuple(i[name] for name in ("state", "start_s", "end_s", "start_index", "end_index", "reason"))
                for i in intervals
            ] == exact, (seed, kind)
            for one, other in zip(intervals, right.of(organ), strict=True):
                for name in ("mean_score", "peak_score"):
                    value = getattr(other, name)
                    assert one[name] == pytest.approx(0 if math.isnan(value) else value, rel=1e-6)
            kinds |= {i.state for i in right.of(organ)}
    assert kinds == {"present", "absent", "unknown"}
    assert sum(len(run.intervals) for run in wanted) > 500  # enough edges to be wrong at
