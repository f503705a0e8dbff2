"""An index found damaged is asked to be built again, by whoever finds it."""

import logging
from time import monotonic

from index_store.catalog import Catalog
from index_store.errors import StoreError
from index_store.jobs import JobBoard
from index_store.records import Collection

log = logging.getLogger(__name__)
AGAIN_S = 600.0  # where a new index is damaged too, the disk is, and asking all the time would keep it busy


class Healing:
    """Asks for a rebuild of a collection, no more often than every AGAIN_S seconds in one process."""

    def __init__(self, catalog: Catalog) -> None:
        self._jobs = JobBoard(catalog)
        self._asked: dict[str, float] = {}

    def ask(self, collection: Collection) -> None:
        """Never fails: without a rebuild everything is found all the same, only slower."""
        last = self._asked.get(collection.uid)
        if last is not None and monotonic() - last < AGAIN_S:
            return
        self._asked[collection.uid] = monotonic()
        try:
            self._jobs.ask("rebuild", collection.name)
        except StoreError as error:
            log.error("a rebuild of %r could not be asked for: %s", collection.name, error)
