"""Measures the extractor on a folder of photographs: time of engines and sizes, accuracy of preprocessing choices.

    python scripts/measure_extractor.py --photos FOLDER

Compare times only within one run: each is also given as a ratio to the first row, measured in turn with all others.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from PIL.Image import Resampling

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from extractor import Extractor, Pixels, Vectors, load_extractor
from extractor.engines import ENGINES, Engine
from extractor.models import MODELS
from extractor.preprocessing import FILTER, half_crop
from scripts.edits import EDITS, REQUIRED, Picture
from scripts.fetch_model import ROOT, default_settings

SIZES = (224, 256, 288, 320)


@dataclass(frozen=True)
class Choice:
    """A way to prepare pictures for a model."""

    model: str = "sscd"
    aspect: str = "half crop"
    size: int = 288
    resample: Resampling = FILTER

    def prepare(self, image: Picture) -> Pixels:
        """Picture -> uint8 (H, W, 3)."""
        return ASPECTS[self.aspect](image, self.size, self.resample)

    def __str__(self) -> str:
        return f"{self.model}, {self.aspect}, {self.size}, {self.resample.name.lower()}"


def squash(image: Picture, size: int, resample: Resampling) -> Pixels:
    """All of the picture, its sides scaled apart."""
    return np.asarray(image.resize((size, size), resample))


def shorter_side(image: Picture, size: int, resample: Resampling) -> Pixels:
    """Keeps the aspect: the shorter side becomes `size`, the longer a multiple of 32, at most 3 times as long."""
    longer = min(max(image.size) / min(image.size), 3) * size
    sides = [size, max(size, round(longer / 32) * 32)]
    return np.asarray(image.resize((sides[image.width > image.height], sides[image.width <= image.height]), resample))


def three_shapes(image: Picture, size: int, resample: Resampling) -> Pixels:
    """Squeezed to the nearest of 2:3, 1:1 and 3:2, all of about size * size pixels."""
    shapes = [(round(size * ratio**0.5 / 32) * 32, round(size / ratio**0.5 / 32) * 32) for ratio in (2 / 3, 1, 3 / 2)]
    aspect = np.log(image.width / image.height)
    return np.asarray(image.resize(min(shapes, key=lambda shape: abs(np.log(shape[0] / shape[1]) - aspect)), resample))


def centre_crop(image: Picture, size: int, resample: Resampling) -> Pixels:
    """Keeps the aspect: the middle square."""
    return np.asarray(ImageOps.fit(image, (size, size), resample))


def pad(image: Picture, size: int, resample: Resampling) -> Pixels:
    """Keeps the aspect: the longer side becomes `size`, the rest is black."""
    return np.asarray(ImageOps.pad(image, (size, size), resample))


ASPECTS: dict[str, Callable[[Picture, int, Resampling], Pixels]] = {
    "half crop": half_crop,
    "squash": squash,
    "centre crop": centre_crop,
    "pad": pad,
    "three shapes": three_shapes,
    "shorter side": shorter_side,
}
CHOICES = [
    *[Choice(size=size) for size in SIZES],
    *[Choice(resample=resample) for resample in (Resampling.BOX, Resampling.BICUBIC, Resampling.LANCZOS)],
    *[Choice(aspect=aspect) for aspect in ASPECTS if aspect != "half crop"],
    Choice(aspect="shorter side", size=224),
    *[Choice("sscd_distilled", size=size) for size in SIZES],
    *[Choice("sscd_distilled", aspect) for aspect in ("squash", "shorter side")],
]


@dataclass(frozen=True)
class Suite:
    """Reference pictures, and queries made of them.

    owners:   of each query, the index of its reference; -1 for a stranger's.
    required: by name of the edit, copies of the first references, in their order.
    """

    references: list[Picture]
    queries: list[Picture]
    owners: np.ndarray
    required: dict[str, list[Picture]]


def make_suite(photos: list[Picture], copies: int, strangers: int, required: int, seed: int) -> Suite:
    """Edits take turns, as do references; `strangers` photos stay out, are queries (edited too), and are pasted on."""
    rng = np.random.default_rng(seed)
    order = [photos[index] for index in rng.permutation(len(photos))]
    unknown, known = order[:strangers], order[strangers:]
    owners = [index % len(known) for index in range(copies)]
    sources = [known[owner] for owner in owners] + unknown * 2
    queries = [EDITS[rng.integers(len(EDITS))](source, rng, unknown[rng.integers(strangers)]) for source in sources]
    edited = {name: [edit(photo) for photo in known[:required]] for name, edit in REQUIRED.items()}
    return Suite(known, queries, np.array(owners + [-1] * len(unknown) * 2), edited)


def embed(engine: Engine, choice: Choice, images: Sequence[Picture]) -> Vectors:
    """Pictures -> (N, D); in batches of 8 where the choice gives all of them one shape."""
    step = 1 if choice.aspect in ("shorter side", "three shapes") else 8
    prepared = [choice.prepare(image) for image in images]
    return np.concatenate([engine(np.stack(prepared[at : at + step])) for at in range(0, len(prepared), step)])


@dataclass(frozen=True)
class Accuracy:
    """Over all pairs of query and reference, ranked by cosine; each in 0 to 1."""

    micro_ap: float
    recall_at_1: float
    recall_at_99: float
    threshold: float


def accuracy(scores: np.ndarray, owners: np.ndarray) -> Accuracy:
    """Cosines (Q, R) and the right column of each row (-1: none) -> micro average precision, and so on."""
    right = owners[:, None] == np.arange(scores.shape[1])
    order = np.argsort(-scores, axis=None, kind="stable")
    hits = right.ravel()[order]
    precision, recall = hits.cumsum() / np.arange(1, hits.size + 1), hits.cumsum() / right.sum()
    last = int(np.flatnonzero(precision >= 0.99).max(initial=0))
    known = owners >= 0
    return Accuracy(
        micro_ap=float(precision[hits].sum() / right.sum()),
        recall_at_1=float((scores[known].argmax(axis=1) == owners[known]).mean()),
        recall_at_99=float(recall[last]),
        threshold=float(scores.ravel()[order[last]]),
    )


def accuracy_rows(suite: Suite, choices: Sequence[Choice]) -> Iterator[list[str]]:
    """One row a choice, as soon as it is measured."""
    settings = default_settings()
    engines = {
        # -1: any size, as the choices differ in it
        name: ENGINES[settings.engine](MODELS[name].read(ROOT / settings.model_dir), -1, settings.threads)
        for name in {choice.model for choice in choices}
    }
    for choice in choices:
        engine = engines[choice.model]
        references = embed(engine, choice, suite.references)
        found = accuracy(embed(engine, choice, suite.queries) @ references.T, suite.owners)
        firsts = [first(embed(engine, choice, images) @ references.T) for images in suite.required.values()]
        yield [str(choice), *[f"{value:.3f}" for value in vars(found).values()], *[f"{value:.3f}" for value in firsts]]


def first(scores: np.ndarray) -> float:
    """Part of the rows whose best column is the one of their own number."""
    return float((scores.argmax(axis=1) == np.arange(len(scores))).mean())


def timing_rows(photo: Picture, rounds: int) -> Iterator[list[str]]:
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


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of pictures, all different")
    parser.add_argument("--copies", type=int, default=600, help="edited copies of references (%(default)s)")
    parser.add_argument("--strangers", type=int, default=100, help="photos kept out of the index (%(default)s)")
    parser.add_argument("--required", type=int, default=60, help="photos for each required edit (%(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="of timing (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    photos = [Image.open(path).convert("RGB") for path in sorted(options.photos.iterdir())]
    print_table(["model", "engine", "input", "batch", "ms an image", "ratio"], timing_rows(photos[0], options.rounds))
    suite = make_suite(photos, options.copies, options.strangers, options.required, options.seed)
    print()
    titles = ["model, aspect, size, filter", "µAP", "recall@1", "recall at 99 %", "threshold", *REQUIRED]
    print_table(titles, accuracy_rows(suite, CHOICES))


if __name__ == "__main__":
    main()
