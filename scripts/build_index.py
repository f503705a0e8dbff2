"""Index folders of pictures: `python scripts/build_index.py FOLDER... --collection NAME`.

Ids are paths relative to their FOLDER. Run it again at any time, also while the service runs: what is in is passed
over, so an interrupted run goes on where it stopped. A file that cannot be read is reported and the rest goes on; the
exit status is 1 if there was any.

After a change of the extractor: `python scripts/build_index.py --reembed --collection NAME` embeds the pictures of a
collection again, from the files that they came from, the library, or what the catalog keeps of them. Until all is done
the collection stays as it is, for services with the old settings; an interrupted run goes on where it stopped. Where
pictures are found nowhere, nothing changes, and the exit status is 1.
"""

import argparse
import os
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import TypeVar

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

import index_store
from extractor import ExtractorError
from index_store import Catalog, JobBoard, Reembedding, StoreError, Superseded
from retrieval.bulk import BulkAdder, FileOutcome, ImageFile
from retrieval.endings import ENDINGS
from retrieval.engine import Engine
from retrieval.errors import InputError
from retrieval.fields import DEFAULT_COLLECTION
from retrieval.maintenance import become_owner
from retrieval.reembed import Reembedder
from retrieval.schemas import NewCollection
from retrieval.settings import BadSettings, Settings, load_settings

MEANINGS = {
    "added": "added",
    "known": "there already",
    "duplicate": "left out as duplicates",
    "failed": "failed",
}
SOURCES = {
    "file": "embedded from the files that they came from",
    "library": "from the library",
    "original": "from kept originals",
    "thumbnail": "from kept thumbnails",
    "missing": "missing",
}
NOT_ALL = (
    "{name!r} stays as it is, since {count:,} of its pictures were found nowhere: put them back where they were and "
    "give the same command again, or add --forget-missing to go on without them"
)
Outcome = TypeVar("Outcome")


def main(argv: Sequence[str] | None = None) -> int:
    """Index what the command line names; returns the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if trouble := _misuse(arguments):
        parser.error(trouble)
    missing = [str(folder) for folder in arguments.folders if not folder.is_dir()]
    if missing:
        return _stop(f"no such folder: {', '.join(missing)}")
    try:
        NewCollection.of({"name": arguments.collection}, strict=True)
        settings = load_settings(arguments.config)
        if arguments.reembed:
            return reembed(settings, arguments.collection, arguments.forget_missing)
        reject = arguments.on_duplicate == "reject"
        counts = index(settings, arguments.folders, arguments.collection, reject, arguments.against)
    except (BadSettings, ExtractorError, StoreError, InputError, OSError) as error:
        return _stop(str(error))
    except KeyboardInterrupt:
        return _stop("interrupted; the same command goes on from here", status=130)
    return 1 if counts["failed"] else 0


def index(
    settings: Settings, folders: Sequence[Path], collection: str, reject: bool, against: Sequence[str] = ()
) -> Counter[str]:
    """Add every picture below `folders`, show progress and a summary on stderr; counts by outcome."""
    started = perf_counter()
    counts: Counter[str] = Counter()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    catalog = Catalog(settings.catalog_url, settings.reserve)
    with Engine.open(settings, catalog) as engine:
        for name in against:
            engine.store.bound(name)
        found = BulkAdder(settings, engine, collection, reject, against).add(pictures(folders))
        with closing(found):  # before the engine, also where it is the loop that is interrupted
            bar = _progress(found)
            Thread(target=_count, args=(folders, weakref.ref(bar)), daemon=True).start()
            for outcome in bar:
                counts[outcome.status] += 1
                if outcome.status in ("failed", "duplicate"):
                    tqdm.write(f"{outcome.status}: {outcome.file.path}: {outcome.detail}", file=sys.stderr)
    print(summary(counts, perf_counter() - started), file=sys.stderr)
    if counts["added"]:
        print(rebuild(settings, catalog, collection), file=sys.stderr)
    catalog.close()
    return counts


def reembed(settings: Settings, collection: str, forget_missing: bool) -> int:
    """Bring a collection to the extractor of the settings, with progress and a summary; gives the exit status."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with closing(Catalog(settings.catalog_url, settings.reserve)) as catalog:
        if not _is_ours_now(settings, catalog, collection, forget_missing):
            return 1
        index_store.sweep(catalog, settings.data_dir / "index")
        print(rebuild(settings, catalog, collection), file=sys.stderr)
    return 0


def _is_ours_now(settings: Settings, catalog: Catalog, collection: str, forget_missing: bool) -> bool:
    with Engine.open(settings, catalog) as engine:
        extractor = engine.extractor
        begun = Reembedding.begin(catalog, collection, extractor.fingerprint, extractor.dim)
        if begun is None:
            print(f"{collection!r} is of this extractor already: {extractor.fingerprint}", file=sys.stderr)
            return True
        try:
            return _reembedded(settings, engine, begun, forget_missing)
        except Superseded:  # by a run that wanted the same, perhaps, and was faster
            if catalog.collection(collection).fingerprint != extractor.fingerprint:
                raise
            print(f"another run has brought {collection!r} to this extractor meanwhile", file=sys.stderr)
            return True


