"""Stores over real files in a folder of their own, closed at the end."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from index_store import ImageStore
from tests.index_store.stores import new_store


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., ImageStore]]:
    """Opens stores over one folder, as several processes would; each call is another one."""
    with ExitStack() as stack:
        yield lambda folder=tmp_path, **changes: stack.enter_context(closing(new_store(folder, **changes)))


@pytest.fixture
def store(open_store: Callable[..., ImageStore]) -> ImageStore:
    return open_store()


@pytest.fixture
def in_processes(tmp_path: Path) -> Callable[..., list]:
    """Runs a worker in several processes that begin together; gives what each put into its queue."""

    def run(work: Callable, count: int, numbered: bool = False, threads: int = 1) -> list:
        spawn = multiprocessing.get_context("spawn")
        start, outcomes = spawn.Barrier(count * threads), spawn.Queue()
        arguments = [(tmp_path, *([number] if numbered else []), start, outcomes) for number in range(count)]
        processes = [spawn.Process(target=work, args=each) for each in arguments]
        for process in processes:
            process.start()
        results = [outcomes.get(timeout=60) for _ in processes]
        for process in processes:
            process.join()
        return results

    return run
