"""What every test may use: the folder of real clips and a browser, where there are any. And how many threads it takes."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import browser, firefox

from seqcls.third_party import switch_off_reporting

# Compiled once for all processes that tests start: to compile what it imports takes a third of the time of each start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
switch_off_reporting()  # tests import some libraries on their own
if "PYTEST_XDIST_WORKER" in os.environ:  # a process per processor: more threads would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
#: Files that take longest, longest first. pytest-xdist hands out file after file: a long one that came late would run
#: alone, while the other processes have nothing left to do.
LONGEST = (
    "test_privacy.py",
    "cli/test_run.py",
    "test_readme.py",
    "review/test_page_in_browser.py",
    "live/test_faults.py",
    "cli/test_clip_worker.py",
    "convert/test_convert.py",
    "phantom/test_phantom.py",
    "live/display/test_page_in_browser.py",
    "sources/test_video.py",
    "feeds/test_capture_worker.py",
    "feeds/test_openigtlink_wire.py",
    "engines/test_engines.py",
    "feeds/test_open.py",
    "test_adaptive.py",
    "geometry/test_geometry.py",
    "live/test_simulator.py",
    "feeds/test_capture.py",
    "report/test_data_check.py",
    "training/test_train.py",
    "test_real_clips.py",
    "review/test_server.py",
    "deidentify/test_deidentify.py",
    "datasets/test_extract.py",
    "test_demo.py",
)


#: What a process that runs tests comes to hold, in bytes: PyTorch, OpenVINO and the browsers that it starts.
HOLDS = 4 << 30


def pytest_xdist_auto_num_workers() -> int | None:
    """Of a few processors one process more: tests wait for programs and browsers a fifth of their time. Only where
    memory is there for all of them; None leaves it to pytest-xdist."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ or not hasattr(os, "sched_getaffinity"):
        return None
    processors = len(os.sched_getaffinity(0))
    return processors + 1 if processors < 4 and _memory() >= (processors + 1) * HOLDS else None


def _memory() -> int:
    """Of this machine, or of the container, in bytes."""
    memory, bound = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), Path("/sys/fs/cgroup/memory.max")
    stated = bound.read_text(encoding="ascii").strip() if bound.is_file() else ""
    return min(memory, int(stated)) if stated.isdecimal() else memory


def pytest_collection_finish() -> None:
    gc.freeze()  # all tests and what they import stay to the end: not to be looked through again and again


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {HERE / name: rank for rank, name in enumerate(LONGEST)}
    if gone := [path for path in ranks if not path.is_file()]:
        raise pytest.UsageError(f"named in LONGEST and not there: {gone}")
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def _of_this_process() -> dict[str, object]:
    mask = os.umask(0o077)
    os.umask(mask)
    found: dict[str, object] = {"umask": mask, "working directory": Path.cwd()}
    if sys.platform != "win32":
        import resource

        kinds = [name for name in dir(resource) if name.startswith("RLIMIT_")]
        found |= {name: resource.getrlimit(getattr(resource, name)) for name in kinds}
    return found


@pytest.fixture(autouse=True)
def the_process_is_left_as_it_was() -> Iterator[None]:
    """A bound that a test sets and leaves, as on memory, breaks other tests long after: it is named where it is set."""
    before = _of_this_process()
    yield
    after = _of_this_process()
    assert after == before, {name: (value, after[name]) for name, value in before.items() if value != after[name]}


def real_clips_folder() -> Path:
    """``$SEQCLS_REAL_CLIPS``, else ``shared/data/real-clips`` beside the project."""
    stated = os.environ.get("SEQCLS_REAL_CLIPS")
    return Path(stated) if stated else HERE.parent.parent / "shared" / "data" / "real-clips"


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """Folder that holds ``clips/`` and ``intervals.json``; skips where it is absent."""
    folder = real_clips_folder()
    if not (folder / "intervals.json").is_file():
        pytest.skip(f"no real clips at {folder}: set SEQCLS_REAL_CLIPS to their folder")
    return folder


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    """One for the tests of a file, as large as a small laptop's screen; skips where there is none. With
    SEQCLS_TEST_BROWSER=firefox it is a Firefox."""
    if os.environ.get("SEQCLS_TEST_BROWSER") == "firefox":
        yield from _firefox(tmp_path_factory.mktemp("firefox"))
        return
    path = browser.find()
    if path is None:
        pytest.skip("no Chromium here (on Debian: apt-get install chromium)")
    opened = browser.Browser(path, tmp_path_factory.mktemp("chromium"))
    opened.screen(1280, 800)
    yield opened
    opened.close()


def _firefox(folder: Path) -> Iterator[Any]:
    path = firefox.find()
    if path is None:
        pytest.skip("no Firefox here (on Debian: apt-get install firefox-esr)")
    opened = firefox.Firefox(path, folder)
    opened.screen(1280, 800)
    yield opened
    opened.close()
