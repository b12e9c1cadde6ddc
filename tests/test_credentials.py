"""Secrets from the environment and from files, and who else could read them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from seqcls.credentials import NAMES, open_to_others, secret, secret_files, secret_lines, without_secrets
from seqcls.errors import UsageError
from seqcls.processes import child_program


@pytest.mark.parametrize("name", NAMES)
def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b" p w \r\n\n")
    assert secret(name, {}) == "" and secret(name, {name: " x "}) == " x "
    assert secret(name, {f"{name}_FILE": str(file)}) == " p w "
    assert secret_files({f"{name}_FILE": str(file), f"{name}X_FILE": "b"}) == [file]
    with pytest.raises(UsageError, match="are both set") as caught:
        secret(name, {name: "x", f"{name}_FILE": str(file)})
    assert "p w" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"\xffsecret", "not text"), (b"secret" * 1000, "it has more than the 4 KB"), (None, "No such file")],
    ids=["no text", "large", "absent"],
)
def test_a_file_that_holds_no_secret_is_refused_without_it(tmp_path: Path, content: bytes | None, why: str) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=why) as caught:
        secret_lines(file)
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bits")
@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_files_that_others_can_read_are_known(tmp_path: Path, mode: int, is_open: bool) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    file.chmod(mode)
    assert open_to_others(file) is is_open
    assert not open_to_others(tmp_path / "absent")


def test_children_get_the_environment_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "secret")
        monkeypatch.setenv(f"{name}_FILE", "secret")
    assert "secret" not in without_secrets().values() and without_secrets()["PATH"] == os.environ["PATH"]
    child = child_program.start([sys.executable, "-c", "import os; print('secret' in os.environ.values())"])
    assert child.communicate(timeout=60)[0].strip() == b"False"