def _reembedded(settings: Settings, engine: Engine, begun: Reembedding, forget_missing: bool) -> bool:
    started = perf_counter()
    counts: Counter[str] = Counter()
    done, total = begun.progress()
    reembedder = Reembedder(settings, engine, begun, forget_missing)
    for outcome in _progress(reembedder.run(), total, done):
        counts[outcome.status] += 1
        if outcome.status == "missing":
            tqdm.write(f"missing: {outcome.id}: {outcome.detail}", file=sys.stderr)
    earlier = f"{done:,} embedded by earlier runs, " if done else ""
    print(earlier + summary(counts, perf_counter() - started, SOURCES), file=sys.stderr)
    if not reembedder.finished:
        name = begun.collection.name
        print(NOT_ALL.format(count=counts["missing"], name=name), file=sys.stderr)
    return reembedder.finished


def rebuild(settings: Settings, catalog: Catalog, collection: str) -> str:
    """Bring the index up to date, here or, where a service looks after it, there; says which."""
    lock = become_owner(settings.data_dir)
    if lock is None:
        job = JobBoard(catalog).ask("rebuild", collection)
        return f"the pictures can be found from now on; the service brings its index up to date (job {job.id})"
    with lock:
        report = index_store.rebuild(catalog, collection, settings.data_dir / "index", settings.index)
    return f"index of {collection!r}: {report.count:,} pictures, {report.kind}, built in {report.seconds:.1f} s"


def _report(error: OSError) -> None:
    tqdm.write(f"passed over: {error}", file=sys.stderr)


def pictures(folders: Sequence[Path], onerror: Callable[[OSError], None] = _report) -> Iterator[ImageFile]:
    """Every picture file below the folders, in a stable order, one folder's names in memory at a time."""
    for root in folders:
        for folder, below, names in os.walk(root, onerror=onerror):
            below.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path.suffix.lower() in ENDINGS and _is_file(path, onerror):
                    yield ImageFile(path.relative_to(root).as_posix(), path, source=_printable(path))


def _is_file(path: Path, onerror: Callable[[OSError], None]) -> bool:
    """A pipe, say, would be waited for."""
    try:
        return path.is_file()
    except OSError as error:
        onerror(error)
        return False


def summary(counts: Counter[str], seconds: float, meanings: Mapping[str, str] = MEANINGS) -> str:
    """Counts, duration and rate, in a line; the first count in any case."""
    always = next(iter(meanings))
    parts = [f"{counts[each]:,} {meaning}" for each, meaning in meanings.items() if counts[each] or each == always]
    return f"{', '.join(parts)}; {seconds:.1f} s, {sum(counts.values()) / max(seconds, 1e-9):.1f} pictures/s"


def _progress(outcomes: Iterator[Outcome], total: int | None = None, done: int = 0) -> "tqdm[Outcome]":
    calm = 0.2 if sys.stderr.isatty() else 10  # a log file needs no second-by-second bar
    look = partial(tqdm, unit="picture", smoothing=0.05, mininterval=calm, dynamic_ncols=True)
    return look(outcomes, total=total, initial=done)


def _count(folders: Sequence[Path], bar: "weakref.ref[tqdm[FileOutcome]]") -> None:
    """Tell the bar how many there will be, once that is known: the first of millions need not wait for it."""
    total = sum(1 for _ in pictures(folders, _ignore))
    if (still_there := bar()) is not None:
        still_there.total = total


def _ignore(_error: OSError) -> None:
    """What is passed over is told by the other walk."""


def _printable(path: Path) -> str:
    """A name that is not UTF-8 cannot be stored as it is."""
    return os.fsencode(path.absolute()).decode("utf-8", "replace")


def _stop(message: str, status: int = 2) -> int:
    print(f"build_index: {message}", file=sys.stderr)
    return status


def _misuse(arguments: argparse.Namespace) -> str:
    """What is wrong with options that do not go together, or nothing."""
    if arguments.against and arguments.on_duplicate != "reject":
        return "--against goes with --on-duplicate reject only"
    if not arguments.reembed:
        if arguments.forget_missing:
            return "--forget-missing goes with --reembed only"
        return "" if arguments.folders else "name at least one FOLDER, or give --reembed"
    if arguments.folders:
        return "--reembed takes no folders: it finds the pictures of the collection by itself"
    return "--on-duplicate has no meaning with --reembed" if arguments.on_duplicate else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="searched with its sub-folders")
    parser.add_argument("--config", type=Path, metavar="FILE", help="what differs from config.yaml")
    parser.add_argument("--collection", default=DEFAULT_COLLECTION, metavar="NAME", help="default: %(default)s")
    parser.add_argument(
        "--on-duplicate",
        choices=("keep", "reject"),
        help="reject: leave out a picture that the collection holds already (default: keep)",
    )
    text = "with --on-duplicate reject: leave out what this collection holds, too; may be given several times"
    parser.add_argument("--against", action="append", default=[], metavar="NAME", help=text)
    parser.add_argument("--reembed", action="store_true", help="make the collection one of the present extractor")
    parser.add_argument("--forget-missing", action="store_true", help="with --reembed: drop pictures found nowhere")
    return parser


if __name__ == "__main__":
    sys.exit(main())
