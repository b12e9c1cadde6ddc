"""What a few frames tell about each pixel, on frames of a handful of gray levels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from seqcls.geometry import evidence as module
from seqcls.geometry.evidence import Evidence, Statistics

Image = NDArray[np.uint8]
WIDTH, HEIGHT = 60, 40


@pytest.fixture
def no_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patches below are as even as panels are, and would be taken for these."""
    monkeypatch.setattr(module, "panels", lambda mean, still, change: np.zeros_like(still))


def evidence(frames: list[Image]) -> Evidence:
    statistics = Statistics(frames[0].shape[1], frames[0].shape[0])
    for frame in frames:
        statistics.add(frame)
    return statistics.evidence()


def frames(count: int, background: int = 0) -> list[Image]:
    """Empty ones that differ in one pixel in a corner, so that none repeats the one before."""
    out = [np.full((HEIGHT, WIDTH), background, np.uint8) for _ in range(count)]
    for index, frame in enumerate(out):
        frame[0, 0] = background + index % 2
    return out


def drawn(levels: list[int], background: int = 0) -> Evidence:
    """A patch of 20 x 20 pixels that takes these levels frame by frame."""
    out = frames(len(levels), background)
    for frame, level in zip(out, levels, strict=True):
        frame[10:30, 20:40] = level
    return evidence(out)


def at(mask: NDArray[np.bool_]) -> bool:
    """In the middle of the patch."""
    return bool(mask[20, 30])


# --- frames


def test_large_images_are_reduced_to_640() -> None:
    statistics = Statistics(1280, 960)
    assert statistics.size == (640, 480) and statistics.scale == (2.0, 2.0)
    assert Statistics(640, 100).size == (640, 100) and Statistics(640, 100).scale == (1.0, 1.0)
    assert Statistics(300, 1921).size == (100, 640)
    assert Statistics(3000, 2).size == (640, 1) and Statistics(3000, 2).scale == (3000 / 640, 2.0)
    assert Statistics(2, 3000).size == (1, 640)


def test_reduced_by_averages() -> None:
    image = np.zeros((4, 2560), np.uint8)
    image[:, ::4] = 100
    statistics = Statistics(2560, 4)
    statistics.add(image)
    assert np.array_equal(statistics._frames[0], np.full((1, 640), 25))


def test_a_repeated_frame_is_left_out() -> None:
    statistics = Statistics(WIDTH, HEIGHT)
    first, second = frames(2)
    for frame in (first, first, second, first):
        statistics.add(frame)
    assert len(statistics) == 3


def test_frames_are_copied() -> None:
    statistics = Statistics(WIDTH, HEIGHT)
    frame = frames(1)[0]
    statistics.add(frame)
    frame[:] = 9
    assert statistics._frames[0].max() == 0


# --- a box


def test_evidence_within_a_box() -> None:
    whole = np.ones((20, 30), bool)
    mean = np.zeros((20, 30), np.uint8)
    small = Evidence(whole, whole, whole, whole, whole, whole, mean, (2.0, 4.0)).within((10, 8, 40, 60))
    expected = np.zeros((20, 30), bool)
    expected[2:15, 5:20] = True
    for mask in (small.seen, small.active, small.overlay, small.panel, small.inside):
        np.testing.assert_array_equal(mask, expected)
    assert small.scale == (2.0, 4.0)
    nothing = np.zeros((20, 30), bool)
    names = ("seen", "active", "overlay", "panel")
    for name in names:
        masks = {key: whole for key in names} | {name: nothing}
        assert not getattr(
            Evidence(**masks, inside=whole, still=whole, mean=mean, scale=(1.0, 1.0)).within((0, 0, 9, 9)), name
        ).any()


def test_a_box_is_rounded_to_reduced_pixels() -> None:
    whole = np.ones((20, 30), bool)
    inside = (
        Evidence(whole, whole, whole, whole, whole, whole, np.zeros((20, 30), np.uint8), (2.0, 2.0))
        .within((3, 5, 11, 13))
        .inside
    )  # 1.5, 2.5, 5.5, 6.5
    assert (np.flatnonzero(inside.any(axis=0)).tolist(), np.flatnonzero(inside.any(axis=1)).tolist()) == (
        [2, 3, 4, 5],
        [2, 3, 4, 5],
    )


