"""Facts about a run for a person, in groups: the input, the model, how scores became intervals."""

from __future__ import annotations

from seqcls.models.about import MOST, Facts, options_facts, region_text, training_facts
from seqcls.models.file import ModelHeader
from seqcls.text.foreign_text import for_terminal
from seqcls.text.wording import count_of
from seqcls.timeline import NoveltyUse, Timeline


def facts_about(timeline: Timeline, header: ModelHeader | None) -> list[tuple[str, Facts]]:
    """Titles with names and values; what is not known is left out. ``header``: of the model's file."""
    used = timeline.provenance
    groups = [
        ("Input", _of_input(timeline)),
        ("Model", [*_of_model(timeline), *_of_header(header)]),
        ("From scores to intervals", options_facts(used.smoothing, used.intervals, timeline.scores.organs)),
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
    regions = [region_text(region) for region in timeline.provenance.regions]
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
        ("frames unlike its training", _novelty(used.novelty)),
        ("latency", latency),
    ]


def _of_header(header: ModelHeader | None) -> Facts:
    if header is None:
        return []
    size = header.geometry.size
    return [("network", header.arch), ("input", f"{size} × {size} pixels"), *training_facts(header)]


def _novelty(use: NoveltyUse | None) -> str:
    if use is None:
        return ""
    if not use.used:
        return "scored, as asked for"
    return f"unknown; at training {use.false_alarms:.1%} of frames of its own kind were ({use.held_out})"
