"""Text that is not ours, on its way out: one function for each place that it is written to.

Names of files, organs, devices and cameras, texts in DICOM files and what a library says of an error may hold anything.
A terminal obeys escape sequences, a spreadsheet runs formulas, a player reads markup, a page could run scripts.

In every place, what steers and what nobody sees is written out: a control character below U+0080, and a byte of a name
that is no UTF-8, as ``\\xNN`` (``\\n``, ``\\r`` and ``\\t`` by their letters); any other as ``\\uNNNN``, or
``\\UNNNNNNNN``. A text of letters that can be seen is written as it is. Doing it twice changes nothing, so a name that
holds a backslash of its own could look like another one: names that tell things apart go through ``for_name`` first,
once.
"""

from __future__ import annotations

import html
import re
import struct
import sys
from unicodedata import category, combining, east_asian_width

# C0 and C1; marks, embeddings, overrides and isolates of the writing direction; line and paragraph separators; halves
# of characters (a lone surrogate; U+DC80 to U+DCFF stand for the bytes of a file name that are no UTF-8, see PEP 383).
_STEERING = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff"
# Unicode's Default_Ignorable_Code_Point: soft hyphens, blanks without width, joiners, fillers, selectors, tags.
_UNSEEN = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_WRITTEN_OUT = re.compile(f"[{_STEERING}{_UNSEEN}]")
_LETTERS = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_BY_LETTER = {written[1]: character for character, written in _LETTERS.items()}

# Where an unseen character shapes what stands around it, real names need it and it is seen by what it does.
_NON_JOINER, _JOINER, _EMOJI_STYLE = "\u200c", "\u200d", "\ufe0f"
_VIRAMA = 9  # canonical combining class
# Letters that join to the left (Arabic, Persian, Urdu ...): a non-joiner behind any other changes nothing.
_JOINS = re.compile(
    "[\u0620\u0626\u0628\u062a-\u062e\u0633-\u063f\u0641-\u0647\u0649\u064a\u066e\u066f\u0678-\u0687\u069a-\u06bf\u06c1\u06c2\u06cc\u06ce\u06d0\u06d1]"
)
_IS_JOINED = re.compile("[\u0620-\u064a\u066e-\u06d3]")
_SKIN = re.compile("[\U0001f3fb-\U0001f3ff]")  # its colour, behind an emoji
_MONGOLIAN = re.compile("[\u1820-\u1878]")

# What for_name writes, behind the backslash.
_ESCAPE = "[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}"
_LOOKS_ESCAPED = re.compile(rf"\\+(?={_ESCAPE})")
_WITH_BACKSLASHES = re.compile(rf"(\\*)({_WRITTEN_OUT.pattern})")
_ESCAPED = re.compile(rf"(\\+)({_ESCAPE})")

# Also behind a semicolon, at which half of Europe's spreadsheets split the line whatever is in quotation marks; behind
# blanks and apostrophes, so that reading takes away what writing put there and nothing else; and as the wide forms of
# East Asian keyboards.
_FORMULA = r"(?=[\s']*[=+\-@\uff1d\uff0b\uff0d\uff20])"
_FORMULA_BEGINS = re.compile(rf"(?:^|(?<=;)){_FORMULA}")
_FORMULA_QUOTED = re.compile(rf"(?:^|(?<=;))'{_FORMULA}")

# Players take < for a tag, { for an override of ASS, an arrow for a line of times. SubRip knows no escapes.
_LOOKALIKES = str.maketrans({"<": "\uff1c", ">": "\uff1e", "{": "\uff5b", "}": "\uff5d"})
_MARKUP = re.compile(r"[\\`*_\[\]<>|~&#$!@:]|(?<=www)\.|(?<=WWW)\.")
_IN_PAGES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&'\u2028\u2029"})


def for_terminal(text: str) -> str:
    """One line that steers nothing: for a terminal, a log, an image, and every name that is kept."""
    if text.isascii() and text.isprintable():
        return text
    return _WRITTEN_OUT.sub(lambda found: _written_out(text, found.start()), text)


