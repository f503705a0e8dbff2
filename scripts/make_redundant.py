"""Make a folder full of copies out of photographs, and a file that says which is a copy of which.

    python scripts/make_redundant.py PHOTOS OUT                     all pictures of PHOTOS, three edited copies of each
    python scripts/make_redundant.py PHOTOS OUT --pictures 50 --copies 150 --exact 5 --broken 5

OUT gets the originals, edited copies in sub-folders, copies byte for byte, files that are broken, and truth.csv with a
row for each copy: path, original, edits. The same seed and pictures give the same pixels. What the edits are is said
in docs/cleaning.md; scripts/evaluate_dedupe.py compares a plan with truth.csv. Exit status 0, or 2 with what is wrong.
"""

import argparse
import csv
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.random import Generator
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from evaluation.edits import ONLY, Case
from evaluation.progress import progress
from evaluation.suite import generator, in_turn
from retrieval.errors import InputError
from retrieval.picture import decode
from retrieval.settings import load_settings
from scripts.build_index import pictures

TRUTH = "truth.csv"
COLUMNS = ("path", "original", "edits")
EXACT, CONVERTED = "exact", "converted"
FOLDERS = ("Downloads", "from phone/2019", "from phone/2021", "web/klein", "Überarbeitet", "old disk/backup/pictures")
# What people do to pictures that they keep; what hides a picture on purpose is in the suite of docs/evaluation.md.
BOTH: tuple[str, ...] = (
    "JPEG",
    "scale",
    "crop",
    "padding",
    "blur",
    "colour",
    "brightness",
    "contrast",
    "text",
    "watermark",
)
BOTH += ("phone", "window")
WEAK: tuple[str, ...] = (
    "WebP",
    "aspect",
    "rotate",
    "rotate and cut",
    "perspective",
    "noise",
    "palette",
    "hue",
    "emoji",
    "logo",
)
WEAK += ("caption bar", "meme")
PLAIN = ("quarter turn", "mirror", "grey")
CASES = [
    *(Case(name, strength) for name in BOTH for strength in ("weak", "medium")),
    *(Case(name, "weak") for name in WEAK),
    *(Case(name, ONLY) for name in PLAIN),
]
PLAN, PIXELS = 10, 11  # streams of random numbers
LOSSLESS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("png", {}),
    ("bmp", {}),
    ("tiff", {}),
    ("webp", {"lossless": True}),
)


@dataclass(frozen=True)
class Amounts:
    """How many pictures at most, edited copies, copies byte for byte, and broken files; `seed` settles the rest."""

    pictures: int = 500
    copies: int = 1500
    exact: int = 50
    broken: int = 20
    seed: int = 0


@dataclass(frozen=True)
class Draft:
    """A copy that is to be made of the picture of that number."""

    number: int
    of: int
    steps: tuple[Case, ...]

    @property
    def edits(self) -> str:
        return " + ".join(str(step) for step in self.steps) or CONVERTED


def make(photos: Sequence[Path], out: Path, amounts: Amounts) -> None:
    """Fill the folder, which must not be there yet. Raises OSError."""
    photos = photos[: amounts.pictures]
    (out / "originals").mkdir(parents=True)
    originals = [Path(shutil.copy2(photo, out / "originals" / photo.name)) for photo in photos]
    with (out / TRUTH).open("w", encoding="utf-8", newline="") as file:
        truth = csv.writer(file)
        truth.writerow(COLUMNS)
        for copy, original, edits in (*_edited(originals, out, amounts), *_exact(originals, out, amounts)):
            truth.writerow((copy.relative_to(out).as_posix(), original.relative_to(out).as_posix(), edits))
    _broken(originals, out / "broken", amounts.broken)


def drafts(pictures_: int, amounts: Amounts) -> Iterator[Draft]:
    """Half of the copies have one edit, all taking turns, conversion without loss among them; half have two."""
    rng = generator(amounts.seed, PLAN)
    owners = in_turn(amounts.copies, pictures_, rng)
    turns = in_turn(amounts.copies, len(CASES) + 1, rng)
    for number, owner in enumerate(owners.tolist()):
        steps = tuple(CASES[turn] for turn in turns[number : number + 1] if turn < len(CASES))
        if number % 2:
            steps = _two(rng)
        yield Draft(number, owner, steps)


