"""The face of the package: whatever a signature needs can be imported from it, is documented, and says what it raises."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import pydoc
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqcls
from seqcls import errors

#: The border to JSON, where dictionaries are what is written and read.
JSON = {"to_dict", "from_dict", "to_json", "from_json"}


#: Types that are imported for the type checker alone: of libraries, and where a module is below the one that has it.
FOREIGN = {"Figure": object, "DataFrame": object, "Detector": seqcls.Detector}


def public() -> dict[str, Any]:
    return {name: getattr(seqcls, name) for name in seqcls.__all__}


def methods(kind: type) -> dict[str, Callable[..., Any]]:
    """Public methods that this package wrote, properties and what reads or writes JSON apart."""
    found = {name: member for name, member in vars(kind).items() if not name.startswith("_") and name not in JSON}
    plain = {name: getattr(member, "__func__", member) for name, member in found.items()}
    return {name: member for name, member in plain.items() if inspect.isfunction(member)}


def callables() -> dict[str, Callable[..., Any]]:
    """Every public function and method by its name."""
    found: dict[str, Callable[..., Any]] = {}
    for name, member in public().items():
        if inspect.isfunction(member):
            found[name] = member
        elif inspect.isclass(member):
            found |= {f"{name}.{method}": function for method, function in methods(member).items()}
            made_by = vars(member).get("__init__")
            plain = not dataclasses.is_dataclass(member) and not getattr(member, "_is_protocol", False)
            if plain and inspect.isfunction(made_by):
                found[f"{name}.__init__"] = made_by
    return found


def annotations() -> Iterator[tuple[str, Any]]:
    for name, function in callables().items():
        yield from (
            (f"{name}({what})", hint) for what, hint in typing.get_type_hints(function, localns=FOREIGN).items()
        )
    for name, member in public().items():
        if inspect.isclass(member):
            hints = typing.get_type_hints(member, localns=FOREIGN)
            yield from ((f"{name}.{what}", hint) for what, hint in hints.items() if not what.startswith("_"))
            for what, value in vars(member).items():
                if isinstance(value, property) and value.fget is not None:
                    yield f"{name}.{what}", typing.get_type_hints(value.fget).get("return")


def parts(hint: Any) -> Iterator[Any]:
    """The types that an annotation is made of; an array is one, whatever it holds."""
    origin = typing.get_origin(hint)
    if origin is np.ndarray or origin is typing.Literal:
        return
    if origin is None:
        yield hint
    for inner in typing.get_args(hint):
        for one in inner if isinstance(inner, list) else [inner]:
            yield from parts(one)


def test_signatures_mention_nothing_that_the_package_hides() -> None:
    seen = list(public().values())
    missing = {
        f"{where}: {kind.__module__}.{kind.__qualname__}"
        for where, hint in annotations()
        for kind in parts(hint)
        if isinstance(kind, type) and kind.__module__.startswith("seqcls") and kind not in seen
    }
    assert not missing, "\n".join(sorted(missing))


def test_signatures_say_what_they_take_and_give() -> None:
    assert [where for where, hint in annotations() for kind in parts(hint) if kind is Any] == []


def test_every_exception_is_there() -> None:
    known = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)}
    assert known - set(seqcls.__all__) == set()


def test_what_one_begins_with_comes_first() -> None:
    assert seqcls.__all__[:2] == ["load", "open_source"]
    assert {"load", "open_source"} <= set(dir(seqcls)) and "Any" not in dir(seqcls)
    assert sorted(seqcls.__all__) == dir(seqcls) and len(set(seqcls.__all__)) == len(seqcls.__all__)
    text = pydoc.plain(pydoc.render_doc(seqcls))
    assert text.index("load") < text.index("open_source") < text.index("CLASSES")
    assert not [line for line in text.splitlines() if re.search(r"\bAny\b", line)]
    with pytest.raises(AttributeError, match="nothing"):
        _ = seqcls.nothing


def test_the_lazy_names_are_those_that_the_type_checker_sees() -> None:
    tree = ast.parse(Path(seqcls.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    stated = {
        alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert {name: f"seqcls.{module}" for name, module in seqcls._MODULES.items()} == stated


def test_no_public_name_is_a_module() -> None:
    """Once a module is imported it stands in place of what the package names so: ``seqcls.where(timeline, ...)`` worked
    only the first time."""
    package = Path(seqcls.__file__).parent
    modules = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert not modules & set(seqcls.__all__)


def test_the_face_is_instant() -> None:
    heavy = "{'cv2', 'av', 'torch', 'openvino', 'matplotlib', 'pydicom'}"
    check = f"import sys, seqcls; dir(seqcls); seqcls.Frame; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(callables()))
def test_every_function_says_what_it_raises_and_takes(name: str) -> None:
    function = callables()[name]
    owner = public()[name.partition(".")[0]]
    text = (owner if name.endswith("__init__") else function).__doc__ or ""
    assert text.strip(), "no documentation"
    assert "Raises " in text, "does not say what it raises"
    optional = [p.name for p in inspect.signature(function).parameters.values() if p.default is not p.empty]
    undocumented = [p for p in optional if f"{p}:" not in text and f"``{p}``" not in text]
    assert not undocumented or "those of" in text


def documented_fields(kind: type) -> set[str]:
    """Fields that a text stands below."""
    tree = ast.parse(inspect.getsource(kind))
    (node,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {
        field.target.id
        for field, below in zip(node.body, node.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }


def records() -> list[type]:
    return [m for m in public().values() if inspect.isclass(m) and dataclasses.is_dataclass(m)]


@pytest.mark.parametrize("kind", records(), ids=lambda kind: kind.__name__)
def test_every_optional_field_is_documented_where_it_stands(kind: type) -> None:
    optional = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    }
    assert optional - documented_fields(kind) == set()
