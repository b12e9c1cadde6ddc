"""Pseudonyms: the same with the same key, others with another, and no name left in a text."""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
from base64 import b32encode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqcls.datasets.labels import ClipLabels
from seqcls.errors import SeqclsError, UsageError
from seqcls.pseudonyms import Pseudonyms, RenamedSource, read_key, real_names
from seqcls.sources import MemorySource
from seqcls.sources.found import FoundSource
from seqcls.text.foreign_text import for_name
from seqcls.types import Frame, Gap, SourceInfo, SourceReport

KEY = b"0123456789abcdef0123456789ABCDEF"


def test_a_pseudonym_is_the_keyed_hash_of_the_name() -> None:
    digest = hmac.new(KEY, "name\0Müller".encode(), hashlib.sha256).digest()
    assert Pseudonyms(KEY).of("Müller") == "h-" + b32encode(digest).decode().lower()[:12]


def test_equal_names_are_alike_in_every_run_and_key_decides() -> None:
    one, two, other = Pseudonyms(KEY), Pseudonyms(KEY), Pseudonyms(KEY[::-1])
    assert one.path("Doe/IM 1.dcm") == two.path("Doe/IM 1.dcm") == two.path("Doe\\IM 1.dcm")
    assert one.path("Doe/IM 1.dcm") != other.path("Doe/IM 1.dcm")
    assert Pseudonyms().of("Doe") != Pseudonyms().of("Doe")
    assert one.of("u\u0308") == one.of("\u00fc")


def test_parts_and_suffixes_of_a_path_stay_what_they_are() -> None:
    names = Pseudonyms(KEY)
    folder, file = names.path("Doe Jane/scan.MP4").split("/")
    assert (folder, file) == (names.of("Doe Jane"), names.of("scan") + ".mp4")
    assert names.file("1.2.840.113") == names.of("1.2.840.113")
    assert names.path("../x") == f"../{names.of('x')}"


def test_doing_it_twice_changes_nothing() -> None:
    names = Pseudonyms(KEY)
    once = names.path("Doe/scan.mp4")
    assert names.path(once) == once


def test_kinds_do_not_mix_and_uids_are_uids() -> None:
    from pydicom.uid import UID

    names = Pseudonyms(KEY)
    assert names.of("4711", "patient").startswith("patient-")
    assert names.of("4711", "patient")[8:] != names.of("4711")[2:]
    new = UID(names.uid("1.2.840.1.4711"))
    assert new.is_valid and new == Pseudonyms(KEY).uid("1.2.840.1.4711") and "4711.4711" not in new


