"""Check-and-add under concurrency over processes and threads: whoever comes when, no two kept pictures are copies."""

import itertools
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index_store import ImageStore
from index_store.rows import vectors_of
from index_store.scoring import pair_cosines
from tests.index_store.stores import new_store
from tests.index_store.vectors import near, unit_vectors
from tests.index_store.workers import Calls, Told, add_in_threads, join_crew

PROCESSES, THREADS = 2, 2
HANDS = PROCESSES * THREADS
NEAR = 0.8
ROUNDING = 1e-3  # the vector that was compared was not yet float16
CENTRES = unit_vectors(3, seed=0)


class Crew:
    """Processes over one folder, which take part in every task together."""

    def __init__(self, pool: ProcessPoolExecutor, store: ImageStore) -> None:
        self._pool, self.store = pool, store
        self._names = (f"round-{number}" for number in itertools.count())

    def add(self, hands: list[Calls]) -> tuple[str, Told]:
        """In a collection of its own; gives its name, and what was told of each picture."""
        name = next(self._names)
        self.store.create_collection(name)
        shares = [hands[process::PROCESSES] for process in range(PROCESSES)]
        tasks = [self._pool.submit(add_in_threads, name, NEAR, share) for share in shares]
        return name, [each for task in tasks for each in task.result(120)]


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    folder = tmp_path_factory.mktemp("crew")
    spawn = multiprocessing.get_context("spawn")
    start = folder, spawn.Barrier(PROCESSES)
    with closing(new_store(folder)) as store, ProcessPoolExecutor(PROCESSES, spawn, join_crew, start) as pool:
        yield Crew(pool, store)


# Which centre a picture is near, and how near: two at 0.9 of one centre score about 0.81 with each other.
picture = st.tuples(st.integers(0, len(CENTRES) - 1), st.sampled_from([1.0, 0.97, 0.93, 0.9, 0.85]))
hands = st.lists(
    st.lists(st.lists(picture, min_size=1, max_size=3), min_size=1, max_size=4), min_size=HANDS, max_size=HANDS
)


def dealt(hands: list[list[list[tuple[int, float]]]], seed: int) -> list[Calls]:
    """Vectors and ids for what was drawn."""
    numbers = itertools.count()

    def one(centre: int, cosine: float) -> tuple[str, list[float]]:
        number = next(numbers)
        return str(number), near(CENTRES[centre : centre + 1], cosine, 1000 * (seed + 1) + number)[0].tolist()

    return [[[one(*each) for each in call] for call in calls] for calls in hands]


def check(crew: Crew, calls: list[Calls]) -> None:
    """No two that were kept are copies of each other, and each that was refused was told of one that was kept."""
    name, told = crew.add(calls)
    kept = {image.id: image.seq for image in crew.store.images(name, limit=1000)}
    assert sorted(kept) == sorted(image_id for image_id, status, _ in told if status == "added")
    assert len(told) == sum(len(call) for hand in calls for call in hand)
    scores = _scores(crew.store, name, list(kept.values()))
    assert scores.max(initial=-1) < NEAR + ROUNDING
    for _, status, matches in told:
        assert (status == "duplicate") == bool(matches)
        assert all(image_id in kept and score >= NEAR for image_id, score in matches)


def _scores(store: ImageStore, name: str, seqs: list[int]) -> np.ndarray:
    """Of every two of the kept."""
    with store.catalog.reading() as connection:
        vectors = vectors_of(connection, store.collection(name), seqs)
    one, other = np.triu_indices(len(seqs), 1)
    return pair_cosines(vectors[one], vectors[other])


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(hands, st.integers(0, 1000))
def test_whatever_is_dealt_to_whomever(crew: Crew, hands: list, seed: int) -> None:
    check(crew, dealt(hands, seed))


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(hands, st.integers(0, 1000))
def test_whatever_is_dealt_to_whomever_for_long(crew: Crew, hands: list, seed: int) -> None:
    check(crew, dealt(hands, seed))


def test_a_rush_of_copies_of_three_pictures(crew: Crew) -> None:
    """Ten copies of each, in the hands of everybody; copies of one score at least 0.85 with each other."""
    copies = [[[(centre, 0.97)] for _ in range(10) for centre in range(3)] for _ in range(HANDS)]
    name, told = crew.add(dealt(copies, 7))
    assert [status for _, status, _ in told].count("added") == 3
    assert len(crew.store.images(name)) == 3
