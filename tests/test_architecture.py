"""The module table: who may import whom. This is the architecture document; change it on purpose."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import seqcls

PACKAGE = Path(seqcls.__file__).parent
STDLIB = set(sys.stdlib_module_names)

# module or package -> what it may import besides the standard library, numpy and seqcls itself (DISCLAIMER, version)
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "types": set(),
    "files": {"errors"},
    "geometry": {"types", "errors", "cv2"},
    "gate": {"types", "errors", "geometry", "cv2"},
    "smoothing": {"types", "errors"},
    "intervals": {"types", "errors"},
    "postprocess": {"types", "errors", "smoothing", "intervals"},
    "journal": {"types", "errors", "files", "smoothing", "intervals", "postprocess"},
    "sources": {"types", "errors", "sources", "av", "cv2", "pydicom", "PIL"},
    "labels": {"types", "errors"},
    "converted": {"errors"},
    "modelfile": {"errors", "files", "geometry", "smoothing", "intervals", "converted", "safetensors"},
    "network": {"modelfile"},
    "model": {"errors", "modelfile", "torch", "torchvision", "safetensors"},
    "engines": {"errors", "files", "converted", "modelfile", "network", "model", "torch", "openvino", "onnx", "onnxruntime", "google"},
    "ahead": set(),
    "prepare": {"types", "geometry", "gate"},
    "scoring": {"types", "engines", "prepare"},
    "adaptive": {"types", "errors", "engines", "smoothing", "intervals", "prepare"},
    "runner": {"ahead", "prepare", "scoring", "adaptive", "types", "errors", "sources", "geometry", "gate", "engines", "modelfile", "smoothing", "intervals", "postprocess"},
    "exports": {"types", "errors", "files", "exports"},
    "report": {"types", "files", "matplotlib"},
    "inspect": {"types", "errors", "files", "geometry", "gate", "sources", "cv2"},
    "split": {"errors", "labels"},
    "clipframes": {"types", "errors", "geometry", "sources", "labels"},
    "frametable": {"errors", "geometry"},
    "extract": {"errors", "files", "geometry", "labels", "split", "clipframes", "frametable", "cv2"},
    "dataset": {"errors", "geometry", "labels", "split", "clipframes", "frametable", "cv2", "PIL"},
    "sampling": {"errors", "dataset"},
    "augment": {"errors", "trainoptions", "torch"},
    "calibration": {"intervals"},
    "metrics": {"types", "errors", "sklearn"},
    "plots": {"files", "matplotlib"},
    "train": {"ahead", "types", "errors", "files", "geometry", "smoothing", "intervals", "modelfile", "model", "dataset", "augment", "metrics", "calibration", "sampling", "trainoptions", "torch"},
    "crossvalidation": {"errors", "dataset", "metrics", "model", "sampling", "train", "trainoptions"},
    "trainoptions": {"errors"},
    "evaluate": {"types", "errors", "files", "labels", "runner", "sources", "metrics", "dataset", "plots", "intervals", "postprocess"},
    "phantom": {"cv2", "av", "errors", "labels", "files", "types"},
    "parity": {"types", "intervals", "metrics", "modelfile", "postprocess"},
    "quantize": {"errors", "engines", "network", "onnx", "onnxruntime", "nncf"},
    "convert": {"errors", "files", "dataset", "engines", "modelfile", "model", "network", "parity", "quantize", "torch"},
    "bench": {"ahead", "types", "errors", "files", "geometry", "modelfile", "engines", "sources", "runner", "plots", "matplotlib"},
    "demo": {"types", "errors", "files", "phantom", "labels", "extract", "dataset", "train", "trainoptions", "runner", "evaluate", "metrics", "plots", "exports", "report", "modelfile", "geometry", "sources", "intervals"},
    "live": {"types", "errors", "files", "geometry", "gate", "sources", "engines", "scoring", "prepare", "intervals", "postprocess", "runner", "journal", "live", "cv2", "av"},
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
            found.add(parts[1] if own else parts[0])
    return found - STDLIB - {"numpy", "seqcls"}


def _only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_follow_the_table(path: Path) -> None:
    module = place(path)
    if module in COMMAND_LINE or path == PACKAGE / "__init__.py":
        return
    assert module in MAY_IMPORT, f"{module} is not in the table"
    assert imports(path) - {module} <= MAY_IMPORT[module]


def test_the_table_names_only_what_exists() -> None:
    assert set(MAY_IMPORT) <= {place(path) for path in modules()}


def test_the_table_has_no_cycle() -> None:
    def below(module: str, seen: tuple[str, ...]) -> None:
        assert module not in seen, f"cycle: {' -> '.join((*seen, module))}"
        for name in MAY_IMPORT.get(module, set()) - {module}:
            below(name, (*seen, module))

    for module in MAY_IMPORT:
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
