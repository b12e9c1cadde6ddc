"""Frames of different clips that show the same: first by a hash of the crop, then by its pixels and an embedding.

The hash is of what is drawn finely: each image's detail, which is what remains of it, at DETAIL x DETAIL pixels, once
its local mean over the lit pixels is taken off, so that neither the outline of the sector, nor gain, nor a shading that
all images share makes two of them alike. Its bits are the signs of random projections of the detail (SimHash, Charikar
2002, 10.1145/509907.509965): of two images whose details correlate by r, a share of arccos(r) / pi of the bits differ.
Candidates differ in at most MAX_BITS of BITS; they are twins if the details correlate by MIN_CORRELATION or more and,
where there are embeddings, their cosine is MIN_COSINE or more.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

#: Side of the images that are compared, and the spread of the local mean in such pixels.
DETAIL, SPREAD = 32, 3.0
#: Of the hash. With a correlation of 0.9 about 9 bits differ (of 64), with none 32 +- 4.
BITS, MAX_BITS = 64, 16
#: From these on two images are one, encoded twice: see docs/data-checks.md for the figures that they rest on.
MIN_CORRELATION, MIN_COSINE = 0.9, 0.9
#: Gray levels below which a pixel shows nothing, and how many must show something for a comparison.
_LIT, _MIN_LIT = 12, 24
#: Candidates looked at for each frame, the most alike, and frames that are compared each with each.
_MOST, MAX_COMPARED = 8, 150_000
_BLOCK = 256


#: An image that was cropped a little differently correlates less: from MIN_ALIGN on one is moved, turned and stretched
#: onto the other (ECC, Evangelidis and Psarakis 2008, 10.1109/TPAMI.2008.113), and they must then correlate by
#: MIN_ALIGNED. That takes ms, so only pairs across the split, and so many of them, are aligned.
MIN_ALIGN, MIN_ALIGNED, MAX_ALIGNED = 0.75, 0.997, 2000


@dataclass(frozen=True, slots=True, eq=False)
class Twins:
    """P pairs of frames that show the same: first, second (P,) int64 rows; correlation (P,) float32."""

    first: Rows
    second: Rows
    correlation: Floats

    def __len__(self) -> int:
        return len(self.first)

    def where(self, wanted: NDArray[np.bool_]) -> Twins:
        """Those pairs of (P,) bool."""
        return Twins(self.first[wanted], self.second[wanted], self.correlation[wanted])


def find_twins(
    images: Image, groups: NDArray[np.int64], sides: NDArray[np.int64], features: Floats | None = None
) -> Twins:
    """Pairs of different ``groups`` (N,) among images (N, S, S) uint8; features (N, D) float32: their embeddings.
    ``sides`` (N,): of the split; pairs across it are looked at more closely.

    Of more than MAX_COMPARED images an even sample is compared. Memory: 300 bytes per image, 30 per pair that is
    compared, and 260 MB at most at once.
    """
    rows = np.arange(len(images))
    if len(rows) > MAX_COMPARED:
        rows = np.unique(np.linspace(0, len(rows) - 1, MAX_COMPARED).round().astype(np.int64))
    signs = _signs(images, rows)
    first, second = _candidates(signs, groups[rows], sides[rows])
    first, second = rows[first], rows[second]
    correlation = _correlation(images, first, second)
    near = np.flatnonzero(
        (correlation >= MIN_ALIGN) & (correlation < MIN_CORRELATION) & (sides[first] != sides[second])
    )
    for at in near[np.argsort(-correlation[near], kind="stable")][:MAX_ALIGNED].tolist():
        aligned = _aligned(images[first[at]], images[second[at]])
        correlation[at] = aligned if aligned >= MIN_ALIGNED else correlation[at]
    alike = correlation >= MIN_CORRELATION
    if features is not None:
        alike &= _cosine(features, first, second) >= MIN_COSINE
    return Twins(first[alike], second[alike], correlation[alike])


def details(images: Image) -> Floats:
    """(N, S, S) uint8 -> (N, DETAIL * DETAIL) float32 of length 1, all 0 where hardly anything is lit."""
    out = np.zeros((len(images), DETAIL * DETAIL), np.float32)
    for at, image in enumerate(images):
        small = cv2.resize(image, (DETAIL, DETAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
        lit = (small > _LIT).astype(np.float32)
        if lit.sum() < _MIN_LIT:
            continue
        weight = cv2.GaussianBlur(lit, (0, 0), SPREAD)
        mean = cv2.GaussianBlur(small * lit, (0, 0), SPREAD) / np.maximum(weight, 1e-6)
        detail = ((small - mean) * lit).ravel()
        length = float(np.linalg.norm(detail))
        if length > lit.sum() ** 0.5:  # a gray level of deviation: less is flat
            out[at] = detail / length
    return out


def _aligned(one: Image, other: Image) -> float:
    """The correlation of two images once one is laid onto the other by an affine transform; 0 where none is found."""
    small = [
        cv2.GaussianBlur(cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32), (0, 0), 1.0)
        for image in (one, other)
    ]
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-5)
    try:
        start = np.eye(2, 3, dtype=np.float32)
        return float(cv2.findTransformECC(small[0], small[1], start, cv2.MOTION_AFFINE, stop, None, 1)[0])  # type: ignore[call-overload]
    except cv2.error:
        return 0.0


def _signs(images: Image, rows: Rows) -> Floats:
    """(len(rows), BITS) float32 of 1 and -1, 0 where there is nothing to compare."""
    plane = np.random.default_rng(0).standard_normal((DETAIL * DETAIL, BITS)).astype(np.float32)
    parts = [np.sign(details(images[rows[at : at + 1024]]) @ plane) for at in range(0, len(rows), 1024)]
    return np.concatenate(parts) if parts else np.zeros((0, BITS), np.float32)


def _candidates(signs: Floats, groups: Rows, sides: Rows) -> tuple[Rows, Rows]:
    """Pairs (i < j) of different groups whose hashes differ in MAX_BITS at most, the _MOST nearest of each i on each
    side."""
    firsts, seconds = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, len(signs), _BLOCK):
        own = slice(start, start + _BLOCK)
        alike = signs[own] @ signs[start:].T  # (b, N - start): bits that are equal less those that differ
        alike[groups[own, None] == groups[None, start:]] = 0
        alike[np.tril_indices(len(alike), m=alike.shape[1])] = 0
        i, j = np.nonzero(alike >= BITS - 2 * MAX_BITS)
        if not len(i):
            continue
        order = np.lexsort((-alike[i, j], sides[start + j], i))
        i, j = i[order], j[order]
        begins = np.flatnonzero(np.r_[True, (i[1:] != i[:-1]) | (sides[start + j[1:]] != sides[start + j[:-1]])])
        place = np.arange(len(i)) - np.repeat(begins, np.diff(np.r_[begins, len(i)]))
        firsts.append(i[place < _MOST] + start)
        seconds.append(j[place < _MOST] + start)
    return np.concatenate(firsts), np.concatenate(seconds)


def _correlation(images: Image, first: Rows, second: Rows) -> Floats:
    out = np.zeros(len(first), np.float32)
    for at in range(0, len(first), 8192):
        part = slice(at, at + 8192)
        # A frame stands in up to 16 pairs, which lie side by side: its detail is taken once.
        rows, places = np.unique(np.stack([first[part], second[part]]), return_inverse=True)
        found, (one, other) = details(images[rows]), places.reshape(2, -1)
        out[part] = np.einsum("nd,nd->n", found[one], found[other])
    return out


def _cosine(features: Floats, first: Rows, second: Rows) -> Floats:
    out = np.zeros(len(first), np.float32)
    for at in range(0, len(first), 8192):  # of a million frames that are much alike there are ten million pairs
        part = slice(at, at + 8192)
        one, other = features[first[part]], features[second[part]]
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        out[part] = np.einsum("nd,nd->n", one, other) / np.maximum(lengths, 1e-12)
    return out
