"""Micro-batching: who waits, for how long, and who gets which vector."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from threading import Barrier, Event, Thread, current_thread
from time import monotonic, sleep

import numpy as np
import pytest
from PIL.Image import Image, new

from extractor import Batcher, BatcherClosed, NoEmbedding, Pixels, Vectors
from extractor.thumbnail import Thumbnail
from tests.extractor.samples import picture

AGES = 30.0  # seconds: a wait that a test would not survive unnoticed


class Watched(Thumbnail):
    """Thumbnails that note who prepares and the size of each batch, wait at a gate, and fail on a black picture."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.preparers: list[Thread] = []
        self.entered = Event()
        self.gate = Event()
        self.gate.set()

    def prepare(self, image: Image) -> Pixels:
        self.preparers.append(current_thread())
        return super().prepare(image)

    def embed_prepared(self, pictures: Sequence[Pixels]) -> Vectors:
        self.sizes.append(len(pictures))
        self.entered.set()
        if not self.gate.wait(AGES):
            raise TimeoutError
        if not all(pixels.any() for pixels in pictures):
            raise RuntimeError("black picture")
        return super().embed_prepared(pictures)


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def batcher(watched: Watched) -> Iterator[Batcher]:
    with closing(Batcher(watched, max_size=8, max_wait_s=AGES)) as batcher:
        yield batcher


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(40) as pool:
        yield pool


def wait_until(condition: Callable[[], bool]) -> None:
    """Another thread makes it true at once, or the test has failed."""
    deadline = monotonic() + AGES / 2
    while not condition():
        assert monotonic() < deadline
        sleep(0.001)


def black() -> Image:
    return picture(0).point(lambda _: 0)


def test_32_threads_each_get_their_own_vector(watched: Watched, batcher: Batcher, pool: ThreadPoolExecutor) -> None:
    images = [picture(seed) for seed in range(32)]
    barrier = Barrier(32)

    def ask(image: Image) -> list[Vectors]:
        barrier.wait(AGES)
        return [batcher.embed(image) for _ in range(20)]

    answers = np.array(list(pool.map(ask, images)))
    np.testing.assert_array_equal(answers, np.broadcast_to(watched.embed(images)[:, None], answers.shape))


def test_what_is_announced_together_is_embedded_together(
    watched: Watched, batcher: Batcher, pool: ThreadPoolExecutor
) -> None:
    with ExitStack() as stack:
        announced = [stack.enter_context(batcher.expect()) for _ in range(5)]
        wait([pool.submit(one.embed, picture(seed)) for seed, one in enumerate(announced)], AGES / 2)
    assert watched.sizes == [5]


def test_what_queues_behind_a_busy_engine_is_taken_in_batches_of_max_size(
    watched: Watched, batcher: Batcher, pool: ThreadPoolExecutor
) -> None:
    watched.gate.clear()
    waiting = [pool.submit(batcher.embed, picture(0))]
    assert watched.entered.wait(AGES)
    with ExitStack() as stack:
        announced = [stack.enter_context(batcher.expect()) for _ in range(20)]
        waiting += [pool.submit(one.embed, picture(seed)) for seed, one in enumerate(announced)]
        wait_until(lambda: not any(one.open for one in announced))
        watched.gate.set()
        wait(waiting, AGES / 2)
    assert watched.sizes == [1, 8, 8, 4]


def test_a_lone_request_does_not_wait(batcher: Batcher) -> None:
    started = monotonic()
    for seed in range(20):
        batcher.embed(picture(seed))
    assert monotonic() - started < AGES / 10


def test_a_full_batch_does_not_wait_for_more(watched: Watched, batcher: Batcher) -> None:
    started = monotonic()
    with batcher.expect():
        batcher.embed_many([picture(seed) for seed in range(8)])
    assert monotonic() - started < AGES / 10
    assert watched.sizes == [8]


def test_an_announced_picture_that_never_comes_is_waited_for_so_long_and_no_longer(watched: Watched) -> None:
    with closing(Batcher(watched, max_size=8, max_wait_s=0.2)) as batcher, batcher.expect():
        started = monotonic()
        batcher.embed(picture(0))
        assert 0.2 <= monotonic() - started < AGES


def test_an_announcement_withdrawn_frees_who_waits(batcher: Batcher, pool: ThreadPoolExecutor) -> None:
    def fail_to_decode() -> None:
        with batcher.expect():
            waiting.append(pool.submit(batcher.embed, picture(0)))
            raise ValueError

    waiting: list[Future[Vectors]] = []
    with pytest.raises(ValueError):
        fail_to_decode()
    waiting[0].result(AGES / 2)


def test_an_announcement_counts_once_however_often_it_is_used(batcher: Batcher) -> None:
    with batcher.expect() as announced:
        for seed in range(3):
            announced.embed(picture(seed))
    with closing(Batcher(Watched(), 8, 0.2)) as other, other.expect(), other.expect() as announced:
        started = monotonic()
        for seed in range(3):
            announced.embed(picture(seed))
        assert monotonic() - started >= 0.6


