"""Global pooling: non-negative (B, C, H, W) maps -> (B, D) vectors, not normalised.

D is C, but 2C for scda and len(channels) * C for pwa. Any H, W >= 1 will do, whatever the maps hold: maps
of zeros, constant maps and single positions give finite vectors. Half precision is widened to float32 before anything
is computed; float64 stays, and every other type gives float32. Vectors lie on the device of the maps. All but scda and
pwa export to ONNX at a fixed H and W. Options out of range raise ValueError by name.

Where PyRetri, whose poolings these replace, departs from the papers, the docstrings say so.
"""

from collections.abc import Callable, Iterator, Sequence
from math import ceil, floor

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

SPARSITY_EPS = 1e-6  # CroW's epsilon: the paper only asks for a small one


def gap(maps: Tensor) -> Tensor:
    """Average over positions."""
    return _widened(maps).mean(dim=(-2, -1))


def gmp(maps: Tensor) -> Tensor:
    """Maximum over positions, also known as MAC."""
    return _widened(maps).amax(dim=(-2, -1))


def gem(maps: Tensor, p: float = 3.0, eps: float = 1e-6) -> Tensor:
    """Generalised mean over positions (Radenovic et al., PAMI 2018): p=1 is the average, p -> inf the maximum.

    What lies below eps counts as eps, so that no vector is quite zero. PyRetri does not clamp: negative activations
    give NaN at fractional p, and at odd p where the mean of their powers falls below zero.
    """
    _check_above(0, p=p)
    _check_above(1e-30, eps=eps)
    clamped = _widened(maps).clamp(min=eps)
    # Powers of what is at most 1 cannot overflow, whatever p is.
    peaks = clamped.amax(dim=(-2, -1), keepdim=True)
    return (clamped / peaks).pow(p).mean(dim=(-2, -1)).pow(1 / p) * peaks[..., 0, 0]


def spoc(maps: Tensor, sigma: float = 1 / 3) -> Tensor:
    """Sum over positions under a Gaussian centre prior (Babenko & Lempitsky, ICCV 2015, eq. 2).

    sigma: of the Gaussian, in distances from the centre to the closest boundary, min(H, W) / 2; the paper's is 1/3.

    The centre is the middle of the map, (H - 1) / 2 counted from 0. The paper writes H / 2 for coordinates from 1,
    which would be half a position off and tell a picture from its mirror image.
    """
    _check_above(0, sigma=sigma)
    maps = _widened(maps)
    height, width = maps.shape[-2:]
    scale = sigma * min(height, width) / 2
    return (maps * _bell(maps, height, scale)[:, None] * _bell(maps, width, scale)).sum(dim=(-2, -1))


def crow(maps: Tensor, a: float = 2.0, b: float = 2.0) -> Tensor:
    """Cross-dimensional weighting (Kalantidis et al., ECCVW 2016): sum over positions, both of them weighted.

    A position weighs (S / |S|_a) ** (1 / b), S being its sum over channels; a channel weighs the log of how rarely it
    is above zero, so a lone channel gives zero. A map of zeros gives zeros; PyRetri, and the authors' code, give NaN.
    """
    _check_above(0, a=a, b=b)
    maps = _widened(maps)
    sums = (maps * _emphasis(maps.sum(dim=1, keepdim=True), a, b)).sum(dim=(-2, -1))
    density = (maps > 0).to(maps.dtype).mean(dim=(-2, -1)) + SPARSITY_EPS
    return sums * (density.sum(dim=1, keepdim=True) / density).log()


def rmac(maps: Tensor, levels: int = 3, overlap: float = 0.4) -> Tensor:
    """Regional maxima (Tolias et al., ICLR 2016): each region's maximum, L2-normalised, summed over the regions.

    levels:  scales of the grid, 3 in the paper. Those whose squares would be empty on a small map are passed over.
    overlap: aimed at between the largest squares along the longer side, as a fraction of their area.

    The paper whitens each region's vector (PCA) before the sum; here whitening is a step after pooling, and acts on the
    sum. A region of zeros adds zeros. PyRetri cuts the last row and column off every region, spaces n of them by 1/n of
    the free length instead of 1/(n-1), so that the far edges are never seen, and divides by zero norms.
    """
    if levels < 1:
        raise ValueError(f"levels must be at least 1, not {levels}")
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap must be in [0, 1), not {overlap}")
    maps = _widened(maps)
    regions = rmac_regions(maps.shape[-2], maps.shape[-1], levels, overlap)
    maxima = [maps[..., top : top + size, left : left + size].amax(dim=(-2, -1)) for top, left, size in regions]
    return _unit(torch.stack(maxima, dim=1), dim=-1).sum(dim=1)


