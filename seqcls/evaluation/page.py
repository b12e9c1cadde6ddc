"""An evaluation as one page that needs nothing else: tables, curves, subgroups, two models, worst clips and frames."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

import seqcls
from seqcls.evaluation.compare import OrganComparison
from seqcls.evaluation.curves import OrganCurves
from seqcls.evaluation.evaluate import Evaluation
from seqcls.evaluation.extras import Extras
from seqcls.evaluation.metric_names import FRAME_ROWS, INTERVAL_ROWS, Metric, comparison_rows
from seqcls.evaluation.metrics import refusal
from seqcls.evaluation.organ_metrics import OrganMetrics
from seqcls.evaluation.worst import WorstFrame
from seqcls.files.without_folders import without_folders
from seqcls.models.about import facts_of
from seqcls.models.file import ModelHeader
from seqcls.report.bundle import html_page
from seqcls.text.foreign_text import for_terminal
from seqcls.text.wording import count_of

#: Colours of curves, of which there are so many in evaluation.css.
_INKS = 5
_JPEG_QUALITY = 85
Floats = NDArray[np.float64]


def evaluation_html(
    evaluation: Evaluation, curves: Sequence[OrganCurves], header: ModelHeader, name: str, digest: str, extras: Extras
) -> str:
    """The page as one text; the same for the same evaluation. ``name``: of the model's file."""
    frames, patients = len(evaluation.frames.clip), len(set(evaluation.frames.patient.tolist()))
    parts = [count_of(patients, "patient"), *([count_of(len(evaluation.clips), "clip")] if evaluation.clips else [])]
    notes = "".join(f"<li>{_text(note)}</li>" for note in (*evaluation.remarks, *map(without_folders, extras.remarks)))
    body = "\n".join(
        [
            f'<header><div class="title"><h1>{_text(name)}</h1><div id="tools"></div></div>',
            f'<p class="summary">evaluated on {_text(", ".join([*parts, count_of(frames, "frame")]))}</p>',
            f'<ul id="notes">{notes}</ul>' if notes else "",
            "</header><main>",
            *(_organ(organ) for organ in evaluation.organs),
            _curves(curves),
            _subgroups(evaluation),
            *(_comparison(one, extras.against) for one in extras.comparison),
            _worst(extras),
            _about(header, name, digest),
            f"</main><footer>{_text(seqcls.DISCLAIMER)}</footer>",
        ]
    )
    return html_page(f"Evaluation of {name}", body, "evaluation.js", ["page.css", "evaluation.css"], {}, plots=False)


def _text(text: str) -> str:
    return html.escape(for_terminal(text))


def _panel(title: str, *inside: str) -> str:
    return f'<section class="panel"><h2>{_text(title)}</h2>{"".join(inside)}</section>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1, caption: str = "") -> str:
    """The first ``words`` columns hold words, the others figures. What cells hold is taken literally."""

    def row(cells: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=word' if at < words else ''}>{_text(cell)}</{tag}>" for at, cell in enumerate(cells)
        )

    head = f"<caption>{_text(caption)}</caption>" if caption else ""
    lines = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in rows)
    return f"<table>{head}<thead><tr>{row(heads, 'th')}</tr></thead><tbody>{lines}</tbody></table>"


def _organ(organ: OrganMetrics) -> str:
    m, i, why = organ.frames, organ.intervals, refusal(organ.patients)
    clips = f", {count_of(i.clips, 'clip')}" if i is not None else ""
    line = f"{count_of(organ.patients, 'patient')}{clips}, {m.count:,} labelled frames, {m.present:,} of them present"
    matrix = [
        ("present", f"{m.true_present:,}", f"{m.false_absent:,}"),
        ("absent", f"{m.false_present:,}", f"{m.true_absent:,}"),
    ]
    tables = [
        _metrics("by frame", FRAME_ROWS, organ),
        *([_metrics("by presence", INTERVAL_ROWS, organ)] if i is not None else []),
        _table(("frames", "called present", "called absent"), matrix),
    ]
    return _panel(
        organ.organ,
        f'<p class="hint">{_text(line)}{_text(f". 95 % intervals {why}" if why else "")}</p>',
        f'<div class="tables">{"".join(f"<div>{table}</div>" for table in tables)}</div>',
    )


