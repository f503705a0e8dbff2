"""Maintenance work as plain functions: each takes what it needs, says how far it is, and gives its result."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from index_store import Catalog, UnknownCollection, rebuild, sweep
from retrieval.bulk import BulkAdder
from retrieval.engine import Engine
from retrieval.inbox import Inbox
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
        try:
            done[name] = asdict(rebuild(catalog, name, root, settings.index))
        except UnknownCollection:  # deleted since
            done[name] = {"changed": False}
    sweep(catalog, root)
    return {"collections": done}


def run_ingest(settings: Settings, catalog: Catalog, collection: str | None, report: Report) -> dict[str, Any]:
    """Register every picture that waits in the inbox of one collection, or of all, and move it to the library."""
    inbox = Inbox(settings)
    names = [collection] if collection else inbox.collections()
    names = [name for name in names if next(inbox.waiting(name), None)]
    if not names:
        return {"collections": {}}
    with Engine.open(settings, catalog) as engine:
        return {"collections": {name: _ingest_one(settings, engine, inbox, name, report) for name in names}}


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


RUNNERS = {"rebuild": run_rebuild, "ingest": run_ingest}
