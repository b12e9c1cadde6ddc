"""Facts about a run for a person, in groups: the input, the model, how scores became intervals."""

from __future__ import annotations

from collections.abc import Mapping

from seqcls.geometry import Region
from seqcls.models.file import ModelHeader
from seqcls.smoothing import SmoothingOptions
from seqcls.text.foreign_text import for_terminal
from seqcls.text.wording import count_of
from seqcls.timeline import Timeline

Facts = list[tuple[str, str]]
#: Regions, and organs with options of their own, that are written out.
MOST = 4


def facts_about(timeline: Timeline, header: ModelHeader | None) -> list[tuple[str, Facts]]:
    """Titles with names and values; what is not known is left out. ``header``: of the model's file."""
    groups = [
        ("Input", _of_input(timeline)),
        ("Model", [*_of_model(timeline), *([] if header is None else _of_training(header))]),
        ("From scores to intervals", _of_options(timeline)),
    ]
    return [(title, [(name, for_terminal(value)) for name, value in facts if value]) for title, facts in groups]


def summary(timeline: Timeline) -> str:
    """One line below the title."""
    counts, model = timeline.frame_counts, timeline.provenance.model
    length_s = timeline.end_s - timeline.start_s
    minutes, seconds = divmod(round(length_s), 60)
    hours, minutes = divmod(minutes, 60)
    lasts = f"{length_s:.2f} s" if length_s < 60 else f"{minutes} min {seconds} s"
    lasts = f"{hours} h {minutes} min" if hours else lasts
    parts = [lasts, count_of(counts.received, "frame"), f"model {for_terminal(model)}" if model else ""]
    return " · ".join(part for part in parts if part)


def _of_input(timeline: Timeline) -> Facts:
    info, counts = timeline.source, timeline.frame_counts
    left = [(counts.skipped, "skipped"), (counts.dropped, "dropped"), (counts.rejected, "rejected")]
    where = "".join(f", {number:,} {name}" for number, name in left if number)
    regions = [_region(region) for region in timeline.provenance.regions]
    more = [f"and {len(regions) - MOST} more"] if len(regions) > MOST else []
    return [
        ("clip", info.title),
        ("kind", " ".join(part for part in (info.kind, info.container, info.codec) if part)),
        ("image", f"{info.width} × {info.height} pixels" if info.width else ""),
        ("times", f"{timeline.start_s:.3f} to {timeline.end_s:.3f} s"),
        ("frames", f"{count_of(counts.received, 'frame')}: {counts.classified:,} classified{where}"),
        ("verdict", "; ".join((timeline.report.verdict, *timeline.report.reasons))),
        ("ultrasound region", "; ".join(regions[:MOST] + more)),
        *info.details[:MOST],
    ]  # fmt: skip


def _region(region: Region) -> str:
    return f"{region.kind} {', '.join(map(str, region.box))}" if region.is_found else "none found"


def _of_model(timeline: Timeline) -> Facts:
    used = timeline.provenance
    sampling = used.sampling
    scored = "" if sampling is None else "every one" if sampling.kind == "every" else "an adaptive choice"
    latency = "" if used.latency_ms is None else "p50 {:.0f}, p95 {:.0f}, p99 {:.0f} ms".format(*used.latency_ms)
    return [
        ("model", used.model),
        ("organs", ", ".join(timeline.scores.organs)),
        ("fingerprint of its training frames", used.model_dataset[:16]),
        ("weights", f"SHA-256 {used.model_digest[:16]}" if used.model_digest else ""),
        ("written by", f"seqcls {used.model_version}" if used.model_version else ""),
        ("engine", used.engine),
        ("frames scored", scored),
        ("latency", latency),
    ]


def _of_training(header: ModelHeader) -> Facts:
    """What the model's file says of its training, which is free in form."""
    training = header.training
    facts = [("network", header.arch), ("input", f"{header.geometry.size} × {header.geometry.size} pixels")]
    for name, title in (("classes", "trained on"), ("validation", "validated on")):
        counts = training.get(name)
        if isinstance(counts, Mapping):
            kinds = ("frames", "clips", "patients")
            parts = [f"{counts[kind]:,} {kind}" for kind in kinds if isinstance(counts.get(kind), int)]
            facts.append((title, ", ".join(parts)))
    for name, title in (("best_auroc", "best AUROC"), ("epochs", "epochs"), ("weights", "begun from")):
        value = training.get(name)
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            facts.append((title, f"{value:.3f}" if isinstance(value, float) else str(value)))
    return facts


def _of_options(timeline: Timeline) -> Facts:
    used = timeline.provenance
    each = [
        f"onset {one.onset:g}, offset {one.offset:g}, shortest presence {one.min_present_s:g} s, shortest absence"
        f" {one.min_absent_s:g} s, pad {one.pad_s:g} s"
        for one in used.intervals
    ]
    alike = len(set(each)) == 1
    organs = timeline.scores.organs
    facts = (
        [("all organs" if len(organs) > 1 else organs[0], each[0])] if alike else list(zip(organs, each, strict=True))
    )
    more = [("", f"and {len(facts) - MOST} more organs")] if len(facts) > MOST else []
    return [
        ("smoothing", _smoothing(used.smoothing)),
        ("its delay", f"{used.smoothing.delay_s:g} s: live, scores come so much later than frames"),
        *facts[:MOST],
        *more,
    ]


def _smoothing(options: SmoothingOptions) -> str:
    uses = [f"{name.removesuffix('_s').replace('_', ' ')} {getattr(options, name):g} s" for name in options.uses]
    return ", ".join([options.kind, *uses])
