"""Index folders of pictures: `python scripts/build_index.py FOLDER... --collection NAME`.

Ids are paths relative to their FOLDER. Run it again at any time, also while the service runs: what is in is passed
over, so an interrupted run goes on where it stopped. A file that cannot be read is reported and the rest goes on; the
exit status is 1 if there was any.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

import index_store
from extractor import ExtractorError
from index_store import Catalog, JobBoard, StoreError
from retrieval.bulk import BulkAdder, FileOutcome, ImageFile
from retrieval.engine import Engine
from retrieval.errors import InputError
from retrieval.maintenance import become_owner
from retrieval.schemas import DEFAULT_COLLECTION, NewCollection
from retrieval.settings import BadSettings, Settings, load_settings

# Other files in the folders are passed over in silence; the content decides what a picture is, not its name.
ENDINGS = {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
ENDINGS |= {".tif", ".tiff", ".avif", ".heic", ".heif"}
MEANINGS = {
    "added": "added",
    "known": "there already",
    "duplicate": "left out as duplicates",
    "failed": "failed",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Index what the command line names; returns the exit status."""
    arguments = _parser().parse_args(argv)
    missing = [str(folder) for folder in arguments.folders if not folder.is_dir()]
    if missing:
        return _stop(f"no such folder: {', '.join(missing)}")
    try:
        NewCollection.of({"name": arguments.collection}, strict=True)
        settings = load_settings(arguments.config)
        counts = index(settings, arguments.folders, arguments.collection, arguments.on_duplicate == "reject")
    except (BadSettings, ExtractorError, StoreError, InputError, OSError) as error:
        return _stop(str(error))
    except KeyboardInterrupt:
        return _stop("interrupted; the same command goes on from here", status=130)
    return 1 if counts["failed"] else 0


def index(settings: Settings, folders: Sequence[Path], collection: str, reject: bool) -> Counter[str]:
    """Add every picture below `folders`, show progress and a summary on stderr; counts by outcome."""
    started = perf_counter()
    counts: Counter[str] = Counter()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    catalog = Catalog(settings.catalog_url)
    with Engine.open(settings, catalog) as engine:
        total = sum(1 for _ in pictures(folders))
        outcomes = BulkAdder(settings, engine, collection, reject).add(pictures(folders))
        for outcome in _progress(outcomes, total):
            counts[outcome.status] += 1
            if outcome.status in ("failed", "duplicate"):
                tqdm.write(f"{outcome.status}: {outcome.file.path}: {outcome.detail}", file=sys.stderr)
    print(summary(counts, perf_counter() - started), file=sys.stderr)
    if counts["added"]:
        print(rebuild(settings, catalog, collection), file=sys.stderr)
    catalog.close()
    return counts


def rebuild(settings: Settings, catalog: Catalog, collection: str) -> str:
    """Bring the index up to date, here or, where a service looks after it, there; says which."""
    lock = become_owner(settings.data_dir)
    if lock is None:
        job = JobBoard(catalog).ask("rebuild", collection)
        return f"the pictures can be found from now on; the service brings its index up to date (job {job.id})"
    with lock:
        report = index_store.rebuild(catalog, collection, settings.data_dir / "index", settings.index)
    return f"index of {collection!r}: {report.count:,} pictures, {report.kind}, built in {report.seconds:.1f} s"


def pictures(folders: Sequence[Path]) -> Iterator[ImageFile]:
    """Every picture file below the folders, in a stable order, one folder's names in memory at a time."""
    for root in folders:
        for folder, below, names in os.walk(root, onerror=_report):
            below.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path.suffix.lower() in ENDINGS and path.is_file():  # a pipe would be waited for
                    yield ImageFile(path.relative_to(root).as_posix(), path, source=_printable(path))


def summary(counts: Counter[str], seconds: float) -> str:
    """Counts, duration and rate, in a line."""
    parts = [
        f"{counts[status]:,} {meaning}" for status, meaning in MEANINGS.items() if counts[status] or status == "added"
    ]
    return f"{', '.join(parts)}; {seconds:.1f} s, {sum(counts.values()) / max(seconds, 1e-9):.1f} pictures/s"


def _progress(outcomes: Iterator[FileOutcome], total: int) -> Iterator[FileOutcome]:
    calm = 0.2 if sys.stderr.isatty() else 10  # a log file needs no second-by-second bar
    return iter(tqdm(outcomes, total=total, unit="picture", smoothing=0.05, mininterval=calm, dynamic_ncols=True))


def _printable(path: Path) -> str:
    """A name that is not UTF-8 cannot be stored as it is."""
    return os.fsencode(path.absolute()).decode("utf-8", "replace")


def _report(error: OSError) -> None:
    tqdm.write(f"passed over: {error}", file=sys.stderr)


def _stop(message: str, status: int = 2) -> int:
    print(f"build_index: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="searched with its sub-folders")
    parser.add_argument("--config", type=Path, metavar="FILE", help="what differs from config.yaml")
    parser.add_argument("--collection", default=DEFAULT_COLLECTION, metavar="NAME", help="default: %(default)s")
    parser.add_argument(
        "--on-duplicate",
        choices=("keep", "reject"),
        default="keep",
        help="reject: leave out a picture that the collection holds already (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
