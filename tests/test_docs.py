"""The documentation tells the truth, as far as a test can see. Its links are checked by `mkdocs build --strict`."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT / "scripts"))

import check_site  # noqa: E402
import docs_hooks  # noqa: E402
import draw_docs  # noqa: E402

PAGES = sorted(DOCS.rglob("*.md"))


def test_no_page_holds_two_versions_of_a_line() -> None:
    """What a merge left undecided reads like text to every other check."""
    marks = re.compile(r"^(<{7} |>{7} |={7}$)", re.MULTILINE)
    pages = [*PAGES, ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
    assert not [page.name for page in pages if marks.search(page.read_text(encoding="utf-8"))]
    assert marks.search("a\n=======\nb\n")


def test_every_field_of_a_message_is_described() -> None:
    text = (DOCS / "live.md").read_text(encoding="utf-8").partition("### What a message holds")[2].partition("\n## ")[0]
    described = {name for row in re.findall(r"^\| (`.*?) \| (?:both|events|states) \|", text, re.MULTILINE)
                 for name in re.findall(r"`(.*?)`", row)}  # fmt: skip
    fields = [
        json.loads((DOCS / "schema" / f"{one}.schema.json").read_text())["required"] for one in ("event", "state")
    ]
    assert described == {*fields[0], *fields[1]}


def commands() -> list[str]:
    import typer

    from seqcls.cli import app

    return sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@functools.cache
def messages() -> str:
    """Every text in the package, in one piece per expression, with a line break where a value is put in.

    Options are flags, as the command line shows them.
    """
    from seqcls.cli.console import in_flags

    return in_flags("\n\n".join(_texts()))


def _texts() -> Iterator[str]:
    for path in sorted((ROOT / "seqcls").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\n" for part in node.values)


@pytest.mark.parametrize("name", sorted(draw_docs.pictures()))
def test_the_drawings_are_those_of_the_code(name: str) -> None:
    drawn = (draw_docs.PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    assert drawn == draw_docs.pictures()[name], "run python scripts/draw_docs.py"


def test_the_frames_way_names_files_that_exist() -> None:
    for _, where, _ in draw_docs.WAY:
        for name in where.split(" or "):
            assert (ROOT / "seqcls" / name).exists(), name


def test_the_drawing_of_hysteresis_shows_what_the_text_says() -> None:
    drawing = draw_docs.DRAWINGS["hysteresis"]
    presences = [
        sum(event.state == "present" for event in draw_docs.states(drawing, options)[0]) for _, options in drawing.rows
    ]
    assert presences == [4, 1]  # one threshold, two thresholds


def test_every_command_has_its_place_in_the_reference() -> None:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^<!-- command: (\S+) -->$", text, re.MULTILINE)) == commands()
    assert sorted(re.findall(r"^## (\S+)$", text, re.MULTILINE)) == commands()


def test_the_reference_lists_every_option() -> None:
    text = docs_hooks.command("run")
    for option in ("--model", "--onset", "--realtime", "--no-gate", "--serve"):
        assert f"`{option}`" in text


def test_the_house_shows_every_wing() -> None:
    table = docs_hooks.import_table()
    drawn = docs_hooks.drawn_house()
    assert len(table) > 20 and set(docs_hooks.HEART) <= set(table)
    for wing in table:
        assert f">{wing}</text>" in drawn


def test_quoted_messages_are_in_the_code() -> None:
    texts = messages()
    quoted = re.findall(r"^### `(.+)`$", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(quoted) > 20
    for message in quoted:
        for part in filter(None, (part.strip() for part in message.split("…"))):
            assert part in texts, f"{message}: no text of seqcls holds {part!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_speak_of_options_that_exist(page: Path) -> None:
    known = set(re.findall(r"--[a-z][a-z0-9-]+", messages()))
    known |= options_of_all_commands()
    for option in re.findall(r"`(?:seqcls[^`\n]*? )?(--[a-z][a-z-]+)", page.read_text(encoding="utf-8")):
        assert option in known, f"{page.name} speaks of {option}"


@pytest.mark.parametrize("command", commands())
def test_commands_are_shown_with_options_that_they_have(command: str) -> None:
    own = set(re.findall(r"`(--[a-z][a-z-]+)`", docs_hooks.command(command)))
    for page in [*PAGES, ROOT / "README.md"]:
        for shown in re.findall(rf"seqcls {command} ([^`#\n]*)", page.read_text(encoding="utf-8")):
            assert set(re.findall(r"--[a-z][a-z-]+", shown)) <= own, f"{page.name}: seqcls {command} {shown}"


@functools.cache
def options_of_all_commands() -> frozenset[str]:
    return frozenset(re.findall(r"`(--[a-z][a-z-]+)`", "\n".join(map(docs_hooks.command, commands()))))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_name_files_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:scripts|tests|docs|seqcls)/[\w/.-]+)`", text):
        assert (ROOT / name).exists(), f"{page.name} names {name}"
    if page.stem == "pipeline":
        for name in re.findall(r"`((?:\w+/)*\w+(?:/|\.py))`", text):
            assert (ROOT / "seqcls" / name).exists() or (ROOT / name).exists(), f"{page.name} names {name}"


def test_the_fields_of_the_timeline_are_described() -> None:
    timeline = json.loads((ROOT / "samples" / "neck-timeline.json").read_text(encoding="utf-8"))
    section = (DOCS / "outputs.md").read_text(encoding="utf-8").split("## timeline.json")[1].split("\n## ")[0]
    for field in timeline:
        assert f"`{field}`" in section, field


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.html", '<a href="https://example.org/">by a click</a>', []),
        ("a.html", '<img src="pictures/a.png"><link rel="stylesheet" href="style.css">', []),
        ("a.html", '<script src="https://cdn.example.org/a.js"></script>', ["https://cdn.example.org/a.js"]),
        ("a.html", '<link rel="stylesheet" href="//fonts.example.org/css">', ["//fonts.example.org/css"]),
        ("a.html", "<style>@import 'https://example.org/a.css'</style>", ["https://example.org/a.css"]),
        ("a.css", "body { background: url(https://example.org/a.png) }", ["https://example.org/a.png"]),
        ("a.svg", '<svg xmlns="http://www.w3.org/2000/svg"></svg>', []),
    ],
)
def test_a_site_that_loads_from_elsewhere_is_noticed(name: str, text: str, found: list[str]) -> None:
    assert check_site.outside(name, text) == found


def test_the_check_of_a_site_fails_with_what_it_found(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<img src="http://example.org/a.png">', encoding="utf-8")
    script = ROOT / "scripts" / "check_site.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout.strip() == "index.html loads http://example.org/a.png"


def test_the_tests_that_hold_attacks_exist() -> None:
    named = re.findall(r"`((?:\w+/)*test_\w+)::(test_\w+)`", (DOCS / "attacks.md").read_text(encoding="utf-8"))
    assert len(named) > 100
    files = {file for file, _ in named}
    known = {file: (ROOT / "tests" / f"{file}.py").read_text(encoding="utf-8") for file in files}
    assert [f"{file}::{name}" for file, name in named if f"def {name}(" not in known[file]] == []
