"""Facts about a model for a person, in groups: what it is, what it was trained on, how its scores become intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seqcls.geometry import Region
from seqcls.intervals import IntervalOptions
from seqcls.models.file import ModelHeader
from seqcls.novelty import Novelty
from seqcls.smoothing import SmoothingOptions
from seqcls.text.foreign_text import for_terminal
from seqcls.text.wording import count_of, cut

#: Names with what is said of them.
Facts = list[tuple[str, str]]
#: Regions, and organs with options of their own, that are written out.
MOST = 4
#: Options of a training that are written out, and characters of each.
_MOST_OPTIONS, _OPTION = 40, 40


def facts_of(header: ModelHeader, name: str = "", digest: str = "") -> list[tuple[str, Facts]]:
    """Titles with names and values; what is not known is left out. ``digest``: of its weights.

    The header may come from anybody: every text is fit for a terminal.
    """
    groups = [
        ("What it is", _identity(header, name, digest)),
        ("Training", training_facts(header)),
        (
            "From scores to intervals",
            [*options_facts(header.smoothing, header.intervals, header.organs), *_odds(header)],
        ),
        ("What it says of its limits", _limits(header)),
    ]
    return [(title, [(what, for_terminal(value)) for what, value in facts if value]) for title, facts in groups]


def _identity(header: ModelHeader, name: str, digest: str) -> Facts:
    geometry = header.geometry
    regions = list(dict.fromkeys(map(region_text, header.regions)))  # two outlines may lie in one box
    more = [f"and {len(regions) - MOST} more"] if len(regions) > MOST else []
    stated = {"auto": "found in each clip", "none": "the whole image"}.get(str(geometry.region), str(geometry.region))
    return [
        ("file", name),
        ("organs", ", ".join(header.organs)),
        (
            "network",
            f"mean of {header.network_count} networks: " * bool(header.networks)
            + f"{header.arch}, one gray plane, {count_of(len(header.organs), 'output')}",
        ),
        ("input", f"{geometry.size} × {geometry.size} pixels, (gray / 255 − {header.mean:g}) / {header.std:g}"),
        ("ultrasound region", stated),
        ("known screens", str(len(geometry.layouts)) if geometry.layouts else ""),
        ("regions trained on", "; ".join(regions[:MOST] + more)),
        ("written by", f"seqcls {header.version}" if header.version else ""),
        ("header format", str(header.format)),
        ("weights", f"SHA-256 {digest}" if digest else ""),
        *((f"network {number}", f"SHA-256 {own}") for number, own in enumerate(header.networks, start=1)),
        ("training frames", f"hash {header.dataset_hash}" if header.dataset_hash else ""),
    ]


def novelty_text(novelty: Novelty | None) -> str:
    """What becomes of frames that are unlike the training."""
    if novelty is None:
        return "scored like any other: it keeps no reference of its training frames"
    share = f"of frames of its own kind {novelty.false_alarms:.1%} are taken for them"
    return f"unknown; {share} ({novelty.held_out})"


def _by_the_first(header: ModelHeader) -> str:
    measured = header.networks and header.novelty is not None
    return f"; measured by the first of {header.network_count} networks" if measured else ""


def region_text(region: Region) -> str:
    """Its kind and its box."""
    return f"{region.kind} {', '.join(map(str, region.box))}" if region.is_found else "none found"


def training_facts(header: ModelHeader) -> Facts:
    """What the model's file says of its training, which is free in form."""
    training = header.training
    facts: Facts = []
    for name, title in (("classes", "trained on"), ("validation", "validated on")):
        counts = training.get(name)
        if isinstance(counts, Mapping):
            kinds = ("frames", "clips", "patients")
            parts = [f"{counts[kind]:,} {kind}" for kind in kinds if isinstance(counts.get(kind), int)]
            facts.append((title, ", ".join(parts)))
            facts += [(f"{title}: {organ}", _states(counts.get(organ))) for organ in header.organs]
    imported = training.get("imported")
    if isinstance(imported, Mapping):
        facts += [("imported from", str(imported.get("file", ""))), ("its SHA-256", str(imported.get("sha256", "")))]
        facts.append(("its last layer", str(imported.get("head", ""))))
        scaled = f"mean {_numbers(imported, 'mean')}, std {_numbers(imported, 'std')}"
        facts.append(("its planes", f"{imported.get('planes')}: {scaled}"))
    named = (("best_auroc", "best AUROC"), ("epochs", "epochs"), ("weights", "begun from"))
    for name, title in named[: 2 if imported is not None else 3]:
        value = training.get(name)
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            facts.append((title, f"{value:.3f}" if isinstance(value, float) else str(value)))
    return [*facts, *(("take care", caveat) for caveat in caveats(header))]


