"""Files appear whole or not at all, and folders are tried before the work."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from seqcls.errors import OutputError
from seqcls.files import (
    atomic_path,
    file_identity,
    find_same_name,
    matching,
    nfc,
    on_disk,
    prove_writable,
    require_writable,
    same_name,
    write_csv,
)


def test_atomic_path_leaves_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["x.csv"]


def test_a_folder_that_cannot_be_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another"):
        require_writable(tmp_path / "file" / "below")


def test_proving_a_folder_leaves_nothing_behind_and_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    prove_writable(tmp_path / "old" / "a" / "b")
    prove_writable(tmp_path / "old")
    assert [p.name for p in tmp_path.rglob("*")] == ["old"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another"):
        prove_writable(tmp_path / "file" / "below")


def test_an_umlaut_of_one_or_of_two_characters_is_the_same_name(tmp_path: Path) -> None:
    composed, apart = "Schilddr\u00fcse", "Schilddru\u0308se"
    assert nfc(apart) == composed and same_name(apart, composed) and not same_name(composed, "Schilddruse")
    (tmp_path / apart / "P1").mkdir(parents=True)
    found = find_same_name(tmp_path, PurePath(composed, "P1"))
    assert found is not None and found.samefile(tmp_path / apart / "P1")
    assert find_same_name(tmp_path, PurePath(composed, "P2")) is None
    assert find_same_name(tmp_path / "none", PurePath(composed)) is None
    assert find_same_name(tmp_path, PurePath("x" * 5000)) is None


def test_a_path_in_either_form_leads_to_what_the_disk_holds(tmp_path: Path) -> None:
    composed, apart = "Schilddr\u00fcse", "Schilddru\u0308se"
    for there, asked in ((apart, composed), (composed, apart)):
        base = tmp_path / there.encode("unicode_escape").hex()
        (base / there).mkdir(parents=True)
        clip = base / there / f"{there}.mp4"
        clip.write_text("")
        assert on_disk(base / asked / f"{asked}.mp4") == clip
        assert on_disk(base / asked / "new.mp4") == base / there / "new.mp4", "what is not there stays"
        assert on_disk(f"{asked}.mp4", base / there) == clip
        for pattern in (f"{asked}/*.mp4", f"{asked}/{asked[:-2]}*", f"**/{asked}.mp4"):
            assert matching(str(base / pattern)) == [str(clip)]
    assert matching(str(tmp_path / "none*")) == []
    assert on_disk("nowhere \u00fc/x") == Path("nowhere \u00fc/x")


def test_patterns_go_into_no_link_that_leads_back(tmp_path: Path) -> None:
    (tmp_path / "deep/.hidden").mkdir(parents=True)
    for name in ("a.mp4", "deep/b.mp4", "deep/.hidden/c.mp4", "deep/.d.mp4", "note.txt"):
        (tmp_path / name).write_text("")
    try:
        for name in ("self", "again", "deep/up"):
            (tmp_path / name).symlink_to(tmp_path)
    except OSError:
        pytest.skip("no links here")

    def found(pattern: str) -> list[str]:
        return sorted(Path(path).relative_to(tmp_path).as_posix() for path in matching(str(tmp_path / pattern)))

    assert found("**/*.mp4") == found("**/**/*.mp4") == ["a.mp4", "deep/b.mp4"]
    assert found("*/*.mp4") == ["again/a.mp4", "deep/b.mp4", "self/a.mp4"]  # a link that the pattern asks for itself
    assert found("deep/**") == ["deep", "deep/b.mp4", "deep/up"]
    assert found("deep/.*") == ["deep/.d.mp4", "deep/.hidden"] and found("**/deep/[!a]*.mp4") == ["deep/b.mp4"]
    assert found("*.mp4/x") == found("none/**/x") == []


def test_links_of_either_kind_are_one_file(tmp_path: Path) -> None:
    clip, other = tmp_path / "clip.mp4", tmp_path / "other.mp4"
    clip.write_text("x")
    other.write_text("x")
    try:
        (tmp_path / "soft.mp4").symlink_to(clip)
        (tmp_path / "hard.mp4").hardlink_to(clip)
    except OSError:
        pytest.skip("no links here")
    assert file_identity(tmp_path / "soft.mp4") == file_identity(tmp_path / "hard.mp4") == file_identity(clip)
    assert file_identity(other) != file_identity(clip)
    assert file_identity(tmp_path / "none") == str(tmp_path / "none")


def test_a_table_is_written_with_what_needs_quotes_in_quotes(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", [("clip", "time"), ('a, "b"', 0.5), ("", None)])
    assert (tmp_path / "t.csv").read_bytes() == b'clip,time\n"a, ""b""",0.5\n,\n'
