"""Options that several commands share, the panels of the help, and what follows from an option."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from seqcls.cli import console
from seqcls.errors import ModelError, UsageError
from seqcls.files import file_identity, on_disk, prove_writable, require_free
from seqcls.text.wording import count_of

if TYPE_CHECKING:
    from seqcls.geometry import Layout
    from seqcls.intervals import IntervalOptions
    from seqcls.pseudonyms import Pseudonyms
    from seqcls.smoothing import SmoothingOptions
    from seqcls.sources.found import Findings

_Options = TypeVar("_Options")
_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of the help; its title holds the rule when to touch the options in it."""

    title: str

    def __call__(self, metavar: str, help: str, *names: str, **more: Any) -> Any:
        """A typer option. ``metavar``: what the value is, empty for flags; of ``a|b`` the shell completes a and b, and
        nothing else is taken unless one is in capitals: that stands for any value.

        Not the option's own name in capitals: typer 0.27 loses such an option.
        """
        values = metavar.split("|") if "|" in metavar else []

        def complete(incomplete: str) -> list[str]:
            return [value for value in values if value.startswith(incomplete)]

        def check(param: typer.CallbackParam, value: str | None) -> str | None:
            if value is not None and value not in values:
                raise UsageError(f"{param.opts[-1]} takes one of {', '.join(values)}, not {value!r}")
            return value

        if values:
            closed = all(value == value.lower() for value in values)
            more = {"autocompletion": complete, **({"callback": check} if closed else {}), **more}
        return typer.Option(*names, metavar=metavar or " ", help=help, rich_help_panel=self.title, **more)


#: Where `inspect --remember` keeps what it is told, unless --layouts names another file.
LAYOUTS = "seqcls-layouts.json"
#: Environment variable with the key file of --hash-names.
HASH_NAMES = "SEQCLS_HASH_NAMES"
INPUT = Panel("Input: where a source is misread, or needs a login")
MODEL = Panel("Model: which one, and how fast it runs")
SMOOTHING = Panel("Smoothing: where answers flicker or come late; default: the model's")
INTERVALS = Panel("Intervals: where they begin, end or split wrongly; default: the model's")
OUTPUT = Panel("Output: where the results go")

Model = Annotated[
    Path | None,
    MODEL("FILE", "Default: $SEQCLS_MODEL, else the newest in the working directory.", "-m", "--model"),
]
Device = Annotated[str, MODEL("auto|cpu|cuda|mps", "Where it computes.")]
Exact = Annotated[
    bool, MODEL("", "Use the model itself, not the int8 twin beside it that was proven to answer alike.", "--exact")
]
Precision = Annotated[str, MODEL("auto|fp32|bf16|fp16|int8", "int8: only for models converted to it.")]
Region = Annotated[
    str | None, INPUT("BOX", "Where the ultrasound is, if it is not found: auto, none, or x0,y0,x1,y1 in pixels.")
]
RegionOrLayouts = Annotated[
    str | None,
    INPUT(
        "BOX|FILE",
        "Where the ultrasound is, if it is not found: auto, none, x0,y0,x1,y1 in pixels, or a file of known screens,"
        f" from inspect --remember. Default: {LAYOUTS}, if there is one here.",
        "--region",
    ),
]
Layouts = Annotated[
    Path | None,
    INPUT(
        "FILE",
        f"Known screens and their regions, from inspect --remember. Default: {LAYOUTS}, if there is one here.",
        "--layouts",
    ),
]
Labels = Annotated[
    Path,
    INPUT(
        "FILE",
        "CSV (file,organ,start_s,end_s,state), JSON with frame ranges, or what an annotation tool wrote.",
        "--labels",
        "-l",
    ),
]
Outside = Annotated[
    bool, INPUT("", "Take clips that the labels name outside of the folder, or behind a link out of it.", "--outside")
]
Patients = Annotated[
    str | None,
    INPUT(
        "REGEX",
        "Its group is the patient in a file name, such as '(pat[0-9]+)'. Default: the patient column of the labels,"
        " else each clip is a patient.",
    ),
]
Smoothing = Annotated[
    str | None,
    SMOOTHING(
        "KIND",
        "none, exponential, median, mean or hmm, and its seconds: median,window=0.6,look-ahead=0.3 or"
        " exponential,time-constant=0.2 or hmm,dwell=2.",
    ),
]
Onset = Annotated[float | None, INTERVALS("SCORE", "A presence begins at this score.")]
Offset = Annotated[float | None, INTERVALS("SCORE", "A presence ends below this score.")]
MinPresent = Annotated[float | None, INTERVALS("SECONDS", "Drop presences shorter than this.")]
MinAbsent = Annotated[float | None, INTERVALS("SECONDS", "Bridge absences shorter than this.")]
Pad = Annotated[float | None, INTERVALS("SECONDS", "Widen presences by this on both sides.")]
Where = Annotated[
    list[str] | None,
    SMOOTHING(
        "EXPRESSION",
        "One more organ made of others, as 'thyroid and not trachea': and, or, not, before, during. Can be repeated.",
        "--where",
    ),
]
HashNames = Annotated[
    Path | None,
    OUTPUT(
        "KEYFILE",
        "Write pseudonyms in place of the names of clips, folders and patients: the same ones with the same key.",
        "--hash-names",
        envvar=HASH_NAMES,
        show_envvar=False,
    ),
]
Overwrite = Annotated[bool, OUTPUT("", "Replace what is there already.", "--overwrite")]


