"""Maintenance work as plain functions: each takes what it needs, says how far it is, and gives its result."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from index_store import Catalog, FingerprintMismatch, ImageStore, StoreError, UnknownCollection, rebuild, sweep
from retrieval.bulk import BulkAdder
from retrieval.calibrate import calibrate
from retrieval.duplicates import DUPLICATES_FOLDER, Duplicates
from retrieval.engine import Engine
from retrieval.fields import DEFAULT_COLLECTION
from retrieval.inbox import Inbox
from retrieval.schemas import DuplicateOptions
from retrieval.settings import Settings

log = logging.getLogger(__name__)
Report = Callable[[dict[str, Any]], None]


def run_rebuild(settings: Settings, catalog: Catalog, collection: str | None, report: Report) -> dict[str, Any]:
    """Bring the index of one collection, or of all, up to date."""
    root = settings.data_dir / "index"
    names = [collection] if collection else [each.name for each in catalog.collections()]
    done: dict[str, Any] = {}
    for name in names:
        report({"collection": name, "done": len(done), "of": len(names)})
        done[name] = _rebuild_one(settings, catalog, name)
    sweep(catalog, root)
    sweep(catalog, settings.data_dir / DUPLICATES_FOLDER)
    return {"collections": done}


def _rebuild_one(settings: Settings, catalog: Catalog, name: str) -> dict[str, Any]:
    try:
        return asdict(rebuild(catalog, name, settings.data_dir / "index", settings.index))
    except (UnknownCollection, FileNotFoundError):
        if any(each.name == name for each in catalog.collections()):
            raise
        return {"changed": False}  # deleted since, and its folder with it


def run_ingest(settings: Settings, catalog: Catalog, collection: str | None, report: Report) -> dict[str, Any]:
    """Register every picture that waits in the inbox of one collection, or of all, and move it to the library.

    Raises FingerprintMismatch and UnknownCollection, after the other collections have had their turn.
    """
    inbox = Inbox(settings)
    inbox.sweep()
    names = [collection] if collection else inbox.collections()
    names = [name for name in names if next(inbox.waiting(name), None)]
    result = {"collections": _ingest_all(settings, catalog, inbox, names, report) if names else {}}
    return result if collection else result | {"passed_over": inbox.strays()}


def _ingest_all(
    settings: Settings, catalog: Catalog, inbox: Inbox, names: list[str], report: Report
) -> dict[str, dict[str, int]]:
    done: dict[str, dict[str, int]] = {}
    troubles: list[StoreError] = []
    with Engine.open(settings, catalog) as engine:
        for name in names:
            try:
                done[name] = _ingest_one(settings, engine, inbox, name, report)
            except (FingerprintMismatch, UnknownCollection) as error:
                troubles.append(error)
    if troubles:
        raise troubles[0]
    return done


def _ingest_one(settings: Settings, engine: Engine, inbox: Inbox, name: str, report: Report) -> dict[str, int]:
    counts: Counter[str] = Counter()
    # Two rounds, since a batch is stored under one policy; what the first took has left the inbox.
    for reject in (False, True):
        files = (each.file for each in inbox.waiting(name) if each.reject is reject)
        for outcome in BulkAdder(settings, engine, name, reject).add(files):
            inbox.settle(name, outcome)
            counts[outcome.status] += 1
            report({"collection": name, **counts})
    return dict(counts)


def run_calibrate(settings: Settings, catalog: Catalog, collection: str | None, report: Report) -> dict[str, Any]:
    """Find out what scores are worth in a collection.

    Raises UnknownCollection, FingerprintMismatch, CannotCalibrate.
    """
    name = collection or DEFAULT_COLLECTION
    with Engine.open(settings, catalog) as engine:
        done = calibrate(settings, engine, name, report=lambda progress: report({"collection": name, **progress}))
    modes = {mode: calibration.as_json() for mode, calibration in done.calibrations.items()}
    told = ("thresholds", "prior", "references", "copies", "wrong", "queries")
    return {
        "collection": name,
        "pictures": done.pictures,
        "unreadable": done.unreadable,
        "modes": {mode: {key: data[key] for key in told} for mode, data in modes.items()},
        "doubtful": [asdict(pair) for pair in done.doubtful],
    }


def run_duplicates(
    settings: Settings, catalog: Catalog, collection: str | None, report: Report, **options: Any
) -> dict[str, Any]:
    """Find the duplicate groups of one collection, for GET /collections/NAME/duplicates to page through."""
    bound = catalog.collection(collection or "")
    # Stored vectors are all it takes, so no model is loaded, and the collection may be of any extractor.
    store = ImageStore(catalog, settings.data_dir / "index", settings.index, bound.fingerprint, bound.dim)
    return Duplicates(settings, store).compute(bound.name, DuplicateOptions.of(options, strict=True), report)


RUNNERS: dict[str, Callable[..., dict[str, Any]]] = {
    "rebuild": run_rebuild,
    "ingest": run_ingest,
    "calibrate": run_calibrate,
    "duplicates": run_duplicates,
}
