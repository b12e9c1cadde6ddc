"""The module table: who may import whom. This is the architecture document; change it on purpose."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

import seqcls

PACKAGE = Path(seqcls.__file__).parent
STDLIB = set(sys.stdlib_module_names)

# module or folder -> all that it imports besides the standard library, numpy and seqcls itself (DISCLAIMER, version);
# from the ground up: nothing imports what stands below it here
IMPORTS: dict[str, set[str]] = {
    "bounded_queue": set(),
    "cores": set(),
    "palette": set(),
    "steady_clock": set(),
    "text": set(),
    "third_party": set(),
    "errors": {"text"},
    "prefetch": {"bounded_queue"},
    "files": {"text", "errors"},
    "local_server": {"errors"},
    "credentials": {"errors", "files"},
    "phantom": {"errors", "files", "av", "cv2"},
    "types": {"text", "errors", "files"},
    "burnt_in_text": {"types", "cv2"},
    "intervals": {"errors", "types"},
    "pauses": {"text", "types"},
    "processes": {"credentials", "types"},
    "smoothing": {"errors", "types"},
    "timemap": {"errors", "files", "types"},
    "geometry": {"errors", "files", "types", "burnt_in_text", "cv2"},
    "novelty": {"text", "errors", "files", "types", "smoothing"},
    "sources": {"text", "third_party", "errors", "files", "credentials", "types", "processes", "PIL", "av", "cv2", "fsspec", "pydicom"},
    "feeds": {"bounded_queue", "steady_clock", "text", "errors", "files", "credentials", "types", "processes", "sources", "av", "cv2"},
    "gate": {"errors", "geometry", "cv2"},
    "layouts": {"errors", "files", "types", "geometry", "sources"},
    "models": {"text", "third_party", "errors", "files", "types", "intervals", "smoothing", "geometry", "novelty", "google", "safetensors", "torch"},
    "postprocess": {"types", "intervals", "smoothing", "novelty"},
    "engines": {"cores", "third_party", "errors", "files", "models", "torch"},
    "keepable": {"burnt_in_text", "geometry", "gate"},
    "timeline": {"text", "errors", "files", "types", "intervals", "smoothing", "geometry", "gate"},
    "algebra": {"errors", "files", "types", "timeline"},
    "doctor": {"cores", "third_party", "models", "engines"},
    "frame_states": {"types", "timeline"},
    "preprocess": {"types", "geometry", "gate", "keepable", "cv2"},
    "adaptive": {"errors", "types", "intervals", "smoothing", "novelty", "engines", "preprocess", "cv2"},
    "datasets": {"text", "errors", "files", "types", "timemap", "geometry", "sources", "gate", "layouts", "keepable", "preprocess", "PIL", "cv2", "sklearn"},
    "rendering": {"palette", "text", "errors", "files", "types", "timemap", "geometry", "sources", "gate", "keepable", "timeline", "frame_states", "preprocess", "PIL", "av", "cv2"},
    "reprocess": {"types", "intervals", "pauses", "smoothing", "novelty", "postprocess", "timeline", "algebra"},
    "scoring": {"types", "engines", "preprocess"},
    "analysis": {"cores", "errors", "prefetch", "types", "intervals", "pauses", "novelty", "sources", "postprocess", "timeline", "preprocess", "adaptive", "scoring"},
    "detector": {"errors", "types", "intervals", "smoothing", "sources", "gate", "models", "engines", "timeline", "preprocess", "adaptive", "analysis"},
    "exports": {"palette", "text", "third_party", "errors", "files", "types", "pauses", "timemap", "sources", "timeline", "algebra", "frame_states", "rendering", "PIL", "cv2", "pydicom"},
    "journal": {"steady_clock", "text", "errors", "files", "types", "intervals", "pauses", "smoothing", "geometry", "novelty", "sources", "postprocess", "timeline", "reprocess"},
    "pseudonyms": {"text", "errors", "files", "types", "sources", "timeline", "datasets"},
    "report": {"text", "errors", "files", "types", "pauses", "geometry", "sources", "gate", "models", "keepable", "timeline", "algebra", "preprocess", "datasets", "rendering", "cv2"},
    "archive": {"text", "third_party", "errors", "files", "types", "geometry", "sources", "timeline", "algebra", "rendering", "exports"},
    "bench": {"cores", "errors", "prefetch", "files", "types", "geometry", "sources", "gate", "engines", "doctor", "preprocess", "scoring", "analysis", "detector"},
    "deidentify": {"third_party", "errors", "files", "types", "burnt_in_text", "geometry", "sources", "gate", "preprocess", "rendering", "pseudonyms", "PIL", "dicomanonymizer", "pydicom"},
    "evaluation": {"palette", "text", "third_party", "errors", "files", "types", "geometry", "sources", "gate", "layouts", "models", "timeline", "datasets", "rendering", "reprocess", "analysis", "detector", "exports", "report", "cv2", "scipy", "sklearn"},
    "live": {"bounded_queue", "palette", "steady_clock", "text", "third_party", "errors", "files", "local_server", "credentials", "types", "intervals", "pauses", "processes", "geometry", "sources", "feeds", "gate", "postprocess", "keepable", "preprocess", "rendering", "scoring", "detector", "journal", "av", "cv2"},
    "notebook": {"palette", "text", "third_party", "errors", "types", "timeline", "frame_states", "exports"},
    "pictures": {"text", "errors", "files", "types", "smoothing", "sources", "timeline", "adaptive", "detector"},
    "review": {"cores", "text", "errors", "files", "local_server", "types", "intervals", "geometry", "sources", "gate", "keepable", "timeline", "preprocess", "rendering", "exports", "journal", "report", "cv2"},
    "convert": {"text", "third_party", "errors", "files", "types", "smoothing", "novelty", "models", "postprocess", "engines", "datasets", "reprocess", "evaluation"},
    "training": {"palette", "text", "third_party", "errors", "files", "types", "intervals", "smoothing", "novelty", "models", "postprocess", "timeline", "datasets", "reprocess", "evaluation", "cv2", "safetensors", "scipy", "torch"},
    "demo": {"phantom", "geometry", "models", "timeline", "datasets", "detector", "exports", "evaluation", "convert", "training"},
}  # fmt: skip
COMMAND_LINE = {"cli", "__main__"}  # may import everything, and alone typer and rich


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


@dataclass
class Facts:
    """imports: what a file imports but for types, as in the table. names: the first part of all that is imported anywhere
    in it, in the standard library too. called: the functions that it calls, and the strings that each gets as its first
    argument."""

    imports: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    called: dict[str, set[str]] = field(default_factory=dict)


@cache
def facts(path: Path) -> Facts:
    found = Facts()
    left: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text(encoding="utf-8")), False)]
    while left:
        node, for_types = left.pop()
        for_types = for_types or _only_for_types(node)
        left += [(child, for_types) for child in ast.iter_child_nodes(node)]
        if isinstance(node, ast.Call):
            first = node.args[0] if node.args else None
            constant = isinstance(first, ast.Constant) and isinstance(first.value, str)
            found.called.setdefault(_dotted(node.func), set()).update({first.value} if constant else ())  # type: ignore[union-attr, arg-type]
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                names = [f"seqcls.{name}" for name in names] if node.module == "seqcls" else [str(node.module)]
            found.names.update(name.split(".")[0] for name in names)
            found.imports.update(name for name in map(_in_the_table, names) if name and not for_types)
    return found


def _in_the_table(name: str) -> str:
    """How the table names an import; nothing for what does not stand there."""
    first, _, rest = name.partition(".")
    second = rest.partition(".")[0]
    if first == "seqcls" and second and not second[0].isupper() and second != "__version__":
        return second
    return "" if first in STDLIB | {"numpy", "seqcls"} else first


def _dotted(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return f"{_dotted(function.value)}.{function.attr}"
    return function.id if isinstance(function, ast.Name) else ""


def _only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def wings() -> dict[str, set[str]]:
    """What every module or folder of the package imports, the command line and the face apart."""
    found: dict[str, set[str]] = {}
    for path in modules():
        name = place(path)
        if name not in COMMAND_LINE and path != PACKAGE / "__init__.py":
            found.setdefault(name, set()).update(facts(path).imports)
    return {name: names - {name} for name, names in found.items()}


@pytest.mark.parametrize("wing", sorted(IMPORTS))
def test_imports_are_those_of_the_table(wing: str) -> None:
    assert wings().get(wing) == IMPORTS[wing]


def test_the_table_names_every_module_and_folder() -> None:
    assert set(wings()) == set(IMPORTS)


def test_temporaries_have_one_home() -> None:
    """There they are private and exclusive, and swept after a kill; tempfile's own are not."""
    assert [path.name for path in modules() if "tempfile" in facts(path).names] == ["temporaries.py"]


