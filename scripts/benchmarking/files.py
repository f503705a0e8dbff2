"""Whole folders of files: scripts/build_index.py against what else goes through one. Each is a process, timed as such.

In each round every program also goes through a folder of one file; what it takes longer for the whole folder gives its
rate after start-up.
"""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from itertools import count, islice
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from extractor.models import MODELS
from retrieval.bulk import ImageFile
from scripts.benchmarking.aims import baselines
from scripts.benchmarking.figures import BenchmarkError, Figures, Rounds
from scripts.benchmarking.immaculate import command as immaculate
from scripts.benchmarking.programs import BuildIndex, ImageHash, Immaculate, Program

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")  # that all the programs go by


def programs(extractor: str, config: Path | None, peers: bool, python: str | None) -> list[Program]:
    """With the default model, or its student, both are measured; peers that cannot be had are told and left out."""
    methods = tuple(MODELS) if extractor in MODELS else (extractor,)
    theirs = _immaculate(python) if peers and extractor in MODELS else None
    chosen: list[Program] = []
    for method in methods:
        chosen.append(BuildIndex(method, config))
        if theirs:
            chosen.append(Immaculate(theirs, method))
    return [*chosen, ImageHash()] if peers else chosen


def measure(files: Sequence[ImageFile], total: int, rounds: int, programs: Sequence[Program]) -> Rounds:
    """Every program in each round, over `total` different files."""
    results: list[Figures] = []
    with tempfile.TemporaryDirectory() as folder:
        many, one = Path(folder, "many"), Path(folder, "one")
        fill(many, files, total)
        fill(one, files, 1)
        bar = tqdm(total=rounds * len(programs), desc="files", unit="program")
        for _ in range(rounds):
            figures: Figures = {}
            for program in programs:
                figures |= _figures(program, one, many)
                bar.update()
            results.append(figures)
        bar.close()
    return Rounds(results, {name: _baseline(name) for name in results[0]})


def fill(folder: Path, files: Sequence[ImageFile], total: int) -> None:
    """Copy so many pictures into a new folder; where there are fewer, copies cropped by some pixels follow.

    Raises BenchmarkError where none of the files can be taken.
    """
    usable = [file.path for file in files if file.path.suffix.lower() in ENDINGS and _is_picture(file.path)]
    if not usable:
        raise BenchmarkError(f"no files that all the programs take: {', '.join(ENDINGS)}")
    folder.mkdir()
    numbered = ((path, cut) for cut in count() for path in usable)
    for number, (path, cut) in enumerate(islice(numbered, total)):
        if cut == 0:
            shutil.copy(path, folder / f"{number:06}{path.suffix.lower()}")
        else:  # what has the same pixels might be passed over
            _cropped(path, cut).save(folder / f"{number:06}.jpg", quality=90)


def _immaculate(python: str | None) -> Path | None:
    try:
        return immaculate(python)
    except BenchmarkError as error:
        print(f"immaculate is left out: {error}", file=sys.stderr)
        return None


def _is_picture(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return min(image.size) > 0
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return False


def _cropped(path: Path, cut: int) -> Image.Image:
    with Image.open(path) as image:
        side = min(cut, (min(image.size) - 1) // 4)
        return ImageOps.crop(image.convert("RGB"), side)


def _figures(program: Program, one: Path, many: Path) -> Figures:
    begun, done = program.run(one), program.run(many)
    rate, longer = done.files / done.seconds, done.seconds - begun.seconds
    figures = {
        f"{program.name}: start-up s": begun.seconds,
        f"{program.name}: files/s": rate,
        # Of few files, one can take as long as all of them; then no more than this can be said.
        f"{program.name}: files/s after start-up": (done.files - begun.files) / longer if longer > 0 else rate,
    }
    if done.adding is not None:
        figures[f"{program.name}: files/s while adding"] = done.files / done.adding
    return figures


def _baseline(name: str) -> str:
    """The same figure of immaculate with the same model."""
    program, figure = name.split(": ")
    usual = f"immaculate, {program.partition(', ')[2]}: {figure.replace('while adding', 'after start-up')}"
    return baselines("files").get(name, usual)
