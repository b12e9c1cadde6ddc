"""The report of one run: what its page holds, and the file."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import seqcls
from seqcls.files import write_text
from seqcls.models.file import ModelHeader
from seqcls.report.bundle import html_page, page_file
from seqcls.report.data import interval_facts, page_data
from seqcls.report.facts import facts_about, summary
from seqcls.report.thumbnails import Thumbnail
from seqcls.text.foreign_text import for_terminal
from seqcls.timeline import Timeline
from seqcls.types import Interval


@dataclass(frozen=True, slots=True)
class GivenStrip:
    """A strip that the page shows as it is. hint: what is said below it."""

    name: str
    intervals: tuple[Interval, ...]
    hint: str


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What a report holds besides the timeline."""

    thumbnails: Sequence[Thumbnail] = ()
    """Pictures of the ultrasound region."""
    beside: str = ""
    """The way from the page to the clip, escaped for a browser; empty where it has none."""
    remarks: tuple[str, ...] = ()
    """What else a reader must know of the report."""
    header: ModelHeader | None = None
    """Of the model's file, where that is at hand."""
    given: tuple[GivenStrip, ...] = ()
    """Strips below those of the organs that the sliders do not change, such as labels."""


def report_html(timeline: Timeline, options: ReportOptions | None = None) -> str:
    """The page as one text; the same for the same run."""
    options = ReportOptions() if options is None else options
    data = page_data(timeline)
    facts: dict[str, Any] = {
        **data.facts,
        "pictures": [{"time_s": one.time_s, "url": one.url, "ratio": one.ratio} for one in options.thumbnails],
        "beside": options.beside,
        "remarks": list(options.remarks),
        "summary": summary(timeline),
        "about": facts_about(timeline, options.header),
    }
    if options.given:
        facts["organs"] = [*timeline.organs, *(strip.name for strip in options.given)]
        facts["given"] = [interval_facts(strip.intervals) for strip in options.given]
        facts["intervals"] = [*facts["intervals"], *facts["given"]]
        facts["hints"] = [*[None] * len(timeline.organs), *(strip.hint for strip in options.given)]
    title = for_terminal(timeline.source.title)
    body = filled(page_file("report.html"), title=title, disclaimer=seqcls.DISCLAIMER)
    return html_page(title, body, "report.js", ["page.css"], {"run-facts": facts, "run-numbers": data.block})


def filled(page: str, **texts: str) -> str:
    """A page of ours with texts in its empty elements of these ids."""
    for name, text in texts.items():
        empty = f'id="{name}"></'
        assert page.count(empty) == 1
        page = page.replace(empty, f'id="{name}">{html.escape(text)}</')
    return page


def write_report(timeline: Timeline, path: str | Path, options: ReportOptions | None = None) -> None:
    """Write the report of one run. Raises OutputError."""
    write_text(path, report_html(timeline, options))
