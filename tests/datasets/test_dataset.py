"""Reading frames: as much memory as the letterboxed images take, and one line for every folder that is not right."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.drawn import labelled_folder, picture, write_clip

from seqcls.datasets import folder_images as module
from seqcls.datasets.clip_files import match_clips
from seqcls.datasets.data_checks.leakage import leaked_rows
from seqcls.datasets.dataset import FrameSet, frames_from_clips, load_frames
from seqcls.datasets.extract import ExtractOptions, extract
from seqcls.datasets.labels import read_labels, with_patients
from seqcls.errors import DataError
from seqcls.geometry import Geometry
from seqcls.sources.clip_digest import clip_digest

SMALL = Geometry(size=32)


def matched(clips: Path, labels: Path) -> list:  # type: ignore[type-arg]
    return match_clips(with_patients(read_labels(labels), None), clips, labels)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return labelled_folder(tmp_path_factory.mktemp("labelled"))


def save(path: Path, image: np.ndarray) -> Path:  # type: ignore[type-arg]
    path.parent.mkdir(parents=True, exist_ok=True)
    ok, data = cv2.imencode(path.suffix, image)
    assert ok
    path.write_bytes(data.tobytes())
    return path


def tree(root: Path, count: int = 3, suffix: str = ".png") -> Path:
    for state in ("present", "absent"):
        for i in range(count):
            save(root / f"train/node {state}/clip{i % 2}_{i:04d}{suffix}", picture(state == "present", i))
    return root


@pytest.fixture
def extracted(tmp_path: Path) -> Path:
    write_clip(tmp_path / "a.mp4", [i >= 5 for i in range(10)])
    (tmp_path / "l.csv").write_text(
        "file,organ,start_s,end_s,state\na.mp4,node,0,0.5,absent\na.mp4,node,0.5,1,present\n"
    )
    clips = match_clips(with_patients(read_labels(tmp_path / "l.csv"), None), tmp_path / "a.mp4", tmp_path / "l.csv")
    extract(clips, tmp_path / "data", ExtractOptions())
    return tmp_path / "data"


def test_images_of_each_size_share_one_region(tmp_path: Path) -> None:
    """Two scanners: every image is cropped as its own size asks, whatever else lies in the folder."""
    root = tree(tmp_path)
    for i in range(3):
        save(root / f"train/node present/other_{i:04d}.png", cv2.resize(picture(True, i), (192, 160)))
    frames = load_frames(root, SMALL)
    small = [picture(s == "present", i) for s in ("absent", "present") for i in (0, 2, 1)]  # by name
    region = SMALL.find(small)
    assert [r.width for r in frames.regions] == [96, 192]
    by_clip = {c: frames.images[frames.clip == c] for c in ("clip0", "clip1", "other")}
    assert len(by_clip["other"]) == 3 and len(frames.images) == 9
    expected = np.stack([SMALL.apply(image, region) for image in small])
    assert np.array_equal(np.stack(list(frames.images[frames.clip != "other"])), expected)


def test_whole_images_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 frames of a scanner's full size would be 8 GB."""
    import threading
    import weakref

    root, alive, most, lock = tree(tmp_path, count=23), [0], [0], threading.Lock()
    original = module.read

    def gone() -> None:
        with lock:
            alive[0] -= 1

    def read(path: Path, levels: object):  # type: ignore[no-untyped-def]
        image, digest = original(path, levels)
        with lock:
            alive[0] += 1
            most[0] = max(most[0], alive[0])
        weakref.finalize(image, gone)
        return image, digest

    monkeypatch.setattr(module, "read", read)
    assert len(load_frames(root, SMALL).images) == 46
    assert most[0] <= module.SAMPLE + 8


def test_a_photograph_that_is_turned_in_its_header(tmp_path: Path) -> None:
    """The header says wide, the decoder gives high (EXIF orientation 6)."""
    from PIL import Image

    root = tree(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(True, 7)).save(root / "train/node present/turned_0001.jpg", exif=exif, quality=95)
    frames = load_frames(root, SMALL)
    assert {(r.width, r.height) for r in frames.regions} == {(96, 80), (80, 96)}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_kinds_of_images(tmp_path: Path, suffix: str) -> None:
    assert load_frames(tree(tmp_path, suffix=suffix), SMALL).images.shape == (6, 32, 32)