def test_two_names_never_share_a_pseudonym(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcls.pseudonyms._LENGTH", 1)
    names = Pseudonyms(KEY)
    with pytest.raises(SeqclsError, match="another key"):
        for number in range(33):
            names.of(f"clip {number}")


@pytest.mark.parametrize(
    "text",
    [
        "Doe Jane/scan 1.mp4: cannot be opened",
        "cannot read 'scan 1.mp4'",
        "scan 1 is damaged; /clips/Doe Jane holds more",
        "wrote scan 1-timeline",
    ],
)
def test_remembered_names_are_hidden_wherever_they_stand(text: str, tmp_path: Path) -> None:
    names = Pseudonyms(KEY)
    names.remember("clips/Doe Jane/scan 1.mp4")
    hidden = names.hide(text)
    assert "Doe" not in hidden and "scan 1" not in hidden and "h-" in hidden


def test_words_of_messages_stay(tmp_path: Path) -> None:
    names = Pseudonyms(KEY)
    names.remember("clips/a/1.mp4")
    assert names.hide("1 of 3 clips: a frame at 1.5 s") == "1 of 3 clips: a frame at 1.5 s"
    assert names.hide("clips/a/1.mp4") == names.path("clips/a/1.mp4")
    assert Pseudonyms(KEY).hide("nothing to hide") == "nothing to hide"


def test_a_found_source_is_renamed_throughout() -> None:
    names = Pseudonyms(KEY)
    image = FoundSource(
        spec="/x/Doe", path="Doe", images=(Path("/x/Doe/Doe 1.png"),), image_paths=("Doe/Doe 1.png",), study="study-1"
    )
    renamed = names.source(image)
    assert renamed.path == names.of("Doe") and renamed.spec == "/x/Doe"
    assert renamed.image_paths == (f"{names.of('Doe')}/{names.of('Doe 1')}.png",)
    assert renamed.study == names.of("study-1", "study") and renamed.series == ""
    assert names.source(FoundSource(spec="rtsp://host/1")).path == names.of("rtsp://host/1")
    assert names.source(FoundSource(spec="0")).path == ""


def test_pseudonyms_lead_back_to_names_for_whoever_has_the_key() -> None:
    names = Pseudonyms(KEY)
    paths = ["Doe/1.mp4", "Roe/1.mp4", "Roe/2.mp4"]
    back = real_names(names, paths)
    assert [back[names.path(path)] for path in paths] == paths
    assert back[names.file("2.mp4")] == "Roe/2.mp4" and names.file("1.mp4") not in back


def write_key(path: Path, key: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(key)
    path.chmod(mode)
    return path


def test_a_key_is_read_without_the_line_end_of_an_editor(tmp_path: Path) -> None:
    assert read_key(write_key(tmp_path / "key", KEY + b"\r\n")) == KEY


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (b"password", "too weak"),
        (b"abc" * 20, "too weak"),
        (b"\n" * 40, "too weak"),
        (KEY * 200, "cannot be read .*more than"),
    ],
    ids=["short", "few characters", "blank", "long"],
)
def test_what_is_no_key_is_refused_with_words(key: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{why}.*token_hex"):
        read_key(write_key(tmp_path / "key", key))


def test_a_missing_key_is_not_made_in_silence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such key.*token_hex"):
        read_key(tmp_path / "key")
    assert not (tmp_path / "key").exists()
    with pytest.raises(UsageError, match=r"cannot be read \(.*folder"):
        read_key(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_pipe_or_a_device_is_no_key_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)
    for path in (tmp_path / "key", Path("/dev/zero")):
        with pytest.raises(UsageError, match="it is a pipe or a device"):
            read_key(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_key_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"others can read.*chmod 600"):
        read_key(write_key(tmp_path / "key", KEY, mode))


def test_a_timeline_and_its_labels_lose_their_names() -> None:
    from support.timelines import timeline

    names = Pseudonyms(KEY)
    names.remember("Doe/scan.mp4")
    names.remember_patients("Doe Jane")
    given = timeline(node="PP?..")
    source = replace(given.source, name="scan.mp4", path="Doe/scan.mp4", kind="file")
    report = SourceReport("damaged", ("scan.mp4 is cut",), 3, (Gap(0.0, 1.0, "1 image missing before Doe"),))
    named = replace(given, source=source, report=report, warnings=("look at Doe/scan.mp4", "of Doe Jane"))
    shown = names.timeline(named)
    assert shown.source.path == f"{names.of('Doe')}/{names.of('scan')}.mp4"
    assert shown.source.name == f"{names.of('scan')}.mp4"
    assert not any("Doe" in text or "scan." in text for text in (*shown.notes, shown.report.gaps[0].reason))
    assert shown.warnings[1] == f"of {names.of('Doe Jane', 'patient')}"
    assert shown.intervals == named.intervals

    labels = ClipLabels("Doe/scan.mp4", "Doe Jane", (), notes=("scan.mp4 has no label",))
    assert names.labels(labels).patient == names.of("Doe Jane", "patient")
    assert "scan." not in names.labels(labels).notes[0]
    own = names.labels(replace(labels, patient=labels.file))
    assert own.patient == own.file == names.path("Doe/scan.mp4"), "a clip that is its own patient stays so"


def test_addresses_are_names_and_cameras_are_none() -> None:
    names = Pseudonyms(KEY)
    stream = SourceInfo(name="rtsp://ward-3/probe", kind="stream")
    assert names.info(stream).name == names.of("rtsp://ward-3/probe")
    camera = SourceInfo(name="camera 0", kind="camera")
    assert names.info(camera) == camera


def test_a_renamed_source_gives_the_same_frames() -> None:
    names = Pseudonyms(KEY)
    names.remember("Doe.mp4")
    frame = Frame(0, 0.0, 0.1, np.zeros((4, 4), np.uint8))
    inner = MemorySource([frame, Gap(0.1, 0.2, "1 image missing before Doe")])
    inner.info = replace(inner.info, name="Doe.mp4", path="x/Doe.mp4")
    with RenamedSource(inner, names) as source:
        assert source.info.name == names.file("Doe.mp4")
        items = list(source)
        report = source.report()
    assert items[0] is frame and isinstance(items[1], Gap)
    assert items[1].reason == f"1 image missing before {names.of('Doe')}" == report.gaps[0].reason
    with pytest.raises(SeqclsError, match="closed"):
        list(source)


def test_of_many_names_that_begin_alike_the_whole_one_is_hidden() -> None:
    names = Pseudonyms(KEY)
    names.remember(*(f"a/IM {number}.dcm" for number in range(3000)), "a/(IM 12) copy.dcm")
    text = "a/IM 12.dcm, then IM 123 and (IM 12) copy.dcm; IM alone and IM 12345 are others"
    hidden = names.hide(text)
    assert hidden == (
        f"a/{names.of('IM 12')}.dcm, then {names.of('IM 123')} and {names.of('(IM 12) copy')}.dcm; IM alone and"
        " IM 12345 are others"
    ).replace("a/", f"{names.of('a')}/")


def test_a_name_that_is_no_utf_8_has_one_pseudonym_however_it_is_written() -> None:
    names = Pseudonyms(KEY)
    assert names.of("m\udcfcller") == names.of("m\\xfcller")
    names.remember("m\udcfcller.mp4")
    assert names.hide("m\udcfcller.mp4") == names.hide("m\\xfcller.mp4") == names.file("m\udcfcller.mp4")
    assert names.file(r"m\xfcller.mp4") != names.file("m\udcfcller.mp4"), "a file whose name holds a backslash"
    for name in (r"m\xfc.mp4", "m\udcfc.mp4"):
        assert names.info(SourceInfo(name=for_name(name), kind="file")).name == names.file(name)
    assert names.of("\ud800") != names.of("\ud801"), "halves of characters, as Windows allows"


def test_pseudonyms_are_not_hidden_again() -> None:
    names = Pseudonyms(KEY)
    names.remember("h/patient/scan.mp4")
    shown = f"out/{names.of('scan')}-sheet.png of {names.of('x', 'patient')}"
    assert names.hide(shown) == shown
    assert names.hide("h/patient/scan.mp4: cut") == f"{names.path('h/patient/scan.mp4')}: cut"
    assert names.hide("patient-abcabcabcabc") == f"{names.of('patient')}-abcabcabcabc", "which is none of this run"


def test_what_the_user_named_himself_stays_but_for_names_of_clips() -> None:
    names = Pseudonyms(KEY)
    names.remember("work/hn/scan.mp4")
    names.keep("work/models/hn.safetensors", "labels/hn.csv", "work", "hn", "scan.mp4", None, "a")
    shown = names.hide("hn/scan.mp4 has no label in hn.csv; wrote work/models/hn.safetensors, hn.csv")
    assert shown == f"{names.path('hn/scan.mp4')} has no label in hn.csv; wrote work/models/hn.safetensors, hn.csv"
    assert names.hide("hn/x") == f"{names.of('hn')}/x", "an output called as the clips' folder is not shown"
    names.remember("real scan.mp4")
    names.keep("real")
    assert names.hide("wrote real; real scan.mp4") == f"wrote real; {names.file('real scan.mp4')}"


def test_pseudonyms_of_an_earlier_run_stay() -> None:
    earlier = Pseudonyms(KEY).path("Doe/scan.mp4")
    assert Pseudonyms(KEY).path(earlier) == Pseudonyms(KEY[::-1]).path(earlier) == earlier
    assert Pseudonyms(KEY).file("h-short.mp4") != "h-short.mp4"
