"""Damaged model files, labels, journals, runs, layouts, DICOM and streams by the thousand: a value or one line.

    python scripts/fuzz_formats.py                                200 mutants of each kind
    python scripts/fuzz_formats.py --count 5000 --only journal
    python scripts/fuzz_formats.py --only "openvino graph" --seed 4711 --count 1 --keep bad/    one of them again

Small valid files are made by the project's own writers and damaged in their bytes, in their numbers and words, and in
their structure (fields of JSON, records of a journal with checksums that fit, lengths in DICOM and OpenIGTLink, layers
and nodes of graphs). Each is opened by the project's own reader, in a worker process with bounds, and what comes out is
used: exported, written again, resumed, inferred. Allowed are a value, or a SeqclsError of one line; anything else
(another exception or a warning, a signal, more than 20 s or 1 GB) is a finding, printed with its seed. Exit code 1
where there are any.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import copy
import hashlib
import json
import random
import re
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "scripts")]

from fuzz_media import MAX_BYTES, Outcome, Worker, peak_bytes  # noqa: E402 - from scripts/
from support import journals, media, timelines  # noqa: E402 - from tests/

from seqcls.errors import NoFramesError, SeqclsError  # noqa: E402
from seqcls.text.foreign_text import for_terminal  # noqa: E402

#: A message longer than this is no line for a person.
MAX_LINE = 2000
FINDINGS = ("error", "crash", "hang", "memory")


@dataclass(frozen=True)
class Format:
    """A kind of file: ``samples`` are whole ones, ``damage`` changes their structure, ``open`` reads and uses one.

    ``name``: what the file is called, because readers go by suffixes. ``native``: a library reads it that may end the
    process, or the process bounds itself.
    """

    name: str
    samples: Callable[[], list[bytes]]
    damage: Callable[[bytes, random.Random], bytes]
    open: Callable[[Path], object]
    native: bool = False


# ---- damage that knows nothing of the format

WORDS = (
    *("", "0", "-1", "1e999", "-1e999", "NaN", "Infinity", "1e300", "-0.0", "1e-320", "0x10", "٣", "9" * 5000, "true"),
    *(
        "null",
        str(2**31),
        str(2**63),
        str(2**64),
        str(-(2**63) - 1),
        "4294967295",
        "\x00",
        "\ufeff",
        "\x1b[31m",
        "\\ud800",
    ),
    *(
        "4294967295",
        "a" * 2000,
        "=1+1",
        "../../etc/x",
        "CON",
        "\u202e",
        "é" * 300,
        "\r\n",
        ",",
        '"',
        "%s%n",
        "1,2",
        "१२",
        "𝟙",
    ),
)


def damage_bytes(data: bytes, rng: random.Random) -> bytes:
    """One of: cut, bits, noise, zeros, a stretch lost, doubled or swapped, bytes put in, a mark, another encoding."""
    changed = bytearray(data)
    at = rng.randrange(len(changed) + 1)
    length = min(rng.choice((1, 2, 4, 8, 64, 1000)), len(changed))
    kind = rng.randrange(13)
    if kind == 0:
        return data[:at]
    if kind == 1:
        for _ in range(rng.choice((1, 1, 2, 8))):
            if changed:
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        changed[at : at + length] = rng.randbytes(length)
    elif kind == 3:
        changed[at : at + length] = bytes(length)
    elif kind == 4:
        del changed[at : at + length]
    elif kind == 5:
        changed[at:at] = changed[at : at + length] * rng.choice((1, 2, 50))
    elif kind == 6:
        other = rng.randrange(len(changed) + 1)
        changed[at : at + length], changed[other : other + length] = (
            changed[other : other + length],
            changed[at : at + length],
        )
    elif kind == 7:
        changed[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\xff\xff\xff\x7f", b"\0\0\0\0"))
    elif kind == 8:
        changed[at:at] = rng.choice(WORDS).encode("utf-8", "replace")
    elif kind == 9:
        changed[:0] = rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\0", b"\n\n", b"\xff\xfe\0\0"))
    elif kind == 10:
        return data.decode("latin-1").encode(rng.choice(("utf-16", "utf-32", "utf-16-be", "utf-7")))
    elif kind == 11:
        return data.replace(*rng.choice(((b"\n", b"\r\n"), (b"\n", b"\r"), (b",", b";"), (b'"', b"'"), (b"\n", b""))))
    else:
        return data * 2 if rng.random() < 0.5 else data + rng.randbytes(rng.choice((1, 7, 5000)))
    return bytes(changed)


_TOKEN = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[A-Za-z_][A-Za-z_0-9]*")


def damage_words(data: bytes, rng: random.Random) -> bytes:
    """One number or word becomes another."""
    found = list(_TOKEN.finditer(data))
    if not found:
        return data
    one = rng.choice(found)
    new = rng.choice(WORDS).encode("utf-8", "replace") if rng.random() < 0.8 else rng.choice(found)[0]
    return data[: one.start()] + new + data[one.end() :]


# ---- damage to JSON

_RAW = "@@raw@@"
_TEXTS = (
    *(
        "1e999",
        "-1e999",
        "NaN",
        "Infinity",
        "1" * 5000,
        "1e400",
        "-0",
        "0",
        "-1",
        "1e300",
        "0.5",
        str(2**63),
        str(2**70),
    ),
    *(
        '"\\ud800"',
        '"\\u0000"',
        '"\\n\\n"',
        '"' + "x" * 3000 + '"',
        '""',
        '"liver"',
        "null",
        "true",
        "false",
        "[]",
        "{}",
    ),
    *("[" * 40 + "]" * 40, "[" * 100_000 + "]" * 100_000, "[" * 50_000, '{"a":' * 2000 + "1" + "}" * 2000, "[[[]]]"),
    *("[1,2,3]", "[null]", '{"":0}', '{"a":1,"a":2}', '[["liver", 1]]', "'x'", "01", "+1", ".5", "/*c*/1", "tru"),
)


def damage_json(data: bytes, rng: random.Random) -> bytes:
    """A field lost, renamed, doubled, moved, wrapped, or with another value, which need not be one of JSON."""
    tree = json.loads(data)
    raws: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = list(_places(tree))
        if not places:
            break
        inside, key = rng.choice(places)
        kind = rng.randrange(10)
        if kind == 0:
            del inside[key]
        elif kind == 1 and isinstance(inside, dict):
            inside[rng.choice(("", "x", "organs", key.upper(), key + "\u0301"))] = inside.pop(key)
        elif kind == 2 and isinstance(inside, dict):
            raws.append(f"{json.dumps(inside[key])}, {json.dumps(key)}: {rng.choice(_TEXTS)}")
            inside[key] = f"{_RAW}{len(raws) - 1}"
        elif kind == 2:
            inside[key:key] = [copy.deepcopy(inside[key])] * rng.choice((1, 1, 200))
        elif kind == 3:
            other, there = rng.choice(places)
            with contextlib.suppress(LookupError):  # what was moved away before
                inside[key], other[there] = copy.deepcopy(other[there]), copy.deepcopy(inside[key])
        elif kind == 4:
            inside[key] = rng.choice(([inside[key]], {"value": inside[key]}, str(inside[key]), [inside[key]] * 3))
        elif kind == 5 and isinstance(inside[key], (int, float)):
            value = inside[key]
            inside[key] = rng.choice((-value, value + 1, value * 1e6, value + 0.5, int(value), bool(value), -value - 1))
        else:
            raws.append(rng.choice(_TEXTS))
            inside[key] = f"{_RAW}{len(raws) - 1}"
    text = json.dumps(tree)
    for number in reversed(range(len(raws))):
        text = text.replace(f'"{_RAW}{number}"', raws[number])
    return text.encode("utf-8")


def _places(tree: Any) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from _places(value)


# ---- the kinds


def _written(write: Callable[[Path], object], name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def _header() -> Any:
    from seqcls.geometry import Geometry, Region
    from seqcls.models.file import ModelHeader
    from seqcls.models.trained_on import TrainedOn

    return ModelHeader(
        organs=("liver", "kidney"),
        geometry=Geometry(size=32, layouts=(_layout(),)),
        calibration=((1.5, 0.3), (0.7, -0.2)),
        regions=(Region(3, 4, 60, 40, 64, 48, ((3, 4), (60, 4), (30, 40)), "convex", 0.9),),
        training={"epochs": 3, "folds": [1, 2]},
        trained_on=(TrainedOn.of("data", [np.arange(9, dtype=np.uint8).reshape(3, 3)], ["digest"], ["P1", "P2"]),),
    )


def _layout() -> Any:
    from seqcls.geometry import Layout, Region

    return Layout(Region(8, 6, 56, 42, 64, 48, kind="stated"), tuple(k * 7 % 256 for k in range(32 * 24)))


def _model_samples() -> list[bytes]:
    from safetensors.numpy import save

    from seqcls.models.file import KEY

    tensors = {"fc.weight": np.ones((2, 3), np.float32), "fc.bias": np.zeros(2, np.float32)}
    return [save(tensors, metadata={KEY: _header().to_json()})]


def _damage_model(data: bytes, rng: random.Random) -> bytes:
    """The header inside the table, the table itself, or the length in front of it."""
    (size,) = struct.unpack_from("<Q", data)
    table, tensors = data[8 : 8 + size], data[8 + size :]
    kind = rng.randrange(4)
    if kind == 0:
        return struct.pack("<Q", rng.choice((0, 1, size - 1, size + 1, 2**32, 2**63, 100_000_001))) + data[8:]
    if kind == 1:
        table = damage_json(table, rng)
    else:
        plain = json.loads(table)
        text = plain["__metadata__"]["seqcls"].encode()
        changed = damage_json(text, rng) if kind == 2 else damage_words(text, rng)
        plain["__metadata__"]["seqcls"] = changed.decode("utf-8", "replace")
        table = json.dumps(plain).encode()
    return struct.pack("<Q", len(table)) + table + tensors


def _open_model(path: Path) -> None:
    from seqcls.models.file import ModelHeader, read_header, read_model

    header = read_header(path)
    header.probabilities(np.zeros((2, len(header.organs)), np.float32))
    assert ModelHeader.from_json(header.to_json()) == header, "it is not read as it is written"
    with contextlib.suppress(SeqclsError):  # two tensors are no network
        read_model(path)


def _labels_csv() -> list[bytes]:
    comma = "file,organ,start_s,end_s,state,patient\na.mp4,liver,0.5,2.25,present,P1\na.mp4,liver,2.25,3,absent,P1\n"
    clock = 'sep=;\nfile;organ;start_s;end_s;state\n"b b.mp4";Leber;0:01,5;1:02:03;1\nc.mp4;Niere;1,5;2,5;-1\n'
    return [comma.encode(), clock.encode("utf-8-sig")]


def _labels_json() -> list[bytes]:
    spans = [{"start": 0, "end": 91, "label": 1}, {"start": 92, "end": 99, "label": 0}]
    clip = {"task": "liver", "file": "a.mp4", "patient": "P1", "num_frames": 100, "segments": spans}
    return [json.dumps({"clips": [clip, {**clip, "file": "b.mp4"}]}).encode()]


def _exported(*names: str) -> list[bytes]:
    """A timeline as it goes to tools of annotation."""
    from seqcls.exports import export

    made = timelines.timeline("P1/a.mp4", liver="..PPPP??PPPP....", kidney="PPPP....mmmm??PP", node="." * 16)
    with tempfile.TemporaryDirectory() as folder:
        return [export(made, folder, name)[0].read_bytes() for name in names]


def _open_labels(path: Path) -> None:
    from seqcls.datasets.import_labels import ClipTimes, in_seconds, write_labels_csv
    from seqcls.datasets.labels import read_labels
    from seqcls.types import SourceReport

    labels = read_labels(path)
    for clip in labels:
        for organ in clip.organs:
            clip.state_at(organ, 3, 1.25)
    shown_s = np.arange(16) / 10
    times = ClipTimes(np.arange(16), shown_s, 1.6, SourceReport("complete"))
    with contextlib.suppress(SeqclsError):  # they are of another clip
        write_labels_csv(path.with_name("written.csv"), [in_seconds(clip, times) for clip in labels])
        for clip in read_labels(path.with_name("written.csv")):
            assert clip.rest is None


@cache
def _run_files() -> tuple[bytes, bytes]:
    """timeline.json and scores.csv of a run."""
    from seqcls.exports import write_run
    from seqcls.geometry import Geometry

    made = timelines.timeline(liver="..PPPP??PPPP....", kidney="PPPP....mmmm??PP")
    used = replace(made.provenance, geometry=Geometry(size=32, layouts=(_layout(),)), latency_ms=(1.0, 2.0, 3.0))
    with tempfile.TemporaryDirectory() as folder:
        write_run(replace(made, provenance=used, warnings=("a warning",)), folder)
        return (Path(folder) / "timeline.json").read_bytes(), (Path(folder) / "scores.csv").read_bytes()


def _open_run(path: Path, *, timeline: bool) -> None:
    """Read a run of which one file is damaged, and export it."""
    from seqcls.exports import export, read_run, write_run

    whole_timeline, whole_scores = _run_files()
    folder = path.parent / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    data = path.read_bytes()
    (folder / "timeline.json").write_bytes(data if timeline else whole_timeline)
    (folder / "scores.csv").write_bytes(whole_scores if timeline else data)
    run = read_run(folder)
    repr(run), run.gaps, run.coverage, run.notes
    export(run, folder / "exports", "csv,tsv,json,jsonl,wide,vtt,srt,audacity")
    write_run(run, folder / "again")
    read_run(folder / "again")


def _journal_samples() -> list[bytes]:
    from seqcls.intervals import IntervalOptions
    from seqcls.journal import RunSummary
    from seqcls.types import FrameCounts, Gap

    def write(path: Path, *, whole: bool) -> None:
        clock = journals.Clock()
        with contextlib.closing(journals.begin(path, clock, intervals=[IntervalOptions()] * 2)) as writer:
            journals.write_frames(writer, clock, range(8))
            writer.write(Gap(0.8, 1.5, "stalled"))
            writer.write(journals.frame(8, 1.5, reason="black"))
            journals.write_frames(writer, clock, range(9, 14), 1.6)
            if whole:
                writer.finish(RunSummary(end_s=2.1, frame_counts=FrameCounts(14, 13, 1), verdict="complete"))

    return [_written(partial(write, whole=whole), "run.journal") for whole in (True, False)]


def _damage_journal(data: bytes, rng: random.Random) -> bytes:
    """Its records, with checksums that fit: another value, lost, doubled or moved."""
    lines = data.splitlines()
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(lines))
        kind = rng.randrange(6)
        if kind == 0 and len(lines) > 1:
            del lines[at]
        elif kind == 1:
            lines.insert(rng.randrange(len(lines) + 1), lines[at])
        elif kind == 2:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            plain = lines[at].split(b" ", 1)[-1]
            with contextlib.suppress(ValueError, RecursionError):  # damaged before
                plain = (damage_json if kind < 5 else damage_words)(plain, rng)
            lines[at] = journals.sealed(plain.replace(b"\n", b" ")).rstrip(b"\n")
    return b"\n".join(lines) + b"\n" * rng.choice((0, 1, 1, 1))


def _open_journal(path: Path) -> None:
    from seqcls.journal import read_journal, resume

    with contextlib.suppress(NoFramesError):
        repr(read_journal(path).timeline())
    resume(path).writer.close()
    with contextlib.suppress(NoFramesError):
        read_journal(path).timeline()


def _layout_samples() -> list[bytes]:
    from seqcls.layouts import write_layouts

    return [_written(lambda path: write_layouts(path, [_layout(), _layout()]), "layouts.json")]


def _damage_layouts(data: bytes, rng: random.Random) -> bytes:
    """Also what is packed in them."""
    if rng.random() < 0.85:
        return damage_json(data, rng)
    tree = json.loads(data)
    ground = damage_bytes(base64.b64decode(tree["layouts"][0]["ground"]), rng)
    tree["layouts"][0]["ground"] = base64.b64encode(ground).decode()
    return json.dumps(tree).encode()


def _open_layouts(path: Path) -> None:
    from seqcls.geometry import Geometry, region_mask
    from seqcls.layouts import read_layouts, write_layouts

    found = read_layouts(path)
    for layout in found:
        repr(layout.is_known_again)
        region_mask(layout.region)
    Geometry.from_dict(json.loads(json.dumps(Geometry(layouts=found).to_dict())))
    write_layouts(path.with_name("again.json"), found)
    assert read_layouts(path.with_name("again.json")) == found, "they are not read as they are written"


def _split_samples() -> list[bytes]:
    from seqcls.datasets.split_file import Labelled, make_split, write_split

    names = np.array([f"P{number}" for number in range(8)])
    data = Labelled(names, names, ((("liver", True), ("kidney", False)), (("liver", False), ("kidney", True))) * 4)
    return [_written(lambda path: write_split(make_split(data, folds=3)[0], path), "split.json")]


def _open_split(path: Path) -> None:
    from seqcls.datasets.split_file import read_split, write_split

    found = read_split(path)
    if found.folds:
        found.parts(max(found.folds.values()))
    write_split(found, path.with_name("again.json"))
    again = read_split(path.with_name("again.json"))
    assert (again.sides, again.folds) == (found.sides, found.folds), "it is not read as it is written"


def _fold_samples() -> list[bytes]:
    from seqcls.training.fold_scores import NAME, FoldScores, write_fold_scores

    scores = np.linspace(0, 1, 24, dtype=np.float32).reshape(12, 2)
    table = FoldScores(
        organs=("liver", "kidney"),
        clip=np.repeat(["a.mp4", "b.mp4"], 6),
        patient=np.repeat(["P1", "P2"], 6),
        fold=np.repeat([1, 2], 6),
        time_s=np.tile(np.arange(6) / 10, 2),
        scores=scores,
        labels=(scores > 0.5).astype(np.int8),
    )
    with tempfile.TemporaryDirectory() as folder:
        return [(write_fold_scores(table, Path(folder)).parent / NAME).read_bytes()]


def _open_folds(path: Path) -> None:
    from seqcls.training.fold_scores import read_fold_scores
    from seqcls.training.fold_timeline import fold_timeline

    table = read_fold_scores(path)
    for name in table.clips:
        own = table.of_clip(name)
        fold_timeline(own, replace(_header(), organs=own.organs[:2], calibration=(), intervals=()))


def _dicom_samples() -> list[bytes]:
    import cv2
    from pydicom.encaps import encapsulate, encapsulate_extended
    from pydicom.uid import JPEGBaseline8Bit, RLELossless
    from support.dicom_files import tiny

    frames = [np.full((48, 64), 20 * k, np.uint8) for k in range(4)]
    jpegs = [cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames]
    native = _written(lambda path: tiny(path, np.stack(frames)), "a.dcm")
    table = _written(lambda path: tiny(path, jpegs, JPEGBaseline8Bit), "a.dcm")
    rle = _written(
        lambda path: tiny(path, [b"\1\0\0\0\x40\0\0\0" + bytes(56) + b"\x81\0" * 24] * 4, RLELossless), "a.dcm"
    )

    def extended(path: Path) -> None:
        import pydicom

        tiny(path, jpegs, JPEGBaseline8Bit)
        ds = pydicom.dcmread(path)
        ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(jpegs)
        ds["PixelData"].is_undefined_length = True
        ds.save_as(path, enforce_file_format=True)

    plain = table.replace(encapsulate(jpegs), encapsulate(jpegs, has_bot=False))
    return [native, table, plain, rle, _written(extended, "a.dcm")]


_ITEM = re.compile(rb"\xfe\xff[\x00\xdd]\xe0")
_ELEMENT = re.compile(rb"[\x08\x10\x18\x28\xe0\x02]\x00..(?:CS|DA|DS|IS|LO|OB|OV|OW|PN|SQ|TM|UI|US|UL)", re.DOTALL)


def _damage_dicom(data: bytes, rng: random.Random) -> bytes:
    """Fragments lost, doubled or moved, offsets, lengths of items and elements, values of elements."""
    changed = bytearray(data)
    pixels = data.rfind(b"\xe0\x7f\x10\x00")
    items = [found.start() for found in _ITEM.finditer(data, pixels)]
    kind = rng.randrange(6)
    sizes = (0, 1, 2, 7, 8, 2**16, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1, rng.randrange(1, 500))
    if items and kind == 0:
        struct.pack_into("<I", changed, rng.choice(items) + 4, rng.choice(sizes))
    elif len(items) > 2 and kind == 1:
        first, second = sorted(rng.sample(range(len(items)), 2))
        part = data[items[first] : items[second]]
        at = rng.choice(items)
        return rng.choice((data[: items[first]] + data[items[second] :], data[:at] + part * 20 + data[at:]))
    elif len(items) > 1 and kind == 2 and items[1] - items[0] > 8:
        at = rng.randrange(items[0] + 8, items[1] - 3, 4)
        struct.pack_into("<I", changed, at, rng.choice(sizes))
    else:
        found = rng.choice(list(_ELEMENT.finditer(data)))
        long = data[found.end() - 2 : found.end()] in (b"OB", b"OV", b"OW", b"SQ")
        where, width = (found.end() + 2, "<I") if long else (found.end(), "<H")
        (size,) = struct.unpack_from(width, data, where)
        value = where + struct.calcsize(width)
        if kind == 3:
            struct.pack_into(width, changed, where, rng.choice(sizes) % (1 << 8 * struct.calcsize(width)))
        elif kind == 4 and size < 100:
            new = rng.choice((*WORDS, "1\\2\\3", "1e5", "40", "500000", "99999999")).encode("utf-8", "replace")[:1000]
            new += b" " * (len(new) % 2)
            changed[where : value + size] = struct.pack(width, len(new)) + new
        else:
            changed[value : value + min(size, 8)] = rng.choice((b"\0", b"\xff", rng.randbytes(1))) * min(size, 8)
    return bytes(changed)


def _open_source(path: Path) -> None:
    from fuzz_media import read_one

    outcome = read_one(str(path))
    if outcome.kind == "refused":
        raise SeqclsError(outcome.text)
    assert outcome.kind not in ("error", "memory"), outcome.text


def _igtl_samples() -> list[bytes]:
    from support import igtlserver as igtl

    told = igtl.packed(b"IMAGE", igtl.extended(igtl.image_body(igtl.picture())), version=2)
    return [igtl.image() + igtl.STATUS + told + igtl.TRANSFORM + igtl.image(2, (5, 7, 3))]


def _damage_igtl(data: bytes, rng: random.Random) -> bytes:
    """One message after another, of which some are damaged inside and have checksums that fit."""
    from support import igtlserver as igtl

    from seqcls.feeds.openigtlink_wire import HEADER_BYTES

    out, at = b"", 0
    while at < len(data):
        version, kind, device, _, size, _ = struct.unpack_from(">H12s20sQQQ", data, at)
        body = data[at + HEADER_BYTES : at + HEADER_BYTES + size]
        at += HEADER_BYTES + size
        if rng.random() < 0.5:
            head = bytearray(body[:90])
            for _ in range(rng.choice((1, 2, 4))):
                width = rng.choice((1, 2, 4, 8))
                place = rng.randrange(max(1, len(head) - width))
                head[place : place + width] = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80", rng.randbytes(1))) * width
            body = bytes(head) + body[90:]
            body = damage_bytes(body, rng) if rng.random() < 0.3 else body
        stated = rng.choice((len(body),) * 8 + (0, 2**16, 2**40, 2**64 - 1))
        out += igtl.packed(
            rng.choice((kind,) * 6 + (b"IMAGE", b"STATUS", b"\xff" * 12)), body, device=device,
            version=rng.choice((version,) * 6 + (0, 1, 2, 3, 65535)), size=stated, seconds=rng.choice((1.5, 0, 2**31)),
        )  # fmt: skip
    return out


def _open_igtl(path: Path) -> None:
    from support.igtlserver import Receiver

    data, receiver = path.read_bytes(), Receiver()
    step = len(data) % 97 + 1  # pieces of any size, the same ones every time
    for at in range(0, len(data), step):
        for item in receiver.feed(data[at : at + step]):
            text = getattr(item, "reason", "") or getattr(item, "device", "")
            assert "\n" not in text and "\x1b" not in text, f"not fit to be shown: {text!r}"


def _network() -> Any:
    """Of 4 planes: the graph has all parts of a large one."""
    from seqcls.models.folded import Block, Conv, Network

    def conv(inputs: int, side: int, stride: int) -> Any:
        return Conv(np.full((4, inputs, side, side), 0.01, np.float32), np.zeros(4, np.float32), stride)

    blocks = (Block(conv(4, 3, 1), conv(4, 3, 1), None), Block(conv(4, 3, 2), conv(4, 3, 1), conv(4, 1, 2)))
    return Network(32, 114.0, conv(1, 7, 2), blocks, np.ones((2, 4), np.float32), np.zeros(2, np.float32))


def _ir_samples() -> list[bytes]:
    """Graph and weights in one, because both may be damaged: 8 bytes with the length of the first."""
    from seqcls.engines import openvino_graph

    made = []
    for precision in ("fp32", "fp16"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "m.xml"
            openvino_graph.write(path, openvino_graph.build(_network(), precision), _header(), precision)
            made.append(_joined(path.read_bytes(), path.with_suffix(".bin").read_bytes()))
    return made


def _joined(graph: bytes, weights: bytes) -> bytes:
    return struct.pack("<Q", len(graph)) + graph + weights


_IR_WORDS = (
    *("0", "-1", "1", "2", "3", "4", "7", "64", "1000000000", "0, 0", "2, 2", "1, 1, 1", "1,4", "f32", "i64"),
    *("Add", "Result", "Const", "Loop", "Reshape"),
)


def _damage_ir(data: bytes, rng: random.Random) -> bytes:
    """Layers, ports, edges and attributes; or the weights, with a digest that fits."""
    (size,) = struct.unpack_from("<Q", data)
    graph, weights = data[8 : 8 + size], data[8 + size :]
    if rng.random() < 0.15:
        changed = damage_bytes(weights, rng)
        digests = (hashlib.sha256(each).hexdigest().encode() for each in (weights, changed))
        return _joined(graph.replace(*digests), changed)
    root = ElementTree.fromstring(graph)
    for _ in range(rng.choice((1, 1, 2, 3))):
        parents = [element for element in root.iter() if len(element)]
        inside = rng.choice(parents)
        at, kind = rng.randrange(len(inside)), rng.randrange(7)
        one = inside[at]
        if kind == 0:
            inside.remove(one)
        elif kind == 1:
            inside.insert(rng.randrange(len(inside) + 1), copy.deepcopy(one))
        elif kind == 2:
            inside.insert(at, copy.deepcopy(rng.choice([each for each in root.iter() if each is not root])))
        else:
            holders = [element for element in root.iter() if element.attrib or element.tag == "dim"]
            one = rng.choice(holders)
            numbers = (
                "0",
                "-1",
                "1",
                "2",
                "3",
                "4",
                "7",
                "64",
                "1000000000",
                "0, 0",
                "2, 2",
                "1, 1, 1",
                "1,4",
                "f32",
                "i64",
            )
            new = _xml_safe(rng.choice((*WORDS, *numbers, *numbers, "Add", "Result", "Const", "Loop", "Reshape")))
            if one.attrib:
                one.set(rng.choice(list(one.attrib)), new)
            else:
                one.text = new
    return _joined(ElementTree.tostring(root), weights)


def _xml_safe(text: str) -> str:
    return re.sub(r"[\x00-\x1f\ud800-\udfff]", "?", text)


def _open_ir(path: Path) -> None:
    data = path.read_bytes()
    size = struct.unpack_from("<Q", data.ljust(8, b"\0"))[0]
    graph = path.with_name("graph.xml")
    graph.write_bytes(data[8 : 8 + size])
    graph.with_suffix(".bin").write_bytes(data[8 + size :])
    _infer(graph, "openvino")


def _infer(path: Path, engine: str) -> None:
    from seqcls.engines import open_engine

    opened = open_engine(path, engine=engine)
    scores = opened.scores(np.zeros((2, 32, 32), np.uint8))
    assert scores.shape == (2, len(opened.header.organs)), f"it gave {scores.shape}"


def _onnx_samples() -> list[bytes]:
    from seqcls.engines import onnx_graph

    return [
        _written(lambda path, p=p: onnx_graph.write(path, onnx_graph.build(_network(), p), _header(), p), "m.onnx")  # type: ignore[misc]
        for p in ("fp32", "fp16")
    ]


def _damage_onnx(data: bytes, rng: random.Random) -> bytes:
    """Nodes lost, doubled, connected otherwise or to themselves, attributes, constants, inputs and outputs."""
    import onnx

    model = onnx.load_model_from_string(data)
    graph = model.graph
    numbers = (0, -1, 1, 2, 3, 4, 7, 64, 512, 10**9, 2**31 - 1, -(2**31), 2**62)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if not graph.node or not graph.initializer:
            break
        node, tensor, kind = rng.choice(graph.node), rng.choice(graph.initializer), rng.randrange(9)
        names = [name for each in graph.node for name in (*each.input, *each.output)] + ["", "nobody"]
        if kind == 0:
            graph.node.remove(node)
        elif kind == 1:
            graph.node.add().CopyFrom(node)
        elif kind == 2 and node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(names)
        elif kind == 3 and node.output:
            node.output[rng.randrange(len(node.output))] = rng.choice(names)
        elif kind == 4 and node.attribute:
            attribute = rng.choice(node.attribute)
            if attribute.ints:
                attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(numbers)
                if rng.random() < 0.3:
                    attribute.ints.append(1)
            else:
                attribute.i = rng.choice(numbers)
        elif kind == 5:
            node.op_type = rng.choice((*(each.op_type for each in graph.node), "Loop", "Cast", "Gather", ""))
        elif kind == 6 and tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(numbers)
        elif kind == 7:
            tensor.data_type = rng.randrange(24)
        else:
            tensor.raw_data = damage_bytes(tensor.raw_data, rng)
    return bytes(model.SerializeToString())


def _images() -> Any:
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32), np.uint8)


def _int8_ir_samples() -> list[bytes]:
    from seqcls.convert.quantize import quantize_openvino
    from seqcls.engines import openvino_graph

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.xml"
        openvino_graph.write(path, quantize_openvino(_network(), _images()), _header(), "int8")
        return [_joined(path.read_bytes(), path.with_suffix(".bin").read_bytes())]


def _int8_onnx_samples() -> list[bytes]:
    from seqcls.convert.quantize import quantize_onnx
    from seqcls.engines import onnx_graph

    graph = quantize_onnx(_network(), _images())
    return [_written(lambda path: onnx_graph.write(path, graph, _header(), "int8"), "m.onnx")]


_BOUNDARY = b"--frame\r\n"


def _stream_samples() -> list[bytes]:
    """What a server answers: images one after another, with and without their lengths, and a transport stream."""
    import cv2

    images = [cv2.imencode(".jpg", media.draw(number, 64, 48))[1].tobytes() for number in range(6)]
    kind = b"HTTP/1.0 200 OK\r\nContent-Type: "
    parts = [b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(each), each) for each in images]
    plain = [b"Content-Type: image/jpeg\r\n\r\n" + each + b"\r\n" for each in images]
    multipart = kind + b"multipart/x-mixed-replace; boundary=frame\r\n\r\n"
    recipe = replace(media.recipe("ts h264"), frames=12, width=64, height=48)
    transport = _written(lambda path: media.write_clip(path, recipe), "a.ts")
    return [
        *(multipart + b"".join(_BOUNDARY + part for part in each) for each in (parts, plain)),
        kind + b"video/mp2t\r\n\r\n" + transport,
    ]


_ANSWERS = (
    *(b"HTTP/1.0 302 Found\r\nLocation: file:///etc/hostname\r\n", b"HTTP/1.0 302 Found\r\nLocation: /\r\n"),
    *(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", b"HTTP/1.0 401 no\r\n", b"HTTP/1.0 503 no\r\n", b""),
    *(b"HTTP/1.0 200 OK\r\nContent-Length: 99999999999\r\n", b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n"),
    *(b"HTTP/1.0 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n", b"HTTP/1.0 206 OK\r\nContent-Range: bytes 9-/1\r\n"),
)


def _damage_stream(data: bytes, rng: random.Random) -> bytes:
    """The answer's first lines; or its parts: their heads and images, lost, doubled, of another size."""
    import cv2

    head, _, body = data.partition(b"\r\n\r\n")
    if rng.random() < 0.2:
        rest = head.partition(b"\r\n")[2]
        return rng.choice(_ANSWERS) + (rest + b"\r\n" if rng.random() < 0.7 else b"") + b"\r\n" + body
    if _BOUNDARY not in body:
        return head + b"\r\n\r\n" + damage_bytes(body, rng)
    parts = body.split(_BOUNDARY)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, kind = rng.randrange(len(parts)), rng.randrange(7)
        if kind == 0:
            del parts[at : at + 1]
        elif kind == 1:
            parts[at:at] = [parts[at]] * rng.choice((1, 200))
        elif kind == 2:
            parts[at] = parts[at].replace(b"\r\n\r\n", b"", 1)
        elif kind == 3:
            size = rng.choice(((1, 1), (8, 3000), (3000, 8), (65, 47)))
            parts[at] = b"\r\n\r\n" + cv2.imencode(".jpg", np.full(size, 90, np.uint8))[1].tobytes()
        elif kind == 4:
            parts[at] = re.sub(
                rb"(?<=Length: )\d+", rng.choice((b"0", b"-1", b"7", b"2147483648", b"9" * 30)), parts[at]
            )
        elif kind == 5:
            parts[at] += rng.randbytes(rng.choice((1, 1000, 300_000)))
        else:
            front, _, image = parts[at].partition(b"\r\n\r\n")
            parts[at] = front + b"\r\n\r\n" + damage_bytes(image, rng)
        if not parts:
            break
    return head + b"\r\n\r\n" + _BOUNDARY.join(parts)


