"""How well the ultrasound region is found, on drawn screens of many kinds and on folders of clips with known boxes.

    python scripts/region_figures.py                       # every kind, 6 screens each; about 3 minutes
    python scripts/region_figures.py --kind letterbox --seeds 20
    python scripts/region_figures.py --clips FOLDER        # of regions.json and clips/
    python scripts/region_figures.py --whole FOLDER        # of clips/ cut down to the ultrasound: the box is the image

Prints per kind the IoU (intersection over union) of the outline and of its box with the truth: the least and the mean,
how many screens reach 0.9, how many the search itself called uncertain, and how much of the text lies inside at worst.
--sheets DIR keeps a contact sheet of each kind for the eye; never commit those of clips.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.screen_kinds import KINDS, draw

from seqcls.geometry import Geometry, Region, RegionFinder, region_mask
from seqcls.geometry.region import UNSURE
from seqcls.sources import open_source
from seqcls.types import Frame

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]
ENOUGH = 0.9


@dataclass(frozen=True)
class Found:
    """One image with the region found, the IoU of outline and of box, and the share of the screen's text in it."""

    image: Image
    region: Region
    outline: float
    box: float
    caption: str
    text: float = 0.0


def box_iou(one: Box, other: Box) -> float:
    """Of two half-open boxes."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    tall = min(one[3], other[3]) - max(one[1], other[1])
    common = max(0, wide) * max(0, tall)
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (one, other)]
    return common / (sum(areas) - common)


def box_of(mask: Mask) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def outline_iou(region: Region, sector: Mask) -> float:
    """With the hull of the sector: the face of a curved probe bulges into it."""
    shown = region_mask(region)
    truth = np.zeros(sector.shape, np.uint8)
    cv2.fillConvexPoly(truth, cv2.convexHull(np.argwhere(sector)[:, ::-1].astype(np.int32)), 1)
    return float((shown & (truth > 0)).sum() / (shown | (truth > 0)).sum())


def marked(image: Image, region: Region, caption: str) -> Image:
    """(258, 324, 3) uint8: the image with the box and outline found."""
    page = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image.copy()
    cv2.rectangle(page, (region.x0, region.y0), (region.x1 - 1, region.y1 - 1), (0, 200, 255), 2)
    if region.polygon:
        cv2.polylines(page, [np.array(region.polygon)], True, (0, 255, 0), 1)
    scale = min(320 / page.shape[1], 240 / page.shape[0])
    page = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.full((258, 324, 3), 90, np.uint8)
    tile[: page.shape[0], : page.shape[1]] = page
    cv2.putText(tile, caption, (2, 254), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1)
    return np.asarray(tile, np.uint8)


def drawn_screens(kind: str, seeds: range) -> Iterator[Found]:
    for seed in seeds:
        screen = draw(kind, seed)
        region = Geometry().find(screen.images)
        height, width = screen.sector.shape
        text = float((screen.printed & region_mask(region)).sum() / max(1, screen.printed.sum()))
        if kind.startswith("cropped"):  # the image is the region, and the outline is within it
            outline, box = 1.0, box_iou(region.box, (0, 0, width, height))
        else:
            outline, box = outline_iou(region, screen.sector), box_iou(region.box, box_of(screen.sector))
        yield Found(screen.images[12], region, outline, box, f"{kind} {seed}", text)


def clips(paths: list[Path], boxes: dict[str, Box]) -> Iterator[Found]:
    """The same for clips; without a box the whole image is the truth."""
    for path in paths:
        with open_source(path) as source:
            finder, region, image = RegionFinder(Geometry(), source.info.region), None, None
            for item in itertools.islice(source, 300):
                if isinstance(item, Frame) and region is None:
                    image, region = item.image, finder.push(item.image)
        region = finder.finish() if region is None else region
        assert image is not None
        box = box_iou(region.box, boxes.get(path.name, (0, 0, region.width, region.height)))
        print(f"  {path.name:<44}{box:6.3f}  {region.kind:<7} {region.box}  {region.confidence:.2f}")
        yield Found(image, region, box, box, path.name[:38])


def report(name: str, found: Iterator[Found], sheets: Path | None) -> tuple[int, int]:
    """One line of figures, and the sheet; how many screens reach ENOUGH, and of how many."""
    rows = list(found)
    outline, box = np.array([row.outline for row in rows]), np.array([row.box for row in rows])
    good = (outline >= ENOUGH) & (box >= ENOUGH)
    unsure = np.array([row.region.confidence < UNSURE for row in rows])
    print(
        f"{name:<24}outline {outline.min():.3f} {outline.mean():.3f}  box {box.min():.3f} {box.mean():.3f}"
        f"  right {good.sum()}/{len(rows)}  uncertain: {(unsure & ~good).sum()} wrong, {(unsure & good).sum()} right"
        f"  text inside {max(row.text for row in rows):.1%}"
        f"  {', '.join(row.caption.split()[-1] for row, fine in zip(rows, good, strict=True) if not fine)}",
        flush=True,
    )
    if sheets is not None:
        tiles = [marked(row.image, row.region, f"{row.caption} {row.outline:.2f} {row.box:.2f}") for row in rows]
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 4)
        sheets.mkdir(parents=True, exist_ok=True)
        page = np.vstack([np.hstack(tiles[n : n + 4]) for n in range(0, len(tiles), 4)])
        cv2.imwrite(str(sheets / f"{name.replace(' ', '-').replace(',', '').replace(':', '-')}.png"), page)
    return int(good.sum()), len(rows)


def main(arguments: argparse.Namespace) -> int:
    total, right = 0, 0
    for folder in (arguments.clips, arguments.whole):
        if folder is None:
            continue
        known = folder / "regions.json"
        described = json.loads(known.read_text(encoding="utf-8"))["clips"] if known.exists() else []
        boxes = {Path(clip["file"]).name: tuple(clip["box"]) for clip in described}
        good, count = report(folder.name, clips(sorted((folder / "clips").iterdir()), boxes), arguments.sheets)
        right, total = right + good, total + count
    if arguments.clips is None and arguments.whole is None:
        for kind in arguments.kind or KINDS:
            seeds = range(arguments.first, arguments.first + arguments.seeds)
            good, count = report(kind, drawn_screens(kind, seeds), arguments.sheets)
            right, total = right + good, total + count
    print(f"IoU of at least {ENOUGH}: {right} of {total}")
    return 0 if right == total else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", action="append", choices=sorted(KINDS), help="only this kind; may be repeated")
    parser.add_argument("--seeds", type=int, default=6, help="screens per kind (6)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--clips", type=Path, help="folder of clips/ and regions.json")
    parser.add_argument("--whole", type=Path, help="folder of clips/ that show nothing but ultrasound")
    parser.add_argument("--sheets", type=Path, help="where to keep contact sheets")
    sys.exit(main(parser.parse_args()))