def find_model(stated: Path | None) -> Path:
    """The stated model, else $SEQCLS_MODEL, else the newest that lies in the working directory or the demo's folder."""
    if stated is not None:
        return stated
    environment = os.environ.get("SEQCLS_MODEL")
    if environment:
        console.notify(f"using $SEQCLS_MODEL: {environment}")
        return on_disk(environment)
    found = [*Path().glob("*.safetensors"), *Path("seqcls-demo").glob("*.safetensors")]
    if not found:
        raise ModelError(
            "no model: name one with -m, set SEQCLS_MODEL, or make one with `seqcls train DATA` or `seqcls demo`"
        )
    newest = max(found, key=lambda path: path.stat().st_mtime)
    console.notify(f"no -m: using the newest model here, {newest}")
    return newest


def pseudonyms(
    key_file: Path | None, sources: Sequence[str | Path], keep: Sequence[str | Path | None] = ()
) -> Pseudonyms | None:
    """Names in place of those of ``sources``, which from now on are not shown either; None without a key. ``keep``:
    files that the user named himself, which are shown as they are.

    Raises UsageError for a key that is none.
    """
    if key_file is None:
        return None
    from seqcls.pseudonyms import Pseudonyms, read_key

    names = Pseudonyms(read_key(key_file))
    names.remember(*sources)
    names.keep(key_file, *keep)
    console.hide_names(names)
    return names


def show_aside(found: Findings, names: Pseudonyms | None) -> None:
    """What a search left aside, on stderr; from now on its sources are hidden by their pseudonyms."""
    if names is None:
        if str(found.aside):
            console.notify(str(found.aside))
        return
    for source in found.sources:
        files = () if source.files is None else source.files.paths
        names.remember(*(path.name for path in (*source.images, *files)))
        names.remember(*(path for path in (source.path, *source.image_paths) if path))
    left = sum(found.aside.reasons.values()) + sum(found.aside.suffixes.values())
    if left:
        console.notify(f"left aside: {count_of(left, 'file')}; without --hash-names it is said which and why")


def picked(kind: type[_Options], given: Mapping[str, Any], **more: Any) -> _Options:
    """Options whose fields are named after parameters of a command; ``more``: what it made of some."""
    return kind(**{f.name: given[f.name] for f in fields(kind) if f.name in given} | more)  # type: ignore[arg-type]


def check_outputs(*paths: Path, overwrite: bool) -> None:
    """The last check before the work, once all options are known to be good: nothing there is replaced unasked, and
    the folder can be written. Raises OutputError."""
    for path in paths:
        require_free(path, overwrite)
    parents = {path.parent for path in paths}
    if paths:
        prove_writable(parents.pop() if len(parents) == 1 else paths[0].parent.parent)


def refuse_inputs(output: Path, *inputs: Path) -> None:
    """Raise UsageError where the file to be written is one of those that are read, also by another name of it:
    ``--overwrite`` is for results."""
    if output.exists() and file_identity(output) in map(file_identity, filter(Path.exists, inputs)):
        raise UsageError(f"{output} is what is read: name another file with -o, and the original is kept")


