"""Frames on disk: what `extract` wrote (frames.csv, dataset.json), or a tree of folders of one's own."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from seqcls.datasets.folder_names import alike_organs, side_hint, state_hint
from seqcls.datasets.organ_names import require_fit
from seqcls.errors import DataError, GeometryError, OutputError, UsageError, one_line
from seqcls.files import nfc, write_csv
from seqcls.files.json_record import record_from
from seqcls.files.json_text import read_json, write_json
from seqcls.files.named_files import read_regular
from seqcls.geometry import Geometry, Region
from seqcls.sources.aside import Aside
from seqcls.sources.images import images_in
from seqcls.sources.sniff import is_clutter, is_image
from seqcls.text.foreign_text import from_csv, whole_characters
from seqcls.types import MAX_TIME_S, Verdict, require_organs

FORMAT = 1
#: A row has 60 to 100 bytes: of 2 million frames, more than fit into memory.
MAX_TABLE_BYTES = 200 << 20
#: What `extract` writes besides the frames.
#: The kept split that the frames were extracted by, byte for byte.
SPLIT_FILE = "extract-split.json"
#: What `train` keeps there for its next start, see ``frame_cache``.
CACHE_FOLDER = ".seqcls-cache"
_TABLES = ("frames.csv", "dataset.json", SPLIT_FILE)
FIXED_COLUMNS = ("path", "clip", "patient", "time_s", "split")
#: Columns that may be missing: what figures are given apart for.
ORIGIN_COLUMNS = ("scanner", "site")
_SPLITS = dict.fromkeys(("train", "training"), "train") | dict.fromkeys(("validation", "val", "valid"), "validation")
_FOLDER = re.compile(r"^(?P<organ>.+?)[ _-]+(?P<state>present|absent)$", re.IGNORECASE)
LAYOUT = "DATA/train/<organ> present/*.png and DATA/train/<organ> absent/*.png, or what `seqcls extract` wrote"


#: How the two states are written in names of folders.
STATES = {True: "present", False: "absent"}


@dataclass(frozen=True, slots=True)
class ExtractedClip:
    """What dataset.json says of a clip. frames: how many were written. verdict: see ``SourceReport``. digest: of the
    clip's file, "" where it is none."""

    file: str
    patient: str
    frames: int
    verdict: Verdict
    region: Region | None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One frame on disk. states: True or False per labelled organ. digest: SHA-256 of the file, if read. scanner, site:
    empty where nobody stated them."""

    path: Path
    clip: str
    patient: str
    time_s: float
    split: str
    states: tuple[tuple[str, bool], ...]
    digest: str = ""
    scanner: str = ""
    site: str = ""


def read_table(root: Path) -> list[Row]:
    """frames.csv, as extract writes it. Raises DataError that names the line."""
    path = root / "frames.csv"
    try:
        text = read_regular(path, MAX_TABLE_BYTES).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        names = reader.fieldnames = [nfc(from_csv(name)) for name in reader.fieldnames or ()]
        missing = [name for name in FIXED_COLUMNS if name not in names]
        if missing:
            raise DataError(f"{path} lacks the column {missing[0]}; extract the clips again")
        organs = [name for name in names if name not in (*FIXED_COLUMNS, *ORIGIN_COLUMNS)]
        for organ in organs:
            require_fit(organ, str(path))
        require_organs(organs)
        # The disk may spell names in another Unicode form than the table.
        spelt = {} if text.isascii() else {nfc(p.relative_to(root).as_posix()): p for p in root.rglob("*")}
        rows = [_row(cells, organs, root, f"{path}, line {reader.line_num}") for cells in reader]
        rows = [replace(row, path=spelt.get(nfc(row.path.relative_to(root).as_posix()), row.path)) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error, UsageError) as error:
        raise DataError(f"{path} cannot be read ({one_line(error)}); extract the clips again") from error
    if not rows:
        raise DataError(f"{path} holds no frame; extract the clips again")
    return rows


def _row(cells: dict[str, str], organs: Sequence[str], root: Path, where: str) -> Row:
    wrong = [organ for organ in organs if cells[organ] not in ("0", "1", "")]
    if wrong:
        raise DataError(f"{where}: {wrong[0]} is {cells[wrong[0]]!r}, not 1, 0 or empty")
    split = _SPLITS.get(cells["split"])
    if split is None:
        raise DataError(f"{where}: split is {cells['split']!r}, not train or validation")
    relative = Path(from_csv(cells["path"]))
    if relative.is_absolute() or ".." in relative.parts:
        raise DataError(f"{where}: {cells['path']} leads out of the folder")
    try:
        time_s = float(cells["time_s"]) if cells["time_s"] else float("nan")
        if cells["time_s"] and not abs(time_s) <= MAX_TIME_S:
            raise ValueError
    except ValueError:
        raise DataError(
            f"{where}: time_s is {cells['time_s'][:60]!r}, not a number of seconds within {MAX_TIME_S:g} of 0"
        ) from None
    states = tuple((organ, cells[organ] == "1") for organ in organs if cells[organ])
    clip, patient, scanner, site = (
        nfc(from_csv(cells.get(name) or "")) for name in ("clip", "patient", *ORIGIN_COLUMNS)
    )
    return Row(root / relative, clip, patient, time_s, split, states, scanner=scanner, site=site)


def read_tree(root: Path) -> tuple[list[Row], list[str]]:
    """A tree of folders: the split, then `<organ> present` or `<organ> absent`; without a split all is for training.

    Also messages for the user: folders of images that are left aside, as a misspelt one or a test set, which must not
    choose the model.
    """
    if (root / "dataset.json").is_file():
        # The images are crops already: searching them for the ultrasound region once more would crop them again.
        raise DataError(f"{root / 'frames.csv'} is missing beside dataset.json; extract the clips again")
    tops = side_folders(root)
    rows = []
    others = Aside()
    aside = [folder for folder in _folders(root) if tops and folder.name.lower() not in _SPLITS]
    for top, split in tops if tops else [(root, "train")]:
        if loose := images_in(top, Aside()):
            others.reasons["images in no folder of a state"] += len(loose)
        for folder in _folders(top):
            state = state_of_folder(folder)
            if state is None:
                aside.append(folder)
                continue
            organ, present = state
            require_fit(organ, str(folder))
            aside += _folders(folder)
            files = images_in(folder, others)
            if not files:
                found = f" ({others})" if str(others) else ""
                raise DataError(f"{folder} holds no image that seqcls reads: every organ needs both states{found}")
            for path in files:
                clip = _clip_of(nfc(path.stem)) or folder_clip(split, folder)
                rows.append(Row(path, clip, clip, float("nan"), split, ((organ, present),)))
    try:
        require_organs(organs_of(rows))
    except UsageError as error:
        raise DataError(f"{root}: {error}") from None
    messages = [_left_aside(folder, root) for folder in aside if any(map(is_image, folder.rglob("*")))]
    if not rows:
        why = "".join(f"; {message}" for message in messages[:2])
        raise DataError(f"{root} holds no frames in a layout that seqcls knows; expected {LAYOUT}{why}")
    messages += alike_organs([(row.split, organ, present) for row in rows for organ, present in row.states])
    return rows, [*messages, *([f"{root}: {others}"] if str(others) else [])]


def side_folders(root: Path) -> list[tuple[Path, str]]:
    """Those named after a side of the split, each with its side."""
    return [(folder, _SPLITS[folder.name.lower()]) for folder in _folders(root) if folder.name.lower() in _SPLITS]


def state_of_folder(folder: Path) -> tuple[str, bool] | None:
    """The organ that a folder is named after and whether it is present there; None of other names."""
    match = _FOLDER.match(nfc(folder.name).strip())  # a blank at its end is seen by nobody
    return None if match is None else (organ_of_folder(match["organ"]), match["state"].lower() == "present")


def organ_of_folder(name: str) -> str:
    """An organ as names of folders tell it: in small letters, with one blank between words."""
    return re.sub(r"[_\s-]+", " ", nfc(name)).strip().lower()


def _left_aside(folder: Path, root: Path) -> str:
    name = nfc(folder.name)
    hint = side_hint(name) if folder.parent == root else state_hint(name)
    return f"{folder} is left aside: {hint if hint else f'it is no part of {LAYOUT}'}"


def _folders(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not (path.name.startswith(".") or is_clutter(path.name))
    )


def folder_clip(split: str, folder: Path) -> str:
    """What stands for the clip where the names of images tell none: their folder."""
    return f"{split}/{nfc(folder.name)}"


def _clip_of(stem: str) -> str:
    """`neck01_000123` and `neck01-frame123` are frames of the clip neck01."""
    return re.sub(r"[ _.-]*(frame|img|image)?[ _.-]*\d+$", "", stem, flags=re.IGNORECASE)


def read_description(root: Path, size: int) -> tuple[Geometry, dict[str, Region], dict[str, str]]:
    """The geometry, and by clip the regions, and the digests of those that are files, as extract wrote them down."""
    path = root / "dataset.json"
    try:
        body = read_json(path)
        if (written := record_from(int, body["format"], "format")) != FORMAT:
            raise DataError(f"{path} is of format {written}, this seqcls reads {FORMAT}; extract the clips again")
        found = [clip for clip in body["clips"] if clip["region"] is not None]
        regions = record_from(tuple[Region, ...], [clip["region"] for clip in found], "regions")
        by_clip = dict(zip([nfc(clip["file"]) for clip in found], regions, strict=True))
        named = {nfc(clip["file"]): clip["digest"] for clip in body["clips"] if clip.get("digest")}
        digests = dict(zip(named, record_from(tuple[str, ...], list(named.values()), "digests"), strict=True))
        return Geometry.from_dict({**body["geometry"], "size": size}), by_clip, digests
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing beside frames.csv; extract the clips again") from error
    except (OSError, GeometryError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged ({one_line(error)}); extract the clips again") from error


def refuse_to_overwrite(folder: Path, overwrite: bool) -> None:
    """Raise OutputError unless the folder is free, or holds frames of ours, and nothing else, that may be replaced."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / "dataset.json").is_file():
        raise OutputError(f"{folder} holds something else than extracted frames: choose another folder")
    if not overwrite:
        raise OutputError(f"{folder} already holds extracted frames: add overwrite=True, or choose another")
    foreign = _foreign(folder)
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise OutputError(
            f"{folder} also holds {foreign[0]}{more}, which `extract` did not write: move it away, or choose another"
            " folder with -o"
        )


