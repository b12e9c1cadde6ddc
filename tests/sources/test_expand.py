"""What people type, turned into sources: by the bytes of the files, with nothing left aside unseen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image
from support.clips import stills
from support.dicom_files import PATIENT, native, without_image
from support.media import draw

from seqcls.errors import SourceError
from seqcls.sources import expand, open_found, open_source
from seqcls.sources.found import FoundSource, output_folders

#: The first bytes of an MP4, a Matroska file, a PNG.
MP4, MKV, PNG = b"\0\0\0\x18ftypisom", b"\x1a\x45\xdf\xa3", b"\x89PNG\r\n\x1a\n"

MADE = "pictures and clips that seqcls made"


def touch(path: Path, head: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + bytes(64))
    return path


def specs(*asked: str | Path, **options: bool) -> list[str]:
    return [source.spec for source in expand([str(one) for one in asked], **options).sources]


def paths(*asked: str | Path, **options: bool) -> list[str]:
    return [source.path for source in expand([str(one) for one in asked], **options).sources]


def test_a_folder_stands_for_its_clips_in_natural_order(tmp_path: Path) -> None:
    for name in ("b/clip 10.mp4", "b/clip 2.MP4", "a.mpeg", "c/d/e.dcm", "c/notes.txt", ".hidden.mp4", "c/.git/x.mp4"):
        touch(tmp_path / name)
    stills(tmp_path / "stills", ["1.png", "2.png"])
    (tmp_path / "c" / "IM0001").write_bytes(bytes(128) + b"DICM" + bytes(20))
    assert paths(tmp_path) == ["a.mpeg", "b/clip 2.MP4", "b/clip 10.mp4", "c/d/e.dcm", "c/IM0001", "stills"]
    aside = str(expand([str(tmp_path)]).aside)
    assert aside == "left aside: hidden files (1), hidden folders (1), no clip and no image (1: 1 .txt)"


@pytest.mark.parametrize("pattern", ["", "*", "**/*"], ids=["folder", "glob", "recursive"])
def test_the_bytes_decide_whatever_the_suffix(pattern: str, tmp_path: Path) -> None:
    for name, head in (
        ("clip.txt", MP4),
        ("scan", MKV),
        ("1.2.840.113619.2.55.3", MP4),
        ("US.IMA", bytes(128) + b"DICM"),
    ):
        touch(tmp_path / name, head)
    touch(tmp_path / "readme", b"text")
    found = expand([str(tmp_path / pattern) if pattern else str(tmp_path)])
    assert [source.path for source in found.sources] == ["1.2.840.113619.2.55.3", "clip.txt", "scan", "US.IMA"]
    assert str(found.aside) == "left aside: no clip and no image (1: 1 without suffix)"
    assert output_folders(found.sources) == ["1.2.840.113619.2.55.3", "clip.txt", "scan", "US"]


def test_what_nobody_misses_is_left_aside_without_a_word(tmp_path: Path) -> None:
    clip = touch(tmp_path / "clip.mp4", MP4)
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._clip.mp4", "__MACOSX/._clip.mp4", "__MACOSX/x.mp4"):
        touch(tmp_path / name)
    found = expand([str(tmp_path)])
    assert [source.spec for source in found.sources] == [str(clip)] and str(found.aside) == ""
    # A shell that puts in the names for a pattern means the same.
    named = [str(tmp_path / name) for name in ("Thumbs.db", "._clip.mp4", "clip.mp4")]
    assert specs(*named) == [str(clip)]


def test_dicom_without_an_image_is_counted_and_a_dicomdir_stands_for_its_disc(tmp_path: Path) -> None:
    (tmp_path / "IMAGES").mkdir()
    cine = native(tmp_path / "IMAGES" / "IM1")
    without_image(tmp_path / "report.dcm", "1.2.840.10008.5.1.4.1.1.88.33")
    without_image(tmp_path / "DICOMDIR", "1.2.840.10008.1.3.10")
    for spec in (tmp_path, tmp_path / "*", tmp_path / "DICOMDIR"):
        found = expand([str(spec)])
        assert [source.spec for source in found.sources] == [str(cine)]
        assert str(found.aside) == "left aside: DICOM without an image (1), DICOMDIR (1)"
    assert specs(cine, tmp_path / "report.dcm", tmp_path / "DICOMDIR") == [str(cine)]
    assert specs(tmp_path / "report.dcm") == [str(tmp_path / "report.dcm")], "named alone, it is refused in words"


def test_links_do_not_lead_in_circles(tmp_path: Path) -> None:
    clip = touch(tmp_path / "a" / "clip.mp4", MP4)
    try:
        (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "a" / "gone.mp4").symlink_to(tmp_path / "nothing.mp4")
        (tmp_path / "a" / "same.mp4").symlink_to(clip)
    except OSError:
        pytest.skip("no links here")
    found = expand([str(tmp_path)])
    assert [source.path for source in found.sources] == ["a/clip.mp4"]
    assert str(found.aside) == (
        "left aside: further names of clips that are read already (1), links that lead nowhere (1), links to folders,"
        " which may lead back (1)"
    )


def test_a_clip_that_is_reached_twice_is_one_clip_and_counted(tmp_path: Path) -> None:
    clip = touch(tmp_path / "P02" / "clip.mp4", MP4)
    other = touch(tmp_path / "P02" / "other.mp4", MP4)
    pictures = stills(tmp_path / "pictures", ["liver.png", "spleen.png"])
    (tmp_path / "P01").mkdir()
    soft, hard = tmp_path / "P01" / "soft.mp4", tmp_path / "P02" / "hard.mp4"
    try:
        soft.symlink_to(clip)
        hard.hardlink_to(clip)
    except OSError:
        pytest.skip("no links here")
    for asked in (
        [tmp_path / "P01", tmp_path / "P02"],
        [tmp_path / "P02", clip, other],
        [tmp_path / "P02" / "*.mp4", tmp_path / "**" / "c*.mp4"],
        [soft, clip, other],
    ):
        found = expand([str(one) for one in asked])
        assert [Path(source.spec).name for source in found.sources] == ["clip.mp4", "other.mp4"], asked
        assert "further names of clips that are read already" in str(found.aside)
    assert specs(pictures, pictures / "*.png", pictures / "liver.png") == [str(pictures)]
    assert specs(soft) == [str(soft)]


def test_a_name_is_found_in_either_form_of_an_umlaut(tmp_path: Path) -> None:
    composed, apart = "Sch\u00fc", "Schu\u0308"
    clip = touch(tmp_path / apart / f"{apart}1.mp4", MP4)
    images = stills(tmp_path / apart / "images", [f"{apart}1.png", f"{apart}2.png"])
    for asked in (composed, f"{composed}/{composed}1.mp4", f"{composed}/*.mp4", f"*/{composed}?.mp4"):
        assert str(clip) in specs(tmp_path / asked), asked
    assert specs(tmp_path / composed / "images") == [str(images)]
    for pattern in ("*.png", f"{composed}*.png", f"{composed}%d.png"):
        (found,) = expand([str(tmp_path / composed / "images" / pattern)]).sources
        for opened in (open_found(found), open_source(tmp_path / composed / "images" / pattern)):
            with opened as source:
                assert len(list(source)) == 2, pattern


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a.mp4", MP4)
    (tmp_path / "locked").mkdir()
    listed = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = expand([str(tmp_path)])
    assert [(source.path, bool(source.fault)) for source in found.sources] == [("a.mp4", False), ("locked", True)]
    with pytest.raises(SourceError, match=r"locked: cannot be listed.*permissions"):
        open_found(found.sources[1])
    with pytest.raises(SourceError, match="locked: cannot be listed"):
        expand([str(tmp_path / "locked")])


def test_images_beside_clips_are_counted_and_stacks_are_clips(tmp_path: Path) -> None:
    touch(tmp_path / "films" / "clip.mp4", MP4)
    stills(tmp_path / "films", ["preview1.png", "preview2.png"])
    stills(tmp_path / "pages", ["1.tif", "2.tif"])
    pages = [Image.fromarray(draw(k)) for k in range(3)]
    pages[0].save(tmp_path / "pages" / "stack.tif", save_all=True, append_images=pages[1:])
    found = expand([str(tmp_path)])
    assert [source.path for source in found.sources] == ["films/clip.mp4", "pages", "pages/stack.tif"]
    assert str(found.aside) == "left aside: images beside clips (2)"
    sequence = found.sources[1]
    with open_found(sequence, rate_hz=5) as source:
        assert len(list(source)) == 2 and source.info.path == "pages"


def test_the_picture_of_a_result_is_no_clip(tmp_path: Path) -> None:
    clip = touch(tmp_path / "clip.mp4", MP4)
    stills(tmp_path / "clip-timeline", ["timeline.png"])
    touch(tmp_path / "clip-timeline" / "timeline.json")
    assert specs(tmp_path) == [str(clip)] and str(expand([str(tmp_path)]).aside) == f"left aside: {MADE} (1)"
    with pytest.raises(SourceError, match="holds no clip"):
        expand([str(tmp_path / "clip-timeline")])


def test_what_seqcls_made_is_no_clip_wherever_it_lies_unless_it_is_named(tmp_path: Path) -> None:
    clip = touch(tmp_path / "a.mp4", MP4)
    results = tmp_path / "results" / "a"
    made = ["overlay.mp4", "cuts/thyroid-00-00-01.240.mp4", "clips/neck-100-00-01.000-2.mp4", "timeline.picture.dcm"]
    for name in (*made, "proxy/proxy.mp4"):
        touch(results / name, MP4)
    for folder, names in (
        (".", ["timeline.png", "thumbnail.jpg"]),
        ("cuts", ["thyroid-00-00-01.240-sheet.png"]),
        ("snapshots", ["snapshot-00-00-01.240.png"]),
        ("model", ["learning-curves.png"]),
        ("evaluation", ["roc.png", "reliability.png"]),
        ("data/train/thyroid present", ["a_000001.png", "a_000002.png"]),
    ):
        stills(results / folder, names)
    tables = ("timeline.json", "proxy/timemap.csv", "model/history.json", "evaluation/evaluation.json")
    for name in (*tables, "data/frames.csv", "data/dataset.json"):
        touch(results / name)
    for asked in (tmp_path, tmp_path / "**" / "*.mp4", tmp_path / "*"):
        assert specs(asked) == [str(clip)], asked
    assert str(expand([str(tmp_path)]).aside) == (
        f"left aside: folders of frames that `extract` wrote (1), {MADE} (12), no clip and no image (5: 3 .json, 2 .csv)"
    )
    cut = str(results / "cuts" / "thyroid-00-00-01.240.mp4")
    for named in (cut, results / "cuts", results / "cuts" / "*.mp4", tmp_path / "results" / "*" / "cuts"):
        assert specs(named) == [cut], named
    assert specs(tmp_path / "results" / "*" / "overlay.mp4") == [str(results / "overlay.mp4")]


def test_what_a_person_puts_into_the_folder_of_a_run_is_an_input(tmp_path: Path) -> None:
    images = stills(tmp_path / "sweep", ["f1.png", "f2.png", "timeline.png"])
    mine = [touch(tmp_path / name, MP4) for name in ("clips/mine.mp4", "cuts/thyroid-00-00-01.240.mp4", "other.mp4")]
    touch(images / "timeline.json")
    (found,) = expand([str(images)]).sources
    assert [path.name for path in found.images] == ["f1.png", "f2.png"] and not found.unrelated
    with open_source(images) as source:
        assert len(list(source)) == 2
    assert specs(tmp_path) == [*map(str, mine), str(images)]
    touch(tmp_path / "timeline.json")
    assert specs(tmp_path) == [str(mine[0]), str(mine[2]), str(images)]


def test_one_link_that_leads_to_itself_costs_nothing_else(tmp_path: Path) -> None:
    for name in ("a.mp4", "x.mp4", "z/b.mp4"):
        touch(tmp_path / name, MP4)
    (tmp_path / "x.mp4").unlink()
    try:
        (tmp_path / "x.mp4").symlink_to("x.mp4")
    except OSError:
        pytest.skip("no links here")
    for asked in (tmp_path, tmp_path / "*", tmp_path / "**" / "*.mp4"):
        found = expand([str(asked)])
        assert [source.path for source in found.sources] == ["a.mp4", "z/b.mp4"], asked
        assert str(found.aside) == "left aside: links that lead nowhere (1)"


def test_a_folder_that_may_be_listed_but_not_entered_costs_its_own_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.mp4", "locked/b.mp4", "locked/IM0001", "locked/notes.txt"):  # without suffix it may be DICOM
        touch(tmp_path / name, MP4)
    (tmp_path / "l.txt").write_text("locked/b.mp4\na.mp4\n")
    status = os.stat

    def stat(path: str, **given: bool) -> os.stat_result:
        if "locked" in Path(path).parts[:-1]:
            raise PermissionError(13, "Permission denied", str(path))
        return status(path, **given)

    def opened(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr("seqcls.sources.sniff.open_regular", opened)
    for asked in (".", "**/*", "@l.txt"):
        found = expand([asked])
        in_folder = ["a.mp4", "locked/b.mp4", "locked/IM0001"]
        assert [source.path for source in found.sources] == (["b.mp4", "a.mp4"] if asked[0] == "@" else in_folder), (
            asked
        )
        with pytest.raises(SourceError, match=r"b\.mp4: cannot be looked at"):
            [open_found(source) for source in found.sources if source.path.endswith("b.mp4")]


def test_folders_that_cannot_be_listed_or_vanish_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/a.mp4", "gone/b.mp4", "locked/c.mp4"):
        touch(tmp_path / name, MP4)
    listed = os.scandir

    def scandir(path: Path) -> object:
        errors = {"gone": FileNotFoundError(2, "No such file"), "locked": PermissionError(13, "Permission denied")}
        if path.name in errors:
            raise errors[path.name]
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = expand([str(tmp_path)])
    assert [source.path for source in found.sources] == ["a/a.mp4", "locked"]
    assert str(found.aside) == "left aside: folders that vanished (1)"
    for pattern in ("*/*.mp4", "**/*.mp4"):
        (fault,) = filter(None, (source.fault for source in expand([str(tmp_path / pattern)]).sources))
        assert "locked: cannot be listed (Permission denied)" in fault
    with pytest.raises(SourceError, match=r"^[^(]*locked: cannot be listed"):
        expand([str(tmp_path / "locked" / "*.mp4")])


def test_a_place_for_clips_may_grow_and_a_clip_may_not(tmp_path: Path) -> None:
    clip = touch(tmp_path / "one" / "a.mp4", MP4)
    stills(tmp_path / "deep" / "sweep", ["f1.png", "f2.png"])
    (tmp_path / "l.txt").write_text(f"{clip}\n")
    places = ["one", "one/*.mp4", "**/a.mp4", "@l.txt", "deep", "*/sweep", "deep/*/f*.png"]
    clips = [
        "one/a.mp4",
        "deep/sweep",
        "deep/sweep/*.png",
        "deep/sweep/f1.png",
        "deep/sweep/f%d.png",
        "deep/sweep/*1.png",
    ]
    for asked, may_grow in (*((one, True) for one in places), *((one, False) for one in clips)):
        spec = f"@{tmp_path / 'l.txt'}" if asked == "@l.txt" else str(tmp_path / asked)
        found = expand([spec])
        assert (len(found.sources), found.may_grow) == (1, may_grow), asked


def test_globs_are_expanded_here(tmp_path: Path) -> None:
    for name in ("x10.mp4", "x9.mp4", "y.avi", "x.txt", "sub/x1.mp4"):
        touch(tmp_path / name)
    assert specs(tmp_path / "x*") == [str(tmp_path / "x9.mp4"), str(tmp_path / "x10.mp4")]
    assert paths(tmp_path / "**" / "*.mp4") == ["sub/x1.mp4", "x9.mp4", "x10.mp4"]
    both = specs(tmp_path / "y.avi", tmp_path / "*.avi")
    assert both == [str(tmp_path / "y.avi")], "a clip named twice is read once"


def test_images_of_several_folders_that_fit_a_pattern_are_not_mixed(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        stills(tmp_path / folder, ["f1.png", "f2.png"])
    found = expand([str(tmp_path / "*" / "f*.png")]).sources
    assert [(source.path, len(source.images)) for source in found] == [("a", 2), ("b", 2)]


def test_names_with_brackets_and_cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = touch(tmp_path / "clip [1].mp4")
    assert specs(path, "0", "12") == [str(path), "0", "12"]
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "7")
    with pytest.raises(SourceError):
        open_source("7")  # a file of that name is meant, not the camera


@pytest.mark.parametrize("spec", ["no.mp4", "no/*.mp4", "no_%04d.png", "empty", "empty/*", "texts", "texts/*"])
def test_what_is_missing_is_named(spec: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    touch(tmp_path / "texts" / "a.txt")
    with pytest.raises(SourceError) as caught:
        [open_source(one) for one in specs(tmp_path / spec)]
    assert spec.split("/")[0] in str(caught.value) and "\n" not in str(caught.value)
    assert "1 .txt" in str(caught.value) or not spec.startswith("texts")


def test_single_images_that_count_up_are_asked_about(tmp_path: Path) -> None:
    folder = stills(tmp_path, ["1.png", "2.png"])
    with pytest.raises(SourceError, match=r"name their folder.*each=True"):
        expand([str(folder / "1.png"), str(folder / "2.png")])
    assert specs(folder / "1.png") == [str(folder / "1.png")]
    (pictures,) = expand([str(folder / "1.png"), str(folder / "2.png")], each=True).sources
    assert (pictures.image_paths, pictures.unrelated) == (("1.png", "2.png"), "each=True")


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["f1.png", "f2.png", "f10.png"], ""),
        (["2026-01-01 12.00.01.040.png", "2026-01-01 12.00.01.080.png"], ""),
        (
            ["2026-01-01 12.00.01.png", "2026-01-01 12.00.03.png"],
            "their names are times that are 2 s apart (2026-01-01 12.00.01.png, 2026-01-01 12.00.03.png)",
        ),
        (
            ["P01_0.png", "P01_1.png", "P02_0.png", "P02_1.png"],
            "their first number does not count them (P01_1.png, P02_0.png); a pattern such as P02_*.png is a clip",
        ),
        (["liver.png", "neck.png"], "their names do not count up (liver.png, neck.png)"),
        (["f1.png", "f2.png", "mask.png"], "their names do not count up (f1.png, mask.png)"),
    ],
)
def test_images_are_single_ones_where_their_names_do_not_count_up(names: list[str], why: str, tmp_path: Path) -> None:
    folder = stills(tmp_path / "images", names)
    (source,) = expand([str(folder)]).sources
    assert source.unrelated == why
    assert [path.name for path in source.images] == names and source.image_paths == tuple(names)
    assert expand([str(folder)], each=True).sources[0].unrelated == "each=True"
    assert expand([str(folder)], each=False).sources[0].unrelated == ""


def test_images_of_different_sizes_are_single_ones(tmp_path: Path) -> None:
    stills(tmp_path, ["f1.png", "f2.png"])
    Image.fromarray(draw(3, 200, 160)).save(tmp_path / "f3.png")
    (source,) = expand([str(tmp_path)]).sources
    assert source.unrelated == "their sizes differ (160x128 in f1.png and 200x160 in f3.png)"


def test_an_address_among_clips_is_passed_on_as_it_is() -> None:
    address = "rtsp://user:hunter2@probe/live"
    assert expand([address]).sources == (FoundSource(spec=address),)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["P01"], ["clip.mp4", "sub/clip.mp4"]),
        (["P01", "P02"], ["P01/clip.mp4", "P01/sub/clip.mp4", "P02/clip.mp4"]),
        (["P01/clip.mp4"], ["clip.mp4"]),
        (["P01/clip.mp4", "P02/clip.mp4"], ["P01/clip.mp4", "P02/clip.mp4"]),
        (["P01/clip.mp4", "P01/sub"], ["clip.mp4", "sub/clip.mp4"]),
        (["P*/clip.mp4"], ["P01/clip.mp4", "P02/clip.mp4"]),
        (["P0?"], ["P01/clip.mp4", "P01/sub/clip.mp4", "P02/clip.mp4"]),
        (["x/P01", "P01"], ["x/P01/clip.mp4", "P01/clip.mp4", "P01/sub/clip.mp4"]),
        (["."], ["P01/clip.mp4", "P01/sub/clip.mp4", "P02/clip.mp4", "x/P01/clip.mp4"]),
    ],
    ids=str,
)
def test_paths_tell_files_of_one_name_apart(
    asked: list[str], expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("P01/clip.mp4", "P01/sub/clip.mp4", "P02/clip.mp4", "x/P01/clip.mp4"):
        touch(tmp_path / name, MP4)
    monkeypatch.chdir(tmp_path)
    found = paths(*asked)
    if asked == ["x/P01", "P01"]:
        expected = [f"{tmp_path.name}/{path}" if path.startswith("P01") else path for path in expected]
    assert found == expected
    assert all(not Path(path).is_absolute() for path in paths(*(tmp_path / one for one in asked)))


def test_output_folders_are_distinct_and_lead_back() -> None:
    def source(path: str, study: str = "", series: str = "") -> FoundSource:
        return FoundSource(spec=path, path=path, study=study, series=series)

    assert output_folders([source("P01/a.mp4"), source("P02/a.mp4")]) == ["P01/a", "P02/a"]
    assert output_folders([source("a.mp4"), source("a.avi"), source("A.mkv")]) == ["a.mp4", "a.avi", "A.mkv"]
    assert output_folders([source("x:y?.mp4"), source("x_y_.mp4"), source("intervals.csv.mp4")]) == [
        "x_y_.mp4", "x_y_.mp4-2", "intervals.csv-2"
    ]  # fmt: skip
    assert output_folders([source("Schu\u0308.mp4"), source("Sch\u00fc.avi"), source("con.mp4")]) == [
        "Sch\u00fc.mp4", "Sch\u00fc.avi", "con_"
    ]  # fmt: skip
    exam = [
        source("IM1", "study-1", "series-1"),
        source("IM2", "study-1", "series-2"),
        source("d/IM3", "study-1", "series-2"),
    ]
    assert output_folders(exam) == ["study-1/series-1/IM1", "study-1/series-2/IM2", "d/IM3"]


def test_images_of_a_pattern_go_into_a_folder_named_after_theirs(tmp_path: Path) -> None:
    stills(tmp_path / "sweep", ["f1.png", "f2.png"])
    assert output_folders(expand([str(tmp_path / "sweep" / "*.png")]).sources) == ["sweep"]


def test_a_folder_of_series_is_grouped_by_study_and_series(tmp_path: Path) -> None:
    for name, study, series in (
        ("1", "1.1", "1.1.1"),
        ("2", "1.2", "1.2.1"),
        ("3", "1.1", "1.1.2"),
        ("4", "1.1", "1.1.1"),
    ):
        native(tmp_path / name, StudyInstanceUID=study, SeriesInstanceUID=series)
    found = expand([str(tmp_path)]).sources
    assert [source.path for source in found] == ["1", "4", "3", "2"]
    folders = [folder.split("/") for folder in output_folders(found)]
    assert [folder[2] for folder in folders] == ["1", "4", "3", "2"]
    studies, series = [folder[0] for folder in folders], [folder[1] for folder in folders]
    assert studies[0] == studies[1] == studies[2] != studies[3] and studies[0].startswith("study-")
    assert series[0] == series[1] and len(set(series)) == 3 and all(one.startswith("series-") for one in series)
    assert output_folders(expand([str(tmp_path)]).sources) == ["/".join(folder) for folder in folders]
    assert not any(PATIENT[:3] in part for folder in folders for part in folder)
