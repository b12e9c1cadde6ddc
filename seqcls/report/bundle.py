"""One HTML file of the page's parts: styles, small ES modules and data, with a policy that forbids everything else.

The policy names every script and style by its hash, so nothing that a name, a reason or a file says can run.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from seqcls.files.json_text import json_line
from seqcls.text.foreign_text import for_page, for_terminal

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.js)";\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|const|let|class) )", re.M)
#: Names that a module declares for all to see once modules stand in one script.
_DECLARED = re.compile(r"^(?:async )?(?:function\*?|const|let|class) ([\w$]+)", re.M)
LIBRARY = ("vendor/uPlot.iife.min.js", "vendor/uPlot.min.css", "vendor/uPlot-LICENSE.txt")


def page_file(name: str) -> str:
    """One of the page's files. Raises OSError where there is none."""
    return (files("seqcls.report") / "page" / name).read_text(encoding="utf-8")


def bundle(entry: str, read: Any = page_file) -> str:
    """The module ``entry`` and all that it imports as one script, each once, what is imported first."""
    order: dict[str, str] = {}

    def add(name: str) -> None:
        if name in order:
            return
        text = read(name)
        for imported in _IMPORT.findall(text):
            add(imported)
        order[name] = _EXPORT.sub("", _IMPORT.sub("", text))

    add(entry)
    script = "\n".join(f"// {name}\n{text}" for name, text in order.items())
    names = _DECLARED.findall(script)
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"modules that become one script declare {sorted(twice)} twice"
    assert "</script" not in script.lower() and not re.search(r"^(?:import|export) ", script, re.M)
    return script


def html_page(
    title: str,
    body: str,
    entry: str,
    styles: Sequence[str],
    data: Mapping[str, Any],
    *,
    plots: bool = True,
    images: str = "",
) -> str:
    """One page that needs nothing else.

    Args:
        title: text from anywhere.
        body: our own HTML.
        entry: the module that runs.
        styles: names of style sheets.
        data: by the id of their element: a text in base64 as it is, anything else as JSON.
        plots: whether the library that draws traces, with its licence, is part of it.
        images: where from, besides the page itself, in the words of the policy.
    """
    library, library_css, licence = (page_file(name).strip() for name in LIBRARY)
    sheet = "\n".join([library_css] * plots + [page_file(name) for name in styles])
    scripts = [f"/* uPlot\n{licence}\n*/\n{library}"] * plots + [f'"use strict";\n{{\n{bundle(entry)}\n}}']
    rule = "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_hashed, scripts))}",
            f"style-src {_hashed(sheet)}",
            " ".join(["img-src data: blob:", *[images] * bool(images)]),
            "media-src 'self' file: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{rule}">',
        '<meta name="referrer" content="no-referrer">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html.escape(for_terminal(title))}</title>",
        f"<style>{sheet}</style>",
        "</head>",
        "<body>",
        body.strip(),
        *(f'<script type="{_kind(value)}" id="{name}">{_text(value)}</script>' for name, value in data.items()),
        *(f"<script>{script}</script>" for script in scripts),
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def _kind(value: Any) -> str:
    return "application/octet-stream" if isinstance(value, str) else "application/json"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else for_page(json_line(value))