def _two(rng: Generator) -> tuple[Case, ...]:
    one = CASES[int(rng.integers(len(CASES)))]
    others = [case for case in CASES if case.edit != one.edit]
    return one, others[int(rng.integers(len(others)))]


def _edited(originals: Sequence[Path], out: Path, amounts: Amounts) -> Iterator[tuple[Path, Path, str]]:
    limits = load_settings(environ={}).input
    with progress(amounts.copies, "edit") as bar:
        for draft in drafts(len(originals), amounts):
            rng = generator(amounts.seed, PIXELS, draft.number)
            original = originals[draft.of]
            image = decode(original.read_bytes(), limits).image
            for step in draft.steps:
                image = step(image, rng, image)
            yield _saved(image, out, original.stem, draft, rng), original, draft.edits
            bar.update()


def _saved(image: Image.Image, out: Path, stem: str, draft: Draft, rng: Generator) -> Path:
    folder = out / "copies" / FOLDERS[draft.number % len(FOLDERS)]
    folder.mkdir(parents=True, exist_ok=True)
    ending, options = _format(draft, rng)
    path = folder / f"{stem} ({draft.number}).{ending}"
    image.save(path, **options)
    return path


def _format(draft: Draft, rng: Generator) -> tuple[str, dict[str, Any]]:
    """Mostly JPEG."""
    if not draft.steps:
        return LOSSLESS[draft.number % len(LOSSLESS)]
    share, quality = rng.uniform(), int(rng.integers(70, 96))
    if share < 0.75:
        return "jpg", {"quality": quality}
    return ("webp", {"quality": quality}) if share < 0.9 else ("png", {})


def _exact(originals: Sequence[Path], out: Path, amounts: Amounts) -> Iterator[tuple[Path, Path, str]]:
    (out / "backup").mkdir()
    for number in in_turn(amounts.exact, len(originals), generator(amounts.seed, PLAN, 1)).tolist():
        original, copy = originals[number], out / "backup" / f"{originals[number].stem} copy.jpg"
        while copy.exists():
            copy = copy.with_stem(f"{copy.stem} copy")
        yield Path(shutil.copy2(original, copy)), original, EXACT


def _broken(originals: Sequence[Path], folder: Path, count: int) -> None:
    """Empty, cut short, no picture at all, zeros, and a header with nothing behind."""
    folder.mkdir()
    for number in range(count):
        data = originals[number % len(originals)].read_bytes()
        kinds = (b"", data[: len(data) // 3], b"<html>404</html>", bytes(5000), data[:200])
        (folder / f"broken {number}.jpg").write_bytes(kinds[number % len(kinds)])


def main(argv: Sequence[str] | None = None) -> int:
    """Make what the command line names; returns the exit status."""
    given = _parser().parse_args(argv)
    amounts = Amounts(given.pictures, given.copies, given.exact, given.broken, given.seed)
    if min(vars(amounts).values()) < 0 or not amounts.pictures:
        return _stop("--pictures is 1 or more, the other numbers 0 or more")
    try:
        photos = [file.path for file in pictures([given.photos])]
        if not photos:
            return _stop(f"no pictures in {given.photos}")
        make(photos, given.out, amounts)
    except (InputError, OSError) as error:
        return _stop(str(error))
    except KeyboardInterrupt:
        return _stop(f"interrupted; {given.out} is not whole", 130)
    return 0


def _stop(message: str, status: int = 2) -> int:
    print(f"make_redundant: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    usual = Amounts()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="a folder of different pictures")
    parser.add_argument("out", type=Path, metavar="OUT", help="a folder that is not there yet")
    for name, text in {
        "pictures": "originals, at most",
        "copies": "edited copies",
        "exact": "copies byte for byte",
        "broken": "files that cannot be read",
        "seed": "of all that is random",
    }.items():
        parser.add_argument(f"--{name}", type=int, default=getattr(usual, name), help=f"{text} (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
