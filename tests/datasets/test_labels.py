"""Label files: what they say, and one clear line for everything that can be wrong in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqcls.datasets import label_files
from seqcls.datasets.label_formats import found
from seqcls.datasets.labelled_span import LabelledSpan
from seqcls.datasets.labels import read_labels, with_patients
from seqcls.errors import DataError, UsageError

HEAD = "file,organ,start_s,end_s,state"


def write(folder: Path, text: str, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_spans_are_half_open_seconds(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEAD}\na.mp4,liver,0,1.5,absent\na.mp4,liver,1.5,2,present\na.mp4,kidney,0.2,1,ignore\n")
    (clip,) = read_labels(path)
    assert clip.organs == ("kidney", "liver")
    states = [clip.state_at("liver", -1, t) for t in (0.0, 1.49, 1.5, 1.99, 2.0)]
    assert states == ["absent", "absent", "present", "present", None]
    assert clip.state_at("kidney", 0, 0.1) is None and clip.state_at("kidney", 0, 0.5) == "ignore"
    assert clip.state_at("spleen", 0, 0.5) is None


def test_a_frame_a_hair_before_the_edge_belongs_to_the_later_span(tmp_path: Path) -> None:
    (clip,) = read_labels(write(tmp_path, f"{HEAD}\na.mp4,liver,0,0.3,absent\na.mp4,liver,0.3,1,present\n"))
    assert clip.state_at("liver", 3, 3 * 0.1) == "present" and clip.state_at("liver", 3, 0.3 - 1e-9) == "present"


def test_json_ranges_are_inclusive_frames(tmp_path: Path) -> None:
    segments = [
        {"start": 0, "end": 4, "label": 1},
        {"start": 5, "end": 5, "label": -1},
        {"start": 6, "end": 9, "label": 0},
    ]
    body = {"clips": [{"task": "liver", "file": "clips/a.mp4", "patient": "P1", "segments": segments}]}
    (clip,) = read_labels(write(tmp_path, json.dumps(body), "l.json"))
    states = [clip.state_at("liver", i, 99.0) for i in (0, 4, 5, 6, 9, 10)]
    assert states == ["present", "present", "ignore", "absent", "absent", None]
    assert clip.patient == "P1" and clip.frames == 0


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEAD + "\na.mp4,liver,0,1,present\n",
        HEAD.replace(",", ";") + "\r\na.mp4;liver;0;1,0;present\r\n",
        HEAD.replace(",", "\t") + "\na.mp4\tliver\t0\t1\tPRESENT\n\n",
        HEAD.replace(",", "|") + "\na.mp4|liver|0|1|present\n",
        "state,end_s,start_s,organ,file,note\n1.0,1,0,liver,a.mp4,x\n",
    ],
    ids=["byte order mark", "semicolons and decimal commas", "tabs, upper case, blank line", "bars", "other order"],
)
def test_spellings_of_spreadsheets(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode("utf-8"))
    (clip,) = read_labels(path)
    assert clip.state_at("liver", 0, 0.5) == "present"


BAD = [
    ("no column", "file,organ,start_s,end_s\n", "lacks the column state"),
    ("unknown state", f"{HEAD}\na,liver,0,1,maybe\n", "line 2: state 'maybe'"),
    ("ends before it starts", f"{HEAD}\na,liver,2,1,present\n", "line 2: end_s 1 is not after"),
    ("zero length", f"{HEAD}\na,liver,1,1,present\n", "is not after"),
    ("negative", f"{HEAD}\na,liver,-1,1,present\n", "start_s must be 0 or more"),
    ("not a number", f"{HEAD}\na,liver,zero,1,present\n", "'zero' is not a number"),
    ("infinite", f"{HEAD}\na,liver,0,inf,present\n", "end_s must be"),
    ("nan", f"{HEAD}\na,liver,nan,1,present\n", "start_s must be"),
    ("empty cell", f"{HEAD}\na,,0,1,present\n", "organ is empty"),
    ("short row", f"{HEAD}\na,liver,0\n", "end_s is empty"),
    ("overlap", f"{HEAD}\na,liver,0,2,present\na,liver,1,3,absent\n", "line 3: overlaps .*line 2"),
    ("twice the same", f"{HEAD}\na,liver,0,2,present\na,liver,0,2,present\n", "overlaps"),
    ("two patients", f"{HEAD},patient\na,liver,0,2,present,P1\na,liver,2,3,present,P2\n", "more than one patient"),
    ("two scanners", f"{HEAD},Scanner\na,liver,0,2,present,A\na,liver,2,3,present,B\n", "more than one scanner"),
    ("header alone", f"{HEAD}\n", "holds no label"),
    ("nothing", "", "lacks the column file"),
    ("zero bytes", f"{HEAD}\na\0.mp4,liver,0,1,present\n", "is not text"),
    ("a cell without end", f'{HEAD}\n"{"a" * 140_000},liver,0,1,present\n', "a quote that is not closed"),
    (
        "two spellings",
        f"{HEAD}\na,Left lobe,0,1,present\nb,left_lobe,0,1,absent\n",
        "line 3: organ 'left_lobe' is 'Left lobe' in .*line 2",
    ),
    ("a path as organ", f"{HEAD}\na,../../liver,0,1,present\n", "line 2: organ '../../liver' must not hold '/'"),
    (
        "not seen",
        f"{HEAD}\na,liver\u200b,0,1,present\n",
        r"line 2: organ 'liver\\u200b' holds '\\u200b', which nobody sees",
    ),
    ("a colon", f"{HEAD}\na,lobe: left,0,1,present\n", "must not hold ':'"),
    (
        "more organs than any model",
        HEAD + "".join(f"\na,o{k},0,1,present" for k in range(101)),
        "101 organs are more than",
    ),
    (
        "a million columns",
        f"{HEAD},{','.join('c' * 996)}\na,liver,0,1,present\n",
        "line 1: has 1,001 cells, more than the 1,000",
    ),
    ("a long organ", f"{HEAD}\na,{'o' * 101},0,1,present\n", "has 101 characters, more than 100"),
    ("a long name", f"{HEAD}\n{'a' * 1001},liver,0,1,present\n", "line 2: a cell has 1,001 characters"),
    ("the end of all days", f"{HEAD}\na,liver,0,1e300,present\n", r"end_s '1e300' is more than 4e\+09 seconds"),
    ("decimal comma and patient", f"{HEAD},patient\na,liver,0,1,1,present\n", "the patient is 'present'"),
]


@pytest.mark.parametrize(("text", "message"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_csv_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_labels(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_rows_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"\na,liver,{k},{k + 1},present" for k in range(9))
    assert len(read_labels(write(tmp_path, HEAD + rows))[0].spans) == 9
    monkeypatch.setattr(label_files, "MAX_ROWS", 9)  # with the first line
    monkeypatch.setattr(found, "MAX_ROWS", 9)
    with pytest.raises(DataError, match="more than 9 rows; divide it"):
        read_labels(write(tmp_path, HEAD + rows))
    body = json.dumps({"clips": [{"task": "a", "file": "b", "segments": [{"start": 0, "end": 1, "label": 1}] * 10}]})
    with pytest.raises(DataError, match="more than 9 labels; divide"):
        read_labels(write(tmp_path, body, "l.json"))


def test_a_frame_looks_at_two_spans_however_many_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"\na,{organ},{k},{k + 1},present" for k in range(500) for organ in ("liver", "kidney"))
    (clip,) = read_labels(write(tmp_path, HEAD + rows))
    looked, covers = list[float](), LabelledSpan.covers
    monkeypatch.setattr(LabelledSpan, "covers", lambda span, *at: looked.append(span.start_s) or covers(span, *at))
    assert clip.state_at("liver", 0, 400.5) == "present" and looked == [399, 400]
    assert clip.state_at("liver", 0, 500.0) is None and clip.state_at("liver", 0, -0.1) is None


def clip_json(**changes: object) -> str:
    clip = {"task": "liver", "file": "a.mp4", "segments": [{"start": 0, "end": 4, "label": 1}], **changes}
    return json.dumps({"clips": [clip]})


BAD_JSON = [
    ("not json", "{", "is not JSON"),
    ("a list", "[]", 'no list "clips"'),
    (
        "a timeline without a source",
        '{"intervals": []}',
        "none of the other label files that are read: .* a timeline.json",
    ),
    ("no file", clip_json(file=None), "'file' is missing"),
    ("no segments", clip_json(segments=3), "'segments' is missing"),
    ("fraction", clip_json(segments=[{"start": 0.5, "end": 2, "label": 1}]), "'start' is missing or not of type int"),
    ("backwards", clip_json(segments=[{"start": 5, "end": 2, "label": 1}]), "0 <= start <= end"),
    ("nested without end", "[" * 100_000, "is not JSON"),
    ("frames to no end", clip_json(segments=[{"start": 0, "end": 10**13, "label": 1}]), "no clip has a frame 1000"),
    ("one field twice", clip_json().replace('"file"', '"task"'), "the field 'task' stands twice"),
    ("a long file", clip_json(file="a" * 1001), "a text has more than 1,000 characters"),
    ("empty organ", clip_json(task=" "), "'task' is empty"),
    ("empty file", clip_json(file=""), "'file' is empty"),
    ("list of patients", clip_json(patient=["P1"]), "'patient' must be"),
    ("label 2", clip_json(segments=[{"start": 0, "end": 2, "label": 2}]), "state '2'"),
    (
        "overlap",
        clip_json(segments=[{"start": 0, "end": 2, "label": 1}, {"start": 2, "end": 3, "label": 0}]),
        "overlaps",
    ),
]


@pytest.mark.parametrize(("text", "message"), [b[1:] for b in BAD_JSON], ids=[b[0] for b in BAD_JSON])
def test_bad_json_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(write(tmp_path, text, "l.json"))


@pytest.mark.parametrize(("patient", "read"), [(None, ""), ("", ""), (" P1 ", "P1"), (7, "7")], ids=str)
def test_patients_of_json(tmp_path: Path, patient: object, read: str) -> None:
    assert read_labels(write(tmp_path, clip_json(patient=patient), "l.json"))[0].patient == read


def test_what_is_no_text_is_told_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=r"folder\.csv cannot be read"):
        read_labels(tmp_path / "folder.csv")


def test_the_table_of_a_run_is_a_label_file(tmp_path: Path) -> None:
    """What was unknown is ignored, and `path` tells two clips of one name apart."""
    head = "file,organ,state,start_s,end_s,start_frame,end_frame,mean_score,peak_score,reason,path"
    rows = [
        "a.mp4,liver,absent,0.000000,0.400000,0,9,0.1,0.2,,P01/a.mp4",
        "a.mp4,liver,unknown,0.400000,0.560000,,,,,black,P01/a.mp4",
        "a.mp4,liver,present,0.000000,0.560000,0,13,0.9,0.9,,P02/a.mp4",
    ]
    one, other = read_labels(write(tmp_path, "\n".join([head, *rows])))
    assert (one.file, other.file) == ("P01/a.mp4", "P02/a.mp4")
    assert [one.state_at("liver", -1, t) for t in (0.39, 0.4, 0.56)] == ["absent", "ignore", None]
    assert other.state_at("liver", -1, 0.5) == "present"
    alike = write(tmp_path, "\n".join([head, *(row.rsplit(",", 1)[0] + "," for row in rows)]))
    with pytest.raises(DataError, match=r"overlaps .* if these are two clips of one name, fill in a column path"):
        read_labels(alike)


def test_clock_times_and_names_in_either_unicode_form(tmp_path: Path) -> None:
    composed, apart = "Schilddr\u00fcse", "Schilddru\u0308se"
    rows = [f"{composed} 1.mp4,{apart},0:00,0:00:01.5,present", f"{apart} 1.mp4,{composed},1.5,0:02,absent"]
    (clip,) = read_labels(write(tmp_path, "\n".join([HEAD, *rows])))
    assert clip.organs == (composed,) and clip.file == f"{composed} 1.mp4"
    assert [clip.state_at(apart, -1, t) for t in (1.49, 1.5)] == ["present", "absent"]
    body = {"clips": [{"task": apart, "file": f"{apart}.mp4", "patient": apart, "segments": []}]}
    body["clips"][0]["segments"] = [{"start": 0, "end": 4, "label": 1}]
    (clip,) = read_labels(write(tmp_path, json.dumps(body), "l.json"))
    assert (clip.file, clip.patient, clip.organs) == (f"{composed}.mp4", composed, (composed,))


def test_neighbouring_json_ranges_do_not_overlap(tmp_path: Path) -> None:
    segments = [{"start": 0, "end": 2, "label": 1}, {"start": 3, "end": 3, "label": 0}]
    assert len(read_labels(write(tmp_path, clip_json(segments=segments), "l.json"))[0].spans) == 2


def test_missing_file_and_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no label file"):
        read_labels(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"labels\.xlsx is none of the label files that are read"):
        read_labels(write(tmp_path, "x", "labels.xlsx"))


def test_who_the_patient_is(tmp_path: Path) -> None:
    rows = [
        "x/pat1_a.mp4,liver,0,1,present,",
        "x/pat1_b.mp4,liver,0,1,absent,",
        "y.mp4,liver,0,1,present,P9",
        "z.mp4,liver,0,1,absent,",
    ]
    labels = read_labels(write(tmp_path, f"{HEAD},patient\n" + "\n".join(rows)))
    assert [c.patient for c in with_patients(labels, r"(pat\d+)")] == ["pat1", "pat1", "P9", "z.mp4"]
    assert [c.patient for c in with_patients(labels, None)] == ["x/pat1_a.mp4", "x/pat1_b.mp4", "P9", "z.mp4"]
    for wrong in ("(", "pat", "(a)(b)"):
        with pytest.raises(UsageError):
            with_patients(labels, wrong)


@pytest.mark.real
def test_the_real_labels_count_as_they_say(real_clips: Path) -> None:
    body = json.loads((real_clips / "intervals.json").read_text(encoding="utf-8"))
    labels = {clip.file: clip for clip in read_labels(real_clips / "intervals.json")}
    assert len(labels) == 16
    for clip in body["clips"]:
        found = [labels[clip["file"]].state_at("organ", i, 0.0) for i in range(clip["frames"])]
        counts = {"1": found.count("present"), "0": found.count("absent"), "-1": found.count("ignore")}
        assert counts == clip["counts"], clip["file"]