# --- seen


@pytest.mark.usefixtures("no_panels")
@pytest.mark.parametrize(
    ("lit", "of", "level", "seen"),
    [
        (1, 5, 100, True),  # a fifth of the frames
        (1, 6, 100, False),
        (5, 5, 3, True),
        (5, 5, 2, True),  # dim, but throughout: a mean above 1.5
        (5, 5, 1, False),
        (4, 5, 2, True),
        (3, 5, 2, False),
        (6, 6, 100, True),
        (1, 5, 3, True),  # lit in a fifth, though its mean of 0.6 is too dim
        (1, 5, 2, False),
        (3, 4, 2, False),  # a mean of 1.5
        (2, 11, 100, False),  # at most 8 of each count: 16 / 11
    ],
)
def test_seen_in_a_fifth_of_the_frames(lit: int, of: int, level: int, seen: bool) -> None:
    found = drawn([level if index < lit else 0 for index in range(of)])
    assert at(found.seen) is seen
    assert not found.seen[5, 5]


@pytest.mark.usefixtures("no_panels")
def test_dim_pixels_are_seen_by_the_mean_of_their_neighbours() -> None:
    """At the edge of a patch of level 2 six of nine are lit: 1.33."""
    seen = drawn([2, 2, 2]).seen
    assert np.flatnonzero(seen[20]).tolist() == list(range(21, 39))
    assert np.flatnonzero(seen[:, 30]).tolist() == list(range(11, 29))


@pytest.mark.usefixtures("no_panels")
def test_what_a_clock_passes_over_is_not_seen() -> None:
    """200 in one frame of ten would be a dim 0.8 of at most 8 in each."""
    assert not at(drawn([200] + [0] * 9).seen)


@pytest.mark.usefixtures("no_panels")
def test_ripples_beside_what_is_bright_are_not_seen() -> None:
    """Within 8 pixels of a level of 200, more than 8 % of it is asked for: 16."""
    out = frames(6)
    for frame in out:
        frame[10:30, 20:30] = 200
        frame[10:30, 30:50] = 16
    found = evidence(out)
    assert found.seen[20, 25]
    assert not found.seen[20, 37] and found.seen[20, 38]
    brighter = [frame.copy() for frame in out]
    for frame in brighter:
        frame[10:30, 30:50] = 17
    assert evidence(brighter).seen[20, 37]


@pytest.mark.usefixtures("no_panels")
def test_ripples_reach_8_pixels_to_every_side() -> None:
    out = frames(6)
    for frame in out:
        frame[:] = np.maximum(frame, 16)
        frame[:2], frame[-2:], frame[:, :2], frame[:, -2:] = 0, 0, 0, 0  # a dark rim
        frame[15:20, 25:30] = 200
    out[1][0, 0] = out[3][0, 0] = out[5][0, 0] = 1
    seen = evidence(out).seen
    assert np.flatnonzero(~seen[17, 2:-2]).tolist() == [*range(25 - 8 - 2, 25 - 2), *range(30 - 2, 38 - 2)]
    assert np.flatnonzero(~seen[2:-2, 27]).tolist() == [*range(15 - 8 - 2, 15 - 2), *range(20 - 2, 28 - 2)]


# --- active


