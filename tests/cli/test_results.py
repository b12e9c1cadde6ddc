"""`seqcls replay` and `seqcls export`: what can be done with a finished run."""

from __future__ import annotations

from pathlib import Path

from support.commands import Seqcls, bright_clip, one_line


def test_a_finished_run_is_replayed_and_exported(seqcls: Seqcls, model: str, tmp_path: Path) -> None:
    clip = bright_clip(tmp_path / "clip.mp4", [15 <= i < 35 for i in range(50)])
    assert seqcls("run", clip, "-m", model, "-o", "out").code == 0
    same = seqcls("replay", "out", "-o", "same")
    assert same.code == 0
    assert Path("same/intervals.csv").read_bytes() == Path("out/intervals.csv").read_bytes()
    again = seqcls("replay", "out", "-o", "same")
    assert again.code == 1 and "same" in one_line(again) and "--overwrite" in one_line(again)
    none = seqcls("replay", "out", "--onset", "1.0", "--min-present", "9")
    assert none.code == 0 and "no organ in view" in none.out
    done = seqcls("export", "out", "--to", "vtt,srt")
    assert done.code == 0 and done.out.split() == [str(Path("out/timeline.vtt")), str(Path("out/timeline.srt"))]
    assert Path("out/timeline.vtt").read_text(encoding="utf-8").startswith("WEBVTT")
    again = seqcls("export", "out", "--to", "vtt")
    assert again.code == 1 and "--overwrite" in one_line(again)
    assert seqcls("export", "out", "--to", "docx").code == 2
    assert seqcls("export", "nowhere").code == 1