def _metrics(title: str, rows: Sequence[Metric], organ: OrganMetrics) -> str:
    cells = []
    for metric in rows:
        one = organ.spread[metric.name]
        spread = "" if math.isnan(one.low + one.high) else f"{metric.shown(one.low)} to {metric.shown(one.high)}"
        cells.append((metric.title, metric.shown(one.value) + metric.count(organ), spread))
    if any(spread for _, _, spread in cells):
        return _table((title, "value", "95 % interval"), cells)
    return _table((title, "value"), [(what, value) for what, value, _ in cells])


def _curves(curves: Sequence[OrganCurves]) -> str:
    if not curves:
        return ""
    roc = [(one.roc, (one.point[0], one.point[1])) for one in curves]
    recall = [(one.pr, (one.point[1], one.point[2])) for one in curves]
    legend = "".join(
        f'<li class="ink-{number % _INKS}"><svg viewBox="0 0 24 6" aria-hidden="true"><path class="line" d="M0 3H24"/>'
        f"</svg>{_text(one.organ)}</li>"
        for number, one in enumerate(curves)
    )
    reliability = []
    for one in curves:
        here = one.reliability.count > 0
        points = np.stack([one.reliability.score[here], one.reliability.present[here]])
        reliability.append((points, (math.nan, math.nan)))
    return _panel(
        "Curves",
        f'<ul class="legend">{legend}</ul><div class="curves">',
        _chart("ROC", "1 − specificity", "sensitivity", roc),
        _chart("Precision and recall", "sensitivity", "precision", recall),
        _chart("Reliability", "mean score", "share present", reliability, dots=True),
        '</div><p class="hint">A mark stands at the model’s threshold.</p>',
    )


def _chart(
    title: str, x: str, y: str, lines: Sequence[tuple[Floats, tuple[float, float]]], *, dots: bool = False
) -> str:
    """An SVG of attributes and classes alone: the page's policy allows no styles in it."""
    grid = "".join(f'<path class="grid" d="M{at} 0V100M0 {at}H100"/>' for at in range(0, 101, 20))
    diagonal = "" if title.startswith("Precision") else '<path class="chance" d="M0 100L100 0"/>'
    ticks = "".join(
        f'<text x="{at}" y="107" text-anchor="middle">{at / 100:g}</text>'
        f'<text x="-2" y="{101.5 - at}" text-anchor="end">{at / 100:g}</text>'
        for at in range(0, 101, 20)
    )
    drawn = []
    for number, (points, mark) in enumerate(lines):
        path = " ".join(f"{100 * a:.2f},{100 - 100 * b:.2f}" for a, b in points.T)
        marks = [*(points.T.tolist() if dots else []), *([] if math.isnan(sum(mark)) or not path else [mark])]
        spots = "".join(f'<circle cx="{100 * a:.2f}" cy="{100 - 100 * b:.2f}" r="1.6"/>' for a, b in marks)
        drawn.append(f'<g class="ink-{number % _INKS}"><polyline class="line" points="{path}"/>{spots}</g>')
    names = (
        f'<text x="50" y="114" text-anchor="middle">{_text(x)}</text>'
        f'<text transform="translate(-12 50) rotate(-90)" text-anchor="middle">{_text(y)}</text>'
    )
    return (
        f'<figure><figcaption>{_text(title)}</figcaption><svg class="chart" viewBox="-18 -3 122 120" role="img"'
        f' aria-label="{_text(title)}">{grid}{diagonal}{"".join(drawn)}{ticks}{names}</svg></figure>'
    )