@pytest.mark.usefixtures("no_panels")
@pytest.mark.parametrize(
    ("levels", "active"),
    [
        ([20, 22, 20, 22, 20], True),
        ([10, 11, 10, 11, 10], False),  # one level is no change
        ([20, 23, 23, 23, 23], True),  # a quarter of the steps
        ([20, 22, 22, 22, 22, 22], False),
        ([20, 90, 90, 90, 90, 90], True),  # at most 3 of each step count: 3 / 5 on average
        ([20, 90, 90, 90, 90, 90, 90], False),  # 3 / 6
        ([20, 20, 20, 20], False),
        ([20, 22, 22, 22, 22], True),  # a quarter of the steps, 0.5 on average
        ([10, 11, 11, 11, 12], False),  # steps of one level, 0.5 on average
    ],
    ids=[
        "flicker",
        "one level",
        "once in four",
        "once in five",
        "a jump in five",
        "in six",
        "still",
        "by two",
        "drift",
    ],
)
def test_active_where_a_quarter_of_the_steps_changes(levels: list[int], active: bool) -> None:
    assert at(drawn(levels).active) is active


@pytest.mark.usefixtures("no_panels")
def test_jumps_are_averaged_over_their_neighbours() -> None:
    """At the edge of the patch six of nine pixels jump: 0.4 on average."""
    active = drawn([20, 90, 90, 90, 90, 90]).active
    assert np.flatnonzero(active[20]).tolist() == list(range(21, 39))
    assert np.flatnonzero(active[:, 30]).tolist() == list(range(11, 29))


@pytest.mark.usefixtures("no_panels")
def test_a_change_smaller_than_the_ripple_is_none() -> None:
    """8 % of a level of 200 are 16: a flicker between 0 and 16 beside it is the codec's."""
    out = frames(6)
    for index, frame in enumerate(out):
        frame[10:30, 20:30] = 200
        frame[10:30, 30:36] = 16 * (index % 2)
    assert not evidence(out).active[20, 33]
    for index, frame in enumerate(out):
        frame[10:30, 30:36] = 18 * (index % 2)
    assert evidence(out).active[20, 33]


@pytest.mark.usefixtures("no_panels")
def test_one_frame_moves_nowhere() -> None:
    frame = frames(1)[0]
    frame[10:30, 20:40] = 100
    found = evidence([frame])
    assert not found.active.any() and at(found.seen)


# --- overlay


@pytest.mark.usefixtures("no_panels")
@pytest.mark.parametrize(
    ("levels", "overlay"),
    [
        ([25, 25, 25], True),
        ([24, 24, 24], False),  # too dim
        ([97, 100, 100], True),
        ([94, 100, 100], True),  # 3 + 3 % of 100
        ([93, 100, 100], False),
        ([100, 93, 100], False),
        ([100, 100, 93], False),
        ([0, 200, 200], False),
    ],
    ids=str,
)
def test_overlay_is_bright_and_still(levels: list[int], overlay: bool) -> None:
    found = drawn(levels)
    assert at(found.overlay) is overlay and not found.overlay[5, 5]


@pytest.mark.usefixtures("no_panels")
def test_everything_is_inside() -> None:
    found = drawn([25, 30])
    assert found.inside.all() and found.inside.shape == (HEIGHT, WIDTH) and found.scale == (1.0, 1.0)
    assert found.inside.dtype == np.bool_
    assert found.mean[20, 30] == 28 and not found.still[20, 30] and found.still[5, 5]


# --- the background and the panels


def test_a_gray_screen_is_a_panel() -> None:
    found = drawn([90, 130, 90, 130], background=60)
    assert at(found.seen) and at(found.active) and not at(found.panel)
    assert found.panel[5, 5] and found.overlay[5, 5] and not found.seen[5, 5]


def test_a_dark_picture_on_a_gray_screen() -> None:
    found = drawn([20, 45, 20, 45], background=60)
    assert at(found.seen) and at(found.active)


def background(rim: Image, still: NDArray[np.bool_] | None = None) -> int:
    return module._background(rim, np.ones(rim.shape, bool) if still is None else still)


