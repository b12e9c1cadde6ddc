"""Reasons that are kept with a result: files by their names, no folder, which may be that of a patient or a user."""

from __future__ import annotations

import os
import re

_SEPARATOR = re.compile(r"[/\\]")
#: Where a path may begin, and where it may end.
_BEGIN = re.compile(r"^|(?<=[\s'\"(\[])")
_END = re.compile(r"[\s:;,'\")\]/\\]|$")
#: What looks like a separator and parts no folders: addresses, options, escapes of control characters, ratios, names of
#: kinds. The last two do not stand beside another separator.
_NO_PATH = re.compile(
    r"""
    \b(?!file:)[a-z][\w+.-]*://[^\s'"]*
    | (?<!\S)--[\w-]+/--[\w-]+
    | \\x[0-9a-f]{2} | \\u[0-9a-f]{4} | \\U[0-9a-f]{8}
    | (?<!\S)[/\\](?!\S)
    | (?<![\w./\\-]) (?:
        \d+(?:\.\d+)?/\d+(?:\.\d+)?
        | \w+/(?:s|h|min|ms|mm|cm|px|pixel|frame|image|second|minute|hour)
        | and/or | n/a | i/o | tcp/ip | iso/iec | yes/no | onset/offset | https?/\d\.\d
        | (?:video|image|audio|application|text)/(?:mp4|jpeg|png|gif|webm|json|plain|html|javascript|octet-stream|dicom)
    ) (?![\w/\\-]|\.\w)
    """,
    re.VERBOSE | re.IGNORECASE,
)
#: Part of a path: blanks in it stand between two other characters, and not behind the suffix of a file.
_PART = r"(?:[^\s:;'\"()\[\]/\\]|(?<!\.\w\w)(?<!\.\w\w\w)(?<!\.\w\w\w\w)(?<!\.\w\w\w\w\w)[ ](?=[^\s/\\]))+"
#: The folders of a path that shows where it begins: at a root, a drive, a share, a home.
_FROM_ROOT = re.compile(
    rf"(?<![\w.~:/\\-])(?:file:|~\w*|[A-Za-z]:)?[/\\]+(?:(?:[A-Za-z]:|{_PART})[/\\]+)*", re.IGNORECASE
)
#: Those of a path that does not: its first part goes back to here.
_FIRST_PART = re.compile(r"[^\s:;,'\"()\[\]/\\]+$")
_FURTHER = re.compile(rf"[/\\]+(?:{_PART}[/\\]+)*")
#: Words before it belong to it, for a folder's name may hold blanks, but for those that messages are made of.
_WORD_BEFORE = re.compile(r"(?<![^\s'\"(\[])([^\s:;,'\"()\[\]/\\.]+,?) $")
_MAX_WORDS = 4
_MESSAGE = frozenset(
    """
    a an and are as at be because been before behind between but by can cannot clip clips could decode decoding did do
    does error expected failed file files folder for found frame frames from has have holds if image images in inside
    into is it its lies like list listed load loaded make missing model more most names near neither no nor not of on
    one only open opened opening or out outside path read reading see source such than that the there this to too under
    until used uses video was were which while with without write writing wrote
    """.split()  # noqa: SIM905 - a list of words is easier to read
)
#: A message is one line; what is longer holds no path. Of the words before a path, the last characters are looked at.
_MAX_CHARS, _MAX_BEFORE = 1000, 300
#: Each is looked for on the disk, with each of the others.
_MAX_BEGINS, _MAX_ENDS = 16, 64


def without_folders(text: str) -> str:
    """The text with the name alone for every file, and "the folder" for a folder.

    Names may hold blanks: where a path begins and ends is seen by what there is on the disk. Of what is not there the
    folders go back to a root, a drive, a share, or to words that no message of ours is made of: rather a word too many
    is lost than a name kept.
    """
    done, place = "", 0
    # Where nothing is a separator of folders: a copy without them, of the same length.
    plain = _NO_PATH.sub(lambda found: _SEPARATOR.sub("\0", found[0]), text)
    while separator := _SEPARATOR.search(text, place):
        at = separator.start()
        found = _on_disk(text, place, at)
        if found is not None:
            begin, end = found
            done, path = done + text[place:begin], text[begin:end]
            if below := _FURTHER.match(plain, end):  # further folders, which are not there
                end = below.end()
                done += _folder_alone(text, end)
            else:
                done += "the folder" if os.path.isdir(path) else re.split(r"[/\\]", path)[-1]  # noqa: PTH112
        elif plain[at] == "\0":
            done, end = done + text[place : at + 1], at + 1
        else:
            begin, end = _folders(plain, place, at)
            done += text[place:begin] + _folder_alone(text, end)
        place = end
    return done + text[place:]


def _folder_alone(text: str, end: int) -> str:
    """What to write for folders that end here: nothing where a name follows."""
    return "the folder" if _END.match(text, end) else ""


def _folders(plain: str, place: int, separator: int) -> tuple[int, int]:
    """Begin and end of the folders around a separator, of a path that is not there."""
    from_root = _FROM_ROOT.search(plain, max(place, separator - 2 - len("file:")), separator + _MAX_CHARS)
    if from_root is not None and from_root.start() <= separator:
        return from_root.span()
    place = max(place, separator - _MAX_BEFORE)
    first = _FIRST_PART.search(plain, place, separator)
    begin = separator if first is None else first.start()
    for _ in range(_MAX_WORDS):
        word = _WORD_BEFORE.search(plain, place, begin)
        if word is None or word[1].lower() in _MESSAGE:
            break
        begin = word.start()
    further = _FURTHER.match(plain, separator, separator + _MAX_CHARS)
    assert further is not None, "it begins with a separator"
    return begin, further.end()


def _on_disk(text: str, place: int, separator: int) -> tuple[int, int] | None:
    """Begin and end of the longest path around the separator that is there."""
    begins = [found.start() for found in _BEGIN.finditer(text, max(place, separator - _MAX_CHARS), separator + 1)]
    ends = [found.start() for found in _END.finditer(text, separator + 2, separator + _MAX_CHARS)]
    for begin in begins[-_MAX_BEGINS:]:
        for end in reversed(ends[:_MAX_ENDS]):
            if os.path.lexists(text[begin:end]):
                return begin, end
    return None