def _subgroups(evaluation: Evaluation) -> str:
    tables = []
    for by in dict.fromkeys(group.by for group in evaluation.subgroups):
        own = [group for group in evaluation.subgroups if group.by == by]
        rows = [
            (
                group.name,
                organ.organ,
                str(organ.patients),
                f"{organ.frames.count:,}",
                _figure(organ.frames.auroc),
                _figure(organ.frames.accuracy),
                "" if organ.intervals is None else _figure(organ.intervals.event_f1),
            )
            for group in own
            for organ in group.organs
        ]
        origin = ", ".join(dict.fromkeys(group.origin for group in own))
        heads = (f"by {by}", "organ", "patients", "frames", "AUROC", "accuracy", "event F1")
        tables.append(_table(heads, rows, words=2, caption=f"{by} as named by: {origin}"))
    return _panel("Scanners and sites", '<div class="wide">', *tables, "</div>") if tables else ""


def _comparison(one: OrganComparison, against: str) -> str:
    why = refusal(one.patients)
    heads = ("metric", "this model", "the other", "difference", "95 % interval")
    line = f"{one.organ}: against {against}, {count_of(one.patients, 'patient')}; paired bootstrap over patients"
    return _panel(
        line,
        f'<p class="hint">95 % intervals {_text(why)}</p>' if why else "",
        '<div class="wide">',
        _table(heads, comparison_rows(one)),
        "</div>",
    )


def _worst(extras: Extras) -> str:
    if not extras.clips and not extras.frames:
        return ""
    rows = [
        (one.file, one.organ, _figure(one.accuracy), str(one.missed), str(one.false_events)) for one in extras.clips
    ]
    heads = ("clip", "organ", "accuracy by frame", "missed presences", "false presences")
    table = f'<div class="wide">{_table(heads, rows, words=2)}</div>' if rows else ""
    frames = "".join(_frame(one, heat) for one, heat in zip(extras.frames, extras.heat(), strict=True))
    words = "Frames on the wrong side of the threshold, the most wrong ones of each organ."
    heated = " Red: what spoke for presence (Grad-CAM)." if any(heat is not None for heat in extras.heat()) else ""
    shown = f'<p class="hint">{words}{heated}</p><div class="frames">{frames}</div>' if extras.frames else ""
    return _panel("Worst clips and frames", table, shown)


def _frame(one: WorstFrame, heat: NDArray[np.float32] | None) -> str:
    time = "" if math.isnan(one.time_s) else f" at {one.time_s:.2f} s"
    truth = "present" if one.present else "absent"
    images = [] if one.image is None else [one.image]
    if one.image is not None and one.inside is not None and heat is not None:
        images.append(heated(one.image, one.inside, heat))
    pictures = "".join(f'<img src="{_jpeg(image)}" alt="">' for image in images)
    return (
        f'<figure class="frame"><div>{pictures}</div><figcaption>{_text(one.clip)}, frame {one.index}{time}:'
        f" {_text(one.organ)} is {truth}, score {one.score:.2f}</figcaption></figure>"
    )


def heated(image: NDArray[np.uint8], inside: NDArray[np.bool_], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(S, S) image with heat (S, S) 0..1 in red over it, inside the region alone: (S, S, 3) BGR."""
    share = np.where(inside, 0.6 * heat, 0.0)[..., None]
    red = np.array([0, 40, 255], np.float32)
    return np.asarray(np.round(image[..., None] * (1 - share) + red * share), np.uint8)


def _jpeg(image: NDArray[np.uint8]) -> str:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"


def _about(header: ModelHeader, name: str, digest: str) -> str:
    groups = []
    for title, facts in facts_of(header, name, digest):
        rows = "".join(f"<div><dt>{_text(what)}</dt><dd>{_text(value)}</dd></div>" for what, value in facts)
        groups.append(f'<div class="facts"><h3>{_text(title)}</h3><dl>{rows}</dl></div>')
    return _panel("About the model", f'<div id="facts">{"".join(groups)}</div>')


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
