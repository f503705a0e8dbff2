"""Batches of work in two steps: one on many threads, ahead, and one in the caller's, in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

LOOKAHEAD = 3  # batches that are being decoded while one is embedded

Item = TypeVar("Item")
Begun = TypeVar("Begun")
Outcome = TypeVar("Outcome")


def in_batches(
    items: Iterable[Item],
    size: int,
    begin: Callable[[Executor, list[Item]], Begun],
    finish: Callable[[Begun], Iterable[Outcome]],
) -> Iterator[Outcome]:
    """What `finish` gives for each batch of `size` items, in order; `begin` hands the first step to a pool of threads.

    Items are asked for a few batches ahead, so memory holds few. Closing the iterator drops what is not finished.
    """
    rest = iter(items)
    under_way: deque[Begun] = deque()
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode") as pool:
        try:
            while batch := list(islice(rest, size)):
                under_way.append(begin(pool, batch))
                if len(under_way) > LOOKAHEAD:
                    yield from finish(under_way.popleft())
            while under_way:
                yield from finish(under_way.popleft())
        finally:
            pool.shutdown(cancel_futures=True)
