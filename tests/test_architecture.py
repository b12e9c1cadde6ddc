"""The module table: who may import whom. This is the architecture document; change it on purpose."""

from __future__ import annotations

import ast
import subprocess
import sys
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
    "child_program": set(),
    "errors": set(),
    "foreign_text": set(),
    "palette": set(),
    "wording": set(),
    "files": {"errors", "foreign_text"},
    "json_record": {"errors"},
    "prefetch": {"bounded_queue"},
    "types": {"errors", "foreign_text"},
    "geometry": {"errors", "json_record", "cv2"},
    "intervals": {"errors", "types"},
    "json_text": {"foreign_text", "files"},
    "pauses": {"types"},
    "phantom": {"errors", "files", "av", "cv2"},
    "smoothing": {"errors", "types"},
    "sources": {"errors", "wording", "files", "types", "PIL", "av", "cv2", "pydicom"},
    "feeds": {"bounded_queue", "child_program", "errors", "foreign_text", "types", "sources", "av", "cv2"},
    "gate": {"errors", "geometry", "cv2"},
    "layouts": {"errors", "files", "types", "geometry", "json_text", "sources"},
    "models": {"errors", "files", "json_record", "geometry", "intervals", "json_text", "smoothing", "google", "onnx", "safetensors", "torch", "torchvision"},
    "postprocess": {"types", "intervals", "smoothing"},
    "engines": {"errors", "files", "models", "onnx", "onnxruntime", "openvino", "torch"},
    "preprocess": {"types", "geometry", "gate"},
    "timeline": {"errors", "files", "json_record", "types", "geometry", "intervals", "smoothing", "gate"},
    "adaptive": {"errors", "types", "intervals", "smoothing", "engines", "preprocess"},
    "contact_sheet": {"errors", "files", "types", "geometry", "sources", "gate", "preprocess", "PIL", "cv2"},
    "datasets": {"errors", "foreign_text", "files", "json_record", "types", "geometry", "json_text", "sources", "layouts", "preprocess", "cv2"},
    "doctor": {"models", "engines"},
    "exports": {"errors", "foreign_text", "palette", "files", "json_record", "types", "json_text", "pauses", "timeline", "matplotlib"},
    "reprocess": {"types", "intervals", "pauses", "smoothing", "postprocess", "timeline"},
    "scoring": {"types", "engines", "preprocess"},
    "detector": {"errors", "prefetch", "types", "geometry", "intervals", "pauses", "smoothing", "sources", "gate", "models", "postprocess", "engines", "preprocess", "timeline", "adaptive", "scoring"},
    "journal": {"errors", "files", "json_record", "types", "geometry", "intervals", "json_text", "pauses", "smoothing", "sources", "postprocess", "timeline", "reprocess"},
    "bench": {"errors", "files", "prefetch", "types", "geometry", "json_text", "sources", "gate", "engines", "preprocess", "doctor", "scoring", "detector"},
    "evaluation": {"errors", "files", "types", "timeline", "datasets", "detector", "scipy", "sklearn"},
    "live": {"bounded_queue", "child_program", "errors", "foreign_text", "palette", "files", "types", "geometry", "intervals", "json_text", "sources", "postprocess", "preprocess", "scoring", "detector", "journal", "av", "cv2"},
    "pictures": {"errors", "types", "smoothing", "sources", "timeline", "adaptive", "detector"},
    "convert": {"errors", "files", "types", "json_text", "models", "postprocess", "engines", "datasets", "reprocess", "evaluation", "nncf", "onnx", "onnxruntime"},
    "training": {"errors", "palette", "files", "prefetch", "intervals", "json_text", "models", "datasets", "evaluation", "matplotlib", "scipy", "sklearn", "torch"},
    "demo": {"geometry", "phantom", "models", "timeline", "datasets", "exports", "detector", "evaluation", "training"},
}  # fmt: skip
COMMAND_LINE = {"cli", "__main__"}  # may import everything, and alone typer and rich


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(n) for node in ast.walk(tree) if _only_for_types(node) for n in ast.walk(node)}
    nodes = [n for n in (tree.body if top_level_only else ast.walk(tree)) if id(n) not in skipped]
    found: set[str] = set()
    for node in nodes:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = str(node.module)
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "seqcls" else [module]
        for name in names:
            parts = name.split(".")
            own = parts[0] == "seqcls" and len(parts) > 1 and not parts[1][0].isupper() and parts[1] != "__version__"
            if own or parts[0] not in STDLIB | {"numpy", "seqcls"}:
                found.add(parts[1] if own else parts[0])
    return found


def _only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def wings() -> dict[str, set[str]]:
    """What every module or folder of the package imports, the command line and the face apart."""
    found: dict[str, set[str]] = {}
    for path in modules():
        name = place(path)
        if name not in COMMAND_LINE and path != PACKAGE / "__init__.py":
            found.setdefault(name, set()).update(imports(path))
    return {name: names - {name} for name, names in found.items()}


@pytest.mark.parametrize("wing", sorted(wings() | IMPORTS))
def test_imports_are_those_of_the_table(wing: str) -> None:
    assert wings().get(wing) == IMPORTS.get(wing)


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
    heavy = "{'torch', 'torchvision', 'sklearn', 'matplotlib', 'scipy', 'cv2', 'av'}"
    check = (
        "import sys; sys.argv = ['seqcls', '--help']\nfrom seqcls.cli import main\n"
        f"try: main()\nexcept SystemExit: pass\nprint(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]" and "run" in done.stdout


def test_everything_public_is_there() -> None:
    for name in seqcls.__all__:
        assert getattr(seqcls, name) is not None
