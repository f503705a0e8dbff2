"""The index at several sizes, with synthetic vectors, and libraries of nearest neighbours over the same.

For each number of pictures a store is filled and indexed as the service would. Then a process of its own opens it and
searches: one query at a time, with exact search now and then beside them; on many threads; and while another process
rebuilds the index with a thousand pictures more, until that is swapped in. Queries are stored vectors turned to a
cosine that edited copies have with their source, in directions like those of edits, and to compare in any; one is found
if its source is the best match. `search` is the whole: index, exact scores, and the catalog's rows; `index` the first
of these, and for the libraries all there is.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from scripts.benchmarking.figures import BenchmarkError, Columns, Figures
from scripts.benchmarking.filling import filled
from scripts.benchmarking.neighbours import PEERS

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Plan:
    """sizes: numbers of vectors. peers_up_to: the largest at which libraries are measured, too.

    store: where there is room for what is filled, which stays there with `keep`.
    """

    sizes: Sequence[int]
    queries: int
    peers_up_to: int
    store: Path | None = None
    keep: bool = False


def measure(plan: Plan) -> Columns:
    """All of it, size by size. Raises BenchmarkError."""
    columns = Columns({}, {})
    for size in plan.sizes:
        with tempfile.TemporaryDirectory(dir=plan.store, prefix="benchmark-") as passing:
            place = plan.store / f"benchmark-{size}" if plan.store and plan.keep else Path(passing, "store")
            figures = filled(place.resolve(), size)
            asked = (str(size), str(plan.queries))
            columns.sizes[size] = figures | _told("searching", str(place.resolve()), *asked)
            if size <= plan.peers_up_to:
                for name, found in peers(Path(passing).resolve(), asked).items():
                    columns.peers.setdefault(name, {})[size] = found
    return columns


def peers(folder: Path, asked: tuple[str, str]) -> dict[str, Figures]:
    """Each of the libraries that are installed, at one size."""
    _told("neighbouring", str(folder), *asked)
    results: dict[str, Figures] = {}
    for name in tqdm(_installed(), desc=f"libraries at {int(asked[0]):,}", unit="library"):
        try:
            built = _told("neighbouring", str(folder), *asked, "build", name)
            results[name] = built | _told("neighbouring", str(folder), *asked, "search", name)
        except BenchmarkError as error:  # with too little memory, or too few vectors to train with
            tqdm.write(f"{name} is left out: {error}")
    return results


def _installed() -> list[str]:
    if importlib.util.find_spec("usearch"):
        return list(PEERS)
    tqdm.write("usearch is left out: it is not installed (pip install -r requirements-benchmark.txt)")
    return [name for name in PEERS if name != "usearch"]


def _told(module: str, *arguments: str) -> Figures:
    """What a process of its own prints."""
    command = [sys.executable, "-m", f"scripts.benchmarking.{module}", *arguments]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if run.returncode:
        raise BenchmarkError(f"{module} {' '.join(arguments[1:])} ended with status {run.returncode}")
    figures: Figures = json.loads(run.stdout)
    return figures