def test_the_background_is_the_level_of_a_quarter_of_the_rim() -> None:
    """2 pixels deep all around 40 x 60: 384 pixels, a quarter of which are 96."""
    noise = (np.arange(HEIGHT * WIDTH) * 7 % 200 + 30).reshape(HEIGHT, WIDTH).astype(np.uint8)
    for count, level in ((96, 5), (95, 0)):
        rim = noise.copy()
        rim[:2].ravel()[:count] = 5
        assert background(rim) == level
    # Only what is within one level counts with it.
    rim = noise.copy()
    rim[:2].ravel()[:60], rim[:2].ravel()[60:96] = 5, 6
    assert background(rim) == 5
    rim[:2].ravel()[60:96] = 4
    assert background(rim) == 5
    for other in (3, 7):
        rim[:2].ravel()[60:96] = other
        assert background(rim) == 0
    rim[:2].ravel()[:60], rim[:2].ravel()[60:96] = 1, 0
    assert background(rim) == 1


def test_the_background_is_dark() -> None:
    """From level 18 on it is a panel."""
    assert background(np.full((HEIGHT, WIDTH), 17, np.uint8)) == 17
    assert background(np.full((HEIGHT, WIDTH), 18, np.uint8)) == 0


def test_the_rim_is_two_hundredths_of_the_longer_side() -> None:
    image = np.zeros((200, 300), np.uint8)
    image[6:-6, 6:-6] = 15
    assert background(image) == 0
    image[:6], image[-6:], image[:, :6], image[:, -6:] = 13, 13, 13, 13
    assert background(image) == 13
    image[:5], image[-5:], image[:, :5], image[:, -5:] = 9, 10, 9, 10
    assert background(image) in (9, 10)
    image[:6], image[-6:], image[:, :6], image[:, -6:] = 13, 13, 13, 13
    image[:2], image[-2:], image[:, :2], image[:, -2:] = 9, 9, 9, 9
    assert background(image) == 13


def test_a_rim_that_moves_is_no_background() -> None:
    rim, still = np.full((HEIGHT, WIDTH), 13, np.uint8), np.zeros((HEIGHT, WIDTH), bool)
    assert background(rim) == 13 and background(rim, still) == 0
    still.ravel()[:96] = True
    assert background(rim, still) == 13
    still.ravel()[95] = False
    assert background(rim, still) == 0


# --- panels


def test_noise_is_what_the_quietest_pixels_show() -> None:
    """A step of two levels on average between frames is a standard deviation of 1.77."""
    statistics = Statistics(WIDTH, HEIGHT)
    for index in range(9):
        statistics.add(np.full((HEIGHT, WIDTH), 100 + 2 * (index % 2), np.uint8))
    brightest, change, noise = statistics._changes()
    assert noise == pytest.approx(1.772) and (brightest == 102).all()
    assert not change.any()  # 2 less 5 * 1.77
    half = Statistics(WIDTH, HEIGHT)
    for index in range(9):
        image = np.full((HEIGHT, WIDTH), 100, np.uint8)
        image[4:] += np.uint8(20 * (index % 2))
        half.add(image)
    assert half._changes()[2] == 0  # a tenth stands still
    wild = Statistics(WIDTH, HEIGHT)
    for index in range(9):
        wild.add(np.full((HEIGHT, WIDTH), 100 + 40 * (index % 2), np.uint8))
    assert wild._changes()[2] == 4.0


def test_a_few_frames_of_many() -> None:
    statistics = Statistics(WIDTH, HEIGHT)
    for index in range(10):
        statistics.add(np.full((HEIGHT, WIDTH), index, np.uint8))
    assert [int(image[0, 0]) for image in statistics.few(4)] == [0, 3, 6, 9]
    assert len(statistics.few(10)) == 10 and len(statistics.few(100)) == 10


def test_noise_in_black_is_half_cut_off() -> None:
    """Black that stirs by 0.5 on average, and a lit half that stirs by 2: the latter counts."""
    statistics = Statistics(WIDTH, HEIGHT)
    for index in range(9):
        image = np.zeros((HEIGHT, WIDTH), np.uint8)
        image[:20] = index // 2 % 2
        image[20:] = 100 + 2 * (index % 2)
        statistics.add(image)
    assert statistics._changes()[2] == pytest.approx(1.772)


