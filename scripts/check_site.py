"""Refuse a built site that would fetch scripts, styles, fonts or pictures from elsewhere.

    mkdocs build --strict --site-dir site && python scripts/check_site.py site

Links that a person follows by a click may lead anywhere.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

#: What a browser loads by itself, without a click.
LOADS = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src", "embed": "src",
    "object": "data", "input": "src",
}  # fmt: skip
LINKS = {"stylesheet", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "icon", "manifest"}
OUTSIDE = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"(?:url\(|@import)\s*['\"]?\s*((?:https?:)?//[^)'\"\s]+)", re.IGNORECASE)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        loaded = [values.get(LOADS.get(tag, ""), "")]
        if tag == "link" and LINKS & set(values.get("rel", "").lower().split()):
            loaded.append(values.get("href", ""))
        loaded += [part.strip().split(" ")[0] for part in values.get("srcset", "").split(",")]
        loaded += IN_STYLES.findall(values.get("style", ""))
        self.found += [address for address in loaded if OUTSIDE.match(address)]
        if "mermaid" in values.get("class", "").split():
            self.found.append("mermaid diagrams, whose script the theme fetches from a public server")


def outside(name: str, text: str) -> list[str]:
    """Addresses elsewhere that a browser would load for this file."""
    if name.endswith((".css", ".svg")):
        return IN_STYLES.findall(text)
    page = _Page()
    page.feed(text)
    styles = re.findall(r"<style.*?</style>", text, re.DOTALL)
    return page.found + [address for style in styles for address in IN_STYLES.findall(style)]


def check(site: Path) -> Iterator[str]:
    for path in sorted(site.rglob("*")):
        if path.suffix in (".html", ".css", ".svg"):
            for address in outside(path.name, path.read_text(encoding="utf-8")):
                yield f"{path.relative_to(site)} loads {address}"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    problems = list(check(folder))
    print("\n".join(problems) if problems else f"{folder}: nothing is loaded from elsewhere")
    sys.exit(1 if problems or not (folder / "index.html").is_file() else 0)
