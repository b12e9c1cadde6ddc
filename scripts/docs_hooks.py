"""What MkDocs puts into the pages while it builds them, so that it cannot go stale; called by MkDocs (see mkdocs.yml).

A page names it in a comment of its own line:

    <!-- house -->           the wings of the package, drawn from the table in tests/test_architecture.py
    <!-- command: run -->    a command's description, arguments and options, as `seqcls run --help` shows them
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: The stages that a frame passes, in its order.
HEART = (
    "sources", "feeds", "preprocess", "gate", "geometry", "engines", "scoring", "adaptive", "smoothing", "intervals",
    "postprocess", "reprocess", "detector",
)  # fmt: skip


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs hands over each page's text before it renders it."""
    markdown = re.sub(r"^<!-- house -->$", lambda _: drawn_house(), markdown, flags=re.MULTILINE)
    return re.sub(r"^<!-- command: (\S+) -->$", lambda found: command(found[1]), markdown, flags=re.MULTILINE)


def on_files(files: Any, config: Any) -> Any:
    """The README's picture, which lies with the samples that it was made from."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "pictures/timeline.png", abs_src_path=str(ROOT / "samples" / "timeline.png")))
    return files


def import_table() -> dict[str, set[str]]:
    """IMPORTS of tests/test_architecture.py, read without running it."""
    tree = ast.parse((ROOT / "tests" / "test_architecture.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "IMPORTS":
            assert isinstance(node.value, ast.Dict)
            names = [ast.literal_eval(key) for key in node.value.keys if key is not None]
            return {name: _names(used) for name, used in zip(names, node.value.values, strict=True)}
    raise LookupError("tests/test_architecture.py holds no table IMPORTS")


def _names(node: ast.expr) -> set[str]:
    return set() if isinstance(node, ast.Call) else set(ast.literal_eval(node))  # `set()` is no literal


def drawn_house() -> str:
    sys.path.insert(0, str(ROOT))
    from scripts.draw_docs import house

    drawn = house(import_table(), HEART)
    return re.sub(r"\n\s*", "", drawn.replace('width="', 'data-width="', 1))  # Markdown ends HTML at an empty line


def command(name: str) -> str:
    """One command as Markdown."""
    from seqcls.cli.commands import command as found

    return "\n".join(_lines(name, found(name)))


def _lines(name: str, found: Any) -> Iterator[str]:
    arguments = [p for p in found.params if p.param_type_name == "argument"]
    usage = " ".join(["seqcls", name, *(_metavar(p) for p in arguments), "[OPTIONS]"])
    yield from ("```", usage, "```", "", _plain(found.help), "")
    if arguments:
        yield from ("| argument | what it is |", "|---|---|")
        yield from (f"| `{_metavar(p)}` | {_cell(p.help)} |" for p in arguments)
        yield ""
    panels: dict[str, list[Any]] = {}
    for parameter in found.params:
        if parameter.param_type_name == "option" and not getattr(parameter, "hidden", False):
            panels.setdefault(getattr(parameter, "rich_help_panel", None) or "Options", []).append(parameter)
    for panel, parameters in panels.items():
        yield from (f"**{panel}**", "", "| option | what it does |", "|---|---|")
        yield from (f"| {_names_of(p)} | {_cell(_described(p))} |" for p in parameters)
        yield ""


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _names_of(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    return names if getattr(parameter, "is_flag", False) else f"{names} `{parameter.metavar or _kind(parameter)}`"


def _kind(parameter: Any) -> str:
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    return {Path: "PATH", int: "NUMBER", float: "NUMBER"}.get(kind, "TEXT")


def _described(parameter: Any) -> str:
    words = _plain(parameter.help or "")
    default = parameter.default
    if "[default" in words or default is None or default is False or default == () or callable(default):
        return words
    return f"{words} [default: {default}]".strip()


def _plain(text: str | None) -> str:
    return re.sub(r"\[/?(bold|dim|italic)\]", "", (text or "").replace("\b", "").strip())


def _cell(text: str | None) -> str:
    return " ".join(_plain(text).split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
