"""Any interleaving of adds, deletes, rebuilds and reopenings equals a dict that is searched by hand."""

import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index_store import ImageStore, Rules
from tests.index_store.stores import NAME, exactly, found, ids_of, let_swap, new_store
from tests.index_store.vectors import new_image, unit_vectors

NEAR = 0.9
POOL = unit_vectors(12, seed=0)  # few, so that they repeat
QUERIES = unit_vectors(3, seed=1)

picture = st.tuples(st.integers(0, 9).map(str), st.integers(0, len(POOL) - 1))
step = st.one_of(
    st.tuples(st.just("add"), st.lists(picture, min_size=1, max_size=4), st.booleans()),
    st.tuples(st.just("delete"), st.integers(0, 9).map(str)),
    st.tuples(st.just("rebuild")),
    st.tuples(st.just("swap")),
    st.tuples(st.just("reopen")),
)


class Model:
    """What the store has to be: ids and vectors, in the order of adding."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}

    def add(self, pictures: list[tuple[str, int]], reject: bool) -> list[str]:
        return [self._add(image_id, vector, reject) for image_id, vector in pictures]

    def _add(self, image_id: str, vector: int, reject: bool) -> str:
        if image_id in self.held:
            return "id_taken"
        if reject and vector in self.held.values():
            return "duplicate"
        self.held[image_id] = vector
        return "added"

    def search(self) -> list[list[tuple[str, float]]]:
        return exactly(QUERIES, list(self.held), POOL[list(self.held.values())], 30)


class Real:
    """The store under the same steps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: ImageStore = new_store(folder)
        self.store.create_collection(NAME)

    def add(self, pictures: list[tuple[str, int]], reject: bool) -> list[str]:
        new = [new_image(image_id, POOL[vector]) for image_id, vector in pictures]
        return [outcome.status for outcome in self.store.add(NAME, new, Rules(NEAR, reject=reject))]

    def reopen(self) -> None:
        self.store.close()
        self.store = new_store(self.folder)

    def close(self) -> None:
        self.store.close()


def _take(step: tuple, real: Real, model: Model) -> None:
    match step:
        case ("add", pictures, reject):
            assert real.add(pictures, reject) == model.add(pictures, reject)
        case ("delete", image_id) if image_id in model.held:
            real.store.delete(NAME, image_id)
            del model.held[image_id]
        case ("rebuild",):
            real.store.rebuild(NAME)
        case ("swap",):
            let_swap(real.store)
        case ("reopen",):
            real.reopen()


def _same(steps: list[tuple]) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Real(Path(folder))) as real:
        model = Model()
        for each in steps:
            _take(each, real, model)
            assert found(real.store, QUERIES, 30) == model.search()


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(step, max_size=12))
def test_any_interleaving_equals_the_model(steps: list[tuple]) -> None:
    _same(steps)


@pytest.mark.slow
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(step, max_size=40))
def test_any_long_interleaving_equals_the_model(steps: list[tuple]) -> None:
    _same(steps)


@pytest.mark.slow
def test_a_long_random_life_through_growth_and_ivf_keeps_every_source_first(open_store: Callable) -> None:
    random, vectors, held = np.random.default_rng(0), unit_vectors(2500, seed=2), set()
    store = open_store(exact_below=600)
    for start in range(0, 2500, 250):
        store.add(NAME, [new_image(str(n), vectors[n]) for n in range(start, start + 250)])
        held |= {str(n) for n in range(start, start + 250)}
        for image_id in random.choice(sorted(held), size=10, replace=False):
            store.delete(NAME, str(image_id))
            held.discard(str(image_id))
        if random.random() < 0.6:
            store.rebuild(NAME)
            let_swap(store)
        firsts = ids_of(found(store, vectors[[int(n) for n in sorted(held)]], 1))
        assert [first[0] for first in firsts] == sorted(held)
