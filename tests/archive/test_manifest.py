"""The clips of a run: their folders, what they hold, which are the same, and what another run is refused for."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from seqcls.archive.manifest import Entry, Manifest, listed, read_manifest, with_earlier, write_manifest
from seqcls.archive.result_key import is_rewritten
from seqcls.errors import OutputError
from seqcls.exports.run_folders import MANIFEST
from seqcls.sources import expand


def manifest_of(folder: Path, before: Manifest | None = None) -> Manifest:
    sources = expand([str(folder)]).sources
    return Manifest(options={"model": "m", "fps": None}, entries=with_earlier(listed(sources, sources, before), before))


def put(folder: Path, *names: str, content: str = "") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content or f"content of {name}")


def folders(manifest: Manifest) -> dict[str, str]:
    return {entry.path: entry.folder for entry in manifest.entries}


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    put(tmp_path / "in", "a.mp4", 'p/ü "b",\u202e.avi')
    made = manifest_of(tmp_path / "in")
    write_manifest(tmp_path, made)
    assert read_manifest(tmp_path) == made and made.run in made.runs
    assert str(tmp_path) not in (tmp_path / MANIFEST).read_text(encoding="utf-8")
    assert read_manifest(tmp_path / "in") is None
    write_manifest(tmp_path, replace(made, entries=()))
    assert read_manifest(tmp_path) == replace(made, entries=())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1, "options": 3}'])
def test_one_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(OutputError, match=r"manifest\.json cannot be read .*overwrite"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "folder", ["../evil", "/tmp/evil", "a/../../evil", ".", "", "a//b", "a\\..\\b", "C:evil", "b", "B", "b/c", "a\0"]
)
def test_one_that_leads_out_of_its_folder_or_into_another_clip_s_is_refused(tmp_path: Path, folder: str) -> None:
    entries = (Entry(path="a.mp4", folder=folder), Entry(path="b.mp4", folder="b"))
    write_manifest(tmp_path, Manifest(options={}, entries=entries))
    with pytest.raises(OutputError, match=r"manifest\.json cannot be read .*folder"):
        read_manifest(tmp_path)


def test_folders_stay_where_they_are_when_clips_are_added_and_none_lies_in_another(tmp_path: Path) -> None:
    put(tmp_path, "b.mp4", "x/c.mp4")
    first = manifest_of(tmp_path)
    assert folders(first) == {"b.mp4": "b", "x/c.mp4": "x/c"}
    put(tmp_path, "b.avi", "B.mkv", "x.mp4", "b/d.mp4", "summary.csv.mp4")
    second = folders(manifest_of(tmp_path, first))
    assert second["b.mp4"] == "b" and second["x/c.mp4"] == "x/c"
    parts = [folder.casefold().split("/") for folder in second.values()]
    for one in parts:
        assert sum(one == other[: len(one)] for other in parts) == 1, second
    assert "summary.csv" not in second.values()


def test_the_same_content_is_run_once_by_whoever_did_so_before(tmp_path: Path) -> None:
    put(tmp_path, "m.mp4", "n.mp4", content="the same")
    first = manifest_of(tmp_path)
    assert [(entry.path, entry.same_as) for entry in first.entries] == [("m.mp4", ""), ("n.mp4", "m.mp4")]
    put(tmp_path, "a.mp4", content="the same")
    second = {entry.path: entry.same_as for entry in manifest_of(tmp_path, first).entries}
    assert second == {"a.mp4": "m.mp4", "m.mp4": "", "n.mp4": "m.mp4"}


def test_clips_that_differ_in_the_middle_alone_are_not_the_same(tmp_path: Path) -> None:
    for number in range(2):
        with (tmp_path / f"{number}.mp4").open("wb") as file:
            file.seek(2 << 20)
            file.write(bytes([number]))
            file.seek(4 << 20)
            file.write(b"end")
    assert {entry.same_as for entry in manifest_of(tmp_path).entries} == {""}


def test_a_clip_is_read_again_only_when_it_was_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.mp4", "b.mp4")
    first = manifest_of(tmp_path)
    read: list[str] = []
    monkeypatch.setattr("seqcls.archive.result_key.content_digest", lambda source: read.append(source.path) or "new")
    put(tmp_path, "b.mp4", content="longer than it was before")
    second = manifest_of(tmp_path, first)
    assert read == ["b.mp4"] and [entry.content for entry in second.entries] == [first.entries[0].content, "new"]


def test_what_a_digest_of_both_ends_does_not_see_is_read_once_the_clip_was_written_to(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(bytes(3 << 20))
    first = manifest_of(tmp_path)
    (entry,) = first.entries
    assert entry.whole == "" and manifest_of(tmp_path, first) == first
    data = bytearray(3 << 20)
    data[3 << 19] = 1
    path.write_bytes(data)
    second = manifest_of(tmp_path, first)
    (now,) = second.entries
    assert now.content == entry.content and now.whole == hashlib.sha256(data).hexdigest() and now.key != entry.key
    assert manifest_of(tmp_path, second) == second

    source = expand([str(tmp_path)]).sources[0]
    assert is_rewritten(source, entry.content, entry.stamp) and not is_rewritten(source, now.content, now.stamp)
    path.chmod(0o600)  # nobody has written
    assert not is_rewritten(source, now.content, now.stamp) and is_rewritten(source, "other", now.stamp)


def test_clips_that_are_not_asked_for_now_stay_listed(tmp_path: Path) -> None:
    put(tmp_path, "a.mp4", "b.mp4")
    first = manifest_of(tmp_path)
    (tmp_path / "a.mp4").unlink()
    assert [entry.path for entry in manifest_of(tmp_path, first).entries] == ["b.mp4", "a.mp4"]


def test_what_differs_is_named_whatever_json_makes_of_it(tmp_path: Path) -> None:
    put(tmp_path, "a.mp4")
    made = manifest_of(tmp_path)
    assert made.differences({"fps": None, "model": "m"}) == []
    assert made.differences({"fps": 3.0, "model": "m"}) == ["fps"]
    assert made.differences({"model": "m", "region": (1, 2)}) == ["region"]
    assert replace(made, options={"region": [1, 2]}).differences({"region": (1, 2)}) == []
