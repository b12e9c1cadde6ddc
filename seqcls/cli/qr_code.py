"""An address as a QR code on a terminal, for a phone to open."""

from __future__ import annotations

from rich.text import Text

_HALVES = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
#: Modules of white around it; the standard asks for four, which small terminals have no room for.
_BORDER = 2


def qr_code(text: str) -> Text:
    """Black on white whatever the terminal's colours, two modules above each other in a cell; where the library for
    it is not installed, how to get it."""
    try:
        import segno
    except ImportError:
        return Text("for a QR code: pip install 'seqcls[phone]'")
    rows = [[int(dark) for dark in row] for row in segno.make_qr(text, error="l").matrix_iter(border=_BORDER)]
    rows += [[0] * len(rows[0])] * (len(rows) % 2)
    lines = ("".join(_HALVES[pair] for pair in zip(*rows[i : i + 2], strict=True)) for i in range(0, len(rows), 2))
    return Text("\n").join(Text(line, style="#000000 on #ffffff", no_wrap=True) for line in lines)
