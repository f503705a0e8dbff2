"""Find out which scores can be trusted: how many of the matches from a score on are copies.

    python scripts/calibrate.py --collection NAME            for a collection, from edited copies of its own pictures
    python scripts/calibrate.py --folder FOLDER --out FILE   for an extractor, from any pictures: a file of defaults

The first does what `POST /jobs {"kind": "calibrate", "collection": NAME}` does, and the service knows at once. Prints
thresholds for 90, 99 and 99.9 %, and the stored pairs that are copies of each other or the hardest of strangers. What
the figures mean: docs/calibration.md. The exit status is 0, or 2 with one line that says what is wrong.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from evaluation.progress import progress
from extractor import ExtractorError
from index_store import Catalog, StoreError
from retrieval.bulk import BulkAdder, ImageFile
from retrieval.calibrate import Calibrated, Report, calibrate, find_out
from retrieval.calibrations import with_default
from retrieval.edited import MODES, Sampling
from retrieval.engine import Engine
from retrieval.errors import ServiceError
from retrieval.fields import DEFAULT_COLLECTION
from retrieval.settings import BadSettings, Settings, load_settings
from scripts.build_index import pictures


def main(argv: Sequence[str] | None = None) -> int:
    """Calibrate what the command line names; returns the exit status."""
    parser = _parser()
    given = parser.parse_args(argv)
    if trouble := _misuse(given):
        parser.error(trouble)
    modes = (given.mode,) if given.mode else MODES
    sampling = Sampling(given.pictures, given.edits, given.seed, given.prior, modes=modes)
    try:
        settings = load_settings(given.config)
        done = _of_folder(settings, given, sampling) if given.folder else _of_collection(settings, given, sampling)
    except (BadSettings, ExtractorError, StoreError, ServiceError, OSError) as error:
        return _stop("; ".join(str(error).splitlines()))
    except KeyboardInterrupt:
        return _stop("interrupted; nothing has changed", status=130)
    print(told(done))
    return 0


def _of_collection(settings: Settings, given: argparse.Namespace, sampling: Sampling) -> Calibrated:
    name = given.collection or DEFAULT_COLLECTION
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with closing(Catalog(settings.catalog_url, settings.reserve)) as catalog, reporting(sampling.pictures) as report:
        catalog.collection(name)  # before the model is loaded: an unknown one is told at once
        with Engine.open(settings, catalog) as engine:
            return calibrate(settings, engine, name, sampling, report)


def _of_folder(settings: Settings, given: argparse.Namespace, sampling: Sampling) -> Calibrated:
    with (
        collected(settings, pictures([given.folder])) as (own, engine),
        reporting(sampling.pictures) as report,
    ):
        done = find_out(own, engine, DEFAULT_COLLECTION, sampling, report)
    for calibration in done.calibrations.values():
        with_default(given.out, calibration)
    return done


@contextmanager
def collected(settings: Settings, files: Iterable[ImageFile]) -> Iterator[tuple[Settings, Engine]]:
    """Files as a collection that is gone afterwards: settings over it, and an engine."""
    with TemporaryDirectory() as folder:
        catalog_settings = settings.catalog.model_copy(update={"url": None})
        own = settings.model_copy(update={"data_dir": Path(folder), "catalog": catalog_settings})
        with closing(Catalog(own.catalog_url)) as catalog, Engine.open(own, catalog) as engine:
            engine.store.create_collection(DEFAULT_COLLECTION)
            for _ in BulkAdder(own, engine, DEFAULT_COLLECTION, reject=False).add(files):
                pass
            yield own, engine


@contextmanager
def reporting(pictures: int) -> Iterator[Report]:
    """A progress bar that takes a calibration's reports."""
    with progress(pictures, "calibrate") as bar:

        def take(report: dict[str, Any]) -> None:
            bar.update(report["pictures"] - bar.n)

        yield take


def told(done: Calibrated) -> str:
    """Thresholds, and the pairs that a person should look at."""
    lines = [f"{done.pictures} pictures, {done.unreadable} could not be read"]
    for mode, calibration in done.calibrations.items():
        levels = ", ".join(f"{float(name):.1%}: {_score(score)}" for name, score in calibration.thresholds.items())
        lines.append(f"{mode}: {levels}; from {calibration.copies:,} copies and {calibration.queries:,} queries")
    lines.append("the closest stored pairs that are not known to be copies:")
    return "\n".join([*lines, *(f"  {pair.score:.3f}  {'  '.join(pair.ids)}" for pair in done.doubtful)])


def _score(score: float | None) -> str:
    return "cannot be said" if score is None else f"{score:.3f}"


def _stop(message: str, status: int = 2) -> int:
    print(f"calibrate: {message}", file=sys.stderr)
    return status


def _misuse(given: argparse.Namespace) -> str:
    """What is wrong with options that do not go together, or nothing."""
    if bool(given.folder) != bool(given.out):
        return "--folder and --out go together"
    if given.folder and given.collection:
        return "give --collection or --folder, not both"
    if given.folder and not given.folder.is_dir():
        return f"no such folder: {given.folder}"
    if min(given.pictures, given.edits) < 1 or given.seed < 0 or not 0 < given.prior <= 1:
        return "--pictures and --edits are 1 or more, --seed 0 or more, --prior above 0 and at most 1"
    return ""


def _parser() -> argparse.ArgumentParser:
    usual = Sampling()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collection", metavar="NAME", help=f"default: {DEFAULT_COLLECTION}")
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="pictures, with those of its sub-folders")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON of defaults; those of other extractors stay")
    parser.add_argument("--config", type=Path, metavar="FILE", help="what differs from config.yaml")
    parser.add_argument("--pictures", type=int, default=usual.pictures, help="most that are drawn (%(default)s)")
    parser.add_argument("--edits", type=int, default=usual.edits, help="copies of each (%(default)s)")
    parser.add_argument("--seed", type=int, default=usual.seed, help="of all that is random (%(default)s)")
    parser.add_argument("--mode", choices=MODES, help="of search (default: both; thorough takes three times as long)")
    text = "share of the pictures to come that are copies of something (%(default)s)"
    parser.add_argument("--prior", type=float, default=usual.prior, help=text)
    return parser


if __name__ == "__main__":
    sys.exit(main())