def _numbers(record: Mapping[str, object], name: str) -> str:
    values = record.get(name)
    return ", ".join(str(value) for value in values[:3]) if isinstance(values, (list, tuple)) else "unknown"


def _states(counts: object) -> str:
    if not isinstance(counts, Mapping):
        return ""
    return ", ".join(f"{counts[s]:,} {s}" for s in ("present", "absent") if isinstance(counts.get(s), int))


def caveats(header: ModelHeader) -> tuple[str, ...]:
    """What whoever runs the model should know of its training."""
    if header.training.get("interrupted") is not True:
        return ()
    epochs, options = header.training.get("epochs"), header.training.get("options")
    asked = options.get("epochs") if isinstance(options, Mapping) else None
    after = f" after {epochs} of {asked} epochs" if isinstance(epochs, int) and isinstance(asked, int) else ""
    return (f"the model's training was interrupted{after}: train it to its end before its figures count",)


def training_options(header: ModelHeader) -> Facts:
    """The options it was trained with, as its file says."""
    options = header.training.get("options")
    if not isinstance(options, Mapping):
        return []
    found: Facts = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            found += [(f"{name}.{inner}", str(one)) for inner, one in value.items()]
        else:
            found.append((str(name), str(value)))
    return [(cut(name, _OPTION), cut(value, _OPTION)) for name, value in found[:_MOST_OPTIONS]]


def options_facts(smoothing: SmoothingOptions, intervals: Sequence[IntervalOptions], organs: Sequence[str]) -> Facts:
    """How scores become intervals; organs with the same options are one line."""
    each = [
        f"onset {one.onset:g}, offset {one.offset:g}, shortest presence {one.min_present_s:g} s, shortest absence"
        f" {one.min_absent_s:g} s, pad {one.pad_s:g} s"
        for one in intervals
    ]
    alike = len(set(each)) == 1
    facts = (
        [("all organs" if len(organs) > 1 else organs[0], each[0])] if alike else list(zip(organs, each, strict=True))
    )
    more = [("", f"and {len(facts) - MOST} more organs")] if len(facts) > MOST else []
    return [
        ("smoothing", _smoothing(smoothing)),
        ("its delay", f"{smoothing.delay_s:g} s: live, scores come so much later than frames"),
        *facts[:MOST],
        *more,
    ]


def _smoothing(options: SmoothingOptions) -> str:
    uses = [f"{name.removesuffix('_s').replace('_', ' ')} {getattr(options, name):g} s" for name in options.uses]
    return ", ".join([options.kind, *uses])


def _odds(header: ModelHeader) -> Facts:
    return [
        (
            f"calibration: {organ}",
            "none" if (a, b) == (1, 0) else f"sigmoid({a:.4g} × logit {'+' if b >= 0 else '−'} {abs(b):.4g})",
        )
        for organ, (a, b) in zip(header.organs, header.calibration, strict=True)
    ]


def _limits(header: ModelHeader) -> Facts:
    marks = header.trained_on
    sets = (
        f"marks of {count_of(len(marks), 'data set')}: evaluate notices what it was trained on" if marks else "no marks"
    )
    curve = [point for point in header.operating_curve if point.organ in header.organs]
    tuned = [
        (
            f"tuned: {organ}",
            f"{count_of(len(own), 'operating point')}, event F1 up to {max(point.event_f1 for point in own):.3f}",
        )
        for organ in header.organs
        if (own := [point for point in curve if point.organ == organ])
    ]
    return [
        ("seen in training", sets),
        ("frames unlike it", novelty_text(header.novelty) + _by_the_first(header)),
        *(tuned if tuned else [("tuned", "no")]),
    ]