def _open_stream(path: Path) -> None:
    """As the process that reads a network camera does, from a server that sends this and ends: that breaks a feed."""
    from seqcls.errors import SourceError, one_line
    from seqcls.feeds import capture_worker
    from seqcls.feeds.capture import StreamTarget

    data = path.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, data), daemon=True).start()
        target = StreamTarget(url=f"http://127.0.0.1:{server.getsockname()[1]}/feed", timeout_s=5.0)
        shown = 0
        try:
            for image, _ in capture_worker._stream(target):
                assert image.ndim == 2, image.shape
                shown += 1
        except capture_worker._MISTAKES:
            raise
        except Exception as error:
            if not shown:
                raise SourceError(one_line(error)) from None
        finally:
            server.shutdown(socket.SHUT_RDWR)  # whoever waits for a client waits on after a mere close


def _serve(server: socket.socket, data: bytes) -> None:
    """To whoever comes, until it is shut down."""
    while True:
        try:
            peer = server.accept()[0]
        except OSError:
            return
        with contextlib.closing(peer), contextlib.suppress(OSError):
            peer.settimeout(10)
            peer.recv(4096)
            peer.sendall(data)


FORMATS: dict[str, Format] = {
    "model header": Format("m.safetensors", _model_samples, _damage_model, _open_model),
    "labels csv": Format("labels.csv", _labels_csv, damage_words, _open_labels),
    "labels json": Format("labels.json", _labels_json, damage_json, _open_labels),
    "labels of tools": Format(
        "labels.dat", partial(_exported, "label-studio", "boris", "fiftyone"), damage_json, _open_labels
    ),
    "labels in xml": Format("labels.dat", partial(_exported, "elan", "cvat"), damage_words, _open_labels),
    "labels in lines": Format("labels.dat", partial(_exported, "vtt", "boris-tsv"), damage_words, _open_labels),
    "timeline": Format("t.json", lambda: [_run_files()[0]], damage_json, partial(_open_run, timeline=True)),
    "scores csv": Format("s.csv", lambda: [_run_files()[1]], damage_words, partial(_open_run, timeline=False)),
    "journal": Format("run.journal", _journal_samples, _damage_journal, _open_journal),
    "split": Format("split.json", _split_samples, damage_json, _open_split),
    "cross-validation": Format("cross-validation.csv", _fold_samples, damage_words, _open_folds),
    "layouts": Format("layouts.json", _layout_samples, _damage_layouts, _open_layouts),
    "dicom fragments": Format("a.dcm", _dicom_samples, _damage_dicom, _open_source),
    "openigtlink": Format("wire.bin", _igtl_samples, _damage_igtl, _open_igtl),
    "openvino graph": Format("m.joined", _ir_samples, _damage_ir, _open_ir, native=True),
    "onnx graph": Format("m.onnx", _onnx_samples, _damage_onnx, partial(_infer, engine="onnx"), native=True),
    "openvino int8 graph": Format("m.joined", _int8_ir_samples, _damage_ir, _open_ir, native=True),
    "onnx int8 graph": Format("m.onnx", _int8_onnx_samples, _damage_onnx, partial(_infer, engine="onnx"), native=True),
    # The last, because it bounds the memory of the process for good.
    "network stream": Format("wire.http", _stream_samples, _damage_stream, _open_stream, native=True),
}


