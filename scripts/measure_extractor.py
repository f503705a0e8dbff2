"""Measures the time that embedding takes, by model, engine and size: `python scripts/measure_extractor.py PICTURE`.

Compare times only within one run: each is also given as a ratio to the first row, measured in turn with all others.
How accurate each is: scripts/evaluate.py.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from extractor import Extractor, Pixels, load_extractor
from extractor.engines import ENGINES
from extractor.models import MODELS
from scripts.fetch_model import ROOT, default_settings

SIZES = (224, 256, 288, 320)


def timing_rows(photo: Image.Image, rounds: int) -> Iterator[list[str]]:
    """Milliseconds an image, alone and in batches of 8: medians of rounds in which all take turns."""
    base = default_settings()
    base = base.model_copy(update={"batch_size": 8, "model_dir": ROOT / base.model_dir})
    variants = [
        {"name": name, "engine": engine, "size": size} for name in MODELS for engine in ENGINES for size in SIZES
    ]
    extractors = [load_extractor(base.model_copy(update=variant)) for variant in variants]
    cases = [(each, np.stack([each.prepare(photo)] * count)) for each in extractors for count in (1, 8)]
    times = [[timed(extractor, batch) / len(batch) for extractor, batch in cases] for _ in range(rounds)]
    medians = np.median(times, axis=0)
    for (extractor, batch), median in zip(cases, medians, strict=True):
        name, shape, *_, engine = extractor.fingerprint.split("/")
        what = [name.rpartition("-")[0], engine, shape.partition("-")[0], str(len(batch))]
        yield [*what, f"{median * 1e3:.1f}", f"{median / medians[0]:.2f}"]


def timed(extractor: Extractor, batch: Pixels) -> float:
    """Seconds of a call, after one that finds the caches full of another model's weights."""
    extractor.embed_prepared(batch)
    start = time.perf_counter()
    extractor.embed_prepared(batch)
    return time.perf_counter() - start


def print_table(titles: Sequence[str], rows: Iterator[list[str]]) -> None:
    """Markdown, row by row."""
    for row in [titles, ["---"] * len(titles)]:
        print("|", " | ".join(row), "|")
    for row in rows:
        print("|", " | ".join(row), "|", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="a photograph of the usual size")
    parser.add_argument("--rounds", type=int, default=15, help="of timing (%(default)s)")
    options = parser.parse_args(argv)
    try:
        photo = Image.open(options.picture).convert("RGB")
    except OSError as error:
        print(f"measure_extractor: {error}", file=sys.stderr)
        return 2
    print_table(["model", "engine", "input", "batch", "ms an image", "ratio"], timing_rows(photo, options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
