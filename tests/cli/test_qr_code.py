"""The QR code on a terminal is the one of the library, fits a small one, and is read by a decoder."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from seqcls.cli.qr_code import qr_code

ADDRESS = "https://192.168.100.200:8443/?token=Drf7RpxNJTfGsyVjKpvnlhEMeWs4a4X9"


def test_a_phone_reads_the_address_on_a_terminal_of_24_lines() -> None:
    lines = qr_code(ADDRESS).plain.split("\n")
    assert len(lines) <= 22 and {len(line) for line in lines} == {len(lines[0])} and len(lines[0]) <= 80
    dark = np.array([[c in "▀█", c in "▄█"] for line in lines for c in line]).reshape(len(lines), -1, 2)
    image = np.where(dark.transpose(0, 2, 1).reshape(2 * len(lines), -1), 0, 255).astype(np.uint8)
    read, *_ = cv2.QRCodeDetector().detectAndDecode(
        cv2.resize(image, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    )
    assert read == ADDRESS


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    assert "pip install 'seqcls[phone]'" in qr_code(ADDRESS).plain