#: Libraries that report, leave traces or are extras, and the folders that have them by ``library(NAME)``.
CAREFULLY = {
    "archive": {"duckdb", "pyarrow", "ray"},
    "convert": {"nncf", "onnx", "onnxruntime"},
    "deidentify": {"pydicom"},
    "engines": {"onnx", "onnxruntime", "openvino"},
    "evaluation": {"captum", "matplotlib", "torch"},
    "exports": {"highdicom", "matplotlib", "opentimelineio", "pyarrow", "pydicom"},
    "live": {"paho"},
    "models": {"onnx", "torchvision"},
    "notebook": {"pandas"},
    "sources": {"pydicom"},
    "training": {"matplotlib", "optuna", "sqlalchemy", "tensorboardX", "torch"},
}


def test_libraries_that_report_are_imported_in_one_place() -> None:
    asked: dict[str, set[str]] = {}
    for path in modules():
        if place(path) == "third_party":
            continue
        reporting = {"matplotlib", "nncf", "onnx", "onnxruntime", "openvino", "openvino_telemetry", "torchvision"}
        assert not facts(path).imports & reporting, path
        assert not {"importlib.import_module", "__import__"} & set(facts(path).called), path
        for name, argument in facts(path).called.items():
            if name == "library" and argument:
                asked.setdefault(place(path), set()).update(one.split(".")[0] for one in argument)
    assert {wing: names for wing, names in asked.items() if wing != "doctor"} == CAREFULLY


def test_the_table_has_no_cycle() -> None:
    def below(module: str, seen: tuple[str, ...]) -> None:
        assert module not in seen, f"cycle: {' -> '.join((*seen, module))}"
        for name in IMPORTS.get(module, set()) - {module}:
            below(name, (*seen, module))

    for module in IMPORTS:
        below(module, ())


@pytest.mark.parametrize(
    "code",
    [
        "import seqcls",
        "import seqcls.cli",
        "import seqcls.detector, seqcls.sources, seqcls.exports, seqcls.datasets.labels",
    ],
    ids=["package", "command line", "runner"],
)
def test_torch_waits_until_it_is_needed(code: str) -> None:
    heavy = "{'torch', 'torchvision', 'sklearn', 'matplotlib', 'scipy'}"
    check = f"import sys; {code}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'torchvision', 'sklearn', 'matplotlib', 'scipy', 'numpy', 'cv2', 'av'}"
    check = (
        "import sys; sys.argv = ['seqcls', '--help']\nfrom seqcls.cli import main\n"
        f"try: main()\nexcept SystemExit: pass\nprint(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]" and "run" in done.stdout


def test_everything_public_is_there() -> None:
    for name in seqcls.__all__:
        assert getattr(seqcls, name) is not None
