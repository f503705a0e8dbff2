"""Does a calibration keep its word? `python scripts/measure_calibration.py FOLDER`.

Four fifths of the pictures become a collection, which is calibrated. Then precision is measured, at the thresholds
that the calibration gives, on other edits of the collection's pictures and, as many, of the pictures kept out.
Prints a line for each target and split; docs/calibration.md has what came out.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from retrieval.bulk import BulkAdder, ImageFile
from retrieval.calibrate import Asker, Tally, find_out, modes_of
from retrieval.calibration import TARGETS, Calibration
from retrieval.edited import MODES, Queries, Sampling
from retrieval.engine import Engine
from retrieval.fields import DEFAULT_COLLECTION
from retrieval.settings import Settings, load_settings
from scripts.build_index import pictures
from scripts.calibrate import collected, reporting

STRANGERS = "strangers"
PART = 5  # one picture in so many is kept out


@dataclass(frozen=True)
class Measured:
    """What a threshold did: `precision` with half of the queries copies, `recall` of the copies; 0 to 1."""

    mode: str
    target: float
    threshold: float | None
    precision: float
    recall: float


def measure(
    settings: Settings, files: Sequence[ImageFile], split: int, edits: int, modes: tuple[str, ...] = MODES
) -> Iterator[Measured]:
    """One split of the pictures into a collection and strangers; `edits` held-out copies of each picture."""
    order = [files[place] for place in np.random.default_rng(split).permutation(len(files))]
    count = len(order) // PART
    with collected(settings, order[count:]) as (own, engine), reporting(len(order) - count) as report:
        calibrations = find_out(own, engine, DEFAULT_COLLECTION, Sampling(seed=split, modes=modes), report).calibrations
        engine.store.create_collection(STRANGERS)
        for _ in BulkAdder(own, engine, STRANGERS, reject=False).add(order[:count]):
            pass
        other_seed = 1_000_000 + split
        copies = _asked(own, engine, DEFAULT_COLLECTION, Sampling(edits=edits, seed=other_seed, modes=modes))
        strangers = _asked(own, engine, STRANGERS, Sampling(edits=edits * (PART - 1), seed=other_seed, modes=modes))
    for mode, calibration in calibrations.items():
        for target in TARGETS:
            yield _measured(calibration, target, copies[mode], strangers[mode])


def _asked(settings: Settings, engine: Engine, source: str, sampling: Sampling) -> dict[str, Tally]:
    """Edits of one collection's pictures, searched for in the default one."""
    queries = Queries(settings, engine.store.catalog, engine.store.collection(source), sampling)
    modes = {mode: embed for mode, embed in modes_of(engine).items() if mode in sampling.modes}
    return Asker(engine.store, DEFAULT_COLLECTION, modes).ask(queries)


def _measured(calibration: Calibration, target: float, copies: Tally, strangers: Tally) -> Measured:
    threshold = calibration.threshold(target)
    if threshold is None:
        return Measured(calibration.mode, target, None, float("nan"), 0.0)
    recall = float((np.array(copies.copies) >= threshold).mean())
    wrong = sum(float((np.array(tally.wrong) >= threshold).sum()) / tally.queries for tally in (copies, strangers))
    return Measured(calibration.mode, target, threshold, recall / max(recall + wrong, 1e-12), recall)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--config", type=Path, metavar="FILE", help="what differs from config.yaml")
    parser.add_argument("--splits", type=int, default=1, metavar="N", help="(%(default)s)")
    parser.add_argument("--edits", type=int, default=4, metavar="N", help="held-out copies of each (%(default)s)")
    given = parser.parse_args(argv)
    settings, files = load_settings(given.config), list(pictures([given.folder]))
    for split in range(given.splits):
        for each in measure(settings, files, split, given.edits):
            print(
                f"split {split}  {each.mode}  target {each.target:.1%}  threshold {each.threshold}  "
                f"precision {each.precision:.2%}  recall {each.recall:.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
