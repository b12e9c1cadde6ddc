"""Label files as each tool writes them by itself, and one line for what is wrong in them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from support.timelines import timeline

from seqcls.datasets import label_files
from seqcls.datasets.label_formats import found
from seqcls.datasets.label_formats.boris_times import MediaClock
from seqcls.datasets.label_formats.found import clip_of_url
from seqcls.datasets.labels import ClipLabels, read_labels
from seqcls.errors import DataError
from seqcls.exports.interval_records import write_jsonl


def read(folder: Path, content: object, name: str = "neck01.dat") -> list[ClipLabels]:
    path = folder / name
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return read_labels(path)


def spans(labels: ClipLabels) -> list[tuple[Any, ...]]:
    return [(span.organ, span.state, *span.limits) for span in labels.spans]


def eaf(
    tiers: str, header: str = '<MEDIA_DESCRIPTOR MEDIA_URL="file:///D:/scans/neck01.mp4" MIME_TYPE="video/mp4"/>'
) -> str:
    times = "".join(f'<TIME_SLOT TIME_SLOT_ID="t{ms}" TIME_VALUE="{ms}"/>' for ms in (0, 500, 900, 1500))
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" VERSION="3.0">'
        f'<HEADER TIME_UNITS="milliseconds">{header}</HEADER><TIME_ORDER>{times}<TIME_SLOT TIME_SLOT_ID="open"/></TIME_ORDER>{tiers}</ANNOTATION_DOCUMENT>'
    )


def tier(name: str, *rows: tuple[str, str, str]) -> str:
    annotations = "".join(
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{at}" TIME_SLOT_REF1="{start}" TIME_SLOT_REF2="{end}">'
        f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
        for at, (start, end, text) in enumerate(rows)
    )
    return f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="x">{annotations}</TIER>'


def test_elan_with_a_tier_per_organ(tmp_path: Path) -> None:
    """As people annotate by hand: no text, and an empty tier of an organ that was not annotated yet."""
    body = tier("liver", ("t0", "t500", ""), ("t900", "t1500", "Unknown")) + tier("node")
    (labels,) = read(tmp_path, eaf(body))
    assert labels.file == "/D:/scans/neck01.mp4" and labels.organs == ("liver",)
    assert spans(labels) == [("liver", "present", 0.0, 0.5), ("liver", "ignore", 0.9, 1.5)]
    assert [labels.state_at("liver", -1, t) for t in (0.2, 0.6, 1.0, 99.0)] == ["present", "absent", "ignore", "absent"]
    assert labels.state_at("node", -1, 0.2) is None
    assert labels.notes == (f"{tmp_path}/neck01.dat: tier 'node' holds no annotation in time, so it says nothing",)


def test_elan_with_one_tier_of_organs_and_a_medium_that_begins_later(tmp_path: Path) -> None:
    media = '<MEDIA_DESCRIPTOR MEDIA_URL="" RELATIVE_MEDIA_URL="./P1/a b.mp4" MIME_TYPE="video/mp4" TIME_ORIGIN="250"/>'
    body = tier("default", ("t0", "t500", "liver"), ("t500", "t900", "node: absent"), ("t900", "t1500", "liver?"))
    (labels,) = read(tmp_path, eaf(body, media))
    assert labels.file == "P1/a b.mp4" and spans(labels) == [
        ("liver", "present", 0.25, 0.75),
        ("liver", "ignore", 1.15, 1.75),
        ("node", "absent", 0.75, 1.15),
    ]


def box(frame: int, outside: int = 0, keyframe: int = 1) -> str:
    return (
        f'<box frame="{frame}" outside="{outside}" occluded="0" keyframe="{keyframe}" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    )


def tracks(
    *each: tuple[str, str], meta: str = "<task><id>3</id><size>20</size><source>neck01.mp4</source></task>"
) -> str:
    body = "".join(f'<track id="{at}" label="{label}">{boxes}</track>' for at, (label, boxes) in enumerate(each))
    return f"<annotations><version>1.1</version><meta>{meta}</meta>{body}</annotations>"


def test_cvat_with_a_shape_for_every_frame(tmp_path: Path) -> None:
    """A box that is interpolated ends where it is written last; a key frame holds to the end of the clip."""
    every = box(2) + "".join(box(frame, keyframe=0) for frame in (3, 4, 5))
    again = box(8) + box(10, 1) + box(12) + box(13, 1)
    other = '<polygon frame="9" outside="0" keyframe="1" points="1,1;2,2;3,1"/>' + box(11, 1)
    (labels,) = read(tmp_path, tracks(("liver", every), ("liver", again), ("liver", other), ("node", box(17))))
    assert labels.file == "neck01.mp4" and labels.frames == 20
    assert [span for span in spans(labels) if span[1] == "present"] == [
        ("liver", "present", 2, 6),
        ("liver", "present", 8, 11),
        ("liver", "present", 12, 13),
        ("node", "present", 17, 20),
    ]
    assert [labels.state_at("liver", index, 0.0) for index in (0, 7, 11, 19, 20)] == [*["absent"] * 4, None]


def test_cvat_with_several_clips(tmp_path: Path) -> None:
    tasks = "".join(f"<task><id>{k}</id><name>t{k}</name><size>9</size><source>{k}.mp4</source></task>" for k in (4, 5))
    body = tracks(("liver", box(1) + box(3, 1)), ("liver", box(2)), meta=f"<project><tasks>{tasks}</tasks></project>")
    body = body.replace('id="0"', 'id="0" task_id="5"').replace('id="1"', 'id="1" task_id="4"')
    one, other = read(tmp_path, body)
    assert (one.file, spans(one)[1]) == ("5.mp4", ("liver", "present", 1, 3))
    assert (other.file, spans(other)[1]) == ("4.mp4", ("liver", "present", 2, 9))


def studio(*results: Any, **more: Any) -> list[dict[str, Any]]:
    regions = [{"value": {"ranges": [{"start": a, "end": b}], "timelinelabels": [label]}} for label, a, b in results]
    return [{"id": 1, "data": {"video": "s3://bucket/neck01.mp4"}, "annotations": [{"result": regions}], **more}]


def test_label_studio_takes_what_a_person_confirmed(tmp_path: Path) -> None:
    (labels,) = read(
        tmp_path, studio(("liver", 1, 3), ("node?", 2, 2), predictions=studio(("x", 1, 1))[0]["annotations"])
    )
    assert labels.file == "neck01.mp4"
    assert spans(labels) == [("liver", "present", 0, 3), ("node", "ignore", 1, 2)]
    assert labels.state_at("liver", 3, 0.0) == "absent"
    (labels,) = read(tmp_path, studio(annotations=[], predictions=studio(("x", 4, 5))[0]["annotations"]))
    assert spans(labels) == [("x", "present", 3, 5)] and "its prediction is taken" in labels.notes[0]


def test_label_studio_of_several_people(tmp_path: Path) -> None:
    two = [studio(("liver", 1, 3))[0]["annotations"][0], {**studio(("liver", 1, 4))[0]["annotations"][0]}]
    with pytest.raises(DataError, match="task 1 has 2 annotations; mark one as ground truth"):
        read(tmp_path, studio(annotations=two))
    two[1]["ground_truth"] = True
    assert spans(read(tmp_path, studio(annotations=two))[0]) == [("liver", "present", 0, 4)]
    two[1]["was_cancelled"], two[1]["ground_truth"] = True, False
    assert spans(read(tmp_path, studio(annotations=two))[0]) == [("liver", "present", 0, 3)]


def test_label_studio_in_its_short_form_and_a_task_without_marks(tmp_path: Path) -> None:
    region = {"ranges": [{"start": 3, "end": 5}, {"start": 8}], "timelinelabels": ["liver"]}
    short = {"video": "/data/local-files/?d=P1%2Fneck%2001.mp4", "tl": [region], "annotation_id": 5, "annotator": 1}
    (labels,) = read(tmp_path, [short, {"video": "b.mp4", "annotation_id": 6}])
    assert labels.file == "P1/neck 01.mp4" and spans(labels) == [("liver", "present", 2, 5), ("liver", "present", 7, 8)]
    assert "nothing is marked in b.mp4, so it is not labelled" in labels.notes[0]


def project(events: list[list[Any]], **changes: Any) -> dict[str, Any]:
    observation = {
        "type": "MEDIA", "file": {"1": ["a.mp4", "b.mp4"], "2": []}, "time offset": 10.0, "events": events,
        "media_info": {"length": {"a.mp4": 5.0004, "b.mp4": 4.0}}, **changes,
    }  # fmt: skip
    kinds = {"liver": "State event", "sneeze": "Point event"}
    return {
        "behaviors_conf": {str(k): {"code": code, "type": kind} for k, (code, kind) in enumerate(kinds.items())},
        "observations": {"o1": observation},
    }


def test_boris_with_files_that_play_behind_each_other(tmp_path: Path) -> None:
    """Its clock begins at 10 s here, and the second file 5 s later."""
    events = [[14.0, "", "liver", "", ""], [16.5, "", "liver", "", "", 3], [12.0, "", "sneeze", "", ""]]
    one, other = read(tmp_path, project(events))
    assert (one.file, spans(one), one.end_s) == ("a.mp4", [("liver", "present", 4.0, 5.0)], 5.0004)
    assert (other.file, spans(other)) == ("b.mp4", [("liver", "present", 0.0, 1.5)])
    assert "1 point event left out" in one.notes[0]
    early = [[4.0, "", "liver", "", ""], [6.5, "", "liver", "", ""]]  # before its clock begins
    with pytest.raises(DataError, match="all state events lie outside the clip, see its time offset, so"):
        read(tmp_path, project(early))


def test_what_was_never_shown_is_not_labelled(tmp_path: Path) -> None:
    """A job of CVAT, and an observation that is limited to an interval, are a part of the clip."""
    job = "<job><id>1</id><size>10</size><start_frame>5</start_frame><stop_frame>14</stop_frame></job>"
    (labels,) = read(tmp_path, tracks(("liver", box(8) + box(10, 1)), meta=f"{job}<source>a.mp4</source>"))
    assert labels.frames == 0 and spans(labels) == [
        ("liver", "absent", 5, 8),
        ("liver", "present", 8, 10),
        ("liver", "absent", 10, 15),
    ]
    assert [labels.state_at("liver", index, 0.0) for index in (4, 5, 14, 15)] == [None, "absent", "absent", None]
    events = [[14.0, "", "liver", "", ""], [14.5, "", "liver", "", ""]]
    (labels,) = read(tmp_path, project(events, **{"observation time interval": [3.0, 6.5]}))
    assert labels.file == "a.mp4" and spans(labels) == [
        ("liver", "absent", 3.0, 4.0),
        ("liver", "present", 4.0, 4.5),
        ("liver", "absent", 4.5, 5.0),
    ]
    assert labels.state_at("liver", -1, 2.9) is None


def test_boris_table_of_any_version(tmp_path: Path) -> None:
    old = "Observation id\tMedia file\tTotal length\tFPS\tSubject\tBehavior\tModifiers\tBehavior type\tStart (s)\tStop (s)\n"
    rows = "o1\tneck01.mp4\t9.0\t25\tNo focal subject\tliver\t\tSTATE\t1.800\t8.125\no1\tneck01.mp4\t9\t25\t\tx\t\tPOINT\t1\t1\n"
    (labels,) = read(tmp_path, old + rows)
    assert labels.file == "neck01.mp4" and spans(labels) == [("liver", "present", 1.8, 8.125)]
    new = "Observation id;Source;Time offset (s);Media duration (s);Behavior;Behavior type;Start (s);Stop (s);Media file name\n"
    row = 'o1;"player #1:a.mp4;b.mp4|player #2:c.mp4";2,0;"5.000;4.000|9.000";liver;STATE;6.0;8.0;a.mp4\n'
    one, other = read(tmp_path, new + row.replace("2,0", "2.0"))
    assert (one.file, spans(one)) == ("a.mp4", [("liver", "present", 4.0, 5.0)])
    assert (other.file, spans(other)) == ("b.mp4", [("liver", "present", 0.0, 1.0)])


def test_fiftyone_with_classes_and_seconds(tmp_path: Path) -> None:
    body = {"classes": ["liver", "node"], "labels": {"P1/a": [{"label": 1, "support": [2, 4]}], "b": None, "c": [{"label": 0, "timestamps": [0.5, 2]}]}}  # fmt: skip
    one, other = read(tmp_path, body)
    assert (one.file, spans(one)) == ("P1/a", [("node", "present", 1, 4)])
    assert (other.file, spans(other)) == ("c", [("liver", "present", 0.5, 2.0)])


def test_cues_of_other_programs(tmp_path: Path) -> None:
    """Two organs in two lines, styles, a cue that goes on; SRT by its numbers. The clip bears the file's own name."""
    vtt = "WEBVTT\n\nintro\n00:01.000 --> 00:02.500 align:start\n<v A>liver</v>\nnode\n\n00:02.500 --> 01:00:03.000\nliver\n"
    (labels,) = read(tmp_path, vtt, "neck01.vtt")
    assert labels.file == "neck01" and not labels.names_clip
    assert spans(labels) == [("liver", "present", 1.0, 3603.0), ("node", "present", 1.0, 2.5)]
    (labels,) = read(tmp_path, "1\r\n00:00:01,000 --> 00:00:02,500\r\nliver?\r\n", "neck02.srt")
    assert labels.file == "neck02" and spans(labels) == [("liver", "ignore", 1.0, 2.5)]


