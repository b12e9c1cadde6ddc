"""One sweep, frame by frame, with what is in view."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from seqcls.errors import UsageError
from seqcls.phantom import anatomy, beam, motion, section
from seqcls.phantom.anatomy import ORGANS, Anatomy
from seqcls.phantom.beam import BEAMS, Float, Gray, Painting, Probe, Scanner
from seqcls.phantom.screen import Screen

TruthState = Literal["present", "absent", "ignore"]

#: Visible part of an organ's typical cross-section: below the first absent (and not drawn), from the second present.
ABSENT_BELOW, PRESENT_FROM = 0.02, 0.3
_ACROSS = (np.arange(BEAMS, dtype=np.float32) + 0.5) / BEAMS  # places 0..1 of the beams on the face
_GRID = 96  # visibility is measured on a coarse grid of beam cells


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """Which sweep. ``patient`` fixes anatomy, scanner and settings; ``sweep`` the probe's way over the neck.

    ``geometry`` None leaves it to the patient. The hand reaches another place of the neck about every ``station_s``
    seconds: the larger, the longer organs stay in view. Raises UsageError for values that cannot be drawn.
    """

    patient: int
    sweep: int = 0
    width: int = 640
    height: int = 480
    rate_hz: float = 25.0
    duration_s: float = 20.0
    overlay: bool = True
    geometry: Literal["linear", "convex"] | None = None
    contact_loss: bool = True
    station_s: float = 2.9

    def __post_init__(self) -> None:
        if self.patient < 0 or self.sweep < 0:
            raise UsageError("patient and sweep are numbers from 0 up")
        if not (64 <= self.width <= 4096 and 64 <= self.height <= 4096 and self.width % 2 == self.height % 2 == 0):
            raise UsageError(f"a phantom of {self.width}x{self.height} pixels: use even numbers from 64 to 4096")
        if not 0.5 <= self.station_s <= 3600:
            raise UsageError(f"a phantom whose hand rests {self.station_s} s: use 0.5 to 3600")
        if not 1 <= self.rate_hz <= 200:
            raise UsageError(f"a phantom at {self.rate_hz} frames/s: use 1 to 200")
        if not self.frames:
            raise UsageError(f"a phantom of {self.duration_s} s at {self.rate_hz} frames/s has no frames: lengthen it")
        if self.geometry not in (None, "linear", "convex"):
            raise UsageError(f"no probe geometry {self.geometry!r}: use linear, convex or none")

    @property
    def frames(self) -> int:
        return round(self.duration_s * self.rate_hz) if 0 < self.duration_s < 1e6 else 0


@dataclass(frozen=True, slots=True, eq=False)
class PhantomFrame:
    """``image`` (height, width) uint8; ``states`` and ``visible`` per organ, ``visible`` as a part of its typical
    area inside the field of view (contact or not).

    ``contact`` is False while the probe is off the skin: every state is then ``ignore``.
    """

    index: int
    time_s: float
    image: Gray
    states: dict[str, TruthState]
    visible: dict[str, float]
    contact: bool


@dataclass(frozen=True, slots=True)
class View:
    """What is known of one moment before anything is drawn."""

    pose: motion.Pose
    contact: Float | None  # (BEAMS,) 0..1
    dim: Float  # (BEAMS,) dB
    in_contact: bool
    visible: dict[str, float]
    states: dict[str, TruthState]


class Session:
    """One patient on one scanner with one way over the neck."""

    def __init__(self, options: SweepOptions) -> None:
        self.options = options
        patient = np.random.default_rng([options.patient, 0x5E9C15])
        self.anatomy: Anatomy = anatomy.person(patient)
        self.probe: Probe = beam.draw_probe(patient, options.geometry)
        self._layout_seed = int(patient.integers(2**31))
        rng = np.random.default_rng([options.patient, options.sweep, 0x5E9C15])
        self.motion = motion.plan(
            rng, self.anatomy, self.probe, options.duration_s, options.station_s, options.contact_loss
        )
        self._speckle_seed = int(rng.integers(2**31))
        self._cells = self.probe.cell_areas(_GRID, _GRID)

    def view(self, time_s: float) -> View:
        pose = self.motion.pose(time_s)
        lift = self.motion.lift(time_s)
        contact = None if lift is None else _touching(lift.part(time_s), lift.from_left)
        in_contact = lift is None or not lift.full
        visible: dict[str, float] = {}
        states: dict[str, TruthState] = {}
        for organ in ORGANS:
            cells = self._in_view(organ, pose)
            visible[organ] = self._part(organ, cells)
            # Where a lifted edge alone hides the organ, neither answer would be fair.
            touched = visible[organ] if contact is None else self._part(organ, cells * _over_cells(contact))
            state = _state(visible[organ])
            states[organ] = state if in_contact and state == _state(touched) else "ignore"
        return View(pose, contact, self._dim(time_s), in_contact, visible, states)

    def _in_view(self, organ: str, pose: motion.Pose) -> Gray:
        """(_GRID, _GRID) uint8: 1 in the beam cells that hold the organ, with bone in front left out."""
        painting = self._painting(pose)
        mask = np.zeros((_GRID, _GRID), np.uint8)
        for outline in anatomy.organ_outlines(self.anatomy, organ, pose.z):
            corners = painting.corners(outline, _GRID, _GRID)
            cv2.fillPoly(mask, [np.round(corners * 16).astype(np.int32)], 1, shift=4)
        gap = anatomy.notch(self.anatomy, pose.z)
        left, right = painting.corners(np.array([[-gap, 12], [gap, 12]], np.float32), _GRID, _GRID)[:, 0]
        mask[:, : max(0, round(float(left)))] = 0
        mask[:, max(0, round(float(right))) :] = 0
        return mask

    def _part(self, organ: str, cells: Gray | Float) -> float:
        """Area of the cells as a part of the organ's typical cross-section."""
        return float((cells * self._cells).sum()) / self.anatomy.typical_area(organ)

    def _dim(self, time_s: float) -> Float:
        dim = np.zeros(BEAMS, np.float32)
        for bubble in self.motion.bubbles:
            shape = np.exp(-(((_ACROSS - bubble.place(time_s)) / bubble.width) ** 2))
            dim += np.float32(bubble.loss(time_s)) * shape
        return dim

    def frames(self, without: frozenset[str] = frozenset()) -> Iterator[PhantomFrame]:
        """Every frame in order; ``without`` leaves organs undrawn (and is for tests)."""
        options = self.options
        scanner = Scanner(self.probe, np.random.default_rng(self._speckle_seed))
        screen = Screen(
            self.probe, np.random.default_rng(self._layout_seed), options.width, options.height, options.overlay
        )
        for index in range(options.frames):
            time_s = index / options.rate_hz
            view = self.view(time_s)
            unseen = {organ for organ, part in view.visible.items() if part < ABSENT_BELOW}
            pose = view.pose
            painting = self._painting(pose)
            section.paint(painting, self.anatomy, pose.z, pose.pulse, pose.breath, without | unseen)
            image = screen.show(scanner.image(painting, index, view.contact, view.dim), time_s)
            yield PhantomFrame(index, time_s, image, view.states, view.visible, view.in_contact)

    def _painting(self, pose: motion.Pose) -> Painting:
        return Painting(self.probe, self.anatomy, pose.x, pose.z, pose.tilt, pose.press)


def sweep(options: SweepOptions) -> Iterator[PhantomFrame]:
    """Draw the sweep's frames one by one, at ``index / rate_hz`` seconds. Same options, same pixels."""
    return Session(options).frames()


def _state(visible: float) -> TruthState:
    if visible < ABSENT_BELOW:
        return "absent"
    return "present" if visible >= PRESENT_FROM else "ignore"


def _over_cells(contact: Float) -> Float:
    """(BEAMS,) 0..1 -> (_GRID,) 0 or 1."""
    beams = (np.arange(BEAMS) + 0.5) * _GRID / BEAMS
    return np.asarray(np.interp(np.arange(_GRID) + 0.5, beams, contact) > 0.5, np.float32)


def _touching(lifted: float, from_left: bool) -> Float:
    """(BEAMS,) 0..1: how well each beam's place on the face touches the skin."""
    across = _ACROSS if from_left else _ACROSS[::-1]
    touching: NDArray[np.float32] = np.clip((across - lifted) / 0.06 + 0.5, 0, 1)
    return touching
