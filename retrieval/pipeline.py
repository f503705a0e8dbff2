"""Batches of work in three steps: one on many threads, ahead; one on a few; and one in the caller's, in order."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from typing import TypeVar

LOOKAHEAD = 4  # batches under way: two that are embedded, the others decoded meanwhile
EMBEDDERS = 2  # batches at a time: while the last pictures of one are embedded, the next may begin

Item = TypeVar("Item")
Begun = TypeVar("Begun")
Embedded = TypeVar("Embedded")
Outcome = TypeVar("Outcome")


def in_batches(
    items: Iterable[Item],
    size: int,
    begin: Callable[[Executor, list[Item]], Begun],
    embed: Callable[[Begun], Embedded],
    finish: Callable[[Embedded], Iterable[Outcome]],
) -> Generator[Outcome, None, None]:
    """What `finish` gives for each batch of `size` items, in order.

    `begin` hands the first step to a pool of threads; `embed`, in a thread of its own, waits for that and goes on.
    Items are asked for a few batches ahead, so memory holds few. Closing the iterator drops what is not finished.
    """
    rest = iter(items)
    under_way: deque[Future[Embedded]] = deque()
    with ExitStack() as threads:
        embedders = _pool(EMBEDDERS, "embed", threads)
        readers = _pool(os.cpu_count(), "decode", threads)  # ended first: embedders wait for what is cancelled then
        while batch := list(islice(rest, size)):
            under_way.append(embedders.submit(embed, begin(readers, batch)))
            if len(under_way) > LOOKAHEAD:
                yield from finish(under_way.popleft().result())
        while under_way:
            yield from finish(under_way.popleft().result())


def _pool(workers: int | None, name: str, threads: ExitStack) -> ThreadPoolExecutor:
    """A pool that ends with `threads`, dropping what has not begun."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
    threads.callback(pool.shutdown, cancel_futures=True)
    return pool