@cache
def samples(kind: str) -> list[bytes]:
    return FORMATS[kind].samples()


def mutant(kind: str, seed: int) -> bytes:
    """The same bytes for the same kind and seed: two of three are damaged in their structure."""
    rng = random.Random(f"{kind} {seed}")
    data = rng.choice(samples(kind))
    way = rng.randrange(6)
    if way < 4:
        return FORMATS[kind].damage(data, rng)
    return damage_words(data, rng) if way == 4 else damage_bytes(data, rng)


def open_one(kind: str, path: Path) -> Outcome:
    """ "read", "refused" in one line, or "error" for whatever a reader may not do."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            FORMATS[kind].open(path)
    except SeqclsError as error:
        text = str(error)
        is_a_line = text and len(text) <= MAX_LINE and for_terminal(text) == text
        return Outcome("refused" if is_a_line else "error", text=text if is_a_line else f"no line: {text[:300]!r}")
    except MemoryError as error:
        return Outcome("memory", text=repr(error))
    except Exception as error:
        return Outcome("error", text=f"{repr(error)[:300]} at {_place(error)}")
    return Outcome("read")


def _place(error: BaseException) -> str:
    """The deepest line of this project."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "/seqcls/" in code.co_filename:
            place = f"{Path(code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _work(connection: Connection) -> None:
    with contextlib.suppress(ImportError):  # Windows has none
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (6 * MAX_BYTES, 6 * MAX_BYTES))
    while (order := connection.recv()) is not None:
        path, kind = order
        outcome, peak = open_one(kind, Path(path)), peak_bytes()
        connection.send(Outcome("memory", text=f"{peak >> 20} MB") if peak > MAX_BYTES else outcome)


