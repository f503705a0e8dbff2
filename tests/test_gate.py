"""A gate against changes that make what is asked all day take a multiple of its time.

Ratios to something that has to be done anyway, in processor time of one thread, which says the same on a busy machine
and on a slow one; and bounds that ordinary changes do not come near.
"""

import io
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import faiss
import numpy as np
import pytest
from PIL import Image
from werkzeug.test import Client

from app import create_app
from retrieval.picture import decode
from tests.conftest import MakeSettings
from tests.index_store.stores import NAME, add_all, let_swap, new_store
from tests.index_store.vectors import near, unit_vectors

ROUNDS = 25


def ratio(one: Callable[[], object], other: Callable[[], object]) -> float:
    """Median of `one` to median of `other`, which take turns, after one of each for warming up."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(1 + ROUNDS):
        for call, taken in zip((one, other), times, strict=True):
            started = time.thread_time()
            call()
            taken.append(time.thread_time() - started)
    return statistics.median(times[0][1:]) / statistics.median(times[1][1:])


@pytest.mark.slow
def test_a_search_takes_less_than_looking_at_every_vector(tmp_path: Path) -> None:
    """Measured: half of it, with the rows of the catalog; hundreds of times where it trained a small index first."""
    vectors = unit_vectors(30_000, seed=0, dim=512)
    query = near(vectors[:1], 0.8)
    with closing(new_store(tmp_path, dim=512, exact_below=1000)) as store, ExitStack() as later:
        later.callback(faiss.omp_set_num_threads, faiss.omp_get_max_threads())
        faiss.omp_set_num_threads(1)
        add_all(store, vectors)
        store.rebuild(NAME)
        assert let_swap(store)
        assert not store.moment(NAME).snapshot.is_exact
        found = ratio(
            lambda: store.search(NAME, [query[0]], 10),
            lambda: faiss.knn(query, vectors, 10, faiss.METRIC_INNER_PRODUCT),
        )
    assert found < 2


def test_a_request_takes_not_much_more_than_decoding_its_picture(settings: MakeSettings) -> None:
    """Measured: less than three times that, with HTTP's forms, JSON, SQL, metrics and log."""
    made = settings()
    app = create_app(made)
    pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    Image.fromarray(pixels).save(file := io.BytesIO(), "JPEG")
    with closing(app.extensions["service"]) as service:
        service.wait_until_ready()
        client = Client(app)
        sent = {"data": file.getvalue(), "headers": {}}

        def search() -> None:
            sent["data"] += b"\0"  # bytes that it has seen need no decoding
            answer = client.post("/search", data={"image": (io.BytesIO(sent["data"]), "a.jpg")})
            assert answer.status_code == 200

        assert client.post("/add", data={"image": (io.BytesIO(sent["data"]), "a.jpg")}).status_code == 201
        found = ratio(search, lambda: decode(file.getvalue(), made.input))
    assert found < 6
