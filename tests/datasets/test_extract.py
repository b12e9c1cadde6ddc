"""What extraction must never do: lose others' files, leave half of anything, or write where it was not asked to."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import media
from support.drawn import labelled_folder, write_clip

from seqcls.datasets import extract as module
from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.dataset import load_frames
from seqcls.datasets.extract import ExtractOptions, extract
from seqcls.datasets.labels import ClipLabels, read_labels, with_patients
from seqcls.datasets.split import hold_out
from seqcls.datasets.split_file import Labelled, make_split, read_split, write_split
from seqcls.errors import DataError, OutputError, UsageError
from seqcls.gate import GateOptions
from seqcls.geometry import Geometry

Clips = list[tuple[Path, ClipLabels]]
AGAIN = ExtractOptions(overwrite=True, every=20)


def matched(clips: Path, labels: Path, pattern: str | None = None) -> Clips:
    return match_clips(with_patients(read_labels(labels), pattern), clips, labels)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    return matched(*labelled_folder(tmp_path_factory.mktemp("labelled")))


def labelled(folder: Path, *rows: str) -> Clips:
    """A clip of 20 frames at 10 Hz, labelled as the rows say."""
    write_clip(folder / "a.mp4", [i >= 10 for i in range(20)])
    path = folder / "l.csv"
    path.write_text("file,organ,start_s,end_s,state\n" + "\n".join(rows), encoding="utf-8")
    return matched(folder / "a.mp4", path)


def test_extract_writes_what_is_labelled(clips: Clips, tmp_path: Path) -> None:
    summary = extract(clips, tmp_path / "data", ExtractOptions(validation=0.3))
    assert summary.organs == ("node",) and summary.frames == 3 * 38
    folders = {f"{p.parent.parent.name}/{p.parent.name}" for p in (tmp_path / "data").rglob("*.png")}
    assert folders == {f"{s}/node {w}" for s in ("train", "validation") for w in ("present", "absent")}
    with (tmp_path / "data/frames.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 114 and all((tmp_path / "data" / r["path"]).is_file() for r in rows)
    assert {r["patient"] for r in rows if r["split"] == "validation"} & {
        r["patient"] for r in rows if r["split"] == "train"
    } == set()
    one = next(r for r in rows if r["path"].endswith("neck 0_000011.png"))
    assert one["node"] == "1" and float(one["time_s"]) == pytest.approx(1.1)
    body = json.loads((tmp_path / "data/dataset.json").read_text(encoding="utf-8"))
    assert body["format"] == 1 and len(body["hash"]) == 64 and body["clips"][0]["region"]["width"] == 96


def test_labels_in_seconds_are_those_of_a_player_where_the_sound_comes_first(tmp_path: Path) -> None:
    media.write_clip(tmp_path / "a.mkv", media.recipe("mkv ffv1 gray", frames=20, late=38, sound="pcm_s16le"))
    (tmp_path / "l.csv").write_text(
        "file,organ,start_s,end_s,state\na.mkv,node,1.52,1.80,absent\na.mkv,node,1.80,2.00,present\n", encoding="utf-8"
    )
    extract(matched(tmp_path / "a.mkv", tmp_path / "l.csv"), tmp_path / "data", ExtractOptions())
    assert sorted(p.stem for p in (tmp_path / "data").rglob("node present/*.png")) == [
        f"a_{k:06}" for k in range(7, 12)
    ]
    assert len(list((tmp_path / "data").rglob("node absent/*.png"))) == 7


def test_a_worklist_is_not_extracted_unless_asked_for(tmp_path: Path) -> None:
    """Frames 10 to 19 show names all over; the region was found on the ten before, or is stated as the whole image."""
    menu = np.full((128, 160), 60, np.uint8)
    menu[10:120:6, 8:150:2] = 255  # strokes one pixel wide
    recipe = media.recipe("mkv ffv1 gray", frames=20)
    media.write_clip(tmp_path / "a.mkv", recipe, lambda k: menu if k >= 10 else media.draw(k))
    (tmp_path / "l.csv").write_text(
        "file,organ,start_s,end_s,state\na.mkv,node,0,0.2,absent\na.mkv,node,0.2,0.8,present\n", encoding="utf-8"
    )
    clip = matched(tmp_path / "a.mkv", tmp_path / "l.csv")
    whole = ExtractOptions(geometry=Geometry(region="none"))
    summary = extract(clip, tmp_path / "data", whole)
    assert summary.frames == 10 and summary.counts["train", "node", "present"] == 5
    assert "a.mkv: 10 labelled frames not ultrasound left out: names may stand in them" in " ".join(summary.messages)
    asked = extract(clip, tmp_path / "all", replace(whole, gate=GateOptions(enabled=False)))
    assert asked.frames == 20


def test_where_no_region_is_found_nothing_is_extracted(tmp_path: Path) -> None:
    menu = np.full((128, 160), 60, np.uint8)
    menu[10:120:6, 8:150:2] = 255
    media.write_clip(tmp_path / "a.mkv", media.recipe("mkv ffv1 gray", frames=20), lambda k: menu)
    (tmp_path / "l.csv").write_text(
        "file,organ,start_s,end_s,state\na.mkv,node,0,0.4,absent\na.mkv,node,0.4,0.8,present\n", encoding="utf-8"
    )
    clip = matched(tmp_path / "a.mkv", tmp_path / "l.csv")
    with pytest.raises(DataError, match="20 labelled frames without an ultrasound region left out"):
        extract(clip, tmp_path / "data", ExtractOptions(gate=GateOptions(enabled=False)))
    assert not (tmp_path / "data").exists()


def test_extract_is_repeatable_and_every_nth_is_fewer(clips: Clips, tmp_path: Path) -> None:
    for name in "ab":
        extract(clips, tmp_path / name, ExtractOptions(every=3))
    assert (tmp_path / "a/dataset.json").read_bytes() == (tmp_path / "b/dataset.json").read_bytes()
    assert len(list((tmp_path / "a").rglob("*.png"))) == 3 * 13


def test_extract_replaces_only_its_own_and_only_when_asked(clips: Clips, tmp_path: Path) -> None:
    extract(clips, tmp_path / "data", ExtractOptions())
    with pytest.raises(OutputError, match="add overwrite=True"):
        extract(clips, tmp_path / "data", ExtractOptions())
    extract(clips, tmp_path / "data", ExtractOptions(overwrite=True, every=20))
    assert len(list((tmp_path / "data").rglob("*.png"))) == 6
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/me.png").write_bytes(b"x")
    with pytest.raises(OutputError, match="something else"):
        extract(clips, tmp_path / "photos", ExtractOptions(overwrite=True))
    assert (tmp_path / "photos/me.png").read_bytes() == b"x"


def test_a_failing_extraction_leaves_nothing(clips: Clips, tmp_path: Path) -> None:
    broken = list(clips)
    text = tmp_path / "broken.mp4"
    text.write_text("this is no video")
    broken[2] = (text, broken[2][1])
    with pytest.raises(Exception, match=r"broken\.mp4"):
        extract(broken, tmp_path / "out" / "data", ExtractOptions())
    assert list((tmp_path / "out").iterdir()) == []


def test_two_organs_share_their_frames(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", [i >= 10 for i in range(20)])
    rows = [
        "a.mp4,liver,0,1,absent",
        "a.mp4,liver,1,2,present",
        "a.mp4,kidney,0,0.5,present",
        "a.mp4,kidney,0.5,1.0,absent",
    ]
    labels = tmp_path / "l.csv"
    labels.write_text("file,organ,start_s,end_s,state\n" + "\n".join(rows))
    extract(matched(tmp_path / "a.mp4", labels), tmp_path / "data", ExtractOptions())
    frames = load_frames(tmp_path / "data", Geometry(size=32))
    assert frames.organs == ("kidney", "liver") and len(frames.images) == 20
    assert frames.mask.sum(axis=0).tolist() == [10, 20] and frames.targets.sum(axis=0).tolist() == [5, 10]
    assert len(list((tmp_path / "data").rglob("*.png"))) == 30


def test_same_names_in_different_folders_do_not_collide(tmp_path: Path) -> None:
    for n in (1, 2):
        write_clip(tmp_path / f"c/{n}/a.mp4", [i >= 5 for i in range(10)], seed=n)
    labels = tmp_path / "l.csv"
    rows = [f"{n}/a.mp4,liver,{a},{b},{s}" for n in (1, 2) for a, b, s in ((0, 0.5, "absent"), (0.5, 1, "present"))]
    labels.write_text("file,organ,start_s,end_s,state\n" + "\n".join(rows))
    assert extract(matched(tmp_path / "c", labels), tmp_path / "data", ExtractOptions()).frames == 20
    assert len({p.name for p in (tmp_path / "data").rglob("*.png")}) == 20


def test_labels_beyond_the_end_and_clips_without_labels_are_reported(tmp_path: Path) -> None:
    for name in "ab":
        write_clip(tmp_path / f"{name}.mp4", [i >= 5 for i in range(10)])
    segments = [{"start": 0, "end": 4, "label": 0}, {"start": 5, "end": 40, "label": 1}]
    clips_json = [
        {"task": "liver", "file": "a.mp4", "segments": segments},
        {"task": "liver", "file": "b.mp4", "segments": [{"start": 0, "end": 9, "label": -1}]},
    ]
    (tmp_path / "l.json").write_text(json.dumps({"clips": clips_json}))
    summary = extract(matched(tmp_path, tmp_path / "l.json"), tmp_path / "data", ExtractOptions())
    assert "a.mp4 has 10 frames, but is labelled up to frame 40" in summary.messages
    assert "b.mp4: no frame is labelled present or absent" in summary.messages
    assert (summary.frames, summary.clips) == (10, 1), "b gave no frame"


@pytest.mark.parametrize("wrong", [{"every": 0}, {"validation": -0.1}, {"validation": 0.9}], ids=str)
def test_impossible_extract_options(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        ExtractOptions(**wrong)  # type: ignore[arg-type]


def test_the_leaky_split_is_only_on_request(clips: Clips, tmp_path: Path) -> None:
    extract(clips, tmp_path / "data", ExtractOptions(leaky_random_split=True))
    frames = load_frames(tmp_path / "data", Geometry(size=32))
    both = {p for p in set(frames.patient) if len(set(frames.split[frames.patient == p])) == 2}
    assert len(both) == 3


def test_a_kept_split_stays_with_its_frames(clips: Clips, tmp_path: Path) -> None:
    """So that a model that is trained on the folder names it; but not one whose sides have been changed since."""
    write_split(make_split(Labelled.of_clips(clips), share=0.3)[0], tmp_path / "s.json")
    split = read_split(tmp_path / "s.json")
    options = replace(AGAIN, split=split)
    for _ in range(2):  # the second replaces the first
        extract(clips, tmp_path / "data", options)
    frames = load_frames(tmp_path / "data", Geometry(size=32))
    assert frames.kept_split is not None and frames.kept_split.digest == split.digest and not frames.messages
    assert set(frames.patient[frames.split == "validation"]) == split.held_out
    table = tmp_path / "data" / "frames.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(",validation,", ",train,"), encoding="utf-8")
    frames = load_frames(tmp_path / "data", Geometry(size=32))
    assert frames.kept_split is None and "frames.csv has other sides" in frames.messages[0]


@pytest.mark.parametrize("kept", ["organ.safetensors", "train/note.txt", "train/node present/extra.png", "test/a.png"])
def test_overwriting_never_takes_what_others_put_there(clips: Clips, tmp_path: Path, kept: str) -> None:
    """`seqcls train data -o data/organ.safetensors` is natural; extracting again must not delete the model."""
    extract(clips, tmp_path / "data", ExtractOptions(every=20))
    precious = tmp_path / "data" / kept
    precious.parent.mkdir(parents=True, exist_ok=True)
    precious.write_bytes(b"precious")
    with pytest.raises(OutputError, match=f"also holds {kept}, which `extract` did not write") as caught:
        extract(clips, tmp_path / "data", AGAIN)
    assert precious.read_bytes() == b"precious" and "\n" not in str(caught.value)


def test_what_is_put_there_meanwhile_is_kept_too(clips: Clips, tmp_path: Path) -> None:
    extract(clips, tmp_path / "data", ExtractOptions(every=20))
    with pytest.raises(OutputError, match=r"also holds late\.safetensors"):
        extract(clips, tmp_path / "data", AGAIN, on_frame=lambda n: (tmp_path / "data/late.safetensors").touch())
    assert [p.name for p in tmp_path.iterdir()] == ["data"] and (tmp_path / "data/late.safetensors").exists()


def test_clutter_of_file_managers_is_no_obstacle(clips: Clips, tmp_path: Path) -> None:
    extract(clips, tmp_path / "data", ExtractOptions(every=20))
    (tmp_path / "data/train/.DS_Store").touch()
    (tmp_path / "data/train/node present/._a.png").touch()
    assert extract(clips, tmp_path / "data", AGAIN).frames == 6
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError], ids=["Ctrl-C", "memory"])
def test_an_interrupted_extraction_leaves_the_earlier_one_alone(
    clips: Clips, tmp_path: Path, error: type[BaseException]
) -> None:
    extract(clips, tmp_path / "data", ExtractOptions(every=20))
    before = {p: p.read_bytes() for p in (tmp_path / "data").rglob("*") if p.is_file()}

    def stop(frames: int) -> None:
        if frames == 4:
            raise error

    with pytest.raises(error):
        extract(clips, tmp_path / "data", AGAIN, on_frame=stop)
    assert {p: p.read_bytes() for p in (tmp_path / "data").rglob("*") if p.is_file()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_where_the_last_step_fails_the_earlier_one_comes_back(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract(clips, tmp_path / "data", ExtractOptions(every=20))
    hash_before = load_frames(tmp_path / "data", Geometry(size=32)).hash
    original = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self.name == "new" and self.is_dir():
            raise PermissionError(13, "in use by another process")
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OutputError, match="in use by another process"):
        extract(clips, tmp_path / "data", ExtractOptions(overwrite=True))
    assert load_frames(tmp_path / "data", Geometry(size=32)).hash == hash_before
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_into_the_working_folder_and_through_a_link(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert extract(clips, ".", ExtractOptions(every=20)).frames == 6
    assert (tmp_path / "here/frames.csv").is_file()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    except OSError:
        pytest.skip("no symbolic links here")
    extract(clips, tmp_path / "link", ExtractOptions(every=20))
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real/frames.csv").is_file()


def test_an_output_that_cannot_be_written(clips: Clips, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for out in ("file", "file/data"):
        with pytest.raises(OutputError):
            extract(clips, tmp_path / out, ExtractOptions())
    assert (tmp_path / "file").read_text() == "x"


def test_labels_that_teach_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clip is labelled present or absent"):
        extract(labelled(tmp_path, "a.mp4,liver,0,1,ignore"), tmp_path / "data", ExtractOptions())
    with pytest.raises(DataError, match="no training frame shows liver absent"):
        extract(labelled(tmp_path, "a.mp4,liver,0,1,present"), tmp_path / "data", ExtractOptions())
    with pytest.raises(DataError, match="an organ cannot be called 'Split'"):
        extract(labelled(tmp_path, "a.mp4,Split,0,1,present"), tmp_path / "data", ExtractOptions())
    assert not (tmp_path / "data").exists()


def test_one_hash_for_a_data_set(clips: Clips, tmp_path: Path) -> None:
    """What dataset.json says is what a model trained on the folder carries."""
    extract(clips, tmp_path / "data", ExtractOptions(every=5))
    written = json.loads((tmp_path / "data/dataset.json").read_text(encoding="utf-8"))["hash"]
    assert written == load_frames(tmp_path / "data", Geometry(size=32)).hash


def test_labels_in_another_unit_are_refused_before_anything_is_left(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"a\.mp4 ends at 2\.00 s, .* up to 2000 s .*line 3.*: are these milliseconds\?"
    ):
        extract(
            labelled(tmp_path, "a.mp4,liver,0,1000,absent", "a.mp4,liver,1000,2000,present"), tmp_path / "data", AGAIN
        )
    assert not (tmp_path / "data").exists()
    with pytest.raises(
        DataError, match=r"a\.mp4 ends at 2\.00 s, but is labelled up to 99 s .*2 of 2 rows lie wholly behind"
    ):
        extract(labelled(tmp_path, "a.mp4,liver,77,99,absent", "a.mp4,liver,9,77,present"), tmp_path / "data", AGAIN)


def test_a_leaky_split_is_reported(clips: Clips, tmp_path: Path) -> None:
    leaky = extract(clips, tmp_path / "a", ExtractOptions(leaky_random_split=True))
    assert any("a patient stands on both sides" in message for message in leaky.messages)
    assert not any("both sides" in m for m in extract(clips, tmp_path / "b", ExtractOptions(every=20)).messages)


def test_a_validation_set_that_lacks_a_state_is_reported(tmp_path: Path) -> None:
    """The label says that patient 1 shows absence, but only beyond the end of the clip."""
    for n in range(2):
        write_clip(tmp_path / f"p{n}.mp4", [i >= 10 for i in range(20)], seed=n)
    rows = [
        "p0.mp4,liver,0,1,absent,",
        "p0.mp4,liver,1,2,present,",
        "p1.mp4,liver,1,2,present,",
        "p1.mp4,liver,9,10,absent,",
    ]
    (tmp_path / "l.csv").write_text("file,organ,start_s,end_s,state,patient\n" + "\n".join(rows))
    both = {("liver", "present"), ("liver", "absent")}
    seed = next(s for s in range(50) if hold_out({"p0.mp4": both, "p1.mp4": both}, 0.5, s)[0] == {"p1.mp4"})
    options = ExtractOptions(validation=0.5, seed=seed)
    summary = extract(matched(tmp_path, tmp_path / "l.csv"), tmp_path / "data", options)
    assert "no validation frame shows liver absent: its figures will say little" in summary.messages


def test_frames_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("not on this disk")

    monkeypatch.setattr(module.os, "link", refuse)
    rows = [f"a.mp4,{o},{a},{b},{s}" for o in ("liver", "kidney") for a, b, s in ((0, 1, "absent"), (1, 2, "present"))]
    extract(labelled(tmp_path, *rows), tmp_path / "data", ExtractOptions())
    frames = load_frames(tmp_path / "data", Geometry(size=32))
    assert len(frames.images) == 20 and frames.mask.all() and len(list((tmp_path / "data").rglob("*.png"))) == 40


@pytest.mark.real
def test_real_clips_give_the_frames_that_are_labelled(real_clips: Path, tmp_path: Path) -> None:
    """Every tenth of the labelled frames: 13 of the sweep's 121, all present; 23 of the other's 93 and 137."""
    names = ("pat2Image_134240", "liver_sweep")
    body = json.loads((real_clips / "intervals.json").read_text(encoding="utf-8"))
    wanted = [
        c for c in matched(real_clips, real_clips / "intervals.json", r"(pat\d+)") if any(n in c[1].file for n in names)
    ]
    summary = extract(wanted, tmp_path / "data", ExtractOptions(every=10))
    kept: Counter[int] = Counter()
    for clip in (c for c in body["clips"] if any(n in c["file"] for n in names)):
        by_frame = [s["label"] for s in clip["segments"] for _ in range(s["start"], s["end"] + 1)]
        kept.update([label for label in by_frame if label >= 0][::10])
    assert (summary.clips, summary.frames) == (2, 13 + 23)
    assert summary.counts == {("train", "organ", "present"): kept[1], ("train", "organ", "absent"): kept[0]}
    assert "only 1 of 2 patients or clips show organ absent" in summary.messages[0]
    frames = load_frames(tmp_path / "data", Geometry(size=64))
    assert set(frames.patient) == {"pat2", "clips/liver_sweep.mp4"}