def for_name(text: str) -> str:
    """A name (of a file, a patient) as it is kept, so that two names stay two; once only.

    As ``for_terminal``, which changes nothing of it afterwards. A backslash that could be taken for one that was
    written here is doubled: before ``n``, ``x1b`` and the like, and before what is written out.
    """
    if "\\" not in text:
        return for_terminal(text)
    text = _LOOKS_ESCAPED.sub(lambda found: 2 * found[0], text)

    def written(found: re.Match[str]) -> str:
        character = _written_out(text, found.start(2))
        return found[1] + character if character == found[2] else 2 * found[1] + character

    return _WITH_BACKSLASHES.sub(written, text)


def from_name(name: str) -> str:
    """The text of which ``for_name`` made this."""

    def read(found: re.Match[str]) -> str:
        backslashes, escape = found.groups()
        half = "\\" * (len(backslashes) // 2)
        if len(backslashes) % 2 == 0:
            return half + escape
        if escape in _BY_LETTER:
            return half + _BY_LETTER[escape]
        code = int(escape[1:], 16)
        if code > sys.maxunicode:  # for_name did not write this
            return found[0]
        return half + chr(code + 0xDC00 if escape[0] == "x" and code >= 0x80 else code)

    return _ESCAPED.sub(read, name)


def _written_out(text: str, place: int) -> str:
    """What is written for the character there: itself where it is seen by what it does."""
    if _shapes(text, place):
        return text[place]
    code = ord(text[place])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    elif code >= 0x80:
        return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
    return _LETTERS.get(text[place], f"\\x{code:02x}")


def _shapes(text: str, place: int) -> bool:
    """Whether a joiner, a non-joiner or a selector changes how what stands around it looks.

    Joiners beside the virama of an Indic script, and a non-joiner between letters that would join (RFC 5892, A.1 and
    A.2; Bengali has joiners before it, too); joiners between emoji, and a selector that gives one its colours; the
    variants of Mongolian letters. Selectors of ideographs are written out: hardly a font knows them.
    """
    character, before, after = text[place], text[place - 1 : place], text[place + 1 : place + 2]
    if not before:
        return False
    if character in (_NON_JOINER, _JOINER) and combining(before) == _VIRAMA:
        return True
    if character == _NON_JOINER:
        behind = place - 1
        while behind > 0 and combining(text[behind]):
            behind -= 1
        return bool(_JOINS.match(text[behind]) and _IS_JOINED.match(after))
    if character == _JOINER:
        if after and combining(after) == _VIRAMA:
            return before.isalpha() and not _WRITTEN_OUT.match(before)
        base = place - 1
        while base > 0 and (_SKIN.match(text[base]) or (text[base] == _EMOJI_STYLE and _shapes(text, base))):
            base -= 1
        return category(text[base]) == "So" and bool(after) and category(after) == "So"
    if character == _EMOJI_STYLE:
        keycap = before in "0123456789#*" and after == "\u20e3"
        return keycap or (category(before) == "So" and east_asian_width(before) != "W")
    return "\u180b" <= character <= "\u180f" and bool(_MONGOLIAN.match(before))


def for_image(text: str) -> str:
    """For OpenCV, whose letters are ASCII: others become question marks rather than garbage."""
    return for_terminal(text).encode("ascii", "replace").decode("ascii")


def whole_characters(text: str) -> str:
    """What UTF-8 can hold; anything else stays as it is."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", lambda found: _written_out(text, found.start()), text)
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


def for_markdown(text: str) -> str:
    """One line of a Markdown page, also inside a table: no markup, no link, no HTML (CommonMark 2.4; GFM autolinks)."""
    return _MARKUP.sub(r"\\\g<0>", for_terminal(text))


def for_dicom(text: str) -> str:
    """A value of a DICOM element, where a backslash parts one value from the next; here, too, two names stay two."""
    return for_terminal(text).replace("\\", "\uff3c")


def for_page(json: str) -> str:
    """A text of JSON that may stand in a page, also between the tags of a script; it means the same."""
    return json.translate(_IN_PAGES)


def visible_json(json: str) -> str:
    """A text of JSON that a terminal can show as it is; it means the same. JSON itself escapes only what is below a
    blank."""
    if json.isascii() and "\x7f" not in json:
        return json
    return _WRITTEN_OUT.sub(lambda found: _json_escape(json, found.start()), json)


def _json_escape(json: str, place: int) -> str:
    character = json[place]
    if character == "\n" or _shapes(json, place):
        return character
    if character <= "\uffff":
        return f"\\u{ord(character):04x}"
    return "".join(f"\\u{half:04x}" for half in struct.unpack(">2H", character.encode("utf-16-be")))
