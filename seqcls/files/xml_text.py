"""XML: the one way in for what somebody else may have written, without document type, hence without entities, and
bounded; and writing it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder, indent, tostring
from xml.parsers import expat

from seqcls.files import write_text
from seqcls.text.foreign_text import for_terminal

#: Of a box for each frame of four hours there are fewer. The dearest kind, with ten attributes, takes 0.6 GB so often.
MAX_ELEMENTS = 500_000
MAX_ATTRIBUTES = 5_000_000
#: Characters of a tag, with the text behind it: a million attributes of one element take minutes.
MAX_TAG = 65_536
#: Elements inside each other; the formats that are read have 6.
MAX_DEPTH = 32
#: What XML cannot hold even as a reference, and what a tool may take for the end of a line.
_UNFIT = re.compile("[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
_OPENING = re.compile("<[^/!?]")
_LONG = re.compile(rf"<[^<]{{{MAX_TAG}}}")


def parse_xml(text: str) -> Element:
    """The root element. Raises ValueError, which says where, for what is not well-formed, and for a document type:
    entities of it could swell, or read other files."""
    # Before anything is built.
    if sum(1 for _ in _OPENING.finditer(text)) > MAX_ELEMENTS:
        raise ValueError(f"it holds more than {MAX_ELEMENTS:,} elements")
    if text.count("=") > MAX_ATTRIBUTES:
        raise ValueError(f"it holds more than {MAX_ATTRIBUTES:,} attributes")
    if _LONG.search(text):
        raise ValueError(f"it has a tag or text of more than {MAX_TAG:,} characters")
    builder, depth = TreeBuilder(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} elements")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> NoReturn:
        raise ValueError("it has a document type (<!DOCTYPE), which is not read; remove that line")

    parser = expat.ParserCreate("utf-8")  # whatever the first line says: the text is decoded already
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        raise ValueError(f"line {error.lineno}: {expat.ErrorString(error.code)}") from error
    return builder.close()


def write_xml(path: str | Path, root: Element) -> None:
    """Write the element in UTF-8, indented, atomically; what XML cannot hold is written out as ``for_terminal`` does.

    Raises OutputError.
    """
    for element in root.iter():
        element.attrib.update({name: _fit(value) for name, value in element.attrib.items()})
        if element.text:
            element.text = _fit(element.text)
    indent(root)
    write_text(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n')


def _fit(text: str) -> str:
    return _UNFIT.sub(lambda found: for_terminal(found[0]), text)
