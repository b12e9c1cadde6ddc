"""Which clip a label file means: found by path or by a unique name, and never one of two by chance."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.labelled_frames import groups_of
from seqcls.datasets.labels import ClipLabels, read_labels, with_patients
from seqcls.errors import DataError

HEAD = "file,organ,start_s,end_s,state"


def write(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_clips_are_found_by_path_or_by_unique_name(tmp_path: Path) -> None:
    for name in ("clips/a.mp4", "clips/deep/b.mp4", "clips/one/c.mp4", "clips/two/c.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    def find(file: str) -> Path:
        labels = read_labels(write(tmp_path, f"{HEAD}\n{file},liver,0,1,present\n"))
        return match_clips(labels, tmp_path / "clips", tmp_path / "labels.csv")[0][0]

    assert find("a.mp4") == tmp_path / "clips/a.mp4"
    assert find("clips/a.mp4") == tmp_path / "clips/a.mp4"
    assert find("elsewhere/b.mp4") == tmp_path / "clips/deep/b.mp4"
    assert find("one\\c.mp4") == tmp_path / "clips/one/c.mp4"
    (tmp_path / "clips" / "DICOMDIR").write_bytes(b"")
    directory = match_clips(
        read_labels(tmp_path / "labels.csv"), tmp_path / "clips" / "DICOMDIR", tmp_path / "labels.csv"
    )
    assert directory[0][0] == tmp_path / "clips/one/c.mp4", "the directory of a disc stands for it"
    with pytest.raises(DataError, match=r"holds 2 files of that name; write the folder before it"):
        find("c.mp4")
    with pytest.raises(DataError, match=r"names ghost\.mp4, which is not in"):
        find("ghost.mp4")
    with pytest.raises(DataError, match=r"names B\.MP4, which is not in .* \(there is b\.mp4\)"):
        find("B.MP4")
    assert find("D:\\study\\two\\c.mp4") == tmp_path / "clips/two/c.mp4"  # the folders that it still shares


def test_a_clip_is_found_by_the_name_that_a_run_wrote(tmp_path: Path) -> None:
    """A run writes what is no UTF-8, and what steers a terminal, as \\xNN."""
    names = [b"deep/h\xe4.mp4", b"deep/h\xf6.mp4", b"deep/e\x1b.mp4", rb"deep/e\x07.mp4", rb"deep/g\x1b.mp4"]
    (tmp_path / "clips/deep").mkdir(parents=True)
    try:
        for name in names:
            (tmp_path / "clips" / os.fsdecode(name)).write_bytes(b"")
    except (OSError, UnicodeError):
        pytest.skip("no such names here")
    written = (r"deep/h\xe4.mp4", r"h\xf6.mp4", r"deep/e\x1b.mp4", r"deep/e\\x07.mp4", r"g\x1b.mp4")
    for file, name in zip(written, names, strict=True):
        labels = read_labels(write(tmp_path, f"{HEAD}\n{file},liver,0,1,present\n"))
        [(path, known)] = match_clips(labels, tmp_path / "clips", tmp_path / "labels.csv")
        assert os.fsencode(path.relative_to(tmp_path / "clips")) == name
        assert known.notes[-1].startswith("4 of 5 clips in ")  # each counts once, though it is found by two names


def test_a_clip_whose_name_steers_a_terminal_is_found_without_its_suffix(tmp_path: Path) -> None:
    clip = tmp_path / "clips" / "neck\u202801.mp4"
    clip.parent.mkdir()
    try:
        clip.write_bytes(b"")
    except OSError:
        pytest.skip("no such names here")
    fiftyone = tmp_path / "fiftyone.json"
    body = {"labels": {clip.stem: [{"label": "liver", "support": [1, 2]}]}}
    fiftyone.write_text(json.dumps(body), encoding="utf-8")
    assert match_clips(read_labels(fiftyone), clip.parent, fiftyone)[0][0] == clip


def test_a_clip_is_found_in_either_unicode_form_and_beside_clutter(tmp_path: Path) -> None:
    names = ("Schilddru\u0308se/P01/a.mp4", "__MACOSX/P01/a.mp4", ".AppleDouble/a.mp4", "Schilddru\u0308se/P01/._a.mp4")
    for name in names:
        (tmp_path / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clips" / name).write_bytes(b"")
    for file, notes in (("Schilddr\u00fcse/P01/a.mp4", 0), ("a.mp4", 0), ("P01/a.mp4", 0), ("P09/a.mp4", 1)):
        labels = read_labels(write(tmp_path, f"{HEAD}\n{file},liver,0,1,present\n"))
        ((path, clip),) = match_clips(labels, tmp_path / "clips", tmp_path / "labels.csv")
        assert path == tmp_path / "clips" / names[0] and len(clip.notes) == notes
    assert "P09/a.mp4 of" in clip.notes[0] and "no other clip here has this name" in clip.notes[0]
    ((_, clip),) = match_clips(labels, path, tmp_path / "labels.csv")  # the clip itself, instead of a folder
    assert "P09/a.mp4 of" in clip.notes[0]


def test_a_clip_outside_of_the_folder_is_refused_unless_asked_for(tmp_path: Path) -> None:
    for name in ("study/P01/a.mp4", "study/P02/a.mp4"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"")
    path = write(tmp_path, f"{HEAD}\nP01/a.mp4,liver,0,1,present\nP02/a.mp4,liver,0,1,present\n")
    assert not any(clip.notes for _, clip in match_clips(read_labels(path), tmp_path / "study", path))
    with pytest.raises(
        DataError, match=r"names P02/a\.mp4, which lies outside of .*P01; name a folder that holds both"
    ):
        match_clips(read_labels(path), tmp_path / "study/P01", path)
    found = match_clips(read_labels(path), tmp_path / "study/P01", path, outside=True)
    assert [file for file, _ in found] == [tmp_path / "study/P01/a.mp4", tmp_path / "study/P02/a.mp4"]
    assert found[0][1].notes == found[1][1].notes and "P02/a.mp4 is used, as" in found[0][1].notes[0]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_no_way_leads_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "own.mp4").write_bytes(b"")
    (tmp_path / "clips/link.mp4").symlink_to(tmp_path / "own.mp4")
    for name in ("../own.mp4", "clips/../own.mp4", "link.mp4"):
        path = write(tmp_path, f"{HEAD}\n{name},liver,0,1,present\n")
        with pytest.raises(DataError, match=r"own\.mp4|link\.mp4, which lies outside of .*, behind a link; name"):
            match_clips(read_labels(path), tmp_path / "clips", path)
        ((found, _),) = match_clips(read_labels(path), tmp_path / "clips", path, outside=True)
        assert found.samefile(tmp_path / "own.mp4")
    path = write(tmp_path, f"{HEAD}\n{tmp_path / 'own.mp4'},liver,0,1,present\n")
    with pytest.raises(DataError, match=r"own\.mp4, which is not in"):
        match_clips(read_labels(path), tmp_path / "clips", path)


def test_many_clips_of_one_name_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them was compared with each: 20,000 took over a minute, and each kept the notes about all."""
    count = 30
    for k in range(count):
        (tmp_path / f"clips/d{k}").mkdir(parents=True)
        (tmp_path / f"clips/d{k}/a.mp4").write_bytes(b"")
    rows = "".join(f"gone/d{k}/a.mp4,liver,0,1,present\n" for k in range(count))
    labels = read_labels(path := write(tmp_path, f"{HEAD}\n{rows}"))
    resolve, resolved = Path.resolve, list[Path]()
    monkeypatch.setattr(Path, "resolve", lambda self: resolved.append(self) or resolve(self))
    found = match_clips(labels, tmp_path / "clips", path)
    assert [clip.parent.name for clip, _ in found] == [f"d{k}" for k in range(count)]
    assert len(resolved) < 3 * count
    for k in range(count):
        (tmp_path / f"clips/d{k}/a.mp4").rename(tmp_path / f"clips/d{k}/{k}.mp4")
    rows = "".join(f"gone/{k}.mp4,liver,0,1,present\n" for k in range(count))
    notes = match_clips(read_labels(write(tmp_path, f"{HEAD}\n{rows}")), tmp_path / "clips", path)[0][1].notes
    assert len(notes) == 9 and notes[-1] == "and 22 more like the last"


