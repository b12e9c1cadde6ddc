"""`seqcls extract`: labels that cannot be right, folders that cannot be written."""

from __future__ import annotations

from pathlib import Path

from support.commands import Seqcls, one_line
from support.drawn import labelled_folder


def test_bad_labels(seqcls: Seqcls, tmp_path: Path) -> None:
    clips, _ = labelled_folder(tmp_path, clips=1)
    head = "file,organ,start_s,end_s,state\n"
    cases = {
        "ghost.mp4,node,0,1,present\n": "ghost.mp4, which is not in",
        "neck 0.mp4,node,0,2,present\nneck 0.mp4,node,1,3,absent\n": "overlaps",
        "neck 0.mp4,node,0,2,present\n": "shows node absent",
        "neck 0.mp4,node,0,2,perhaps\n": "'perhaps'",
    }
    for rows, message in cases.items():
        (tmp_path / "l.csv").write_text(head + rows)
        done = seqcls("extract", clips, "--labels", "l.csv", "-o", "data")
        assert done.code == 1 and message in one_line(done)
        assert not Path("data").exists()


def test_an_output_that_cannot_be(seqcls: Seqcls, tmp_path: Path) -> None:
    clips, labels = labelled_folder(tmp_path, clips=1)
    (tmp_path / "file").write_text("")
    done = seqcls("extract", clips, "--labels", labels, "-o", "file/data")
    assert done.code == 1 and "choose another" in one_line(done)
