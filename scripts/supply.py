"""What seqcls is made of, for whoever must answer for it: exact versions with hashes, a bill of materials, licences.

    python scripts/supply.py constraints > scripts/constraints.txt   what pip would install here, with hashes; network
    python scripts/supply.py sbom > sbom.json                        CycloneDX 1.6 of what is installed here
    python scripts/supply.py licences > docs/licences.md             of what is installed here
    python scripts/supply.py audit                                   known holes in constraints.txt; pip-audit, network

What is looked at is seqcls with the extras EXTRAS, on this platform and Python.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = Path(__file__).resolve().parent / "constraints.txt"
EXTRAS = (
    "dicom", "onnx", "int8", "deidentify", "tables", "archive", "editing", "dicom-sr", "explain", "phone", "mqtt",
    "tune", "tensorboard",
)  # fmt: skip
_HEAD = """\
# Made by `python scripts/supply.py constraints` with Python {python} on {system} {machine}; for such a machine only:
#     pip install --require-hashes -r scripts/constraints.txt && pip install --no-deps .
"""
_PAGE = """\
# Licences of dependencies

seqcls itself is under the Apache License 2.0. It is installed with the following packages (extras: {extras});
which of them, and in which versions, depends on the platform and the day. Made by `python scripts/supply.py licences`
from the packages' own metadata, on {system} {machine}. `python scripts/supply.py sbom` writes them as CycloneDX.

The licence is that of a package's own code. Wheels hold more: those of PyAV and OpenCV hold FFmpeg, which PyAV builds
with x264 and x265 and which is under the GPL then; PyTorch brings libraries of NVIDIA that are proprietary. Whoever
passes an installed seqcls on, in a container for example, passes these on: look into the licence files of the wheels.

The page that `seqcls report` writes holds uPlot 1.6.32 (MIT). It lies in `seqcls/report/page/vendor` with its licence
and needs no installation.

| package | version | licence |
|---|---|---|
"""


def main(arguments: list[str]) -> int:
    kinds = {"constraints": constraints, "sbom": bill_of_materials, "licences": licences}
    if arguments == ["audit"]:
        return audit()
    if len(arguments) != 1 or arguments[0] not in kinds:
        print(__doc__, file=sys.stderr)
        return 2
    print(kinds[arguments[0]](), end="")
    return 0


def constraints() -> str:
    """One line per package with its version and the SHA-256 of the file that pip would take."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        wanted = f"{ROOT}[{','.join(EXTRAS)}]"
        asked = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(report), wanted]
        subprocess.run([sys.executable, "-m", "pip", *asked], check=True)
        return pinned(json.loads(report.read_text(encoding="utf-8")))


def pinned(report: dict[str, Any]) -> str:
    """From pip's installation report (its version 1). Raises ValueError for a package without a hash."""
    lines = []
    for item in report["install"]:
        name, version = canonicalize_name(item["metadata"]["name"]), item["metadata"]["version"]
        if name == "seqcls":
            continue
        digest = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if not digest:
            raise ValueError(f"pip names no SHA-256 of {name} {version}")
        lines.append(f"{name}=={version} --hash=sha256:{digest}\n")
    return _head(_HEAD) + "".join(sorted(lines))


def bill_of_materials() -> str:
    """CycloneDX 1.6 in JSON, the same for the same packages: without a time and a serial number."""
    found = closure()
    components = [
        {
            "type": "library",
            "bom-ref": _purl(one),
            "name": canonicalize_name(one.name),
            "version": one.version,
            "purl": _purl(one),
            "licenses": [{"license": {"name": licence_of(one)}}],
        }
        for one in found.values()
        if canonicalize_name(one.name) != "seqcls"
    ]
    dependencies = [
        {"ref": _purl(one), "dependsOn": sorted(_purl(found[name]) for name in _needs(one) if name in found)}
        for one in found.values()
    ]
    own = found["seqcls"]
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": _purl(own),
                "name": "seqcls",
                "version": own.version,
                "purl": _purl(own),
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": components,
        "dependencies": dependencies,
    }
    return json.dumps(bill, indent=1, sort_keys=True) + "\n"


def licences() -> str:
    """A page of the documentation."""
    rows = [
        f"| {canonicalize_name(one.name)} | {one.version} | {licence_of(one)} |\n"
        for one in closure().values()
        if canonicalize_name(one.name) != "seqcls"
    ]
    return _head(_PAGE) + "".join(rows)


def audit() -> int:
    """pip-audit's exit code."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--require-hashes",
        "--disable-pip",
        "--strict",
        "-r",
        str(CONSTRAINTS),
    ]
    return subprocess.run(command, check=False).returncode


def closure() -> dict[str, Distribution]:
    """seqcls and all that it needs, as far as it is installed, by canonical name in order."""
    found: dict[str, Distribution] = {}
    waiting = ["seqcls"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # of another platform, or an extra that is not installed
        waiting += _needs(found[name])
    return dict(sorted(found.items()))


def licence_of(package: Distribution) -> str:
    """In the package's own words, in one short line."""
    stated = package.metadata
    if expression := stated.get("License-Expression"):
        return str(expression)
    classes = [text.rpartition(" :: ")[2] for text in stated.get_all("Classifier", []) if text.startswith("License ::")]
    named = [text for text in classes if text != "OSI Approved"]
    if named:
        return ", ".join(sorted(named))
    first = str(stated.get("License") or "").strip().partition("\n")[0].replace("|", "/")
    return first[:60] if first else "not stated"


def _needs(package: Distribution) -> list[str]:
    own = canonicalize_name(package.name) == "seqcls"
    needed = [Requirement(text) for text in (stated() if own else package.requires or [])]
    return sorted(
        canonicalize_name(one.name) for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})
    )


def stated() -> list[str]:
    """What pyproject.toml asks for, the extras with it: what is installed may be older."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *(text for extra in EXTRAS for text in project["optional-dependencies"][extra])]


def _purl(package: Distribution) -> str:
    return f"pkg:pypi/{canonicalize_name(package.name)}@{package.version}"


def _head(text: str) -> str:
    return text.format(
        python=".".join(platform.python_version_tuple()[:2]),
        system=platform.system(),
        machine=platform.machine(),
        extras=", ".join(EXTRAS),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
