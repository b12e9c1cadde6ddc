"""How many processors may be used, by what the environment and the control groups say."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from seqcls import cores


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tied to eight processors, with nothing stated."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(cores, "_tied_to", lambda: 8)


@pytest.mark.parametrize(
    ("stated", "quota", "expected"),
    [("", float("inf"), 8), ("3", float("inf"), 3), ("3", 1.0, 3), ("0", 2.5, 3), ("x", 0.2, 1), ("", 64.0, 8)],
)
def test_stated_before_quota_before_processors(
    stated: str, quota: float, expected: int, eight: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", stated)
    monkeypatch.setattr(cores, "_quota", lambda: quota)
    assert cores.cores() == cores.decoding() == expected and cores.seeking() == min(4, expected)


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/pod/box", {"pod/cpu.max": "200000 100000", "pod/box/cpu.max": "max 100000"}, 2.0),
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("4:memory:/x\n2:cpu,cpuacct:/x", {"cpu/x/cpu.cfs_quota_us": "300000", "cpu/x/cpu.cfs_period_us": "100000"}, 3.0),
        ("2:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, float("inf")),
        ("0::/a", {}, float("inf")),
    ],
    ids=["around", "own", "version 1", "none stated", "no files"],
)  # fmt: skip
def test_the_least_time_that_any_group_leaves(
    groups: str, files: dict[str, str], expected: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (tmp_path / "own").write_text(groups)
    monkeypatch.setattr(cores, "_CGROUPS", tmp_path)
    monkeypatch.setattr(cores, "_OWN_GROUPS", tmp_path / "own")
    assert cores._quota() == expected


def test_libraries_are_set_where_nothing_is_stated(eight: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in cores.LIBRARIES:
        monkeypatch.setenv(name, "stated")
    monkeypatch.setenv("OPENCV_FOR_THREADS_NUM", "")
    monkeypatch.delenv("OPENCV_FOR_THREADS_NUM")
    monkeypatch.setattr(cores, "_quota", lambda: 2.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.delenv("OMP_NUM_THREADS")
    cores.set_libraries()
    assert (os.environ["OPENCV_FOR_THREADS_NUM"], os.environ["OMP_WAIT_POLICY"]) == ("1", "stated")
    assert os.environ["OMP_NUM_THREADS"] == "2", "OpenMP would take eight"