@pytest.mark.parametrize("spoil", ["cut", "flip", "text", "empty", "gone", "bomb"])
def test_damaged_images(tmp_path: Path, spoil: str, capfd: pytest.CaptureFixture[str]) -> None:
    root = tree(tmp_path)
    path = root / "train/node absent/clip1_0001.png"
    data = bytearray(path.read_bytes())
    if spoil == "cut":
        data = data[: len(data) // 2]
    elif spoil == "flip":
        data[len(data) // 2] ^= 0xFF
    elif spoil == "bomb":  # a header that promises 10 gigapixels
        data[16:24] = (100_000).to_bytes(4, "big") * 2
    else:
        data = bytearray(b"no picture" if spoil == "text" else b"")
    path.write_bytes(data)
    if spoil == "gone":
        path.unlink()
        path.mkdir()  # listed, but cannot be read
    with pytest.raises(DataError, match=r"clip1_0001\.png cannot be read as an image: .*skip_corrupt=True") as caught:
        load_frames(root, SMALL)
    frames = load_frames(root, SMALL, skip_corrupt=True)
    assert len(frames.images) == 5 and "left out 1 image that" in frames.messages[0] and "\n" not in str(caught.value)
    assert [list(frames.clip).count(c) for c in ("clip0", "clip1")] == [4, 1]
    assert frames.images.reshape(5, -1).any(axis=1).all()
    assert capfd.readouterr().err == ""  # the decoder keeps its comments to itself


def test_leaving_out_the_last_of_a_state_is_told(tmp_path: Path) -> None:
    root = tree(tmp_path, count=1)
    (root / "train/node absent/clip0_0000.png").write_bytes(b"rubbish")
    with pytest.raises(DataError, match="no training frame shows node absent"):
        load_frames(root, SMALL, skip_corrupt=True)


def test_folders_left_aside_are_told(tmp_path: Path) -> None:
    root = tree(tmp_path)
    save(root / "train/node presnt/a_0001.png", picture(True))
    save(root / "test/node present/a_0001.png", picture(True))
    (root / "train/notes").mkdir()
    frames = load_frames(root, SMALL)
    assert len(frames.images) == 6 and len(frames.messages) == 2
    for name, message in zip(("test", "node presnt"), frames.messages, strict=True):
        assert f"{name} is left aside" in message


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with a name there")
def test_pipes_and_devices_in_a_tree_are_left_aside(tmp_path: Path) -> None:
    """Nobody ever writes into the pipe: reading it hung."""
    for state in ("present", "absent"):
        folder = tmp_path / f"liver {state}"
        folder.mkdir()
        save(folder / "a.png", picture(state == "present"))
    os.mkfifo(tmp_path / "liver present/b.png")
    (tmp_path / "liver present/c.png").symlink_to("/dev/zero")
    frames = load_frames(tmp_path, SMALL)
    (message,) = frames.messages
    assert len(frames.images) == 2 and "pipes and devices (2)" in message


def test_what_is_left_aside_is_counted_by_suffix(tmp_path: Path) -> None:
    """macOS writes ._NAME.png beside each image, on a disk that is not its own: no damaged images, and no word."""
    root = tree(tmp_path)
    for path in list(root.rglob("*.png")):
        path.with_name("._" + path.name).write_bytes(b"\0\5\x16\7\0\2\0\0" + bytes(4000))
    (root / "train/node present/Thumbs.db").write_bytes(b"x")
    (root / "train/node present/@eaDir").mkdir()
    save(root / "__MACOSX/train/node present/a_0001.png", picture(True))
    assert load_frames(root, SMALL).messages == ()
    for name in ("node present/a.heic", "node present/b.HEIC", "node absent/notes"):
        (root / "train" / name).write_bytes(b"x")
    save(root / "train/loose_0001.png", picture(True))
    save(root / "train/node present/P01/deep_0001.png", picture(True))
    folder, files = load_frames(root, SMALL).messages
    assert "P01 is left aside" in folder and files.startswith(f"{root}: left aside: ")
    assert "images in no folder of a state (1)" in files and "(3: 2 .heic, 1 without suffix)" in files


def test_folders_and_clips_in_either_unicode_form(tmp_path: Path) -> None:
    """Otherwise one organ becomes two, and one clip stands on both sides of the split."""
    composed, apart = "schilddr\u00fcse", "schilddru\u0308se"
    for i in range(3):
        save(tmp_path / f"train/{composed} present/{apart}_{i}.png", picture(True, i))
        save(tmp_path / f"train/{apart} absent/{composed}_{i}.png", picture(False, i))
    frames = load_frames(tmp_path, SMALL)
    assert frames.organs == (composed,) == frames.of_organs([apart]).organs and set(frames.clip) == {composed}


def test_frames_that_another_disk_spells_in_another_form(tmp_path: Path) -> None:
    """A folder copied by way of a Mac: frames.csv has the names as they were written, the disk has them decomposed."""
    composed, apart = "schilddr\u00fcse", "schilddru\u0308se"
    write_clip(tmp_path / f"{composed}.mp4", [i >= 5 for i in range(10)])
    rows = [f"{composed}.mp4,{composed},{a},{b},{s}" for a, b, s in ((0, 0.5, "absent"), (0.5, 1, "present"))]
    (tmp_path / "l.csv").write_text("file,organ,start_s,end_s,state\n" + "\n".join(rows), encoding="utf-8")
    extract(matched(tmp_path / f"{composed}.mp4", tmp_path / "l.csv"), tmp_path / "data", ExtractOptions())
    before = load_frames(tmp_path / "data", SMALL)
    for path in sorted((tmp_path / "data/train").rglob("*"), reverse=True):
        path.rename(path.with_name(path.name.replace(composed, apart)))
    after = load_frames(tmp_path / "data", SMALL)
    assert after.organs == (composed,) and after.hash == before.hash and np.array_equal(after.images, before.images)


def test_nearly_black_images_are_warned_of(tmp_path: Path) -> None:
    """12 bits kept in 16, read by their upper half, reach level 15."""
    root = tree(tmp_path, count=4)
    for i in range(3):
        save(root / f"train/node present/clip{i % 2}_{i:04d}.png", picture(True, i) // 17)
    (message,) = load_frames(root, SMALL).messages
    assert message.startswith("3 of 8 images are nearly black, 3 of 4 of node present: if they hold more than 8 bits")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"0.000000", b"soon", "line 2: time_s is 'soon'"),
        (b"node\n", b"node\n\xff\xfe", "frames.csv cannot be read"),
        (b"clip,", b"clip", "lacks the column clip"),
        (b"path,clip", b"file,clip", "lacks the column path"),
        (b"train/node", b"../../node", "leads out of the folder"),
        (b",train,", b",test,", "not train or validation"),
        (b",train,1", b",train,yes", "not 1, 0 or empty"),
    ],
    ids=["time", "encoding", "clip", "column", "path", "split", "label"],
)
def test_a_spoilt_table(extracted: Path, old: bytes, new: bytes, message: str) -> None:
    table = extracted / "frames.csv"
    assert old in table.read_bytes()
    table.write_bytes(table.read_bytes().replace(old, new, 1))
    with pytest.raises(DataError, match=message) as caught:
        load_frames(extracted, SMALL)
    assert "\n" not in str(caught.value)