@pytest.mark.parametrize(("level", "noise"), [(7, 1.772), (6, 0.5 * 0.886)])
def test_what_is_lit_begins_at_a_mean_of_eight(level: int, noise: float) -> None:
    """Half of the image is black and stirs by 0.5, half changes between a level and two more."""
    statistics = Statistics(WIDTH, HEIGHT)
    for index in range(10):
        image = np.zeros((HEIGHT, WIDTH), np.uint8)
        image[:20] = (index + 1) // 2 % 2
        image[20:] = level + 2 * (index % 2)
        statistics.add(image)
    assert statistics._changes()[2] == pytest.approx(noise, abs=0.06)


# --- limits met exactly


def test_a_nearly_black_panel_is_no_background() -> None:
    """The rim has 252 pixels of a panel of level 10 and 132 of black: what moves between 3 and 9 is seen."""
    out = frames(4)
    for index, frame in enumerate(out):
        frame[:, :45] = 10
        frame[:, 45:] = 0
        frame[10:30, 49:57] = 3 + 6 * (index % 2)
    found = evidence(out)
    assert found.panel[20, 20] and not found.panel[20, 53]
    assert found.seen[20, 53]


@pytest.mark.usefixtures("no_panels")
def test_steps_and_changes_beyond_the_noise() -> None:
    """Noise of 1.77: of steps of 7 levels 5 are noise, of a change of 28 levels 9."""
    statistics = Statistics(WIDTH, HEIGHT)
    for index in range(5):
        image = np.full((HEIGHT, WIDTH), 100 + 2 * (index % 2), np.uint8)
        image[10:30, 20:40] = 100 + 7 * index
        statistics.add(image)
    assert statistics._changes()[1][20, 30] == 19
    assert at(statistics.evidence().active)


def test_the_quietest_twentieth_of_all_pixels() -> None:
    """Every other row and column counts: 33 of these 600 stand still, and the twentieth ends with the thirtieth."""
    statistics = Statistics(WIDTH, HEIGHT)
    for index in range(9):
        image = np.full((HEIGHT, WIDTH), 100 + 2 * (index % 2), np.uint8)
        image[0], image[2, :6] = 100, 100
        statistics.add(image)
    assert statistics._changes()[2] == 0


def test_the_quietest_twentieth_of_lit_pixels() -> None:
    """Black stirs by 0.5, and of 300 lit pixels 17 stand still: the twentieth ends with the fifteenth."""
    statistics = Statistics(WIDTH, HEIGHT)
    for index in range(9):
        image = np.zeros((HEIGHT, WIDTH), np.uint8)
        image[:20] = index // 2 % 2
        image[20:] = 100 + 2 * (index % 2)
        image[20, :34] = 100
        statistics.add(image)
    assert statistics._changes()[2] == pytest.approx(0.5 * 0.886, abs=0.06)


@pytest.mark.parametrize(
    ("level", "share", "black"), [(16, 0.1, 16), (32, 0.1, 32), (33, 0.1, 0), (2, 0.1, 0), (16, 0.07, 0)]
)
def test_black_is_gray_in_video_of_limited_range(level: int, share: float, black: int) -> None:
    """From 3 to 32, and a twelfth of the image at least shows it still."""
    image = np.full((100, 100), 90, np.uint8)
    image[: round(share * 100)] = level
    assert module._black(image, np.ones((100, 100), bool)) == black


def test_evidence_is_counted_from_black() -> None:
    """A fan on 16 is seen as one on 0 is: its ground is no panel."""
    rng = np.random.default_rng(0)
    frames = [np.full((100, 200), 16, np.uint8) for _ in range(6)]
    for frame in frames:
        frame[20:80, 60:140] = 16 + rng.integers(30, 90, (60, 80))
    found = [Statistics(200, 100), Statistics(200, 100)]
    for frame in frames:
        found[0].add(frame)
        found[1].add(frame - 16)
    gray, dark = (one.evidence() for one in found)
    for name in ("seen", "active", "overlay", "panel"):
        np.testing.assert_array_equal(getattr(gray, name), getattr(dark, name))
    assert gray.seen[30:70, 70:130].all() and not gray.panel.any()
