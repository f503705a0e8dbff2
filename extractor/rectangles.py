"""Upright rectangles in a picture: windows, pictures on pictures, tiles of a collage, what bars and borders leave over.

Each side of one is a straight step of colour, or lies on the picture's own border. Photographs have few straight steps
that are exactly level or plumb, so a handful of lines each way is enough, and all rectangles between them can be tried.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image, Resampling

Box = tuple[float, float, float, float]  # left, top, right, bottom, in parts of the picture's width and height
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SIDE = 256  # pixels of the longer side of what is looked at
SHORTEST_SIDE = 16  # pixels; a thin strip is widened to it
STEP = 12  # of 255, in any channel, between neighbours: less is shading
RUN, CLEAR = 0.2, 0.6  # a line has somewhere a run of this part of the picture's length, a step along so much of it
LINES = 10  # each way
APART = 2  # pixels between two lines, at least
SUPPORT = 0.7  # of each side of a rectangle that is a step
NARROWEST, LARGEST = 0.2, 0.95  # side, and area, of a rectangle, in parts of the picture's
ALIKE = 0.7  # area that two rectangles share, of what they cover together, from which the weaker is left out


def rectangles(image: Image, most: int) -> list[Box]:
    """RGB picture -> its clearest rectangles, `most` at most, best first; the picture itself is none."""
    colours = _small(image)
    columns, rows = _Lines.of(colours), _Lines.of(colours.swapaxes(1, 2))
    (left, right), (top, bottom) = _crossed(columns.spans, rows.spans)
    sides = np.stack(
        [
            columns.support(left, top, bottom),
            columns.support(right, top, bottom),
            rows.support(top, left, right),
            rows.support(bottom, left, right),
        ]
    )
    boxes = np.stack([columns.starts(left), rows.starts(top), columns.ends(right), rows.ends(bottom)], axis=1)
    good = np.flatnonzero((np.nanmin(sides, axis=0, initial=1) >= SUPPORT) & (_areas(boxes) <= LARGEST))
    best_first = good[np.argsort(-_clearness(sides[:, good]), kind="stable")]
    return _different(boxes[best_first], most)


def _small(image: Image) -> NDArray[np.int16]:
    """(3, H, W), SIDE on the longer side."""
    factor = SIDE / max(image.size)
    width, height = (max(SHORTEST_SIDE, round(side * factor)) for side in image.size)
    resample = Resampling.BOX if factor < 1 else Resampling.BILINEAR
    small = image.resize((width, height), resample, reducing_gap=2.0)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1), np.int16)


@dataclass(frozen=True, eq=False)
class _Lines:
    """Places between columns of a picture where a line may stand, from 0, its left border, to `count`, its right.

    places: int (L,), ascending, with both borders.
    steps:  int32 (H + 1, W - 1), how many of the first rows have a step at place 1, 2, ...
    """

    places: Ints
    steps: NDArray[np.int32]
    count: int

    @classmethod
    def of(cls, colours: NDArray[np.int16]) -> Self:
        """(3, H, W) -> the lines that stand out."""
        step = np.abs(np.diff(colours, axis=2)).max(axis=0) > STEP
        step[:, 1:] |= step[:, :-1].copy()  # scaling down may have spread it over two places
        steps = np.concatenate([np.zeros((1, step.shape[1]), np.int32), step.cumsum(axis=0, dtype=np.int32)])
        run = max(8, int(RUN * len(step)))
        clearest = (steps[run:] - steps[:-run]).max(axis=0) / run
        count = colours.shape[2]
        return cls(np.array([0, *sorted(_apart(clearest)), count]), steps, count)

    @property
    def spans(self) -> tuple[Ints, Ints]:
        """From one line to another, far enough apart: int (S,) each."""
        one, other = np.triu_indices(len(self.places), 1)
        start, end = self.places[one], self.places[other]
        wide = end - start >= NARROWEST * self.count
        return start[wide], end[wide]

    def support(self, at: Ints, start: Ints, end: Ints) -> Floats:
        """Part of the rows from `start` to `end` that have a step at `at`; NaN on the border, where none can be."""
        column = np.clip(at - 1, 0, self.steps.shape[1] - 1)
        part = (self.steps[end, column] - self.steps[start, column]) / (end - start)
        return np.where((at > 0) & (at < self.count), part, np.nan)

    def starts(self, at: Ints) -> Floats:
        """Where a rectangle begins whose first side is there, in parts of the width."""
        return at / self.count

    def ends(self, at: Ints) -> Floats:
        """Where one ends whose last side is there: before the column over which the step may have spread."""
        return np.where(at < self.count, at - 1, at) / self.count


def _apart(clearest: Floats) -> list[int]:
    """The clearest places, from 1 on, LINES at most, none close to a better one."""
    kept: list[int] = []
    for column in np.argsort(-clearest, kind="stable"):
        if clearest[column] < CLEAR or len(kept) == LINES:
            break
        if all(abs(column + 1 - place) > APART for place in kept):
            kept.append(int(column) + 1)
    return kept


def _crossed(across: tuple[Ints, Ints], down: tuple[Ints, Ints]) -> tuple[list[Ints], list[Ints]]:
    """Every span across with every span down: each of the four is int (N,)."""
    first, second = (each.ravel() for each in np.indices((len(across[0]), len(down[0]))))
    return [ends[first] for ends in across], [ends[second] for ends in down]


def _areas(boxes: Floats) -> Floats:
    """(N, 4) -> (N,), in parts of the picture's."""
    areas: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def _clearness(sides: Floats) -> Floats:
    """(4, N) supports -> (N,): their mean; of equals, the one with more sides within the picture."""
    inner = (~np.isnan(sides)).sum(axis=0)
    clearness: Floats = np.nansum(sides, axis=0) / np.maximum(inner, 1) + 0.1 * inner
    return clearness


def _different(boxes: Floats, most: int) -> list[Box]:
    """The first `most` that are not nearly an earlier one."""
    kept: list[Box] = []
    for box in boxes.tolist():
        if len(kept) == most:
            break
        if all(_shared(box, other) < ALIKE for other in kept):
            kept.append(tuple(box))
    return kept


def _shared(box: Box, other: Box) -> float:
    """Area in both, of the area in either, 0 to 1."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    both = max(width, 0.0) * max(height, 0.0)
    either = sum((each[2] - each[0]) * (each[3] - each[1]) for each in (box, other)) - both
    return both / either
