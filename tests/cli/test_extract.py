"""`seqcls extract`: labels that cannot be right, folders that cannot be written."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from support.commands import Seqcls, one_line
from support.dicom_files import native
from support.drawn import labelled_folder
from support.screens import screen


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
    done = seqcls("inspect", "nothing.mp4", "-o", "sheet.xyz")
    assert done.code == 2 and "must end in .png" in one_line(done), "before the clip is looked for"


def test_a_contact_sheet_is_named_after_the_whole_of_a_uid(seqcls: Seqcls, tmp_path: Path) -> None:
    for name in ("1.2.840.1", "1.2.840.2"):
        native(tmp_path / name)
        assert f"wrote {name}-sheet.png" in seqcls("inspect", name).err


def test_a_region_is_remembered_for_every_clip_with_its_screen(seqcls: Seqcls, tmp_path: Path) -> None:
    for seed, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        drawn = screen("convex", ("text", "ticks", "bar", "logo"), width=320, height=240, frames=3, seed=seed)
        for number, image in enumerate(drawn.images):
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), image)
    done = seqcls("inspect", "a", "--region", "10,20,110,120", "--remember")
    assert done.code == 0 and "wrote seqcls-layouts.json: 1 layout; run, extract and train read it" in done.err
    done = seqcls("inspect", "b")
    assert "layouts: 1 of seqcls-layouts.json" in done.err
    assert "stated 10,20,110,120 of 320x240" in done.out
    done = seqcls("inspect", "b", "--layouts", "none.json", "--overwrite")
    assert done.code == 1 and one_line(done).startswith("seqcls: no layouts at none.json")
    done = seqcls("inspect", "b", "--region", "none", "--overwrite")
    assert "full 0,0,320,240 of 320x240" in done.out


def test_a_black_clip_has_no_screen_to_remember(seqcls: Seqcls, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number in range(2):
        cv2.imwrite(str(tmp_path / "a" / f"{number}.png"), np.full((64, 64), number, np.uint8))
    done = seqcls("inspect", "a", "--remember")
    assert done.code == 1 and "no ultrasound is found in a" in one_line(done)
    assert "none found in 64x64: the whole image is scored" in done.out
    assert not (tmp_path / "seqcls-layouts.json").exists()
