"""`seqcls info`: what a model is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from support.commands import Seqcls, Trained, one_line

from seqcls.models.digest import weights_digest
from seqcls.models.file import read_model, write_model


def test_info_shows_what_the_header_says(seqcls: Seqcls, trained: Trained) -> None:
    done = seqcls("info", trained.model)
    assert done.code == 0, done.err
    assert "What it is" in done.out and "node.safetensors" in done.out and "32 × 32 pixels" in done.out
    assert weights_digest(trained.model) in done.out.replace("\n", "").replace(" ", "")
    body = json.loads(seqcls("info", trained.model, "--json").out)
    assert body["header"]["organs"] == ["node"] and body["weights_sha256"] == weights_digest(trained.model)
    missing = seqcls("info", "gone.safetensors")
    assert missing.code == 1 and "no model at" in one_line(missing)


def test_a_hostile_header_steers_nothing(seqcls: Seqcls, trained: Trained) -> None:
    header, tensors = read_model(trained.model)
    write_model(
        "bad.safetensors", replace(header, version="\x1b[2J\u202e[bold]", training={"weights": "\x9b31m"}), tensors
    )
    shown = seqcls("info", "bad.safetensors").out
    assert not {"\x1b", "\u202e", "\x9b"} & set(shown) and "[bold]" in shown
    printed = seqcls("info", "bad.safetensors", "--json").out
    assert printed.isascii() and json.loads(printed)["header"]["version"] == "\x1b[2J\u202e[bold]"


def test_cards_are_written_and_not_replaced(seqcls: Seqcls, trained: Trained) -> None:
    assert seqcls("info", trained.model, "--card", "cards").code == 0
    assert "Not evaluated" in Path("cards/model-card.md").read_text(encoding="utf-8")
    again = seqcls("info", trained.model, "--card", "cards")
    assert again.code == 1 and "--overwrite" in one_line(again)
