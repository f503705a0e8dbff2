"""Measures the time that embedding takes, on the CPU or on CUDA, by configuration and batch.

    python scripts/measure_extractor.py PICTURE                                       models, engines and sizes
    python scripts/measure_extractor.py PICTURE --config my.yaml --config default --batch 1 --batch 64

Compare times only within one run: each is also given as a ratio to the first row, measured in turn with all others.
How accurate each is: scripts/evaluate.py.
"""

import argparse
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from evaluation.configs import settings_of
from evaluation.errors import EvaluationError
from extractor import Extractor, ExtractorError, ExtractorSettings, Pixels, load_extractor
from extractor.engines import ENGINES
from extractor.models import MODELS
from retrieval.settings import BadSettings

SIZES = (224, 256, 288, 320)
BATCHES = (1, 8)
TITLES = ["configuration", "batch", "ms a picture", "pictures a second", "ratio"]


def every_model() -> list[str]:
    """What is measured where nothing is named, as --config takes it."""
    choices = product(MODELS, ENGINES, SIZES)
    return [f"extractor.name={name},extractor.engine={engine},extractor.size={size}" for name, engine, size in choices]


def timing_rows(
    settings: dict[str, ExtractorSettings], photo: Image.Image, batches: Sequence[int], rounds: int
) -> Iterator[list[str]]:
    """One row a configuration and batch: medians of rounds in which all take turns. Raises ExtractorError."""
    whole = {"batch_size": max(batches)}
    extractors = {name: load_extractor(each.model_copy(update=whole)) for name, each in settings.items()}
    cases = [(name, each, [each.prepare(photo)] * count) for name, each in extractors.items() for count in batches]
    times = [[timed(extractor, batch) / len(batch) for _, extractor, batch in cases] for _ in range(rounds)]
    medians = np.median(times, axis=0)
    for (name, _, batch), median in zip(cases, medians, strict=True):
        yield [name, str(len(batch)), f"{median * 1e3:.2f}", f"{1 / median:.0f}", f"{median / medians[0]:.2f}"]


def timed(extractor: Extractor, batch: list[Pixels]) -> float:
    """Seconds of a call, after one that finds the caches full of another model's weights."""
    extractor.embed_prepared(batch)
    start = time.perf_counter()
    extractor.embed_prepared(batch)
    return time.perf_counter() - start


def device_name() -> str:
    """The CUDA device, if PyTorch was loaded and has one; else the processor's architecture and cores."""
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"{platform.machine()}, CPU"


def print_table(titles: Sequence[str], rows: Iterator[list[str]]) -> None:
    """Markdown, row by row."""
    for row in [titles, ["---"] * len(titles)]:
        print("|", " | ".join(row), "|")
    for row in rows:
        print("|", " | ".join(row), "|", flush=True)


def _count(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="a photograph of the usual size")
    parser.add_argument("--config", action="append", metavar="NAME", help="as scripts/evaluate.py takes it; repeatable")
    parser.add_argument(
        "--batch", action="append", type=_count, metavar="N", help="pictures a call; repeatable (1 and 8)"
    )
    parser.add_argument("--rounds", type=_count, default=15, help="of timing (%(default)s)")
    options = parser.parse_args(argv)
    try:
        photo = Image.open(options.picture).convert("RGB")
        settings = {name: settings_of(name).extractor for name in options.config or every_model()}
        print_table(TITLES, timing_rows(settings, photo, options.batch or BATCHES, options.rounds))
    except (OSError, BadSettings, EvaluationError, ExtractorError) as error:
        print(f"measure_extractor: {error}", file=sys.stderr)
        return 2
    print(f"\n{device_name()}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