def test_a_disk_that_holds_a_name_in_both_unicode_forms(tmp_path: Path) -> None:
    (tmp_path / "\u00fc.mp4").write_bytes(b"")
    (tmp_path / "u\u0308.mp4").write_bytes(b"")
    if sum(1 for _ in tmp_path.iterdir()) == 1:
        pytest.skip("this disk takes them for one file")
    path = write(tmp_path, f"{HEAD}\n\u00fc.mp4,liver,0,1,present\n")
    with pytest.raises(DataError, match="in two Unicode forms"):
        match_clips(read_labels(path), tmp_path, path)


def test_clips_without_a_label_are_counted(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4", "c.dcm", "notes.txt", "still.png"):
        (tmp_path / name).write_bytes(b"")
    path = write(tmp_path, f"{HEAD}\na.mp4,liver,0,1,present\n")
    ((_, clip),) = match_clips(read_labels(path), tmp_path, path)
    assert clip.notes == (f"2 of 3 clips in {tmp_path} have no label in {path}: b.mp4, c.dcm",)


def test_the_files_of_a_labelled_folder_need_no_labels(tmp_path: Path) -> None:
    """A clip of one DICOM file per frame is named by its folder."""
    (tmp_path / "P1").mkdir()
    for name in ("P1/IM1.dcm", "P1/IM2.dcm"):
        (tmp_path / name).write_bytes(b"")
    path = write(tmp_path, f"{HEAD}\nP1,liver,0,1,present\n")
    ((clip, labels),) = match_clips(read_labels(path), tmp_path, path)
    assert clip == tmp_path / "P1" and labels.notes == ()


def test_one_clip_under_two_names_is_refused(tmp_path: Path) -> None:
    """Its labels would contradict each other unseen, and it could be trained on and held out at once."""
    for name in ("clips/a.mp4", "clips/b/a.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    path = write(tmp_path, f"{HEAD}\nclips/a.mp4,liver,0,1,present\na.mp4,liver,0,1,absent\n")
    with pytest.raises(DataError, match=r"names one clip both clips/a\.mp4 and a\.mp4"):
        match_clips(read_labels(path), tmp_path / "clips", path)
    with pytest.raises(DataError, match=r"names a\.mp4 as clips/a\.mp4 and a\.mp4"):
        match_clips(read_labels(path), tmp_path / "clips/a.mp4", path)
    path = write(tmp_path, f"{HEAD}\na.mp4,liver,0,1,present\nb/a.mp4,liver,0,1,absent\n")
    assert len(match_clips(read_labels(path), tmp_path / "clips", path)) == 2
    (single,) = match_clips(read_labels(path)[1:], tmp_path / "clips/b/a.mp4", path)
    assert single[1].file == "b/a.mp4"


def test_folders_outside_of_the_clips_are_not_kept(tmp_path: Path) -> None:
    """What is written names the clip; an absolute path of the label file would name the patient's folder, too."""
    inside = tmp_path / "clips/P1/a.mp4"
    for path in (inside, tmp_path / "Mustermann/b.mp4", tmp_path / "Muster/b.mp4"):
        path.parent.mkdir(parents=True)
        path.touch()

    def named(*files: object) -> list[tuple[str, str]]:
        labels = [ClipLabels(str(file), str(file), ()) for file in files]
        return [
            (clip.file, clip.patient)
            for _, clip in match_clips(labels, tmp_path / "clips", tmp_path / "l.csv", outside=True)
        ]

    assert named("P1/a.mp4") == [("P1/a.mp4", "P1/a.mp4")]
    assert named(inside, "../Mustermann/b.mp4") == [("P1/a.mp4", "P1/a.mp4"), ("b.mp4", "b.mp4")]
    both = named("../Mustermann/b.mp4", "../Muster/b.mp4")
    assert [file for file, _ in both] == ["Mustermann/b.mp4", "Muster/b.mp4"]  # to tell them apart


def test_names_without_a_suffix_and_files_that_name_no_clip(tmp_path: Path) -> None:
    """FiftyOne names clips without a suffix; a label track of Audacity is of the clip that is called like it."""
    for name in ("clips/neck01.mp4", "clips/P1/neck02.avi", "clips/P2/neck02.mp4", "clips/P2/neck02.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    clips, track, other = tmp_path / "clips", tmp_path / "neck01.txt", tmp_path / "neck02.txt"
    for path in (track, other):
        path.write_text("0.5\t1\tliver\n", encoding="utf-8")
    ((found, labels),) = match_clips(with_patients(read_labels(track), None), clips, track)
    assert (found, labels.state_at("liver", -1, 3.0)) == (clips / "neck01.mp4", "absent")
    with pytest.raises(DataError, match="holds 2 files of that name"):
        match_clips(read_labels(other), clips, other)
    track.rename(tmp_path / "labels.txt")
    with pytest.raises(DataError, match=r"labels\.txt names no clip, and none in .*clips is called like it"):
        match_clips(read_labels(tmp_path / "labels.txt"), clips, tmp_path / "labels.txt")
    ((found, labels),) = match_clips(with_patients(read_labels(other), None), clips / "neck01.mp4", other)
    assert (found, labels.file, labels.patient) == (clips / "neck01.mp4", "neck01.mp4", "neck01.mp4")
    fiftyone = tmp_path / "fiftyone.json"
    fiftyone.write_text('{"labels": {"P1/neck02": [{"label": "liver", "support": [1, 2]}]}}', encoding="utf-8")
    assert match_clips(read_labels(fiftyone), clips, fiftyone)[0][0] == clips / "P1/neck02.avi"
    assert match_clips(read_labels(fiftyone), clips / "P1/neck02.avi", fiftyone)[0][0] == clips / "P1/neck02.avi"
    with pytest.raises(DataError, match=r"has no label for neck01\.mp4"):
        match_clips(read_labels(fiftyone), clips / "neck01.mp4", fiftyone)


def test_what_is_not_marked_counts_as_absent_where_patients_are_chosen(tmp_path: Path) -> None:
    track = tmp_path / "neck01.txt"
    track.write_text("0.5\t1\tliver\n2\t3\tnode?\n", encoding="utf-8")
    clips = [(tmp_path, labels) for labels in with_patients(read_labels(track), None)]
    assert groups_of(clips) == {"neck01": {("liver", "present"), ("liver", "absent"), ("node", "absent")}}
