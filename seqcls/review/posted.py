"""What a page may post: each part is checked by itself, and what is wrong with it is said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from seqcls.errors import SeqclsError
from seqcls.files import nfc
from seqcls.text.foreign_text import for_terminal
from seqcls.types import require_organs

SESSION = re.compile("[A-Za-z0-9_-]{8,64}")
ACTION = re.compile("[a-z ]{1,40}")
#: An organ's name becomes a folder's, see datasets/labels.py.
_UNFIT = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]')
Prediction = Literal["shown", "hidden", "none"]


def unfit(organ: str) -> str:
    """Why no label file can hold this name; "" where one can. A model may have been given any."""
    if organ != nfc(organ).strip() or not organ:
        return "labels hold no blanks around a name"
    if _UNFIT.search(organ) or for_terminal(organ) != organ:
        return 'a name must not hold < > : " / \\ | ? * or what is not seen; folders are named by it'
    return ""


def require_organ(organ: object, known: Sequence[str]) -> str:
    """The name of an organ, fit for labels. Raises ValueError."""
    if not isinstance(organ, str) or not organ.strip():
        raise ValueError("organ: a name is needed")
    organ = organ if organ in known else nfc(organ).strip()
    if why := unfit(organ):
        raise ValueError(f"organ: {why}")
    if organ in known:
        return organ
    try:
        require_organs((*known, organ))
    except SeqclsError as error:
        raise ValueError(f"organ: {error}") from None
    alike = {_spelt(other): other for other in known}
    if (other := alike.get(_spelt(organ))) is not None:
        raise ValueError(f"organ: there is {other} already; spell it alike")
    return organ


def _spelt(organ: str) -> str:
    return re.sub(r"[_\s-]+", " ", organ).strip().casefold()


def whole_number(plain: Any, name: str) -> int:
    """Raises ValueError."""
    value = plain.get(name) if isinstance(plain, dict) else None
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise ValueError(f"{name}: a whole number is needed")
    return value


def text(plain: Any, name: str, fit: re.Pattern[str]) -> str:
    """Raises ValueError."""
    value = plain.get(name) if isinstance(plain, dict) else None
    if not isinstance(value, str) or not fit.fullmatch(value):
        raise ValueError(f"{name}: it is not of the page")
    return value


def prediction(plain: Any) -> Prediction:
    """Raises ValueError."""
    value = plain.get("prediction") if isinstance(plain, dict) else None
    if value not in ("shown", "hidden", "none"):
        raise ValueError("prediction: shown, hidden or none")
    return value  # type: ignore[no-any-return]
