"""`seqcls proxy`: where its files go, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commands import Seqcls, one_line
from support.encoded import write_video
from support.screens import screen

from seqcls.pseudonyms import Pseudonyms
from seqcls.timemap import TimeMap

KEY = b"0123456789abcdef0123456789ABCDEF"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    (folder / "Doe Jane").mkdir()
    images = screen("convex", ("text",), frames=12).images
    write_video(folder / "Doe Jane" / "SCAN 1.avi", images, bits=8_000_000)
    (folder / "broken Roe.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    return folder


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_one_clip_gets_a_folder_or_a_file(seqcls: Seqcls, clips: Path, tmp_path: Path) -> None:
    clip = clips / "Doe Jane" / "SCAN 1.avi"
    done = seqcls("proxy", clip)
    assert done.code == 0 and files_in(tmp_path) == ["SCAN 1-proxy/proxy.mp4", "SCAN 1-proxy/timemap.csv"]
    assert done.out.startswith("proxy.mp4: 12 frames at 10/s, ")
    assert TimeMap.read(tmp_path / "SCAN 1-proxy" / "timemap.csv").rate == 10
    again = seqcls("proxy", clip)
    assert again.code == 1 and "add --overwrite" in one_line(again)
    assert seqcls("proxy", clip, "--overwrite", "-o", "SCAN 1-proxy").code == 0
    assert seqcls("proxy", clip, "-o", "other/mine.mp4").code == 0
    assert files_in(tmp_path / "other") == ["mine.mp4", "timemap.csv"]
    replaced = seqcls("proxy", tmp_path / "other" / "mine.mp4", "-o", "other/mine.mp4", "--overwrite")
    assert replaced.code == 2 and "is the clip itself" in one_line(replaced)


def test_of_several_each_has_a_folder_and_a_broken_one_stops_none(seqcls: Seqcls, clips: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "key").chmod(0o600)
    done = seqcls("proxy", clips, "-o", "out", "--hash-names", "key")
    names = Pseudonyms(KEY)
    own = f"{names.of('Doe Jane')}/{names.of('SCAN 1')}"
    assert done.code == 1 and files_in(tmp_path / "out") == [f"{own}/proxy.mp4", f"{own}/timemap.csv"]
    assert "1 of 2 done, 1 failed" in done.err and not any(
        word in done.out + done.err for word in ("Doe", "Roe", "SCAN")
    )
    clip = clips / "Doe Jane" / "SCAN 1.avi"
    missing = seqcls("proxy", clip, "Gone Roe.mp4", "-o", "one", "--hash-names", "key")
    assert missing.code == 1 and "1 of 2 done, 1 failed" in missing.err and "Roe" not in missing.err
    assert one_line(missing).endswith(": no such file or folder; check the name")
    one = seqcls("proxy", clips, "-o", "one.mp4")
    assert one.code == 2 and "is one file, and there are 2 clips" in one_line(one)