def test_a_table_alone_or_a_description_alone(extracted: Path) -> None:
    """Without the table the crops would be searched for the region once more, and cropped again."""
    (extracted / "frames.csv").rename(extracted / "away.csv")
    with pytest.raises(DataError, match=r"frames\.csv is missing beside dataset\.json"):
        load_frames(extracted, SMALL)
    (extracted / "away.csv").rename(extracted / "frames.csv")
    (extracted / "dataset.json").unlink()
    with pytest.raises(DataError, match=r"dataset\.json is missing beside frames\.csv"):
        load_frames(extracted, SMALL)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "is damaged"),
        ('{"format": 1, "clips": [], "geometry": {"size": 9}}', "is damaged .*not a stored geometry"),
        ("{", "is damaged"),
        ("{}", "is damaged"),
        ('{"format": 2}', "format 2, this seqcls reads 1"),
    ],
)
def test_a_description_that_is_not_ours(extracted: Path, text: str, message: str) -> None:
    (extracted / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=message):
        load_frames(extracted, SMALL)


def test_frames_keep_their_places_when_organs_share_them(tmp_path: Path) -> None:
    """Merging drops rows; image, label and clip of those that remain must still belong together."""
    for i in range(6):
        image = picture(i % 2 == 0, i)
        for organ, state in (("a", i % 2 == 0), ("b", i < 3)):
            save(tmp_path / f"train/{organ} {'present' if state else 'absent'}/clip{i}_0001.png", image)
    frames = load_frames(tmp_path, Geometry(size=32, region="none"))
    assert len(frames.images) == 6 and frames.mask.all() and frames.organs == ("a", "b")
    whole = Geometry(size=32, region="none")
    for i in range(6):
        (at,) = np.flatnonzero(frames.clip == f"clip{i}")
        assert frames.targets[at].tolist() == [i % 2 == 0, i < 3]
        image = picture(i % 2 == 0, i)
        assert np.array_equal(frames.images[at], whole.apply(image, whole.find([image])))