def known_layouts(stated: Path | None) -> tuple[Layout, ...]:
    """Those of the stated file, else of the one in the working directory, where there is one. Raises GeometryError."""
    from seqcls.layouts import read_layouts

    path = Path(LAYOUTS) if stated is None else stated
    if stated is None and not path.is_file():
        return ()
    layouts = read_layouts(path)
    if stated is None:
        console.notify(f"layouts: {len(layouts)} of {path}")
    return layouts


def region_or_layouts(text: str | None) -> tuple[str | None, Path | None]:
    """The region that is stated, or the file of layouts."""
    is_file = text is not None and text.endswith(".json")
    return (None, on_disk(text)) if text is not None and is_file else (text, None)


def parse_region(text: str | None) -> Any:
    """auto (also for None), none, or four whole numbers. Raises UsageError."""
    if text in (None, "auto", "none"):
        return "auto" if text is None else text
    try:
        x0, y0, x1, y1 = (int(number) for number in str(text).split(","))
    except ValueError:
        raise UsageError(f"--region takes auto, none or x0,y0,x1,y1 in whole pixels, not {text!r}") from None
    return x0, y0, x1, y1


def parse_settings(
    parts: Sequence[str], names: Sequence[str], flag: str, flags: Mapping[str, str] | None = None
) -> dict[str, str]:
    """``NAME=VALUE`` parts by name; ``names`` are those that exist, ``flags`` those that a person may look for here,
    with the flag that sets them. Raises UsageError."""
    settings: dict[str, str] = {}
    takes = f"takes NAME=VALUE with one of {', '.join(names)}" if names else "takes no settings"
    for part in parts:
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name == "?":
            raise UsageError(f"{flag} {takes}")
        if name in names and not equals:
            raise UsageError(f"{flag} {name} lacks its value: write {name}=VALUE")
        if name in settings:
            raise UsageError(f"{flag} states {name} twice; leave one out")
        if flags is not None and name not in names and name in flags:
            raise UsageError(f"{flag} does not take {name}: it has a flag of its own, {flags[name]}")
        if name not in names:
            raise UsageError(f"{flag} does not know {part!r}; it {takes}")
        settings[name] = value
    return settings


def parse_number(text: str, flag: str) -> float:
    """Raises UsageError for what is no number."""
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{flag} takes a number, not {text!r}") from None


def changed(options: _Options, settings: dict[str, str], flag: str) -> _Options:
    """Frozen options with fields changed, each read as the type that it has. Raises UsageError."""
    values: dict[str, Any] = {}
    for name, text in settings.items():
        kind = type(getattr(options, name))
        if kind is bool:
            if text.lower() not in _YES_NO:
                raise UsageError(f"{flag} {name} takes yes or no, not {text!r}")
            values[name] = _YES_NO[text.lower()]
        elif kind is int:
            if not text.lstrip("-").isdecimal():
                raise UsageError(f"{flag} {name} takes a whole number, not {text!r}")
            values[name] = int(text)
        else:
            values[name] = parse_number(text, f"{flag} {name}") if kind is float else text
    return replace(options, **values)  # type: ignore[type-var]


def changed_smoothing(model: SmoothingOptions, text: str | None) -> SmoothingOptions:
    """The model's smoothing changed by ``KIND``, ``NAME=SECONDS`` or both, separated by commas. Raises UsageError."""
    if text is None:
        return model
    kind, *parts = text.split(",")
    if "=" in kind:
        kind, parts = model.kind, [kind, *parts]
    smoother = replace(model, kind=kind.strip())  # type: ignore[arg-type]  # it refuses other names itself
    names = [name.removesuffix("_s").replace("_", "-") for name in smoother.uses]
    stated = parse_settings(parts, names, f"--smoothing {smoother.kind}")
    if "window" in stated and "look-ahead" not in stated:
        stated["look-ahead"] = str(parse_number(stated["window"], "--smoothing window") / 2)
    return changed(smoother, {f"{name.replace('-', '_')}_s": value for name, value in stated.items()}, "--smoothing")


def changed_intervals(model: Sequence[IntervalOptions], **stated: float | None) -> tuple[IntervalOptions, ...]:
    """Every organ's options with those fields changed that are stated."""
    changes = {name: value for name, value in stated.items() if value is not None}
    onset = changes.get("onset")
    if onset is not None and "offset" not in changes:
        # A lower onset must not fail on the model's higher offset.
        return tuple(replace(o, **changes, offset=min(o.offset, onset)) for o in model)
    return tuple(replace(o, **changes) for o in model)