def test_many_is_the_same_as_one_by_one(batcher: Batcher) -> None:
    images = [picture(seed) for seed in range(19)]
    np.testing.assert_array_equal(batcher.embed_many(images), [batcher.embed(image) for image in images])
    assert batcher.embed_many([]).shape == (0, Thumbnail.dim)


def test_an_error_reaches_the_callers_of_its_batch_and_no_other(
    watched: Watched, batcher: Batcher, pool: ThreadPoolExecutor
) -> None:
    with ExitStack() as stack:
        announced = [stack.enter_context(batcher.expect()) for _ in range(3)]
        images = [picture(1), black(), picture(2)]
        asked = [pool.submit(one.embed, image) for one, image in zip(announced, images, strict=True)]
        assert [type(one.exception(AGES / 2)) for one in asked] == [RuntimeError] * 3
    np.testing.assert_array_equal(batcher.embed(picture(1)), watched.embed([picture(1)])[0])


def test_a_picture_that_cannot_be_prepared_harms_only_its_caller(batcher: Batcher) -> None:
    with pytest.raises(AttributeError):
        batcher.embed("no picture")  # type: ignore[arg-type]
    started = monotonic()
    batcher.embed(picture(0))
    assert monotonic() - started < AGES / 10


def test_close_finishes_what_is_queued_and_refuses_what_comes_later(
    watched: Watched, batcher: Batcher, pool: ThreadPoolExecutor
) -> None:
    watched.gate.clear()
    first = pool.submit(batcher.embed, picture(0))
    assert watched.entered.wait(AGES)
    with batcher.expect() as late:
        with batcher.expect() as queued:
            second = pool.submit(queued.embed, picture(1))
            wait_until(lambda: not queued.open)
        closing_thread = Thread(target=batcher.close)
        closing_thread.start()
        watched.gate.set()
        closing_thread.join(AGES / 2)
        assert not closing_thread.is_alive()
        assert len(first.result(AGES / 2)) == len(second.result(AGES / 2)) == Thumbnail.dim
        with pytest.raises(BatcherClosed):
            late.embed(picture(2))
    with pytest.raises(BatcherClosed):
        batcher.embed(picture(2))


def test_pictures_are_prepared_in_the_threads_of_their_callers(watched: Watched, batcher: Batcher) -> None:
    batcher.embed(picture(0))
    assert watched.preparers == [current_thread()]


def test_a_picture_without_an_embedding_harms_only_its_caller(pool: ThreadPoolExecutor) -> None:
    class Failing(Watched):
        """Has no embedding for a picture of one colour."""

        def _infer(self, batch: Pixels) -> Vectors:
            if not batch.std(axis=(1, 2, 3)).all():
                raise NoEmbedding("no finite numbers")
            return super()._infer(batch)

    failing = Failing()
    failing.gate.clear()
    with closing(Batcher(failing, max_size=8, max_wait_s=0)) as batcher:
        images = [picture(1), new("RGB", (9, 9), "grey"), picture(2)]
        futures = [pool.submit(batcher.embed, image) for image in images]
        assert failing.entered.wait(AGES)
        wait_until(lambda: len(failing.preparers) == len(images))
        failing.gate.set()
        assert isinstance(futures[1].exception(AGES), NoEmbedding)
        for place in (0, 2):
            np.testing.assert_array_equal(futures[place].result(AGES), Thumbnail().embed([images[place]])[0])


class Notes:
    """A BatchWatch that remembers."""

    def __init__(self) -> None:
        self.queue: list[int] = []
        self.batches: list[tuple[int, int, float]] = []

    def waiting(self, pictures: int) -> None:
        self.queue.append(pictures)

    def batched(self, pictures: int, waited_s: Sequence[float], took_s: float) -> None:
        assert all(seconds >= 0 for seconds in waited_s)
        self.batches.append((pictures, len(waited_s), took_s))


def test_whoever_watches_is_told_what_waits_and_of_each_batch(watched):
    notes = Notes()
    watched.gate.clear()
    with closing(Batcher(watched, max_size=8, max_wait_s=0, watch=notes)) as batcher, ThreadPoolExecutor(9) as pool:
        first = pool.submit(batcher.embed, picture(0))
        assert watched.entered.wait(AGES)
        others = [pool.submit(batcher.embed_many, [picture(n), picture(n + 1)]) for n in range(3)]
        while sum(notes.queue) != 6:
            sleep(0.001)
        watched.gate.set()
        for future in (first, *others):
            future.result(AGES)
        assert sum(notes.queue) == 0
        assert [batch[:2] for batch in notes.batches] == [(1, 1), (6, 3)]
        assert notes.batches[0][2] > 0


def test_a_batch_that_fails_is_told_too(watched):
    notes = Notes()
    with closing(Batcher(watched, max_size=8, max_wait_s=0, watch=notes)) as batcher, pytest.raises(RuntimeError):
        batcher.embed(new("RGB", (64, 64)))
    assert [batch[:2] for batch in notes.batches] == [(1, 1)]
    assert sum(notes.queue) == 0
