"""One process's parts, loaded in the background so that the process answers `not ready` instead of nothing."""

import logging
import threading
from functools import cached_property
from typing import Self

from extractor import ExtractorError
from index_store import Catalog, ImageStore, JobBoard
from index_store.errors import StoreError
from retrieval.duplicates import Duplicates
from retrieval.engine import Engine
from retrieval.errors import NotReady
from retrieval.fetches import Fetches
from retrieval.inbox import Inbox
from retrieval.maintenance import Maintenance
from retrieval.observing import UNWATCHED, Watch
from retrieval.retriever import Retriever
from retrieval.room import Room, give_back_free_pages
from retrieval.settings import Settings

log = logging.getLogger(__name__)
TIDY_S = 10.0


class Service:
    """Everything behind the resources of one serving process. Create it after forking: it starts threads."""

    def __init__(self, settings: Settings, watch: Watch = UNWATCHED) -> None:
        """`watch` is told how the process is doing. Raises CatalogUnavailable."""
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.settings = settings
        self._watch = watch
        self.catalog = Catalog(settings.catalog_url, settings.reserve)
        self.jobs = JobBoard(self.catalog)
        self._room = Room(settings.input.max_pixels_at_once)
        self.inbox = Inbox(settings, self._room)
        self.fetches = Fetches(settings.input.fetch.at_once)
        self._maintenance = Maintenance(settings, self.catalog, self.jobs, watch)
        self._engine: Engine | None = None
        self._trouble = NotReady("the model and the index are being loaded; try again in a few seconds", "loading")
        self._loading = threading.Thread(target=self._load, name="load", daemon=True)
        self._tidying = threading.Thread(target=self._tidy, name="tidy", daemon=True)
        self._closed = threading.Event()

    def start(self) -> Self:
        """Begin to load, and to look after maintenance."""
        self._watch.ready(False)
        self._loading.start()
        self._tidying.start()
        if self.settings.maintenance.enabled:
            self._maintenance.start()
        return self

    def wait(self, seconds: float) -> None:
        """Block until loading has ended, well or not, or the time is up."""
        self._loading.join(seconds)

    def wait_until_ready(self) -> Self:
        """Block until everything is loaded. Raises NotReady if that failed."""
        self._loading.join()
        self.engine  # noqa: B018
        return self

    @property
    def engine(self) -> Engine:
        """Raises NotReady."""
        if self._engine is None:
            raise NotReady(str(self._trouble), self._trouble.reason)  # a new one: threads raise it side by side
        return self._engine

    @property
    def retriever(self) -> Retriever:
        """Raises NotReady."""
        return self.engine.retriever

    @property
    def store(self) -> ImageStore:
        """Raises NotReady."""
        return self.engine.store

    @cached_property
    def duplicates(self) -> Duplicates:
        """Raises NotReady."""
        return Duplicates(self.settings, self.store)

    @property
    def fingerprint(self) -> str | None:
        """The extractor's, once it is loaded."""
        return self._engine.extractor.fingerprint if self._engine else None

    def check_ready(self) -> str:
        """The extractor's fingerprint, if requests can be answered. Raises NotReady, CatalogUnavailable."""
        fingerprint = self.engine.extractor.fingerprint
        self.catalog.check()
        return fingerprint

    def close(self) -> None:
        """Ends maintenance and the model's thread, and gives back every connection."""
        self._closed.set()
        self._maintenance.stop()
        self._loading.join()
        if self._engine is not None:
            self._engine.close()
        self.catalog.close()

    def _tidy(self) -> None:
        while not self._closed.wait(TIDY_S):
            give_back_free_pages()

    def _load(self) -> None:
        trouble = "the service could not load, for a reason that only its log tells"
        try:
            self._engine = Engine.open(self.settings, self.catalog, self._watch, self._room)
            self._watch.ready(True)
            log.info("ready: %s", self._engine.extractor.fingerprint)
        except (ExtractorError, StoreError, OSError) as error:
            trouble = f"the service cannot load: {error}"
            log.critical(trouble)
        finally:
            self._trouble = NotReady(trouble, "failed")