def scda(maps: Tensor) -> Tensor:
    """Selective aggregation (Wei et al., TIP 2017) -> (B, 2C): averages, then maxima, over the object's positions.

    Those are the largest connected component of the positions whose sum over channels exceeds its mean; where none
    does, all. Positions that touch at a corner are connected, as in the authors' code (the paper leaves it open); of
    components of one size the first in reading order counts. The authors normalise each half before they join them;
    here neither is. PyRetri connects only along edges, and divides the average by all positions instead of the chosen.
    """
    maps = _widened(maps)
    # In float64, so that rounding does not decide which positions lie above their mean.
    sums = maps.sum(dim=1, keepdim=True, dtype=torch.float64)
    chosen = sums > sums.mean(dim=(-2, -1), keepdim=True)
    chosen |= ~chosen.any(dim=-1, keepdim=True).any(dim=-2, keepdim=True)
    chosen = _largest_component(chosen)
    averages = maps.where(chosen, 0).sum(dim=(-2, -1)) / chosen.sum(dim=(-2, -1))
    return torch.cat([averages, maps.where(chosen, -torch.inf).amax(dim=(-2, -1))], dim=1)


def pwa(maps: Tensor, channels: Sequence[int], alpha: float = 2.0, beta: float = 2.0) -> Tensor:
    """Part-based weighting (Xu et al., AAAI 2018) -> (B, len(channels) * C): one sum over positions a part detector.

    channels: the detectors, as `select_channels` found them; all of C for the first come first. Detector V weighs
              positions by (V / |V|_alpha) ** (1 / beta).

    A detector that sees nothing gives zeros. PyRetri adds 1e-5 to the norm, which makes the weights of faint maps
    depend on their scale.
    """
    _check_above(0, alpha=alpha, beta=beta)
    maps = _widened(maps)
    weights = _emphasis(maps[:, _checked(channels, maps.shape[1])], alpha, beta)
    with torch.autocast(maps.device.type, enabled=False):  # it would take the product in half precision
        return torch.einsum("bnhw,bchw->bnc", weights, maps).flatten(1)


def channel_sums(maps: Tensor) -> Tensor:
    """Maps of one batch of a sample -> (B, C), their part of what `select_channels` takes."""
    return _widened(maps).sum(dim=(-2, -1))


def select_channels(sums: Tensor, count: int) -> tuple[int, ...]:
    """PWA's part detectors: the `count` channels whose sums vary most over a sample of pictures, most varied first.

    sums: (N, C), the `channel_sums` of all batches together, of N >= 2 pictures of one size. Equals: lower index first.
    """
    if sums.ndim != 2 or len(sums) < 2:
        raise ValueError(f"sums must be (N, C) with N >= 2, not {tuple(sums.shape)}")
    if not 1 <= count <= sums.shape[1]:
        raise ValueError(f"count must be in 1..{sums.shape[1]}, not {count}")
    variances = sums.double().var(dim=0)
    return tuple(variances.argsort(descending=True, stable=True)[:count].tolist())


POOLINGS: dict[str, Callable[..., Tensor]] = {
    "gap": gap,
    "gmp": gmp,
    "gem": gem,
    "spoc": spoc,
    "crow": crow,
    "rmac": rmac,
    "scda": scda,
    "pwa": pwa,
}


