"""`seqcls run --overlay --cut`: what is made of the clip's frames once its timeline is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from support.clips import stills
from support.commands import Seqcls, bright_clip, one_line

from seqcls.cli.second_reading import FinishedClip, SecondReading
from seqcls.sources import open_source
from seqcls.types import Frame


def frames_in(path: Path) -> list[Frame]:
    with open_source(path) as source:
        return [item for item in source if isinstance(item, Frame)]


def test_overlay_and_cuts_lie_beside_the_results(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    clip = bright_clip(tmp_path / "clip.mp4", [10 <= k < 20 for k in range(30)])
    done = seqcls("run", clip, "-m", model, "-o", "out", "--overlay", "--cut", "--where", "none = not node")
    assert done.code == 0 and "overlay.mp4, cuts/ (3 clips)" in done.err
    overlay = frames_in(tmp_path / "out" / "overlay.mp4")
    assert [frame.time_s for frame in overlay] == pytest.approx([k / 10 for k in range(30)])
    assert overlay[0].image.shape == (32, 32)
    cuts = {path.name: len(frames_in(path)) for path in (tmp_path / "out" / "cuts").glob("*.mp4")}
    assert cuts == {"node-00-00-01.000.mp4": 10, "none-00-00-00.000.mp4": 10, "none-00-00-02.000.mp4": 10}
    (tmp_path / "out" / "cuts" / ".seqcls-0123456789abcdef.part.mp4").touch()  # of a run that was killed
    assert "--overwrite" in one_line(seqcls("run", clip, "-m", model, "-o", "out", "--cut"))
    assert seqcls("run", clip, "-m", model, "-o", "out", "--cut", "--overwrite").code == 0
    now = sorted(path.name for path in (tmp_path / "out" / "cuts").iterdir())
    assert now == ["node-00-00-01.000-sheet.png", "node-00-00-01.000.mp4"]
    assert seqcls("run", clip, "-m", model, "-o", "out", "--overwrite").code == 0
    assert not (tmp_path / "out" / "cuts").exists(), "of another run than the timeline beside it"


def test_a_person_s_clip_among_the_cuts_is_kept(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    clip = bright_clip(tmp_path / "clip.mp4", [10 <= k < 20 for k in range(30)])
    cuts = tmp_path / "out" / "cuts"
    cuts.mkdir(parents=True)
    (cuts / "best.mp4").touch()
    refused = seqcls("run", clip, "-m", model, "-o", "out", "--cut", "--overwrite")
    assert refused.code == 1 and "best.mp4 is no clip that --cut wrote" in one_line(refused)
    (cuts / "best.mp4").rename(cuts / "notes.txt")
    assert seqcls("run", clip, "-m", model, "-o", "out", "--cut", "--overwrite").code == 0
    assert seqcls("run", clip, "-m", model, "-o", "out", "--overwrite").code == 0
    assert [path.name for path in cuts.iterdir()] == ["notes.txt"]


def test_of_several_clips_each_has_its_own(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    for length, name in enumerate("ab", 8):  # of two that hold the same one would stand for both
        bright_clip(tmp_path / f"clips/{name}.mp4", [True] * length)
    assert seqcls("run", "clips", "-m", model, "-o", "out", "--overlay").code == 0
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("overlay.mp4"))
    assert written == ["out/a/overlay.mp4", "out/b/overlay.mp4"]
    assert seqcls("run", "clips", "-m", model, "-o", "out", "--overwrite").code == 0
    assert not list(tmp_path.rglob("overlay.mp4")), "of another run than the timeline beside it"


def test_what_may_not_be_shown_is_a_warning_and_no_file(
    seqcls: Seqcls, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqcls.rendering.kept_frames.keepable", lambda *_: None)
    clip = bright_clip(tmp_path / "clip.mp4", [True] * 8)
    done = seqcls("run", clip, "-m", model, "-o", "out", "--overlay", "--cut")
    assert done.code == 0 and "nothing of clip.mp4 may be shown" in done.err and "--region" in done.err
    assert "1 of 1 clip in cuts are black" in done.err
    assert not (tmp_path / "out" / "overlay.mp4").exists() and (tmp_path / "out" / "timeline.json").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["clip.mp4", "--overlay-shows-names"], "changes what --overlay writes"),
        (["clip.mp4", "--overlay", "--realtime"], "--overlay is for clips; leave it out, a live run has --record"),
        (["0", "--cut"], "--cut is for clips; leave it out, a live run has --clips"),
    ],
)
def test_what_cannot_be_is_refused(seqcls: Seqcls, model: str, arguments: list[str], says: str, tmp_path: Path) -> None:
    bright_clip(tmp_path / "clip.mp4", [True] * 3)
    done = seqcls("run", *arguments, "-m", model)
    assert done.code == 2 and says in one_line(done)


def test_an_overlay_that_is_there_is_kept(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    clip = bright_clip(tmp_path / "clip.mp4", [True] * 3)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "overlay.mp4").write_text("mine")
    done = seqcls("run", clip, "-m", model, "-o", "out", "--overlay")
    assert done.code == 1 and "overlay.mp4 is there already: add --overwrite" in one_line(done)


def test_whoever_stops_it_keeps_the_timeline_and_nothing_half_written(
    seqcls: Seqcls, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    @contextmanager
    def stops(*_: str) -> Iterator[Callable[[], bool]]:
        yield lambda: bool(asked)

    def write_overlay(*arguments: object, on_progress: Callable[[int], None], **more: object) -> None:
        asked.append(True)
        on_progress(1)
        pytest.fail("it goes on")

    monkeypatch.setattr("seqcls.cli.console.stops_cleanly", stops)
    monkeypatch.setattr("seqcls.rendering.overlay.write_overlay", write_overlay)
    clip = bright_clip(tmp_path / "clip.mp4", [True] * 8)
    done = seqcls("run", clip, "-m", model, "-o", "out", "--overlay", "--cut")
    assert done.code == 130 and "stopped before all of --overlay and --cut was written" in done.err
    assert (tmp_path / "out" / "timeline.json").exists() and not (tmp_path / "out" / "cuts").exists()


def test_single_images_have_no_overlay(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    stills(tmp_path / "images", ["a.png", "zebra.png"])
    done = seqcls("run", "images", "-m", model, "-o", "out", "--overlay")
    assert done.code == 0 and "--overlay is for clips; there is none of single images" in done.err


def test_what_was_not_asked_for_was_not_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = SecondReading(overlay=False, shows_names=False, cut=False)
    assert nothing.write(cast(FinishedClip, None), lambda: True) == [] and capsys.readouterr().err == ""