def _foreign(folder: Path) -> list[str]:
    """Files that no extraction wrote: a model saved beside its frames, say, would be lost with them."""
    try:
        ours = {nfc(row.path.name) for row in read_table(folder)}
    except DataError:
        ours = set()
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        frame = len(parts) == 3 and parts[0] in ("train", "validation") and nfc(parts[2]) in ours
        table = len(parts) == 1 and parts[0] in _TABLES
        if not (path.is_dir() or frame or table or parts[0] == CACHE_FOLDER or any(map(is_clutter, parts))):
            found.append(path.relative_to(folder).as_posix())
    return found


def dataset_hash(rows: Sequence[Row], root: Path) -> str:
    """Of paths, contents and labels, in an order of its own: the same data give the same hash on any machine."""
    lines = sorted(
        f"{nfc(row.path.relative_to(root).as_posix())} {row.digest} {row.split} {sorted(row.states)}" for row in rows
    )
    return hashlib.sha256("\n".join(map(whole_characters, lines)).encode()).hexdigest()


def write_tables(root: Path, rows: Sequence[Row], geometry: Geometry, clips: Sequence[ExtractedClip]) -> None:
    """frames.csv and dataset.json, for ``read_table`` and ``read_description``. Raises OutputError."""
    organs = organs_of(rows)
    origin = [name for name in ORIGIN_COLUMNS if any(getattr(row, name) for row in rows)]
    table: list[Sequence[object]] = [(*FIXED_COLUMNS, *origin, *organs)]
    for row in rows:
        states = {organ: int(present) for organ, present in row.states}
        cells = (states.get(organ, "") for organ in organs)
        path = row.path.relative_to(root).as_posix()
        place = (getattr(row, name) for name in origin)
        table.append((path, row.clip, row.patient, f"{row.time_s:.6f}", row.split, *place, *cells))
    write_csv(root / "frames.csv", table)
    body = {
        "format": FORMAT,
        "geometry": geometry.to_dict(),
        "organs": list(organs),
        "hash": dataset_hash(rows, root),
        "clips": [asdict(clip) for clip in clips],
    }
    write_json(root / "dataset.json", body)


def organs_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """All that any frame is labelled for, by name."""
    return tuple(sorted({organ for row in rows for organ, _ in row.states}))


def require_both_states(rows: Sequence[Row], organs: Sequence[str], where: str, notes: Sequence[str] = ()) -> None:
    """Raise DataError, which begins with ``where``, unless training frames show every organ present and absent.

    ``notes``: what is known of the data; the first of them may be the reason.
    """
    why = "".join(f"; {note}" for note in list(dict.fromkeys(notes))[:2])
    shown = {shows for row in rows if row.split == "train" for shows in row.states}
    for organ in organs:
        for present, word in STATES.items():
            if (organ, present) not in shown:
                raise DataError(f"{where}no training frame shows {organ} {word}; label some, or leave {organ} out{why}")
    if not organs:
        raise DataError(f"{where}no frame is labelled present or absent; label some stretches{why}")
