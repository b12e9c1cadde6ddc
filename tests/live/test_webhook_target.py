"""Where events are posted to: from the option, a file or the environment, and shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqcls.errors import UsageError
from seqcls.live.mqtt import mqtt_target
from seqcls.live.webhook_target import WebhookTarget, webhook_target

URL = "https://hooks.example/T0/secret"


def test_the_target_comes_from_the_option_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "hook.txt"
    file.write_text(f"{URL}\nAuthorization: Bearer a:b \n\nX-Key:secret\n", encoding="utf-8")
    headers = (("Authorization", "Bearer a:b"), ("X-Key", "secret"))
    assert webhook_target(None, {}) is None
    assert webhook_target(URL, {}) == webhook_target(None, {"SEQCLS_WEBHOOK": URL}) == WebhookTarget(URL)
    assert webhook_target(str(file), {}) == WebhookTarget(URL, headers)
    assert webhook_target(None, {"SEQCLS_WEBHOOK_FILE": str(file)}) == WebhookTarget(URL, headers)
    more = {"SEQCLS_WEBHOOK_HEADER": "X-Key: secret", "SEQCLS_WEBHOOK": "https://other"}
    target = webhook_target(URL, more)
    assert target == WebhookTarget(URL, headers[1:]) and "secret" not in repr(target)


@pytest.mark.parametrize(
    "header", ["secret", "X-Key secret", ": secret", "X Key: secret", "X: secr\x00et", "X: secrét"]
)
def test_a_header_that_is_none_is_refused_without_it(header: str) -> None:
    with pytest.raises(UsageError, match="SEQCLS_WEBHOOK_HEADER holds a header that cannot be read") as caught:
        webhook_target(URL, {"SEQCLS_WEBHOOK_HEADER": header})
    assert "secr" not in str(caught.value)


def test_what_the_connection_decides_cannot_be_stated(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="states content-length"):
        webhook_target(URL, {"SEQCLS_WEBHOOK_HEADER": "content-length: 0"})
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot be read"):
        webhook_target(str(tmp_path / "binary"), {})
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(UsageError, match="is empty"):
        webhook_target(str(tmp_path / "empty"), {})


@pytest.mark.parametrize("stated", ["nothere", "hooks.example:8080/T0/secret", "secret" * 100, "secret\x00"])
def test_what_is_neither_a_file_nor_an_address_is_called_so_and_not_shown(stated: str) -> None:
    for read, option, example in (
        (webhook_target, "--webhook", "https://host/path"),
        (mqtt_target, "--mqtt", "mqtt://host/topic"),
    ):
        with pytest.raises(UsageError) as caught:
            read(stated, {})
        assert str(caught.value) == (
            f"{option}: no such file, and no address: write {example}, or name a file with it on its first line"
        )