def rmac_regions(height: int, width: int, levels: int, overlap: float) -> Iterator[tuple[int, int, int]]:
    """R-MAC's squares on an H x W map as (top, left, size), coarse to fine, in reading order within a level.

    Level l has l of them along the shorter side and l + m - 1 along the longer, of size 2 min(H, W) / (l + 1). The
    paper's m brings the overlap at level 1 closest to what is asked, the smaller of two that are equally close. The
    authors' code stops at m = 7, which leaves gaps on maps more than seven times as long as wide.
    """
    short, free = min(height, width), abs(height - width)
    extra = _extra(short, free, overlap)
    for level in range(1, levels + 1):
        size = 2 * short // (level + 1)
        if not size:
            return
        for top in _starts(height - size, level + extra * (height > width)):
            for left in _starts(width - size, level + extra * (width > height)):
                yield top, left, size


def _extra(short: int, free: int, overlap: float) -> int:
    """m - 1: by how many squares the longer side, with `free` positions beside a first square, has more."""
    if not free:
        return 0
    ideal = free / (short * (1 - overlap))
    # One more than there are positions to move to would only repeat some.
    nearest = [min(max(1, steps), free) for steps in (floor(ideal), ceil(ideal))]
    # Rounded, so that what is equally close on paper is so here; min takes the first.
    return min(nearest, key=lambda steps: round(abs(1 - free / (short * steps) - overlap), 9))


def _starts(free: int, count: int) -> list[int]:
    """`count` starts spread evenly over 0..free, rounded down."""
    return [place * free // max(1, count - 1) for place in range(count)]


def _largest_component(chosen: Tensor) -> Tensor:
    """Of each map of a (B, 1, H, W) mask with some True: its largest 8-connected component, the first of equals."""
    height, width = chosen.shape[-2:]
    places = -torch.arange(height * width, dtype=torch.float32, device=chosen.device).view(height, width)
    # The first place of a component, negated, spreads through it, one step a round. Exact up to 2 ** 24 positions.
    firsts, spread = None, places.where(chosen, -torch.inf)
    while firsts is None or not torch.equal(firsts, spread):
        firsts, spread = spread, max_pool2d(spread, 3, stride=1, padding=1).where(chosen, -torch.inf)
    names = firsts.where(chosen, 0).neg().long().flatten(1)
    sizes = torch.zeros_like(names).scatter_add_(1, names, chosen.flatten(1).long())
    return chosen & (names == sizes.argmax(dim=1, keepdim=True)).view_as(chosen)


def _emphasis(values: Tensor, a: float, b: float) -> Tensor:
    """(V / |V|_a) ** (1 / b) of each map V of (B, N, H, W), the weights of CroW and PWA; below zero is as zero."""
    return _unit(values.clamp(min=0), dim=(-2, -1), norm=a).pow(1 / b)


def _unit(values: Tensor, dim: int | tuple[int, ...], norm: float = 2.0) -> Tensor:
    """Values over their norm along `dim`; zeros stay zeros."""
    # Over their peak first: then powers cannot overflow, and a norm below 1 can only be that of zeros.
    scaled = values / values.abs().amax(dim, keepdim=True).clamp(min=torch.finfo(values.dtype).tiny)
    return scaled / scaled.abs().pow(norm).sum(dim, keepdim=True).pow(1 / norm).clamp(min=1)


def _bell(maps: Tensor, length: int, scale: float) -> Tensor:
    offsets = torch.arange(length, dtype=maps.dtype, device=maps.device) - (length - 1) / 2
    return (-0.5 * (offsets / scale) ** 2).exp()


def _widened(maps: Tensor) -> Tensor:
    if maps.ndim != 4 or 0 in maps.shape[1:]:
        raise ValueError(f"maps must be (B, C, H, W) with C, H, W >= 1, not {tuple(maps.shape)}")
    return maps if maps.dtype == torch.float64 else maps.float()


def _checked(channels: Sequence[int], available: int) -> list[int]:
    numbers = list(channels)
    if not numbers or len(set(numbers)) < len(numbers) or not all(0 <= number < available for number in numbers):
        raise ValueError(f"channels must be one or more different numbers in 0..{available - 1}, not {numbers}")
    return numbers


def _check_above(bound: float, **options: float) -> None:
    for name, value in options.items():
        if not value > bound:
            raise ValueError(f"{name} must be above {bound}, not {value}")