def fuzz(
    kinds: list[str], folder: Path, count: int, seed: int, keep: Path | None = None, *, child: bool = True
) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Damage and open ``count`` files of each kind; a tally by (kind, outcome), and a line per finding."""
    tally: Counter[tuple[str, str]] = Counter()
    findings: list[str] = []
    worker = Worker(_work)
    for kind in kinds:
        path = folder / FORMATS[kind].name
        for number in range(seed, seed + count):
            path.write_bytes(mutant(kind, number))
            outcome = worker.read(path, kind) if child else open_one(kind, path)
            tally[kind, outcome.kind] += 1
            if outcome.kind in FINDINGS:
                findings.append(f"{kind}, seed {number}: {outcome.kind}, {outcome.text}")
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{kind} {number} {path.name}".replace(" ", "_")).write_bytes(mutant(kind, number))
    worker.close()
    return tally, findings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="mutants of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the first mutant; each next one has the next")
    parser.add_argument("--only", default="", help="kinds whose names hold this")
    parser.add_argument("--keep", type=Path, help="folder for copies of the files that gave a finding")
    options = parser.parse_args()
    began = time.perf_counter()
    kinds = [kind for kind in FORMATS if options.only in kind]
    with tempfile.TemporaryDirectory(prefix="seqcls-fuzz-") as folder:
        tally, findings = fuzz(kinds, Path(folder), options.count, options.seed, options.keep)
    columns = ("read", "refused", *FINDINGS)
    print(f"{'kind':20}" + "".join(f"{column:>10}" for column in columns))
    for kind in [*kinds, "all"]:
        counts = [sum(n for (k, o), n in tally.items() if o == column and kind in (k, "all")) for column in columns]
        print(f"{kind:20}" + "".join(f"{count:>10}" for count in counts))
    print(*findings, sep="\n")
    print(f"{len(findings)} findings in {len(kinds) * options.count} files, {time.perf_counter() - began:.0f} s")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
