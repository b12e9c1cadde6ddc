"""--hash-names: the secret word stands in every part of every path, and in no output."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from support.commands import Seqcls, bright_clip
from support.dicom_files import tiny, ultrasound
from support.drawn import labelled_folder
from support.timelines import timeline

from seqcls.cli import options
from seqcls.cli.training_data import known_clips
from seqcls.errors import DataError
from seqcls.exports import write_run
from seqcls.pseudonyms import Pseudonyms

KEY = b"0123456789abcdef0123456789ABCDEF"
NAMES = Pseudonyms(KEY)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(KEY)
    path.chmod(0o600)
    return path


def written(folder: Path) -> str:
    """All names and contents of what lies below a folder, as text."""
    files = [path for path in folder.rglob("*")]
    texts = [path.read_bytes().decode("utf-8", "replace") for path in files if path.is_file()]
    return "\n".join([*(path.relative_to(folder).as_posix() for path in files), *texts])


def secret_clips(folder: Path) -> Path:
    """Clips of two patients, one of them damaged, and one that cannot be opened."""
    for patient in ("SECRET Jane", "SECRET Roe"):
        bright_clip(folder / patient / "SECRET scan.mp4", [False] * 4 + [True] * 6)
    whole = (folder / "SECRET Roe" / "SECRET scan.mp4").read_bytes()
    (folder / "SECRET Roe" / "SECRET cut.mp4").write_bytes(whole[: len(whole) // 2])
    tiny(folder / "SECRET Roe" / "SECRET.dcm", ultrasound())
    return folder


def test_a_batch_names_nobody(seqcls: Seqcls, model: str, key: Path, tmp_path: Path) -> None:
    clips = secret_clips(tmp_path / "SECRET archive")
    done = seqcls("run", clips, "-m", model, "-o", "out", "--hash-names", key)
    assert done.code in (1, 3)
    assert "SECRET" not in done.out + done.err + written(tmp_path / "out")
    path = f"{NAMES.of('SECRET Jane')}/{NAMES.of('SECRET scan')}"
    body = json.loads((tmp_path / "out" / path / "timeline.json").read_text())
    assert body["source"]["path"] == f"{path}.mp4" and body["source"]["name"] == f"{NAMES.of('SECRET scan')}.mp4"
    assert f"{path}.mp4" in (tmp_path / "out" / "intervals.csv").read_text() and f"{path}.mp4" in done.out
    assert NAMES.of("SECRET cut") in done.err, "what failed is told by its pseudonym"


def test_one_clip_is_named_by_its_pseudonym_and_the_environment_may_say_so(
    seqcls: Seqcls, model: str, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bright_clip(tmp_path / "SECRET" / "SECRET.mp4", [True] * 6)
    monkeypatch.setenv("SEQCLS_HASH_NAMES", str(key))
    done = seqcls("run", "SECRET/SECRET.mp4", "-m", model)
    assert done.code == 0 and "SECRET" not in done.out + done.err
    assert "SECRET" not in written(tmp_path / f"{NAMES.of('SECRET')}-timeline")
    monkeypatch.setenv("SEQCLS_HASH_NAMES", "none")
    assert "no such key" in seqcls("run", "SECRET/SECRET.mp4", "-m", model).err
    monkeypatch.delenv("SEQCLS_HASH_NAMES")
    assert "SECRET" in seqcls("run", "SECRET/SECRET.mp4", "-m", model, "-o", "plain").out, "the next one is not hidden"


def test_images_one_by_one(seqcls: Seqcls, model: str, key: Path, tmp_path: Path) -> None:
    (tmp_path / "SECRET").mkdir()
    for name, size in (("SECRET a.png", 64), ("SECRET b.png", 96)):
        cv2.imwrite(str(tmp_path / "SECRET" / name), ultrasound(1, size, size)[0])
    (tmp_path / "SECRET" / "SECRET c.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    done = seqcls("run", "SECRET", "-m", model, "-o", "out", "--hash-names", key)
    assert "SECRET" not in done.out + done.err + written(tmp_path / "out")
    assert f"{NAMES.of('SECRET a')}.png" in (tmp_path / "out" / "pictures.csv").read_text()


def test_a_live_run_names_nobody_in_its_journal(seqcls: Seqcls, model: str, key: Path, tmp_path: Path) -> None:
    bright_clip(tmp_path / "SECRET" / "SECRET.mp4", [True] * 8)
    live = ("run", "SECRET/SECRET.mp4", "-m", model, "-o", "out", "--realtime", "--keep", "every", "--hash-names", key)
    done = seqcls(*live)
    assert done.code == 0 and "SECRET" not in done.out + done.err + written(tmp_path / "out")
    assert f"{NAMES.of('SECRET')}.mp4" in (tmp_path / "out" / "run.journal").read_text()


@pytest.mark.parametrize("wrong", ["SECRET none.mp4", "SECRET/SECRET.txt", "rtsp://u:SECRET@h/1"])
def test_errors_name_nobody(wrong: str, seqcls: Seqcls, model: str, key: Path, tmp_path: Path) -> None:
    (tmp_path / "SECRET").mkdir()
    (tmp_path / "SECRET" / "SECRET.txt").write_text("no clip")
    done = seqcls("run", wrong, "-m", model, "--hash-names", key, "--each")
    assert done.code in (1, 2) and "SECRET" not in done.out + done.err


def test_a_contact_sheet_is_named_by_the_pseudonym(
    seqcls: Seqcls, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles = []
    monkeypatch.setattr(
        "seqcls.rendering.contact_sheet.write_sheet", lambda _, __, title, path, **___: titles.append(title)
    )
    bright_clip(tmp_path / "SECRET" / "SECRET.mp4", [True] * 3)
    done = seqcls("inspect", "SECRET/SECRET.mp4", "--hash-names", key)
    assert "SECRET" not in done.out + done.err and titles == [f"{NAMES.of('SECRET')}.mp4"]
    assert f"wrote {NAMES.of('SECRET')}-sheet.png" in done.err


def secret_labels(folder: Path) -> tuple[Path, Path]:
    clips, labels = labelled_folder(folder, clips=2)
    for clip in sorted(clips.glob("*.mp4")):
        clip.rename(clip.with_name(clip.name.replace("neck", "SECRET neck")))
    rows = [line.replace("neck", "SECRET neck", 1) for line in labels.read_text().splitlines()]
    labels.write_text("\n".join([rows[0].replace("SECRET ", ""), *rows[1:]]) + "\n")
    return clips, labels


def test_frames_for_training_name_nobody_and_labels_may_be_by_pseudonym(
    seqcls: Seqcls, key: Path, tmp_path: Path
) -> None:
    clips, labels = secret_labels(tmp_path)
    done = seqcls("extract", clips, "--labels", labels, "-o", "data", "--hash-names", key, "--every", "8")
    assert done.code == 0, done.err
    assert "SECRET" not in done.out + done.err + written(tmp_path / "data")
    hashed = labels.with_name("hashed.csv")
    text = labels.read_text()
    for clip in clips.glob("*.mp4"):
        text = text.replace(clip.name, NAMES.file(clip.name))
    hashed.write_text(text)
    assert "SECRET" not in text
    again = seqcls("extract", clips, "--labels", hashed, "-o", "again", "--hash-names", key, "--every", "8")
    assert again.code == 0 and again.out == done.out
    assert (tmp_path / "again" / "frames.csv").read_text() == (tmp_path / "data" / "frames.csv").read_text()
    ghost = seqcls("extract", clips, "--labels", hashed, "-o", "third")
    assert ghost.code == 1, "without the key nobody knows which clip is meant"


def test_what_is_made_of_a_finished_run_can_name_nobody(seqcls: Seqcls, key: Path, tmp_path: Path) -> None:
    given = timeline(node="PP?..")
    source = replace(given.source, name="SECRET.mp4", path="SECRET Jane/SECRET.mp4", kind="file")
    write_run(replace(given, source=source, warnings=("SECRET.mp4 is cut",)), tmp_path / "out")
    done = seqcls("replay", "out", "-o", "again", "--hash-names", key)
    assert done.code == 0 and "SECRET" not in done.out + done.err + written(tmp_path / "again")
    path = f"{NAMES.of('SECRET Jane')}/{NAMES.of('SECRET')}.mp4"
    assert json.loads((tmp_path / "again" / "timeline.json").read_text())["source"]["path"] == path
    assert seqcls("export", "out", "-o", "e.csv", "--hash-names", key).code == 0
    assert "SECRET" not in (tmp_path / "e.csv").read_text() and path in (tmp_path / "e.csv").read_text()
    assert seqcls("export", "again", "-o", "f.csv", "--hash-names", key).code == 0
    assert (tmp_path / "f.csv").read_text() == (tmp_path / "e.csv").read_text(), "doing it twice changes nothing"


def test_folders_and_links_made_of_many_runs_name_nobody(seqcls: Seqcls, key: Path, tmp_path: Path) -> None:
    given = timeline(node="PP?..")
    for name in ("SECRET Jane/SECRET 1", "SECRET Jane/SECRET 2"):
        source = replace(given.source, name=f"{name[12:]}.mp4", path=f"{name}.mp4", kind="file")
        write_run(replace(given, source=source), tmp_path / "out" / name)
    (tmp_path / "out" / "SECRET Jane" / "SECRET 2" / "scores.csv").write_text("nothing\n")
    hidden = f"{NAMES.of('SECRET Jane')}/{NAMES.of('SECRET 1')}"
    for command, made in (
        (("export", "out", "--to", "vtt", "-o", "exported"), "timeline.vtt"),
        (("replay", "out", "-o", "again"), "timeline.json"),
        (("report", "out", "-o", "pages/report.html"), "report.html"),
    ):
        done = seqcls(*command, "--hash-names", key)
        target = tmp_path / command[-1].removesuffix("/report.html")
        assert done.code == 1 and "SECRET" not in done.out + done.err + written(target), done.err
        assert (target / hidden / made).is_file()
    page = (tmp_path / "pages" / "report.html").read_text(encoding="utf-8")
    assert f'"link":"{hidden}/report.html"' in page and page.count('"failed":"') == 2
    for arguments in (("export", "out"), ("report", "out")):
        refused = seqcls(*arguments, "--hash-names", key)
        assert refused.code == 2 and "have the names of clips: name another place with -o" in refused.err


def test_training_from_clips_takes_the_key_from_the_environment(key: Path, tmp_path: Path) -> None:
    clips, labels = secret_labels(tmp_path)
    found = known_clips(clips, labels, None, None, options.pseudonyms(key, [clips]))
    assert found is not None and all(path.name.startswith("SECRET neck") for path, _ in found)
    assert [clip.file for _, clip in found] == [NAMES.file(path.name) for path, _ in found]


def test_training_takes_no_clip_outside_of_the_folder(tmp_path: Path) -> None:
    clips, labels = secret_labels(tmp_path)
    labels.write_text(labels.read_text().replace("SECRET neck", "../SECRET neck"))
    for clip in clips.glob("*.mp4"):
        clip.rename(clips.parent / clip.name)
    with pytest.raises(DataError, match=r"lies outside of .*or allow it: outside=True"):
        known_clips(clips, labels, None, None)
