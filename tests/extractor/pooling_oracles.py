"""The poolings again, written from the papers as plain loops over one picture: float64 (C, H, W) -> (D,)."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from math import exp, log

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Place = tuple[int, int]


def places(height: int, width: int) -> Iterator[Place]:
    return product(range(height), range(width))


def gap(maps: Array) -> Array:
    return np.array([sum(channel.flat) / channel.size for channel in maps])


def gmp(maps: Array) -> Array:
    return np.array([max(channel.flat) for channel in maps])


def gem(maps: Array, p: float = 3.0, eps: float = 1e-6) -> Array:
    return np.array([(sum(max(x, eps) ** p for x in channel.flat) / channel.size) ** (1 / p) for channel in maps])


def spoc(maps: Array, sigma: float = 1 / 3) -> Array:
    channels, height, width = maps.shape
    centre_y, centre_x = (height + 1) / 2, (width + 1) / 2  # of positions counted from 1, as in the paper
    deviation = sigma * min(height / 2, width / 2)
    vector = np.zeros(channels)
    for y, x in places(height, width):
        distance2 = (y + 1 - centre_y) ** 2 + (x + 1 - centre_x) ** 2
        vector += exp(-distance2 / (2 * deviation**2)) * maps[:, y, x]
    return vector


def spatial_weights(plane: Array, a: float, b: float) -> Array:
    norm = sum(value**a for value in plane.flat) ** (1 / a)
    return np.array([[(value / norm) ** (1 / b) if norm else 0.0 for value in row] for row in plane])


def crow(maps: Array, a: float = 2.0, b: float = 2.0) -> Array:
    channels, height, width = maps.shape
    weights = spatial_weights(sum(maps, np.zeros((height, width))), a, b)
    shares = [sum(value > 0 for value in channel.flat) / (height * width) for channel in maps]
    eps = 1e-6
    vector = np.zeros(channels)
    for k in range(channels):
        rarity = log((channels * eps + sum(shares)) / (eps + shares[k]))
        vector[k] = rarity * sum(weights[place] * maps[k][place] for place in places(height, width))
    return vector


def squares_along_longer_side(short: int, long: int, overlap: Fraction) -> int:
    """The paper's m, by trying them all, exactly; m squares of side `short` overlap by 1 - step / short."""
    if short == long:
        return 1
    found, closest = 0, Fraction(10**9)
    for m in range(2, long - short + 2):
        missed = abs(1 - Fraction(long - short, (m - 1) * short) - overlap)
        if missed < closest:
            found, closest = m, missed
    return found


def regions(height: int, width: int, levels: int = 3, overlap: str = "0.4") -> list[tuple[int, int, int]]:
    """R-MAC's (top, left, size)."""
    short, long = sorted([height, width])
    m = squares_along_longer_side(short, long, Fraction(overlap))
    found = []
    for level in range(1, levels + 1):
        size = int(Fraction(2 * short, level + 1))
        rows = level if height == short else level + m - 1
        columns = level if width == short else level + m - 1
        for row, column in product(range(rows), range(columns)):
            top = int(Fraction((height - size) * row, rows - 1)) if rows > 1 else 0
            left = int(Fraction((width - size) * column, columns - 1)) if columns > 1 else 0
            if size > 0:
                found.append((top, left, size))
    return found


def rmac(maps: Array, levels: int = 3) -> Array:
    vector = np.zeros(len(maps))
    for top, left, size in regions(*maps.shape[1:], levels=levels):
        maxima = [max(channel[top : top + size, left : left + size].flat) for channel in maps]
        norm = sum(x * x for x in maxima) ** 0.5
        vector += np.array(maxima) / norm if norm else 0.0
    return vector


def flood(mask: set[Place], start: Place) -> set[Place]:
    """All of the mask that king's moves reach from `start`."""
    reached, ahead = {start}, [start]
    while ahead:
        y, x = ahead.pop()
        for dy, dx in product([-1, 0, 1], repeat=2):
            if (y + dy, x + dx) in mask and (y + dy, x + dx) not in reached:
                reached.add((y + dy, x + dx))
                ahead.append((y + dy, x + dx))
    return reached


def largest_component(mask: set[Place]) -> set[Place]:
    best: set[Place] = set()
    for start in sorted(mask):
        component = flood(mask, start)
        if len(component) > len(best):
            best = component
    return best


def scda(maps: Array) -> Array:
    height, width = maps.shape[1:]
    sums = {place: sum(channel[place] for channel in maps) for place in places(height, width)}
    threshold = sum(sums.values()) / len(sums)
    mask = {place for place in sums if sums[place] > threshold} or set(sums)
    chosen = np.array([maps[:, y, x] for y, x in sorted(largest_component(mask))])
    return np.concatenate([chosen.mean(axis=0), chosen.max(axis=0)])


def pwa(maps: Array, channels: Sequence[int], alpha: float = 2.0, beta: float = 2.0) -> Array:
    parts = []
    for detector in channels:
        weights = spatial_weights(maps[detector], alpha, beta)
        parts += [sum(weights[place] * channel[place] for place in places(*channel.shape)) for channel in maps]
    return np.array(parts)


ORACLES = {"gap": gap, "gmp": gmp, "gem": gem, "spoc": spoc, "crow": crow, "rmac": rmac, "scda": scda, "pwa": pwa}
