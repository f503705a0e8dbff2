"""DedupPipeline: downloads the pictures of an item, and drops or marks what was seen before."""

import hashlib
import logging
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

from itemadapter import ItemAdapter
from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future
from scrapy.utils.job import job_dir
from twisted.internet.defer import DeferredList, DeferredSemaphore

from client import Client
from integrations.scrapy_dedup.batches import Batcher, Outcome, Sent
from integrations.scrapy_dedup.options import Options
from integrations.scrapy_dedup.results import DECIDED, Result, result_of
from integrations.scrapy_dedup.seen import Seen

NAMES = uuid.UUID("6f3f2a55-2c0c-4b7e-8d7e-0f3a6c1b9e21")
LONGEST_URL = 2000  # characters of one that go into metadata
log = logging.getLogger(__name__)


class NotDownloaded(Exception):
    """A picture that could not be had; the message says why."""


class DedupPipeline:
    """An item pipeline for Scrapy 2.15 and later, under any of its reactors.

    Each picture of `item[DEDUP_URLS_FIELD]` gets a `Result` in `item[DEDUP_RESULT_FIELD]`, in the same order.
    """

    def __init__(self, crawler: Crawler) -> None:
        """Raises ValueError for settings that cannot be."""
        self.options = Options.of(crawler.settings)
        self._crawler: Any = crawler  # whose stats, engine and fingerprinter are there by the time of the first item
        self._gate = DeferredSemaphore(self.options.max_pending)
        self._keys: dict[str, list[str]] = {}  # of new pictures whose items are still on their way, by URL

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """As Scrapy makes it."""
        pipeline = cls(crawler)
        crawler.signals.connect(pipeline.item_scraped, signals.item_scraped)
        return pipeline

    def open_spider(self) -> None:
        """Called by Scrapy as the crawl begins or goes on."""
        self._stats = self._crawler.stats
        self._seen = Seen(job_dir(self._crawler.settings))
        self._client = Client(self.options.server, self.options.api_key, timeout=self.options.timeout, tries=1)
        self._batcher = Batcher(self._add, self.options, self._stats)

    def close_spider(self) -> None:
        """Called by Scrapy when all items, and so all batches, are through."""
        self._client.close()
        self._seen.close()

    async def process_item(self, item: Any) -> Any:
        """The item with its results. Raises DropItem where DEDUP_ACTION is drop, and DEDUP_DROP_WHEN says so."""
        adapter = ItemAdapter(item)
        urls = adapter.get(self.options.urls_field) or []
        if isinstance(urls, str) or not isinstance(urls, Sequence):
            raise TypeError(f"{self.options.urls_field} must be a list of URLs, not {type(urls).__name__}")
        judged = DeferredList([deferred_from_coro(self._judge(url)) for url in urls], consumeErrors=True)
        results: list[Result] = []
        for succeeded, result in await maybe_deferred_to_future(judged):
            if not succeeded:
                result.raiseException()
            results.append(result)
        with suppress(KeyError):  # as ImagesPipeline does with items that have no such field
            adapter[self.options.result_field] = results
        return self._acted(item, adapter, results)

    def item_scraped(self, item: Any) -> None:
        """An item has come through all pipelines: what was new in it is seen from now on, also after a restart."""
        for result in ItemAdapter(item).get(self.options.result_field) or []:
            if result["status"] == "new":
                self._seen.keep(self._keys.pop(result["url"], []))

    def _acted(self, item: Any, adapter: ItemAdapter, results: list[Result]) -> Any:
        duplicates = [result["status"] == "duplicate" for result in results]
        if self.options.action == "mark" or not any(duplicates):
            return item
        if self.options.drop_when == "any" or all(duplicates):
            self._count("items/dropped")
            found = next(result for result in results if result["status"] == "duplicate")
            raise DropItem(f"seen before: {found['url']} as {found['of']}")
        kept = [result["url"] for result, duplicate in zip(results, duplicates, strict=True) if not duplicate]
        adapter[self.options.urls_field] = kept  # so that a pipeline behind this one stores these alone
        return item

    async def _judge(self, url: str) -> Result:
        """The first test: the URL."""
        self._count("pictures")
        try:
            request = Request(url, callback=NO_CALLBACK, meta={"download_maxsize": self.options.max_bytes})
        except (TypeError, ValueError) as error:
            return self._counted({"url": str(url), "status": "failed", "detail": str(error)})
        key = f"url {self._crawler.request_fingerprinter.fingerprint(request).hex()}"
        if (earlier := await self._seen.claim(key)) is not None:
            return self._counted({"url": url, "status": "duplicate", "by": "url", "of": earlier})
        result: Result = {"url": url, "status": "failed"}
        try:
            result = await self._have_judged(request, url, key)
        except NotDownloaded as error:
            result["detail"] = str(error)
        finally:
            self._settle(key, result)
        return self._counted(result)

    async def _have_judged(self, request: Request, url: str, key: str) -> Result:
        """Downloads it, when there is room."""
        await maybe_deferred_to_future(self._gate.acquire())
        try:
            response = await self._download(request)
            return await self._judge_bytes(url, response.body, key)
        finally:
            self._gate.release()

    async def _judge_bytes(self, url: str, data: bytes, url_key: str) -> Result:
        """The second test, the bytes, and the third, the service."""
        digest = hashlib.sha256(data).hexdigest()
        key = f"sha256 {digest}"
        if (earlier := await self._seen.claim(key)) is not None:
            return {"url": url, "status": "duplicate", "by": "bytes", "of": earlier}
        result: Result = {"url": url, "status": "failed"}
        try:
            own_id = uuid.uuid5(NAMES, f"{self._seen.crawl} {url_key} {digest}").hex
            metadata = {"url": url[:LONGEST_URL], "crawl": self._seen.crawl}
            result = result_of(url, own_id, await self._batcher.check(Sent(own_id, data, metadata)))
        finally:
            self._settle(key, result)
        return result

    async def _download(self, request: Request) -> Response:
        """Raises NotDownloaded."""
        try:
            response: Response = await self._crawler.engine.download_async(request)
        except Exception as error:  # noqa: BLE001  # middlewares and handlers raise what they like
            raise NotDownloaded(f"{type(error).__name__}: {error}") from None
        if response.status != 200:
            raise NotDownloaded(f"status {response.status}")
        if not response.body:
            raise NotDownloaded("nothing came")
        return response

    def _settle(self, key: str, result: Result) -> None:
        """What is decided is seen; of what is new it is lasting only once its item is through."""
        self._seen.settle(key, result["url"] if result["status"] in DECIDED else None)
        if result["status"] == "duplicate":
            self._seen.keep([key])
        elif result["status"] == "new":
            self._keys.setdefault(result["url"], []).append(key)

    def _add(self, batch: Sequence[Sent], key: str) -> list[Outcome]:
        """In a thread."""
        options: Any = {"mode": self.options.mode, "target_precision": self.options.target_precision}
        return self._client.add_many(
            [each.data for each in batch],
            ids=[each.id for each in batch],
            metadata=[each.metadata for each in batch],
            collection=self.options.collection,
            against=self.options.against,
            on_duplicate="reject",
            idempotency_key=key,
            **options,
        )

    def _counted(self, result: Result) -> Result:
        self._count(f"status/{result['status']}")
        if result["status"] == "duplicate":
            self._count(f"duplicates/{result['by']}")
        if "match" in result:
            self._count(f"duplicates/service/{result['match']['relation']}")
        if result["status"] == "failed":
            log.warning("no verdict on %s: %s", result["url"], result.get("detail"))
        return result

    def _count(self, name: str) -> None:
        self._stats.inc_value(f"dedup/{name}")
