"""What a model was trained and validated on, kept so that an evaluation on the same is noticed: marks, no names and no
pixels.

A mark is a salted hash (BLAKE2b, RFC 7693) of a clip's digest, of an image as the network sees it, or of a patient's
name, cut to 6 bytes: of 100,000 marks a foreign frame meets one by chance once in 3 thousand million. The salt lies
beside the marks. So nothing can be read out of them, but whoever holds a clip or guesses a name can ask whether it is
among them; that is what they are for, and why names can be left out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import ModelError
from seqcls.files import nfc
from seqcls.files.json_record import at_most
from seqcls.text.wording import count_of, names_of

#: What of a clip, or of a patient's frames, a model was trained on; ``validation``: nothing of it, but something of it
#: served to choose the model's epoch and thresholds.
Evidence = Literal["clip", "frames", "patient", "validation"]
Role = Literal["training", "validation"]
_MARK_BYTES = 6
#: Marks in one text of the header: as base64, 64,000 characters.
_IN_A_TEXT = 8000
#: Of more frames, the smallest marks are kept: they are as good as drawn by chance, and a folder shows enough of them.
MAX_MARKS = 400_000
#: Data sets of one header, two for each training in a row: every frame of an evaluation is hashed once for each.
MAX_SETS = 100
#: Names in a message.
_SHOWN = 3

Marks = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedOn:
    """The marks of one data set in one role: base64 of sorted marks, in pieces. Raises ModelError for anything else."""

    role: Role = "training"
    """What the data were for; those for validation chose the epoch and the thresholds."""
    salt: str
    """Hex, made of the data themselves, so that the same training gives the same file."""
    clips: tuple[str, ...] = field(default=(), metadata=at_most(MAX_MARKS // _IN_A_TEXT + 1))
    """Of the clips' files."""
    frames: tuple[str, ...] = field(default=(), metadata=at_most(MAX_MARKS // _IN_A_TEXT + 1))
    """Of the frames, as the network sees them."""
    patients: tuple[str, ...] = field(default=(), metadata=at_most(MAX_MARKS // _IN_A_TEXT + 1))
    """Of the patients' names."""

    def __post_init__(self) -> None:
        try:
            if len(bytes.fromhex(self.salt)) != 16:
                raise ValueError
            for texts in (self.clips, self.frames, self.patients):
                _unpacked(texts)
        except (ValueError, binascii.Error):
            raise ModelError("what it says of its training data is no list of marks") from None

    @classmethod
    def of(
        cls,
        data: str,
        images: Iterable[NDArray[np.uint8]],
        clips: Iterable[str] = (),
        patients: Iterable[str] = (),
        role: Role = "training",
    ) -> TrainedOn:
        """The marks of a data set; images of one gray level, and empty texts, have none. Raises nothing.

        Args:
            data: its hash, of which the salt is made.
            images: its frames, (S, S) uint8 as the network sees them.
            clips: the ``sources.clip_digest`` of its clips.
            patients: their names.
            role: what they were for.
        """
        salt = hashlib.sha256(f"seqcls trained on\0{data}".encode()).hexdigest()[:32]
        return cls(
            role=role,
            salt=salt,
            clips=_packed(_marks_of_texts(salt, "clip", clips)),
            frames=_packed(_marks_of_images(salt, images)),
            patients=_packed(_marks_of_texts(salt, "patient", patients)),
        )

    def has_clip(self, digest: str) -> bool:
        """Whether a clip is among them. ``digest``: of ``sources.clip_digest``. Raises nothing."""
        return bool(_among(_marks_of_texts(self.salt, "clip", [digest]), self.clips).any())

    def has_patient(self, name: str) -> bool:
        """Whether a patient is among them. ``name``: as the labels have it. Raises nothing."""
        return bool(_among(_marks_of_texts(self.salt, "patient", [name]), self.patients).any())


def known_frames(trained_on: Sequence[TrainedOn], images: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """(N,) which of the images (S, S) uint8, as the network sees them, a model was trained on.

    ``trained_on``: of the model's header.
    """
    return _known(_of_role(trained_on, "training"), images)


def _of_role(trained_on: Sequence[TrainedOn], role: Role) -> list[TrainedOn]:
    return [data for data in trained_on if data.role == role]


def _known(trained_on: Sequence[TrainedOn], images: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    known = np.zeros(len(images), np.bool_)
    for data in trained_on if len(images) else ():
        known |= _among(_marks_of_images(data.salt, images), data.frames)
    return known


def seen_in_training(
    trained_on: Sequence[TrainedOn],
    *,
    clip_digest: str = "",
    images: Sequence[NDArray[np.uint8]] = (),
    patient: str = "",
) -> tuple[Evidence, ...]:
    """What of a clip a model was trained or validated on; empty where nothing is known of it.

    Args:
        trained_on: of the model's header.
        clip_digest: of ``sources.clip_digest``, which a timeline keeps as ``provenance.source_digest``.
        images: some or all of its frames, (S, S) uint8 as the network sees them, such as a timeline's thumbnails.
        patient: as the labels name whom it is of. Not the clip's own name, which stands for nobody.
    """

    def evidence(known: Sequence[TrainedOn]) -> tuple[Evidence, ...]:
        found: dict[Evidence, bool] = {
            "clip": any(data.has_clip(clip_digest) for data in known),
            "frames": bool(_known(known, images).any()),
            "patient": any(data.has_patient(patient) for data in known),
        }
        return tuple(name for name, is_so in found.items() if is_so)

    trained = evidence(_of_role(trained_on, "training"))
    if trained:
        return trained
    return ("validation",) if evidence(_of_role(trained_on, "validation")) else ()


def seen_messages(seen: Mapping[str, tuple[Evidence, ...]], unit: str = "clip") -> tuple[str, ...]:
    """What a reader must know before the figures. ``seen``: of every clip (or other ``unit``) by its name, also of
    those of which nothing was seen."""
    same = [name for name, found in seen.items() if {"clip", "frames"} & set(found)]
    alike = [name for name, found in seen.items() if found == ("patient",)]
    messages = []
    if same:
        verb = "was" if len(same) == 1 else "were"
        messages.append(
            f"{len(same)} of {count_of(len(seen), unit)} {verb} trained on ({names_of(same, _SHOWN)}): their figures"
            " say nothing about new patients"
        )
    if alike:
        patients = "is of a patient" if len(alike) == 1 else "are of patients"
        messages.append(
            f"{len(alike)} of {count_of(len(seen), unit)} {patients} with the name of one trained on"
            f" ({names_of(alike, _SHOWN)}): if it is the same person, their figures say nothing about new patients"
        )
    if chosen := [name for name, found in seen.items() if found == ("validation",)]:
        messages.append(
            f"{len(chosen)} of {count_of(len(seen), unit)} served to choose this model's epoch and thresholds"
            f" ({names_of(chosen, _SHOWN)}): their figures flatter"
        )
    return tuple(messages)


def together(*several: Sequence[TrainedOn]) -> tuple[TrainedOn, ...]:
    """Of a model that was made of others: the marks of all of them, each data set once; the first MAX_SETS."""
    return tuple(dict.fromkeys(data for one in several for data in one))[:MAX_SETS]


def _marks_of_texts(salt: str, kind: str, texts: Iterable[str]) -> Marks:
    return _numbers(_digest(salt, kind, nfc(text).encode("utf-8", "surrogatepass")) for text in texts if text)


def _marks_of_images(salt: str, images: Iterable[NDArray[np.uint8]]) -> Marks:
    """(N,) a mark for each image, 0 for one without content, which many clips have."""
    blank = bytes(_MARK_BYTES)
    return _numbers(
        _digest(salt, f"image {image.shape}", np.ascontiguousarray(image).tobytes()) if np.ptp(image) else blank
        for image in images
    )


def _digest(salt: str, kind: str, content: bytes) -> bytes:
    made = hashlib.blake2b(kind.encode() + b"\0", digest_size=_MARK_BYTES, key=bytes.fromhex(salt))
    made.update(content)
    return made.digest()


def _numbers(digests: Iterable[bytes]) -> Marks:
    """(N,) uint64 of N digests of 6 bytes each."""
    rows = np.array(bytearray(b"".join(digests)), np.uint8).reshape(-1, _MARK_BYTES)
    return np.pad(rows, ((0, 0), (8 - _MARK_BYTES, 0))).view(">u8").astype(np.uint64).ravel()


def _packed(marks: Marks) -> tuple[str, ...]:
    kept = np.unique(marks[marks != 0])[:MAX_MARKS]
    planes = kept.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - _MARK_BYTES :]
    return tuple(
        base64.b64encode(planes[at : at + _IN_A_TEXT].tobytes()).decode("ascii")
        for at in range(0, len(planes), _IN_A_TEXT)
    )


@lru_cache(maxsize=8)
def _unpacked(texts: tuple[str, ...]) -> Marks:
    """Raises ValueError, binascii.Error."""
    content = b"".join(base64.b64decode(text, validate=True) for text in texts)
    if len(content) % _MARK_BYTES:
        raise ValueError
    return _numbers([content])


def _among(marks: Marks, texts: tuple[str, ...]) -> NDArray[np.bool_]:
    known = _unpacked(texts)
    found: NDArray[np.bool_] = np.isin(marks, known) & (marks != 0)
    return found
