"""One text for an organ and its state, for tools that know labels and no states, such as players and annotation tools.

`liver`: it is in view. `liver?`: nobody can tell. `liver: absent`: it was looked for and is not in view. Neither sign
stands in an organ's name: a folder is named after it.
"""

from __future__ import annotations

from seqcls.text.foreign_text import for_terminal

UNSURE, ABSENT = "?", ": absent"
#: How states are written behind a colon, or alone where a row of its own belongs to each organ; as label files do.
WRITTEN_STATES = {
    "present": "present",
    "absent": "absent",
    "ignore": "ignore",
    "ignored": "ignore",
    "unknown": "ignore",
    "uncertain": "ignore",
    "?": "ignore",
    "1": "present",
    "0": "absent",
    "-1": "ignore",
}


def organ_mark(organ: str, state: str) -> str:
    """The text, on one line; ``state``: present, absent, and anything else for what nobody can tell."""
    return for_terminal(organ) + {"present": "", "absent": ABSENT}.get(state, UNSURE)


def parsed_mark(text: str) -> tuple[str, str]:
    """The organ, and present, absent or ignore. An organ is present where the text states nothing else."""
    organ, colon, state = text.rpartition(":")
    if colon and (known := WRITTEN_STATES.get(state.strip().lower())):
        return organ.strip(), known
    stripped = text.strip()
    return (stripped[:-1].strip(), "ignore") if stripped.endswith(UNSURE) else (stripped, "present")
