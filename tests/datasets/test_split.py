"""From labelled clips to frames in memory: split, extraction, the folder layouts, and everything that can be wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.drawn import labelled_folder, picture, write_clip

from seqcls.datasets.dataset import FrameSet, frames_from_clips, leakage, load_frames
from seqcls.datasets.extract import ExtractOptions, extract
from seqcls.datasets.labels import match_clips, read_labels, with_patients
from seqcls.datasets.split import hold_out
from seqcls.errors import DataError, OutputError, UsageError
from seqcls.geometry import Geometry

SMALL = Geometry(size=32)
P, A = ("liver", "present"), ("liver", "absent")


def found(clips: Path, labels: Path) -> list:  # type: ignore[type-arg]
    return match_clips(with_patients(read_labels(labels), None), clips, labels)


# ---- split ---------------------------------------------------------------------------------------------------------


def test_few_patients_are_all_for_training() -> None:
    held, said = hold_out({f"P{i}": {P, A} for i in range(4)}, None, 0)
    assert not held and "only 4 of 4 patients" in said and "--folds" in said


def test_enough_patients_give_a_validation_set_with_both_states() -> None:
    groups = {f"P{i}": ({P} if i % 3 == 0 else {A} if i % 3 == 1 else {P, A}) for i in range(20)}
    for seed in range(20):
        held, said = hold_out(groups, None, seed)
        assert said == "" and 3 <= len(held) <= 5
        for side in (held, set(groups) - held):
            assert set().union(*(groups[name] for name in side)) == {P, A}
    assert len({hold_out(groups, None, seed)[0] for seed in range(20)}) > 5
    assert hold_out(groups, None, 3) == hold_out(groups, None, 3)


def test_a_stated_share_is_obeyed_or_refused() -> None:
    groups = {"P1": {P, A}, "P2": {P, A}, "P3": {A}}
    held, _ = hold_out(groups, 0.3, 0)
    assert len(held) == 1 and held <= {"P1", "P2"}
    assert hold_out(groups, 0, 0)[0] == frozenset()
    with pytest.raises(DataError, match="needs two patients or clips that show liver present"):
        hold_out({"P1": {P, A}, "P2": {A}}, 0.3, 0)


# ---- extract -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return labelled_folder(tmp_path_factory.mktemp("labelled"))


def test_extract_writes_what_is_labelled(clips: tuple[Path, Path], tmp_path: Path) -> None:
    summary = extract(found(*clips), tmp_path / "data", ExtractOptions(validation=0.3))
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


def test_extract_is_repeatable_and_every_nth_is_fewer(clips: tuple[Path, Path], tmp_path: Path) -> None:
    for name in "ab":
        extract(found(*clips), tmp_path / name, ExtractOptions(every=3))
    assert (tmp_path / "a/dataset.json").read_bytes() == (tmp_path / "b/dataset.json").read_bytes()
    assert len(list((tmp_path / "a").rglob("*.png"))) == 3 * 13


def test_extract_replaces_only_its_own_and_only_when_asked(clips: tuple[Path, Path], tmp_path: Path) -> None:
    extract(found(*clips), tmp_path / "data", ExtractOptions())
    with pytest.raises(OutputError, match="add --overwrite"):
        extract(found(*clips), tmp_path / "data", ExtractOptions())
    extract(found(*clips), tmp_path / "data", ExtractOptions(overwrite=True, every=20))
    assert len(list((tmp_path / "data").rglob("*.png"))) == 6
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/me.png").write_bytes(b"x")
    with pytest.raises(OutputError, match="something else"):
        extract(found(*clips), tmp_path / "photos", ExtractOptions(overwrite=True))
    assert (tmp_path / "photos/me.png").read_bytes() == b"x"


def test_a_failing_extraction_leaves_nothing(clips: tuple[Path, Path], tmp_path: Path) -> None:
    broken = found(*clips)
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
    extract(found(tmp_path / "a.mp4", labels), tmp_path / "data", ExtractOptions())
    frames = load_frames(tmp_path / "data", SMALL)
    assert frames.organs == ("kidney", "liver") and len(frames.images) == 20
    assert frames.mask.sum(axis=0).tolist() == [10, 20] and frames.targets.sum(axis=0).tolist() == [5, 10]
    assert len(list((tmp_path / "data").rglob("*.png"))) == 30


def test_same_names_in_different_folders_do_not_collide(tmp_path: Path) -> None:
    for n in (1, 2):
        write_clip(tmp_path / f"c/{n}/a.mp4", [i >= 5 for i in range(10)], seed=n)
    labels = tmp_path / "l.csv"
    rows = [f"{n}/a.mp4,liver,{a},{b},{s}" for n in (1, 2) for a, b, s in ((0, 0.5, "absent"), (0.5, 1, "present"))]
    labels.write_text("file,organ,start_s,end_s,state\n" + "\n".join(rows))
    assert extract(found(tmp_path / "c", labels), tmp_path / "data", ExtractOptions()).frames == 20
    assert len({p.name for p in (tmp_path / "data").rglob("*.png")}) == 20


def test_labels_beyond_the_end_and_clips_without_labels_are_told(tmp_path: Path) -> None:
    for name in "ab":
        write_clip(tmp_path / f"{name}.mp4", [i >= 5 for i in range(10)])
    segments = [{"start": 0, "end": 4, "label": 0}, {"start": 5, "end": 40, "label": 1}]
    clips_json = [
        {"task": "liver", "file": "a.mp4", "segments": segments},
        {"task": "liver", "file": "b.mp4", "segments": [{"start": 0, "end": 9, "label": -1}]},
    ]
    (tmp_path / "l.json").write_text(json.dumps({"clips": clips_json}))
    summary = extract(found(tmp_path, tmp_path / "l.json"), tmp_path / "data", ExtractOptions())
    assert "a.mp4 has 10 frames, but is labelled up to frame 40" in summary.messages
    assert "b.mp4: no frame is labelled present or absent" in summary.messages


@pytest.mark.parametrize("wrong", [{"every": 0}, {"validation": -0.1}, {"validation": 0.9}], ids=str)
def test_impossible_extract_options(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        ExtractOptions(**wrong)  # type: ignore[arg-type]


def test_the_leaky_split_is_only_on_request(clips: tuple[Path, Path], tmp_path: Path) -> None:
    extract(found(*clips), tmp_path / "data", ExtractOptions(leaky_random_split=True))
    frames = load_frames(tmp_path / "data", SMALL)
    both = {p for p in set(frames.patient) if len(set(frames.split[frames.patient == p])) == 2}
    assert len(both) == 3


# ---- load ----------------------------------------------------------------------------------------------------------


def test_three_ways_to_the_same_frames(clips: tuple[Path, Path], tmp_path: Path) -> None:
    extract(found(*clips), tmp_path / "data", ExtractOptions())
    from_disk = load_frames(tmp_path / "data", SMALL)
    from_clips = frames_from_clips(found(*clips), SMALL)
    assert np.array_equal(from_disk.images, from_clips.images)
    assert np.array_equal(from_disk.targets, from_clips.targets) and np.array_equal(from_disk.mask, from_clips.mask)
    assert list(from_disk.patient) == list(from_clips.patient) and from_disk.geometry == from_clips.geometry == SMALL
    assert from_disk.images.shape == (114, 32, 32) and from_disk.images.dtype == np.uint8


def tree(root: Path, names: dict[str, int]) -> Path:
    for folder, count in names.items():
        (root / folder).mkdir(parents=True)
        for i in range(count):
            cv2.imwrite(str(root / folder / f"clip{i % 2}_{i:04d}.png"), picture("present" in folder.lower(), i))
    return root


def test_a_tree_of_ones_own(tmp_path: Path) -> None:
    names = {
        "train/Thyroid_Present": 6,
        "train/thyroid absent": 5,
        "val/thyroid-present": 3,
        "val/thyroid-ABSENT": 2,
        "train/notes": 0,
    }
    frames = load_frames(tree(tmp_path, names), SMALL)
    assert frames.organs == ("thyroid",)
    assert (frames.split == "validation").sum() == 5 and frames.targets.sum() == 9 and frames.mask.all()
    assert set(frames.clip) == {"clip0", "clip1"}


def test_a_tree_without_split_is_all_for_training(tmp_path: Path) -> None:
    frames = load_frames(tree(tmp_path, {"thyroid present": 3, "thyroid absent": 3}), SMALL)
    assert set(frames.split) == {"train"}


def test_one_picture_in_two_organs_folders_is_one_frame(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {"train/thyroid present": 4, "train/trachea present": 4, "train/thyroid absent": 2, "train/trachea absent": 2},
    )
    frames = load_frames(root, SMALL)
    assert len(frames.images) == 6 and frames.mask.all() and frames.organs == ("thyroid", "trachea")


def test_one_picture_in_both_states_is_refused(tmp_path: Path) -> None:
    root = tree(tmp_path, {"train/thyroid present": 2, "train/thyroid absent": 2})
    data = (root / "train/thyroid present/clip0_0000.png").read_bytes()
    (root / "train/thyroid absent/clip0_0000.png").write_bytes(data)
    with pytest.raises(DataError, match="thyroid present and in thyroid absent"):
        load_frames(root, SMALL)


def test_corrupt_pictures_are_named_or_left_out(tmp_path: Path) -> None:
    root = tree(tmp_path, {"train/thyroid present": 3, "train/thyroid absent": 3})
    (root / "train/thyroid absent/clip0_0000.png").write_bytes(b"\x89PNG\r\n\x1a\n rubbish")
    with pytest.raises(DataError, match=r"clip0_0000\.png cannot be read .* --skip-corrupt"):
        load_frames(root, SMALL)
    frames = load_frames(root, SMALL, skip_corrupt=True)
    assert len(frames.images) == 5 and "left out 1 picture" in frames.messages[0]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({}, "no frames in a layout"),
        ({"pictures": 3}, "no frames in a layout"),
        ({"train/thyroid present": 3}, "no training frame shows thyroid absent"),
        ({"train/thyroid present": 3, "train/thyroid absent": 0}, "holds no picture"),
        ({"validation/thyroid present": 3, "validation/thyroid absent": 3}, "no training frame shows"),
    ],
    ids=["empty", "other folders", "one class", "empty class", "validation alone"],
)
def test_folders_that_cannot_be_trained_on(tmp_path: Path, names: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_frames(tree(tmp_path, names), SMALL)
    assert "\n" not in str(caught.value)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder at"):
        load_frames(tmp_path / "none", SMALL)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("path,clip", "file,clip", "lacks the column path"),
        ("train/node", "../../node", "leads out of the folder"),
        (",train,", ",test,", "not train or validation"),
        (",train,1", ",train,yes", "not 1, 0 or empty"),
    ],
    ids=["column", "path", "split", "label"],
)
def test_a_spoilt_frame_table(clips: tuple[Path, Path], tmp_path: Path, old: str, new: str, message: str) -> None:
    extract(found(*clips), tmp_path / "data", ExtractOptions(every=4))
    table = tmp_path / "data/frames.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_frames(tmp_path / "data", SMALL)


def test_the_hash_follows_content_and_labels(clips: tuple[Path, Path], tmp_path: Path) -> None:
    extract(found(*clips), tmp_path / "a", ExtractOptions(every=4))
    extract(found(*clips), tmp_path / "b", ExtractOptions(every=4))
    one = load_frames(tmp_path / "a", SMALL).hash
    assert one == load_frames(tmp_path / "b", SMALL).hash
    table = tmp_path / "b/frames.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(",train,1", ",train,0", 1), encoding="utf-8")
    assert one != load_frames(tmp_path / "b", SMALL).hash


def test_organs_can_be_picked(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {"train/thyroid present": 2, "train/thyroid absent": 2, "train/trachea present": 2, "train/trachea absent": 3},
    )
    frames = load_frames(root, SMALL)
    assert frames.of_organs(["trachea"]).targets.shape[1] == 1
    with pytest.raises(DataError, match="no label for spleen: the data know thyroid, trachea"):
        frames.of_organs(["spleen"])


def test_near_duplicates_across_the_split_are_counted(tmp_path: Path) -> None:
    frames = load_frames(
        tree(tmp_path, {"train/n present": 6, "train/n absent": 6, "val/n present": 6, "val/n absent": 6}), SMALL
    )
    assert leakage(frames) == 12
    apart = np.where(frames.split == "validation", "validation", "train")
    turned = np.where((apart == "validation")[:, None, None], frames.images[:, ::-1, ::-1], frames.images)
    assert (
        leakage(
            FrameSet(**{**{k: getattr(frames, k) for k in frames.__slots__}, "images": np.ascontiguousarray(turned)})
        )
        <= 1
    )


@pytest.mark.real
def test_real_clips_give_the_labelled_frames(real_clips: Path) -> None:
    wanted = [c for c in found(real_clips, real_clips / "intervals.json") if "pat2Image_134240" in c[1].file]
    frames = frames_from_clips(wanted, Geometry(size=64))
    assert frames.targets.sum() == 93 and len(frames.images) == 93 + 137
    assert not any("labelled up to" in message for message in frames.messages)