def test_only_ignored_stretches_from_clips(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", [True] * 5)
    segments = [{"start": 0, "end": 4, "label": -1}]
    (tmp_path / "l.json").write_text(json.dumps({"clips": [{"task": "n", "file": "a.mp4", "segments": segments}]}))
    clips = match_clips(with_patients(read_labels(tmp_path / "l.json"), None), tmp_path, tmp_path / "l.json")
    with pytest.raises(DataError, match="no clip is labelled present or absent"):
        frames_from_clips(clips, SMALL)


def test_three_ways_to_the_same_frames(clips: tuple[Path, Path], tmp_path: Path) -> None:
    extract(matched(*clips), tmp_path / "data", ExtractOptions())
    from_disk = load_frames(tmp_path / "data", SMALL)
    from_clips = frames_from_clips(matched(*clips), SMALL)
    assert np.array_equal(from_disk.images, from_clips.images)
    assert np.array_equal(from_disk.targets, from_clips.targets) and np.array_equal(from_disk.mask, from_clips.mask)
    assert list(from_disk.patient) == list(from_clips.patient) and from_disk.geometry == from_clips.geometry == SMALL
    assert from_disk.images.shape == (114, 32, 32) and from_disk.images.dtype == np.uint8
    assert (
        from_disk.digests == from_clips.digests == {labels.file: clip_digest(str(p)) for p, labels in matched(*clips)}
    )


def folders(root: Path, names: dict[str, int]) -> Path:
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
    frames = load_frames(folders(tmp_path, names), SMALL)
    assert frames.organs == ("thyroid",)
    assert (frames.split == "validation").sum() == 5 and frames.targets.sum() == 9 and frames.mask.all()
    assert set(frames.clip) == {"clip0", "clip1"}


def test_a_tree_without_split_is_all_for_training(tmp_path: Path) -> None:
    frames = load_frames(folders(tmp_path, {"thyroid present": 3, "thyroid absent": 3}), SMALL)
    assert set(frames.split) == {"train"}


def test_one_image_in_two_organs_folders_is_one_frame(tmp_path: Path) -> None:
    root = folders(
        tmp_path,
        {"train/thyroid present": 4, "train/trachea present": 4, "train/thyroid absent": 2, "train/trachea absent": 2},
    )
    frames = load_frames(root, SMALL)
    assert len(frames.images) == 6 and frames.mask.all() and frames.organs == ("thyroid", "trachea")


def test_one_image_in_both_states_is_refused(tmp_path: Path) -> None:
    root = folders(tmp_path, {"train/thyroid present": 2, "train/thyroid absent": 2})
    data = (root / "train/thyroid present/clip0_0000.png").read_bytes()
    (root / "train/thyroid absent/clip0_0000.png").write_bytes(data)
    with pytest.raises(DataError, match="thyroid present and in thyroid absent"):
        load_frames(root, SMALL)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({}, "no frames in a layout"),
        ({"images": 3}, "no frames in a layout"),
        ({"train/thyroid present": 3}, "no training frame shows thyroid absent"),
        ({"train/thyroid present": 3, "train/thyroid absent": 0}, "holds no image"),
        ({"validation/thyroid present": 3, "validation/thyroid absent": 3}, "no training frame shows"),
    ],
    ids=["empty", "other folders", "one class", "empty class", "validation alone"],
)
def test_folders_that_cannot_be_trained_on(tmp_path: Path, names: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_frames(folders(tmp_path, names), SMALL)
    assert "\n" not in str(caught.value)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder at"):
        load_frames(tmp_path / "none", SMALL)


def test_the_hash_follows_content_and_labels(clips: tuple[Path, Path], tmp_path: Path) -> None:
    extract(matched(*clips), tmp_path / "a", ExtractOptions(every=4))
    extract(matched(*clips), tmp_path / "b", ExtractOptions(every=4))
    one = load_frames(tmp_path / "a", SMALL).hash
    assert one == load_frames(tmp_path / "b", SMALL).hash
    table = tmp_path / "b/frames.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(",train,1", ",train,0", 1), encoding="utf-8")
    assert one != load_frames(tmp_path / "b", SMALL).hash


def test_organs_can_be_picked(tmp_path: Path) -> None:
    root = folders(
        tmp_path,
        {"train/thyroid present": 2, "train/thyroid absent": 2, "train/trachea present": 2, "train/trachea absent": 3},
    )
    frames = load_frames(root, SMALL)
    assert frames.of_organs(["trachea"]).targets.shape[1] == 1
    with pytest.raises(DataError, match="no label for spleen: the data know thyroid, trachea"):
        frames.of_organs(["spleen"])


def test_near_duplicates_across_the_split_are_counted(tmp_path: Path) -> None:
    frames = load_frames(
        folders(tmp_path, {"train/n present": 6, "train/n absent": 6, "val/n present": 6, "val/n absent": 6}), SMALL
    )
    assert len(leaked_rows(frames)) == 12
    apart = np.where(frames.split == "validation", "validation", "train")
    turned = np.where((apart == "validation")[:, None, None], frames.images[:, ::-1, ::-1], frames.images)
    assert (
        len(
            leaked_rows(
                FrameSet(
                    **{**{k: getattr(frames, k) for k in frames.__slots__}, "images": np.ascontiguousarray(turned)}
                )
            )
        )
        <= 1
    )


@pytest.mark.real
def test_real_clips_give_the_labelled_frames(real_clips: Path) -> None:
    wanted = [c for c in matched(real_clips, real_clips / "intervals.json") if "pat2Image_134240" in c[1].file]
    frames = frames_from_clips(wanted, Geometry(size=64))
    assert frames.targets.sum() == 93 and len(frames.images) == 93 + 137
    assert not any("labelled up to" in message for message in frames.messages)


def test_deep_images_are_as_bright_as_their_twins(tmp_path: Path) -> None:
    """12 bits stored in 16: one scale for the set."""
    shown = {}
    for factor in (1, 16):
        root = tmp_path / str(factor)
        for present in (True, False):
            for number in range(2):
                image = picture(present, seed=number).astype(np.uint16)
                stored = image.astype(np.uint8) if factor == 1 else image * factor
                save(root / f"train/node {'present' if present else 'absent'}/clip{number}_0001.png", stored)
        shown[factor] = load_frames(root, SMALL).images.astype(int)
    assert abs(shown[16].mean() - shown[1].mean()) < 0.2 * shown[1].mean()


def test_every_kind_of_image_is_read_and_what_is_left_aside_is_counted(tmp_path: Path) -> None:
    from PIL import Image

    root = tree(tmp_path, count=1)
    folder = root / "train" / "node present"
    Image.fromarray(picture(True)).save(folder / "a_0001.webp", lossless=True)
    Image.fromarray(picture(True)).save(folder / "b_0001.jfif", "JPEG")
    Image.fromarray(picture(True)).save(folder / "c_0001", "PNG")
    pages = [Image.fromarray(picture(True))] * 2
    pages[0].save(folder / "d.tif", save_all=True, append_images=pages[1:])
    (folder / "notes.txt").write_text("seen twice")
    (folder / "Thumbs.db").write_bytes(b"x")
    frames = load_frames(root, SMALL)
    assert len(frames.images) == 5
    (message,) = frames.messages
    assert (
        "files of several images: label and extract them as clips (1)" in message
        and "no clip and no image (1: 1 .txt)" in message
    )
