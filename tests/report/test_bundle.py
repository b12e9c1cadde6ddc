"""Modules become one script, and a page that may load nothing."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from seqcls.report.bundle import bundle, html_page, page_file

MODULES = {
    "a.js": 'import { b } from "./b.js";\nimport { c } from "./c.js";\nexport function a() {\n  return b + c;\n}\n',
    "b.js": 'import { c } from "./c.js";\nexport const b = c;\n',
    "c.js": "export const c = 1;\n",
}


def test_what_is_imported_comes_first_and_once() -> None:
    script = bundle("a.js", MODULES.__getitem__)
    assert [line for line in script.splitlines() if line.startswith("//")] == ["// c.js", "// b.js", "// a.js"]
    assert "import" not in script and "export" not in script


def test_a_name_declared_twice_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="'c'"):
        bundle("b.js", {**MODULES, "b.js": 'import { c } from "./c.js";\nconst c = 2;\n'}.__getitem__)


@pytest.mark.parametrize("entry", ["report.js", "index.js"])
def test_a_page_names_its_scripts_and_styles_by_their_hashes_and_nothing_from_elsewhere(entry: str) -> None:
    page = html_page(
        "t", "<p></p>", entry, ["page.css"], {"d": {"text": "</script>\u2028"}}, plots=entry == "report.js"
    )
    (rule,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    inside = [*re.findall(r"<script>(.*?)</script>", page, re.S), *re.findall(r"<style>(.*?)</style>", page, re.S)]
    for text in inside:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in rule
    assert rule.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in rule
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:|//)|@import|url\(", page)
    assert page.count("</script>") == page.count("<script") and "\u2028" not in page
    assert ("MIT License" in page) == (entry == "report.js")


def test_the_licence_of_the_plots_is_with_them() -> None:
    assert "MIT" in page_file("vendor/uPlot-LICENSE.txt") and len(page_file("vendor/uPlot.iife.min.js")) < 60_000
