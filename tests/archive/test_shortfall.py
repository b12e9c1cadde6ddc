"""Which clips of a run have no timeline, and which have changed since: of one folder, and of the parts of a run."""

from __future__ import annotations

from pathlib import Path

from seqcls.archive.manifest import Entry, Manifest, write_manifest
from seqcls.archive.shard import Shard
from seqcls.archive.shortfall import Missing, shortfall
from seqcls.exports.run_folders import runs_in

NOT_YET = ("interrupted", "not done yet: the same command does it")


def put(root: Path, manifest: Manifest, *done: str) -> None:
    for name in done:
        (root / name).mkdir(parents=True)
        (root / name / "timeline.json").touch()
        (root / name / "clip.json").touch()
    root.mkdir(exist_ok=True)
    write_manifest(root, manifest)


def test_a_part_misses_its_own_clips_alone(tmp_path: Path) -> None:
    paths = [f"{name}.mp4" for name in "abcdefgh"]
    entries = tuple(Entry(path=path, folder=path[0], content=path) for path in paths)
    for number in (1, 2):
        part = Shard(number, 2)
        mine = [path[0] for path in paths if part.takes(path)]
        assert 1 < len(mine) < 8
        put(tmp_path / str(number), Manifest(options={}, part=str(part), entries=entries), *mine[1:])
    found = shortfall(tmp_path, runs_in(tmp_path))
    first = [next(path for path in paths if Shard(number, 2).takes(path)) for number in (1, 2)]
    assert found.missing == tuple(Missing(path, *NOT_YET) for path in first) and not found.changed
    assert str(found) == "2 clips without a timeline (2 not done)"
    whole = shortfall(tmp_path / "1", runs_in(tmp_path / "1"))
    assert [one.path for one in whole.missing] == first[:1] and whole.missing[0].why.startswith("interrupted: not done")


def test_images_one_by_one_and_what_stands_for_others_miss_nothing(tmp_path: Path) -> None:
    entries = (
        Entry(path="a", folder="a", content="a"),
        Entry(path="b.mp4", folder="b", content="b", same_as="c.mp4"),
        Entry(path="c.mp4", folder="c", content="b"),
    )
    put(tmp_path, Manifest(options={}, entries=entries), "c")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "pictures.csv").touch()
    assert str(shortfall(tmp_path, runs_in(tmp_path))) == ""
    (tmp_path / "attempts.jsonl").write_text(
        '{"event":"failed","path":"c.mp4","content":"b","run":"","reason":"c.mp4: no video"}\n'
    )
    (tmp_path / "c" / "timeline.json").unlink()
    found = shortfall(tmp_path, runs_in(tmp_path))
    assert found.missing == (Missing("c.mp4", "failed", "c.mp4: no video"),)
    (tmp_path / "manifest.json").write_text("{")
    assert str(shortfall(tmp_path, [])) == "", "of one that cannot be read nothing is known"