def test_audacity(tmp_path: Path) -> None:
    (labels,) = read(
        tmp_path, "0.5\t2.000000\tliver\n\\\t300.0\t900.0\n3\t3\tnode\n4,5\t5\tnode: absent\r\n", "neck01.txt"
    )
    assert labels.file == "neck01"
    assert spans(labels) == [("liver", "present", 0.5, 2.0), ("node", "absent", 4.5, 5.0)]
    assert labels.notes == (f"{tmp_path}/neck01.txt: 1 label of no length left out",)


def test_own_json_lines(tmp_path: Path) -> None:
    """As `export --to jsonl` writes them."""
    made = timeline(liver=".PPP??", node="....??")
    write_jsonl(made, tmp_path / "intervals.jsonl")
    (labels,) = read_labels(tmp_path / "intervals.jsonl")
    assert spans(labels) == [
        ("liver", "absent", 0.0, 0.1),
        ("liver", "present", 0.1, 0.4),
        ("liver", "ignore", 0.4, 0.6),
        ("node", "absent", 0.0, 0.4),
        ("node", "ignore", 0.4, 0.6),
    ]
    with pytest.raises(DataError, match=r"line 2: 'organ' is missing"):
        read(tmp_path, '{"file": "a", "organ": "l", "state": "present", "start_s": 0, "end_s": 1}\n{}\n')


