"""The page of a data check: what was found, with pictures of the region, and how much there is of what."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import seqcls
from seqcls.datasets.data_checks import DataCheck, Finding
from seqcls.files import write_text
from seqcls.files.json_text import write_json
from seqcls.report.bundle import html_page, page_file
from seqcls.report.page import filled
from seqcls.report.thumbnails import thumbnails_of

#: Pictures of one finding, and of all: 4 KB each.
MOST_OF_ONE, MOST = 24, 240
PAGE, RECORD = "data-check.html", "data-check.json"


def data_check_html(check: DataCheck, title: str) -> str:
    """The page as one text; the same for the same data."""
    left = MOST
    findings = []
    for finding in check.findings:
        shown = finding.rows[: min(MOST_OF_ONE, left)]
        pictures = _pictures(check, shown)
        left -= len(shown)
        findings.append(_plain(finding) | {"pictures": pictures, "more": len(finding.rows) - len(shown)})
    data: dict[str, Any] = {
        "organs": list(check.frames.organs),
        "facts": [
            ["frames", f"{len(check.frames.images):,}"],
            ["set aside", f"{len(check.set_aside):,}"],
            ["a site is known from", check.site_from],
            *(
                [
                    f"{organ}: independent frames",
                    f"{frames:,.0f} (correlation within a clip {icc:.2f}, design effect {effect:.0f})",
                ]
                for organ, frames, icc, effect in check.independent
                if not math.isnan(frames)
            ),
        ],
        "findings": findings,
        "balance": [asdict(one) for one in check.balance],
        "parts": [asdict(one) for one in check.parts],
    }
    body = filled(page_file("check.html"), title=title, disclaimer=seqcls.DISCLAIMER)
    return html_page(title, body, "check.js", ["page.css", "check.css"], {"check-data": data}, plots=False)


def _plain(finding: Finding) -> dict[str, Any]:
    return {"level": finding.level, "kind": finding.kind, "text": finding.text, "frames": finding.frames}


def _pictures(check: DataCheck, rows: tuple[int, ...]) -> list[dict[str, str]]:
    """Nothing of frames of which nothing may be shown: no region was found, or the gate calls them no ultrasound."""
    facts = check.whole.facts
    found = []
    for row in rows:
        clip, time_s = str(check.whole.clip[row]), float(check.whole.time_s[row])
        name = str(facts.name[row]) if facts is not None else f"{clip}, {time_s:.2f} s"
        may = facts is None or bool(facts.shown[row])
        url = thumbnails_of([(0.0, check.whole.images[row])])[0].url if may else ""
        found.append({"name": name, "side": str(check.whole.split[row]), "url": url})
    return found


def write_data_check(check: DataCheck, folder: str | Path, title: str) -> Path:
    """Write the page, whose path is returned, and data-check.json beside it. Raises OutputError."""
    write_json(Path(folder) / RECORD, check.to_dict())
    page = Path(folder) / PAGE
    write_text(page, data_check_html(check, title))
    return page
