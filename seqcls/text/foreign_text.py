"""Text that is not ours, on its way out: one function for each place that it is written to.

Names of files, organs, devices and cameras, texts in DICOM files and what a library says of an error may hold anything.
A terminal obeys escape sequences, a spreadsheet runs formulas, a player reads markup, a page could run scripts.

In every place, what steers is written out, so that it is seen and two names stay two: a control character below U+0080,
and a byte of a name that is no UTF-8, as ``\\xNN`` (``\\n``, ``\\r`` and ``\\t`` by their letters); any other as
``\\uNNNN``. A name of printable letters is written as it is.
"""

from __future__ import annotations

import html
import re

# C0 and C1; marks, embeddings, overrides and isolates of the writing direction; line and paragraph separators; halves
# of characters (a lone surrogate; U+DC80 to U+DCFF stand for the bytes of a file name that are no UTF-8, see PEP 383).
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]")
_LETTERS = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

# Also behind a semicolon, at which half of Europe's spreadsheets split the line whatever is in quotation marks; behind
# blanks and apostrophes, so that reading takes away what writing put there and nothing else; and as the wide forms of
# East Asian keyboards.
_FORMULA = r"(?=[\s']*[=+\-@\uff1d\uff0b\uff0d\uff20])"
_FORMULA_BEGINS = re.compile(rf"(?:^|(?<=;)){_FORMULA}")
_FORMULA_QUOTED = re.compile(rf"(?:^|(?<=;))'{_FORMULA}")

# Players take < for a tag, { for an override of ASS, an arrow for a line of times. SubRip knows no escapes.
_LOOKALIKES = str.maketrans({"<": "\uff1c", ">": "\uff1e", "{": "\uff5b", "}": "\uff5d"})
_IN_PAGES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&'\u2028\u2029"})


def for_terminal(text: str) -> str:
    """One line that steers nothing: for a terminal, a log, an image, and every name that is kept."""
    return text if text.isprintable() else _STEERING.sub(lambda found: _written_out(found[0]), text)


def _written_out(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    elif code >= 0x80:
        return f"\\u{code:04x}"
    return _LETTERS.get(character, f"\\x{code:02x}")


def for_image(text: str) -> str:
    """For OpenCV, whose letters are ASCII: others become question marks rather than garbage."""
    return for_terminal(text).encode("ascii", "replace").decode("ascii")


def whole_characters(text: str) -> str:
    """What UTF-8 can hold; anything else stays as it is."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", lambda found: _written_out(found[0]), text)
    return text


def for_csv(text: str) -> str:
    """One cell: no line end, and no formula: an apostrophe before it makes it text (OWASP, CSV injection)."""
    return _FORMULA_BEGINS.sub("'", for_terminal(text))


def from_csv(cell: str) -> str:
    """The text of a cell that ``for_csv`` wrote, without its apostrophe."""
    return _FORMULA_QUOTED.sub("", cell)


def for_srt(text: str) -> str:
    """One line of a SubRip cue, without markup; never empty, for an empty line ends the cue."""
    return for_terminal(" ".join(text.split())).translate(_LOOKALIKES) or "?"


def for_vtt(text: str) -> str:
    """One line of a WebVTT cue or note, its markup escaped; never empty, for an empty line ends the cue."""
    return html.escape(for_terminal(" ".join(text.split())), quote=False) or "?"


def for_page(json: str) -> str:
    """A text of JSON that may stand in a page, also between the tags of a script; it means the same."""
    return json.translate(_IN_PAGES)


def visible_json(json: str) -> str:
    """A text of JSON that a terminal can show as it is; it means the same. JSON itself escapes only what is below a
    blank."""
    if json.isascii() and "\x7f" not in json:
        return json
    return re.sub(f"(?!\n){_STEERING.pattern}", lambda found: f"\\u{ord(found[0]):04x}", json)