def test_odd_encodings(tmp_path: Path) -> None:
    """A mark of UTF-16, and an encoding in the first line of XML that the file does not have."""
    path = tmp_path / "neck01.txt"
    path.write_bytes("0.5\t1\tSchilddru\u0308se\r\n".encode("utf-16"))
    assert read_labels(path)[0].organs == ("Schilddr\u00fcse",)
    path.write_bytes(eaf(tier("Schilddr\u00fcse", ("t0", "t500", ""))).encode("utf-16"))
    assert read_labels(path)[0].organs == ("Schilddr\u00fcse",)
    path.write_bytes(eaf(tier("Schilddr\u00fcse", ("t0", "t500", ""))).replace("UTF-8", "iso-8859-1").encode("latin-1"))
    (labels,) = read_labels(path)
    assert labels.organs == ("Schilddr\u00fcse",) and "was read as Windows-1252" in labels.notes[0]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/upload/4/0a1b2c3d-neck%2001.mp4", "neck 01.mp4"),
        ("/data/local-files/?d=study/P1/a.mp4", "study/P1/a.mp4"),
        ("https://host:8080/files/a.mp4?token=1", "a.mp4"),
        ("file:///home/x/a%20b.mp4", "/home/x/a b.mp4"),
        ("C:\\scans\\a.mp4", "C:\\scans\\a.mp4"),
        ("./a 100%.mp4", "a 100%.mp4"),
        ("http://[::1/a.mp4", "a.mp4"),
        ("smb://srv/Doe Jane/x.mp4", "x.mp4"),
        ("ftp://user:pw@host/Doe/x.mp4?key=1", "x.mp4"),
        ("webdav://u:p@h/x.mp4#t=1", "x.mp4"),
        ("u:p@h/Doe/x.mp4", "x.mp4"),
        ("doe@host:scans/x.mp4", "x.mp4"),
        ("gs://bucket/Doe%2Fx.mp4", "x.mp4"),
        ("%2Fhome%2Fdoe%2Fx.mp4", "/home/doe/x.mp4"),
        ("100%2Fs.mp4", "100%2Fs.mp4"),
        ("file:///C:/Users/Doe%20Jane/x.mp4", "/C:/Users/Doe Jane/x.mp4"),
        ("scan 12:30 @rest.mp4", "scan 12:30 @rest.mp4"),
    ],
)
def test_addresses_of_clips(address: str, name: str) -> None:
    assert clip_of_url(address) == name


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
BAD: dict[str, tuple[object, str]] = {
    "a document type": (BOMB + tracks(("&b;", box(1))), "it has a document type"),
    "another's file": ('<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + tracks(("&f;", box(1))), "document type"),
    "an entity nobody defined": (tracks(("&f;", box(1))), "line 1: undefined entity"),
    "not well formed": ("<annotations><track>", "line 1: no element found"),
    "other XML": ("<fcpxml/>", "neither of ELAN nor of CVAT"),
    "deep": ("<annotations>" + "<a>" * 40 + "</a>" * 40 + "</annotations>", "nested deeper than 32 elements"),
    "images": ("<annotations><image id='0' name='a'/></annotations>", "is of CVAT for images"),
    "no number": (tracks(("liver", box(1).replace('"1"', '"' + "9" * 5000 + '"', 1))), "is no number of a frame"),
    "a frame no clip has": (tracks(("liver", box(10**12 + 1))), "no clip has a frame"),
    "a clip no disk holds": (tracks(("l", box(1)), meta="<task><size>9999999999999</size></task>"), "no clip has size 9999999999999"),
    "script": (tracks(("&lt;script&gt;", box(1))), "must not hold '<'"),
    "no label": (tracks(("", box(1))), "track 0: the label has no text"),
    "a long label": (tracks(("l" * 1001, box(1))), "1,001 characters, more than 1,000"),
    "no tracks": (tracks(), "holds no label"),
    "frames in ELAN": (eaf("").replace("milliseconds", "PAL-frames"), "counts PAL-frames"),
    "no time": (eaf(tier("liver", ("t0", "open", ""))), "tier 'liver', annotation a0 has no begin or no end"),
    "backwards": (eaf(tier("liver", ("t900", "t0", ""))), "from 0.9 to 0 s is not after its begin"),
    "huge time": (eaf("").replace('"1500"', '"9999999999999999"'), "is no number of milliseconds"),
    "states and organs": (eaf(tier("d", ("t0", "t500", "liver"), ("t500", "t900", "absent"))), "'absent' beside 'liver'"),
    "twice the same tier": (eaf(tier("liver", ("t0", "t900", "")) * 2), "overlaps .*tier 'liver', annotation a0 for liver"),
    "ELAN overlap": (eaf(tier("d", ("t0", "t900", "liver"), ("t500", "t1500", "liver?"))), "annotation a1: overlaps"),
    "frame 0": (studio(("liver", 0, 3)), "count from 1, not 0"),
    "a range without begin": (studio(("liver", None, 3)), "'start' is missing"),
    "a range that is none": (json.loads(json.dumps(studio(("liver", 1, 3))).replace('{"start": 1, "end": 3}', "[1, 3]")), "no pair of start and end"),
    "half a frame": (studio(("liver", 1.5, 3)), "'start' is missing or no whole number"),
    "regions over each other": (studio(("liver", 1, 3), ("liver", 3, 5)), "task 1, region 1: overlaps .*region 0 for liver"),
    "no video": ([{"data": {}, "annotations": [{"result": []}]}], "its data name no video"),
    "no result": ([{"data": {"video": "a"}, "annotations": [{}]}], "'result' is missing"),
    "unpaired": (project([[11, "", "liver", "", ""]]), "event 1: liver begins at 11 s and has no end"),
    "no behavior": (project([[11, "", "x", "", ""]]), "'x' is no behavior of the ethogram"),
    "no event": (project([[11]]), "event 1 is no event of BORIS"),
    "infinite": (project([["1e999", "", "liver", "", ""]]), "'time' is missing or no number"),
    "a length that is not known": (
        project([[11, "", "liver", "", ""], [12, "", "liver", "", ""]], media_info={}),
        "the length of a.mp4 is not known",
    ),
    "two subjects": (
        project([[11, s, "liver", "", ""] for s in "ab"] + [[12, s, "liver", "", ""] for s in "ab"]),
        "event 2: overlaps .*event 1 for liver",
    ),
    "tabular events": ("Behavior\tBehavior type\tTime\tObservation id\tStart (s)\tStop (s)\na\tSTART\t1\to\t1\t2\n", r"aggregated"),
    "columns": ("Behavior\tBehavior type\n", "lacks the column observation_id"),
    "support": ({"labels": {"a": [{"label": "x", "support": [1]}]}}, "'support' is missing or no pair"),
    "FiftyOne's frame 0": ({"labels": {"a": [{"label": "x", "support": [0, 1]}]}}, "count from 1, not 0"),
    "no class": ({"classes": ["a"], "labels": {"a": [{"label": 7, "support": [1, 2]}]}}, "detection 0 has no label"),
    "by frame and by second": (
        {"labels": {"a": [{"label": "x", "support": [1, 2]}, {"label": "x", "timestamps": [1, 2]}]}},
        "both by frame and by second",
    ),
    "a cue's times": ("WEBVTT\n\n1 --> 2\nliver\n", "line 3: '1 --> 2' is no line of times"),
    "a cue's clock": ("WEBVTT\n\n00:00:01.0000 --> 00:00:02.000\nliver\n", "is no time, as"),
    "a cue backwards": ("WEBVTT\n\n00:02.000 --> 00:01.000\nliver\n", "line 4: from 2 to 1 s is not after"),
    "an empty label": ("1\t2\t\n", "line 1: the label has no text"),
    "not Audacity below": ("1\t2\tliver\nfile,organ\n", "line 2: 'file,organ' is no label of Audacity"),
    "Audacity before the clip": ("-1\t2\tliver\n", "begin must be 0 or more"),
    "labels over each other": ("1\t3\tliver\n2\t4\tliver\n", "line 2: overlaps .*line 1 for liver"),
    "a timeline's interval": ({"source": {"name": "a"}, "intervals": [3]}, "holds no label"),
    "a timeline's state": (
        {"source": {"name": "a"}, "intervals": [{"organ": "x", "state": "maybe", "start_index": 0, "end_index": 1}]},
        "interval 0: state 'maybe'",
    ),
    "a long id": ([{**studio(("liver", 0, 3))[0], "id": "i" * 10**6}], "count from 1"),
    "a long tier": (eaf(tier("x" * 60_000, ("t0", "open", ""))), "has no begin or no end"),
    "a long code": ({**project([]), "observations": {"o" * 10**6: project([[11, "", "liver", "", ""]])["observations"]["o1"]}}, "has no end"),
    "a cue of parts": ("WEBVTT\n\n00:01.000 --> 00:02.000\n" + "a · " * 200 + "a\n", "it names 201 organs, more than 100"),
    "a long cue": ("WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<" * 65_537 + "\n", "65,537 characters, more than 65,536"),
    "a long note": ("WEBVTT\n\nNOTE " + "a" * 65_537 + ": absent\n", "line 3: it has 65,545 characters"),
    "an escape of no letter": ("WEBVTT\n\n00:01.000 --> 00:02.000\n&#" + "9" * 5000 + ";\n", "an escape of no letter"),
    "a number of digits": ({"labels": {"a": [{"label": "x", "support": [10**4000, 1]}]}}, "frames 9+… to 0"),
    "a long end": ({"clips": [{"task": "x", "file": "a", "segments": [{"start": 0, "end": 10**4000, "label": 1}]}]}, "no clip has a frame 10+…"),
    "a patient of lists": ({"clips": [{"task": "x", "file": "a", "patient": [["x"] * 9], "segments": []}]}, "'patient' must be"),
    "a long state": ("file,organ,start_s,end_s,state\na,x,0,1," + "y" * 900 + "\n", f"state '{'y' * 59}…' is none"),
    "a long line of Audacity": ("1\t2\tliver\n" + "x" * 10**6, "is no label of Audacity"),
    "nothing that is known": ({"frames": []}, "none of the other label files"),
    "no text at all": ("\x01\x02", "is none of the label files"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_one_line(tmp_path: Path, case: str) -> None:
    content, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 2000


def test_labels_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "MAX_ROWS", 3)
    many: dict[str, object] = {
        "audacity": "".join(f"{k}\t{k + 1}\tl\n" for k in range(4)),
        "vtt": "WEBVTT\n" + "".join(f"\n00:0{k}.000 --> 00:0{k}.500\nl\n" for k in range(4)),
        "studio": studio(*[("l", 2 * k + 1, 2 * k + 1) for k in range(4)]),
        "cvat": tracks(*[("l", box(3 * k) + box(3 * k + 1, 1)) for k in range(4)]),
        "fiftyone": {"labels": {"a": [{"label": "l", "support": [k, k]} for k in range(1, 5)]}},
        "boris": project([[11 + k, "", "liver", "", ""] for k in range(8)]),
        "elan": eaf(tier("liver", *[("t0", "t500", "")] * 4)),
        "boris table": "Observation id,Behavior,Behavior type,Start (s),Stop (s)\n" + "o,liver,STATE,1,2\n" * 4,
        "notes": "WEBVTT\n" + "".join(f"\nNOTE organ {k}: absent\n" for k in range(4)),
    }
    for content in many.values():
        with pytest.raises(DataError, match="more than 3 labels; divide"):
            read(tmp_path, content)


def test_lines_are_counted_before_a_list_of_them_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_files, "MAX_LINES", 9)
    for end in ("\n", "\r", "\r\n"):
        with pytest.raises(DataError, match="more than 9 lines; divide"):
            read(tmp_path, "WEBVTT" + end * 10)


def test_an_event_is_held_against_the_files_that_it_lies_in_alone() -> None:
    """20,000 files and as many events: each with each would take hours."""
    clock = MediaClock([("a.mp4", 1.0), ("b.mp4", 0.0004), ("c.mp4", 2.5), ("d.mp4", math.nan)])
    assert list(clock.parts(0.5, 4.0, 0.0, "")) == [("a.mp4", 0.5, 1.0), ("c.mp4", 0.0, 2.5), ("d.mp4", 0.0, 0.5)]
    assert list(clock.parts(11.0, 11.5, 10.0, "")) == [("c.mp4", 0.0, 0.5)]
    many = MediaClock([(f"{k}.mp4", 1.0) for k in range(20_000)])
    for k in range(0, 20_000, 10):
        assert list(many.parts(k + 0.25, k + 0.75, 0.0, "")) == [(f"{k}.mp4", 0.25, 0.75)]


def test_texts_of_a_file_are_not_copied_with_each_of_its_labels(tmp_path: Path) -> None:
    """As many labels as may be, each with a long id, name or tier beside it, would take gigabytes."""
    long = "x" * 60_000
    regions = [{"value": {"timelinelabels": ["l"], "ranges": [{"start": k, "end": k}]}, "id": long} for k in (1, 3)]
    files: dict[str, object] = {
        "label studio": [{"id": long, "data": {"video": "a"}, "annotations": [{"result": regions}]}],
        "elan": eaf(tier(long, ("t0", "t500", "l"), ("t900", "t1500", "l"))),
        "own": {"clips": [{"task": "l", "file": "f" * 900, "segments": [{"start": 1, "end": 1, "label": 1}]}]},
        "boris": {**project([]), "observations": {long: project([[11, "", "liver", "", ""], [12, "", "liver", "", ""]])["observations"]["o1"]}},
        "cvat": tracks(("l", box(1))).replace('<track id="0"', f'<track id="{long}"'),
    }  # fmt: skip
    for content in files.values():
        (labels,) = read(tmp_path, content)
        assert all(len(span.where) < len(str(tmp_path)) + 200 for span in labels.spans)


def test_no_more_frames_are_taken_than_a_clip_can_have(tmp_path: Path) -> None:
    for stated, frames in ((7, 7), (10**13, 0), (-1, 0), (True, 0)):
        clip = {"task": "l", "file": "f", "frames": stated, "segments": [{"start": 1, "end": 1, "label": 1}]}
        assert read(tmp_path, {"clips": [clip]})[0].frames == frames


def test_notes_are_few(tmp_path: Path) -> None:
    """Of 60 tasks without a mark."""
    tasks = [*studio(("liver", 1, 3)), *[{"id": k, "data": {"video": f"{k}"}, "annotations": []} for k in range(60)]]
    (labels,) = read(tmp_path, tasks)
    assert len(labels.notes) == 51 and labels.notes[-1] == "and 10 more like the last"


def test_label_studio_keeps_no_address(tmp_path: Path) -> None:
    (task,) = studio(("liver", 1, 3))
    task["data"] = {"file": "https://u:p@h/Doe/x.mp4?X-Sig=SECRET", "video": "y.mp4"}
    assert read(tmp_path, [task])[0].file == "x.mp4"
