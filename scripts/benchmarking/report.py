"""A run as tables on standard output, and as JSON."""

from dataclasses import asdict
from typing import Any

from scripts.benchmarking.aims import verdicts
from scripts.benchmarking.figures import Columns, Figures, Measured, Rounds

OURS = "this index"
# What is compared at each size: title, figure, digits.
COMPARED = (
    ("found first", "found first, turned as by edits", 3),
    ("as exact", "as exact search, turned as by edits", 3),
    ("p50 ms", "index: p50 ms", 2),
    ("p99 ms", "index: p99 ms", 2),
    ("build s", "build: s", 1),
    ("open s", "open: s", 2),
    ("memory B", "memory, private: bytes a vector", 0),
    ("disk B", "disk, index: bytes a vector", 0),
)


def tables(part: str, measured: Measured) -> str:
    """The part's tables."""
    if isinstance(measured, Rounds):
        return _of_rounds(part, measured)
    return "\n".join([_of_sizes(part, measured), *(_of_peers(measured, size) for size in _sizes_with_peers(measured))])


def of_engines(measured: Columns, size: int) -> dict[str, Figures]:
    """Ours and the peers at one size."""
    peers = {name: sizes[size] for name, sizes in measured.peers.items() if size in sizes}
    return {OURS: measured.sizes[size]} | peers


def as_json(measured: Measured) -> dict[str, Any]:
    """All figures; of rounds also each round, and the ratios."""
    if isinstance(measured, Columns):
        return asdict(measured)
    return {"figures": measured.figures, "ratios": measured.ratios, "rounds": measured.rounds}


def verdicts_as_json(part: str, measured: Measured) -> list[dict[str, Any]]:
    """The aims and what was measured."""
    return [asdict(each.aim) | {"value": each.value, "reached": each.reached} for each in verdicts(part, measured)]


def _of_rounds(part: str, measured: Rounds) -> str:
    lines = [f"\n{part:55}{'median':>10}   ratio"]
    for name, value in measured.figures.items():
        ratio = measured.ratios.get(name)
        to = "" if ratio is None else f"  {ratio:6.2f} of {measured.baselines[name]}"
        lines.append(f"{name:55}{value:10.1f}{to}")
    return "\n".join(lines)


def _of_sizes(part: str, measured: Columns) -> str:
    lines = [f"\n{part:42}" + "".join(f"{size:>14,}" for size in measured.sizes)]
    for name in next(iter(measured.sizes.values())):
        lines.append(f"{name:42}" + "".join(f"{figures[name]:14.3f}" for figures in measured.sizes.values()))
    return "\n".join(lines)


def _of_peers(measured: Columns, size: int) -> str:
    title = f"{size:,} vectors"
    lines = [f"\n{title:20}" + "".join(f"{column:>12}" for column, *_ in COMPARED)]
    for name, figures in of_engines(measured, size).items():
        lines.append(f"{name:20}" + "".join(f"{figures[figure]:12.{digits}f}" for _, figure, digits in COMPARED))
    return "\n".join(lines)


def _sizes_with_peers(measured: Columns) -> list[int]:
    return [size for size in measured.sizes if len(of_engines(measured, size)) > 1]
