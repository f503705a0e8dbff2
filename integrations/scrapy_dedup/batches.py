"""Pictures of a crawl -> the service in batches, beside the reactor; each waits for what became of it."""

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from scrapy.statscollectors import StatsCollector
from scrapy.utils.asyncio import CallLaterResult, call_later, run_in_thread, sleep
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.python.failure import Failure as Broken

from client import Added, ClientError, Duplicate, Failure, Queued, ServiceError, Unreachable
from client.results import TRANSIENT
from client.transport import backoff
from integrations.scrapy_dedup.options import Options

LANES = 2  # batches under way at a time: one is embedded while the next arrives
PASS_TRIES = 3  # before pictures are let through unchecked
Outcome = Added | Duplicate | Queued | Failure
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sent:
    """A picture on its way; `done` gets an Outcome, or None where the service was of no help."""

    id: str
    data: bytes
    metadata: dict[str, str]
    done: "Deferred[Outcome | None]" = field(default_factory=Deferred)

    def answer(self, outcome: Outcome | None) -> None:
        """Told once."""
        if not self.done.called:
            self.done.callback(outcome)


Send = Callable[[Sequence[Sent], str], list[Outcome]]


class Batcher:
    """`send` (pictures, idempotency key) is called in threads; all else is the reactor's."""

    def __init__(self, send: Send, options: Options, stats: StatsCollector) -> None:
        self._send = send
        self._options = options
        self._stats = stats
        self._waiting: list[Sent] = []
        self._timer: CallLaterResult | None = None
        self._lanes = DeferredSemaphore(LANES)

    async def check(self, sent: Sent) -> Outcome | None:
        """What became of it: with the batch that is full, or has waited long enough, first."""
        self._waiting.append(sent)
        if len(self._waiting) >= self._options.batch_size:
            self.flush()
        elif self._timer is None:
            self._timer = call_later(self._options.batch_wait, self.flush)
        return await maybe_deferred_to_future(sent.done)

    def flush(self) -> None:
        """Sends what waits, without waiting longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []
        if batch:
            deferred_from_coro(self._carry(batch)).addErrback(_give_up, batch)

    async def _carry(self, batch: list[Sent]) -> None:
        await maybe_deferred_to_future(self._lanes.acquire())
        try:
            await self._insist(batch)
        finally:
            self._lanes.release()

    async def _insist(self, left: list[Sent]) -> None:
        """Tries until each has an answer or it has been long enough; a batch is sent again under the same key."""
        began, number, key = time.monotonic(), 1, uuid.uuid4().hex
        while True:
            error, again = await self._try(left, key)
            if again != left:
                left, key = again, uuid.uuid4().hex
            if not left or error is None or self._tired(number, began):
                break
            self._stats.inc_value("dedup/batches/retried")
            await sleep(max(backoff(number), getattr(error, "retry_after", None) or 0))
            number += 1
        for each in left:
            each.answer(None)

    async def _try(self, batch: list[Sent], key: str) -> tuple[Exception | None, list[Sent]]:
        """Those that are left, and the error that another try may be without."""
        try:
            outcomes = await run_in_thread(self._send, batch, key)
        except ClientError as error:
            return self._excused(error), batch
        self._stats.inc_value("dedup/batches")
        left = []
        for each, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Failure) and outcome.transient:
                left.append(each)
            else:
                each.answer(outcome)
        return (Unreachable("some pictures have to be sent again") if left else None), left

    def _excused(self, error: ClientError) -> ClientError | None:
        """The error, if the service is down; if it refuses what it is asked, None: it would do so again."""
        refused = isinstance(error, ServiceError) and error.status < 500 and error.status not in TRANSIENT
        hopeless = isinstance(error, Unreachable) and error.hopeless
        self._stats.inc_value("dedup/refused" if refused else "dedup/down")
        log.log(logging.ERROR if refused or hopeless else logging.WARNING, "cannot check pictures: %s", error)
        return None if refused or hopeless else error

    def _tired(self, number: int, began: float) -> bool:
        if self._options.when_down == "hold":
            return time.monotonic() - began > self._options.hold_seconds
        return number >= PASS_TRIES


def _give_up(failure: Broken, batch: Sequence[Sent]) -> None:
    """A defect of ours is told to each item, rather than keeping it for ever."""
    for each in batch:
        if not each.done.called:
            each.done.errback(failure)
