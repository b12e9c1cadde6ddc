"""XML from others is bounded and holds no document type; what is written can be read, whatever the names."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

import pytest

from seqcls.files import xml_text
from seqcls.files.xml_text import parse_xml, write_xml


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        ('<!DOCTYPE a SYSTEM "http://x/y.dtd"><a/>', "document type"),
        ("<a>&b;</a>", "line 1: undefined entity"),
        ("<a>\n<b></a>", "line 2: mismatched tag"),
        ("<a/><b/>", "line 1: junk after document element"),
        ("", "line 1: no element found"),
        ("<a>\udc80</a>", "line 1: not well-formed"),
        (f"<a b='{'x' * 70_000}'/>", "a tag or text of more than 65,536 characters"),
        ("<a>" * 33 + "</a>" * 33, "nested deeper than 32"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_xml(text)


def test_elements_and_attributes_are_counted_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_text, "MAX_ELEMENTS", 3)
    assert len(parse_xml("<?xml version='1.0' encoding='utf-16'?><a><!-- <b/> --><b/></a>")) == 1
    with pytest.raises(ValueError, match="more than 3 elements"):
        parse_xml("<a><b/><b/><b/></a>")
    monkeypatch.setattr(xml_text, "MAX_ATTRIBUTES", 3)
    with pytest.raises(ValueError, match="more than 3 attributes"):
        parse_xml("<a b='' c='' d='' e=''/>")


def test_there_and_back(tmp_path: Path) -> None:
    odd = "<b>&\"'\t\n\u2028ü\U0001f600"
    root = Element("a", {"name": odd})
    SubElement(root, "b").text = odd + "\x00\x1b\ud800\udc80"
    write_xml(tmp_path / "a.xml", root)
    read = parse_xml((tmp_path / "a.xml").read_text(encoding="utf-8"))
    assert read.get("name") == odd.replace("\u2028", r"\u2028")
    assert read.findtext("b") == odd.replace("\u2028", r"\u2028") + r"\x00\x1b\ud800\x80"
