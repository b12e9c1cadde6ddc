"""Versions with hashes, a bill of materials and licences: complete, well formed, and without an address."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytest.importorskip("tomllib", reason="the script runs on Python 3.11 and later")
sys.path.insert(0, str(ROOT / "scripts"))

import supply  # noqa: E402
from packaging.requirements import Requirement  # noqa: E402


def direct() -> set[str]:
    needed = [Requirement(text) for text in supply.stated()]
    return {supply.canonicalize_name(one.name) for one in needed}


def test_every_direct_dependency_is_pinned_with_a_hash_that_fits() -> None:
    lines = [line for line in supply.CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[^ ]+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
    pinned = dict(line.partition(" ")[0].split("==") for line in lines)
    assert direct() <= set(pinned)
    for text in supply.stated():
        needed = Requirement(text)
        assert needed.specifier.contains(pinned[supply.canonicalize_name(needed.name)]), text


def test_licences_of_all_direct_dependencies_are_listed() -> None:
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    rows = {name: licence for name, _, licence in re.findall(r"^\| ([a-z0-9-]+) \| (\S+) \| (.+) \|$", page, re.M)}
    assert direct() <= set(rows) and "not stated" not in {rows[name] for name in direct()}
    assert "://" not in page


def test_a_report_of_pip_becomes_lines_without_an_address() -> None:
    def item(name: str, digest: str) -> dict[str, object]:
        info = {"url": "https://host/x.whl", "archive_info": {"hashes": {"sha256": digest}}}
        return {"metadata": {"name": name, "version": "1.0"}, "download_info": info}

    report = {"install": [item("Zeta_x", "a" * 64), item("alpha", "b" * 64), item("seqcls", "")]}
    lines = supply.pinned(report).splitlines()[2:]
    assert lines == [f"alpha==1.0 --hash=sha256:{'b' * 64}", f"zeta-x==1.0 --hash=sha256:{'a' * 64}"]
    with pytest.raises(ValueError, match="no SHA-256 of alpha"):
        supply.pinned({"install": [item("alpha", "")]})


def test_the_bill_of_materials_is_closed() -> None:
    bill = json.loads(supply.bill_of_materials())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    known = {one["bom-ref"] for one in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {one["ref"] for one in bill["dependencies"]} == known
    assert all(set(one["dependsOn"]) <= known for one in bill["dependencies"])
    (own,) = (one for one in bill["dependencies"] if one["ref"].startswith("pkg:pypi/seqcls@"))
    assert any(ref.startswith("pkg:pypi/pydicom@") for ref in own["dependsOn"])
    assert all(re.fullmatch(r"pkg:pypi/[a-z0-9-]+@[^@/ ]+", ref) for ref in known)


def test_wrong_use_is_told() -> None:
    assert supply.main([]) == 2 and supply.main(["sbom", "x"]) == 2
