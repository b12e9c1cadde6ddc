"""What the pixels themselves show, for when the labels of a DICOM file contradict each other.

Ultrasound is gray nearly everywhere and black around. Gray is (v, v, v) in RGB and (v, 128, 128) in YBR: no image of
either kind looks like one of the other. Neighbours in an image are alike, so samples laid out wrongly look rough.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

#: Levels of 255 by which compression may change the chroma of a gray pixel.
_TOLERANCE = 6
#: Of all pixels, so many must be plainly gray in one reading, and so many times more than in the other.
_MIN_SHARE, _MIN_RATIO = 0.1, 8
#: More pixels than these are not outside what YBR can express, if the image is YBR.
_MAX_OUTSIDE = 0.05
#: Below this a pixel is background, which is black in every layout.
_BACKGROUND = 16
#: Of all neighbours, so many must lie at both ends of the range: 0.0004 to 0.015 in 27 clips taken as signed values, at
#: most 0.00003 in the clips as they are.
_MIN_CROSSING = 0.0003
#: Bits that run over change by so much of their range, a third of it at random and nearly all of it in a smooth image.
_MIN_OVERRUN = 0.2
#: Black and white reach so far into the range. Ultrasound is inverted where white runs along so much of its edge, makes
#: up so much of the whole, but no more than of the edge, and black is nearly missing. On 115 public clips white never
#: was more than 0.02 of the edge but for one, a white page with black in half of it. What is not white lies above so
#: much of the range: echoes are mostly dark.
_FLAT, _MIN_EDGE, _MIN_AROUND, _MAX_WITHIN, _BRIGHT = 0.03, 0.35, 0.2, 0.05, 0.55
_MOST_PIXELS = 50_000


def color_of(image: NDArray[Any]) -> Literal["", "rgb", "ybr"]:
    """What three samples mean: (H, W, 3) of 8 bits or scaled to 0..255; "" where the image does not tell."""
    rgb, ybr = _gray_shares(_thinned(image), _TOLERANCE)
    if rgb >= _MIN_SHARE and rgb > _MIN_RATIO * ybr:
        return "rgb"
    if _outside_ybr(_thinned(image)) >= _MAX_OUTSIDE:
        return "rgb"
    return "ybr" if ybr >= _MIN_SHARE and ybr > _MIN_RATIO * rgb else _by_detail(image)


def layout_of(data: NDArray[np.uint8], width: int, *, tinted: bool = True) -> Literal["", "pixel", "plane"]:
    """Whether three samples stand together for each pixel or in three planes: (N,) of one frame; "" where unclear.

    By what is gray, and in ``tinted`` images by which bytes are alike and in which reading the three channels show the
    same image; the rows must not speak against it.
    """
    count = data.size // 3
    by_pixel, by_plane = data[: 3 * count].reshape(count, 3), data[: 3 * count].reshape(3, count).T
    pixel, plane = (max(_gray_shares(_foreground(_thinned(view[:, None])), 2)) for view in (by_pixel, by_plane))
    rows = best_row_bytes(data, [width, 3 * width])
    if count < 2:
        return ""
    gray_by_pixel, gray_by_plane = pixel >= 0.6 and plane <= 0.3, plane >= 0.6 and pixel <= 0.3
    if gray_by_plane and rows == width:
        return "plane"
    if gray_by_pixel and rows == 3 * width:
        return "pixel"
    if not tinted:
        return ""
    pixel, plane = _shared_detail(by_pixel), _shared_detail(by_plane)
    if rows == 0:  # as in noise, where no row is like the next
        surely_pixel, surely_plane = pixel >= 0.9 and plane <= 0.6, plane >= 0.98 and pixel <= 0.9
        return "pixel" if surely_pixel else "plane" if surely_plane else ""
    next_byte, third_byte = row_change(data, 1), row_change(data, 3)
    if rows == width and (next_byte < third_byte or plane > pixel + 0.1):
        # Pixels read by plane show three thirds of the image, which are hardly ever alike.
        if gray_by_pixel:  # so do flat rows of gray look, and neighbours in planes of a smooth image
            return "plane" if plane > 0.9 and next_byte > 0.3 * row_change(data, width) else ""
        return "plane" if pixel < 0.98 or plane > 0.5 else ""
    return "pixel" if rows == 3 * width and (third_byte < next_byte or pixel > plane + 0.1) else ""


def has_detail(data: NDArray[np.uint8], width: int) -> bool:
    """Whether the bytes (N,) of a frame hold more than a flat area, so that their layout makes a difference."""
    return data.size > 6 * width and max(row_change(data, 3), row_change(data, 3 * width)) >= 1


def luma_of_422(data: NDArray[np.uint8]) -> tuple[int, int] | None:
    """Of every four bytes (N,) the two that are luma; None where they are no 4:2:2, or do not show it.

    The other two stay about 128 where the image is gray, and have little detail where it is not.
    """
    fours = data[: data.size // 4 * 4].reshape(-1, 4)[:_MOST_PIXELS].astype(np.int16)
    if len(fours) < 2:
        return None
    middle = np.abs(fours - 128) <= _TOLERANCE
    detail = np.abs(np.diff(fours, axis=0)).mean(0)
    for luma, chroma in (((0, 1), [2, 3]), ((1, 3), [0, 2]), ((0, 2), [1, 3])):
        gray = (middle[:, chroma].all(1) & ~middle[:, luma].all(1)).mean()
        near = np.abs(np.median(fours[:, chroma], axis=0) - 128).max() < 40
        if gray >= 0.5 or (near and min(detail[list(luma)]) > max(1.0, 4 * max(detail[chroma]))):
            return luma
    return None


def is_420(data: NDArray[np.uint8], pixels: int, width: int) -> bool:
    """Whether one frame (N,) is a plane of so many pixels of luma, then half as many bytes of chroma in two planes."""
    luma, chroma = data[:pixels], data[pixels:]
    if chroma.size < 2 or not fits_rows(luma, width):
        return False
    shares = [float((np.abs(part.astype(np.int16) - 128) <= _TOLERANCE).mean()) for part in (luma, chroma)]
    smooth = row_change(chroma, 1) < 0.5 * row_change(luma, 1)
    return (shares[1] >= 0.5 and shares[0] < shares[1]) or (smooth and abs(float(np.median(chroma)) - 128) < 40)


def best_row_bytes(data: NDArray[np.uint8], candidates: Iterable[int]) -> int:
    """The length of a row in bytes under which each row is most like the next: (N,); 0 where none stands out."""
    changes = {row: row_change(data, row) for row in set(candidates) if 0 < row < data.size // 2}
    if not changes:
        return 0
    best, *others = sorted(changes, key=changes.__getitem__)
    clear = all(changes[other] > 1.25 * changes[best] + 0.5 for other in others)
    return best if clear else 0


def fits_rows(data: NDArray[np.uint8], row_bytes: int, *, surely: bool = False) -> bool:
    """Whether rows of this length are at least as alike as rows of a length somewhat off.

    ``surely``: they must be more alike than rows of any odd length.
    """
    if row_bytes < 32 or data.size < 4 * row_bytes:
        return not surely
    near = [row_bytes + sign * step for step in (1, 2, 3, 4, 6, 9, 12, 16) for sign in (-1, 1)]
    own, *off = (row_change(data, row) for row in (row_bytes, *near))
    far = [row_change(data, row_bytes * part // 100) for part in (127, 141, 159, 173)]
    return own <= 1.05 * min(off) + 0.25 and (not surely or own < 0.7 * min(far))


def row_change(data: NDArray[np.uint8], row_bytes: int) -> float:
    """Mean change in levels from a byte to the one that is so many bytes further."""
    lines = data[: max(4 * _MOST_PIXELS, 8 * row_bytes)].astype(np.int16)
    return float(np.abs(lines[row_bytes:] - lines[:-row_bytes]).mean())


def roughness(image: NDArray[Any]) -> float:
    """Mean change from neighbour to neighbour in (..., H, W), as a share of the range in use."""
    rows = max(2, _MOST_PIXELS // image.shape[-1])
    start = max(0, image.shape[-2] // 2 - rows // 2)
    values = image[..., start : start + rows, :].astype(np.float32)
    low, high = np.percentile(values, (0.5, 99.5))
    span = float(high - low) if high > low else float(np.ptp(values))
    changes = (np.abs(np.diff(values, axis=axis)) for axis in (-2, -1))
    return sum(float(change.sum()) / max(1, change.size) for change in changes) / max(span, 1e-9)


def sign_of(values: NDArray[Any], bits: int) -> Literal["", "unsigned", "signed", "surely signed"]:
    """What values (..., W) of so many bits, taken without a sign, show of it: neighbours that are alike lie on both
    sides of the middle where they have none, and at both ends of the range where they have one.

    Black and white, the least and greatest of either reading, do not count: they meet at every letter.
    """
    values = values[:: max(1, values.size // _MOST_PIXELS)]
    values, middle = values.astype(np.int64) & ((1 << bits) - 1), 1 << (bits - 1)
    turned = values ^ middle
    ends, across = _leaps(values, bits), _leaps(turned, bits)
    if across > 2 * ends:
        return "unsigned"
    if ends > 8 * across and ends > _MIN_CROSSING * values.size:
        return "surely signed"
    return "signed" if ends > 2 * across else ""


def _leaps(values: NDArray[np.int64], bits: int) -> int:
    """How often neighbours lie at both ends of the range, the least and greatest of all left out."""
    inner = (values > values.min()) & (values < values.max())
    leaps = np.abs(np.diff(values, axis=-1)) > (1 << bits) - max(1, 1 << bits >> 3)
    return int((leaps & inner[..., 1:] & inner[..., :-1]).sum())


def continues_above(values: NDArray[Any], bits: int) -> bool:
    """Whether values (..., W) go on in the bits above the lowest ``bits``, which then run over where those change.

    Where something else stands there, such as an overlay, the lowest ones are alike on both sides of a change.
    """
    start = max(0, len(values) // 2 - (rows := max(2, _MOST_PIXELS // values.shape[-1])) // 2)
    values = (values[start : start + rows] if values.ndim > 1 else values[:_MOST_PIXELS]).astype(np.int64)
    higher, lower = values >> bits, values & ((1 << bits) - 1)
    jumps = [
        np.abs(np.diff(lower, axis=axis))[np.diff(higher, axis=axis) != 0]
        for axis in range(-1, -1 - min(2, values.ndim), -1)
    ]
    changes = np.concatenate(jumps)
    return not lower.any() or (changes.size > 0 and float(changes.mean()) >= _MIN_OVERRUN * (1 << bits))


def surround(image: NDArray[Any]) -> Literal["", "black", "white", "white in part"]:
    """What lies around the image (H, W) of one sample per pixel; "" where it is neither, as in cropped or bright ones.

    "white in part": what is not white is dark, as in ultrasound on a white page.
    """
    step = max(1, round((image.size / _MOST_PIXELS) ** 0.5))
    edge, image = _edge(image), image[::step, ::step]
    least, greatest = (float(value) for value in np.percentile(image, (0.1, 99.9)))
    if greatest <= least:
        return ""
    to_black, to_white = least + _FLAT * (greatest - least), greatest - _FLAT * (greatest - least)
    black, white, white_edge = image <= to_black, image >= to_white, edge >= to_white
    if _unbroken(white_edge) >= _MIN_EDGE and _MIN_AROUND <= white.mean() <= white_edge.mean() + _MAX_WITHIN:
        within = float(np.median(image[~white])) if not white.all() else greatest
        inverted = black.mean() <= _MAX_WITHIN and within >= least + _BRIGHT * (greatest - least)
        return "white" if inverted else "white in part"
    around = _unbroken(edge <= to_black) >= _MIN_EDGE and black.mean() >= _MIN_AROUND and white.mean() <= _MAX_WITHIN
    return "black" if around or black.mean() >= 0.5 else ""


def neater(now: NDArray[np.uint8], other: NDArray[np.uint8], width: int, samples: int, by_plane: bool) -> bool:
    """Of one frame with the bytes of each pair in both orders, (N,) each: whether ``other`` is plainly the right one.

    Color is gray in the right order more often; in gray, bytes that stand next to each other across a pair are alike.
    """
    if samples == 3 and not by_plane:
        pixels = [order[: order.size // 3 * 3].reshape(-1, 3) for order in (now, other)]
        shares = [max(_gray_shares(_foreground(order), 2)) for order in pixels]
        return shares[1] > 1.5 * shares[0] + 0.1
    row = width // 2 * 2
    changes = []
    for order in (now, other):
        lines = order[: order.size // width * width].reshape(-1, width)[:, :row].astype(np.int16)
        changes.append(float(np.abs(lines[:, 1:-1:2] - lines[:, 2::2]).mean()) if row >= 4 else 0.0)
    return changes[0] > 1.15 * changes[1] + 0.05


def _gray_shares(image: NDArray[Any], tolerance: int) -> tuple[float, float]:
    """Of the pixels (..., 3), the shares that are gray as RGB alone, and as YBR alone."""
    if image.size == 0:
        return 0.0, 0.0
    values = image.astype(np.int16)
    rgb = np.ptp(values, axis=-1) <= tolerance
    ybr = (np.abs(values[..., 1:] - 128) <= tolerance).all(-1)
    return float((rgb & ~ybr).mean()), float((ybr & ~rgb).mean())


def _shared_detail(pixels: NDArray[np.uint8]) -> float:
    """How far three channels (N, 3) show one image: the mean correlation of each two, 0 to 1, without its sign."""
    values = pixels[:: max(1, len(pixels) // _MOST_PIXELS)].astype(np.float32)
    values = values - values.mean(0)
    spread = np.sqrt((values * values).mean(0))
    shares = [
        abs(float((values[:, one] * values[:, two]).mean() / (spread[one] * spread[two])))
        if min(spread[one], spread[two]) > 1
        else 1.0  # a flat channel contradicts none
        for one, two in ((0, 1), (0, 2), (1, 2))
    ]
    return sum(shares) / 3


def _outside_ybr(image: NDArray[Any]) -> float:
    """The share of pixels that no YBR image holds: as YBR they would be far beyond black or white in red or blue."""
    luma, blue, red = np.moveaxis(image.astype(np.float32), -1, 0)
    colors = np.stack([luma + 1.402 * (red - 128), luma + 1.772 * (blue - 128)])
    return float(((colors < -40) | (colors > 295)).any(0).mean())


def _by_detail(image: NDArray[Any]) -> Literal["", "rgb", "ybr"]:
    """For images with much color: chroma has little detail, and red, green and blue have about the same."""
    values = _thinned(image).astype(np.float32)
    if values.shape[1] < 2:
        return ""
    detail = np.abs(np.diff(values, axis=1)).mean((0, 1))
    if detail[0] < 1:
        return ""
    ratio = float(max(detail[1:]) / detail[0])
    near_middle = np.abs(np.median(values[..., 1:], axis=(0, 1)) - 128).max() < 40
    if ratio < 0.4 and near_middle:
        return "ybr"
    return "rgb" if float(min(detail[1:]) / detail[0]) > 0.7 and ratio < 1.4 else ""


def _foreground(image: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(image[image.max(-1) > _BACKGROUND])


def _thinned(image: NDArray[Any]) -> NDArray[Any]:
    """Every so many rows, so that the answer does not take longer for a large image."""
    return image[:: max(1, image.shape[0] * image.shape[1] // _MOST_PIXELS)]


def _edge(image: NDArray[Any]) -> NDArray[Any]:
    """The outermost pixels of (H, W), clockwise."""
    return np.concatenate([image[0], image[1:, -1], image[-1, -2::-1], image[-2:0:-1, 0]])


def _unbroken(edge: NDArray[np.bool_]) -> float:
    """The share of an edge (N,) that is flat in long runs; speckle breaks it, however bright."""
    turns = np.flatnonzero(np.diff(np.concatenate([[0], edge.astype(np.int8), [0]])))
    runs = turns[1::2] - turns[::2]
    return float(runs[runs >= max(8, edge.size // 16)].sum() / edge.size)
