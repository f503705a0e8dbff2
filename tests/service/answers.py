"""Answers of a running service, compared with an exact search."""

from collections.abc import Iterable

import pytest

from tests import chosen
from tests.service.asking import Exact, jpeg, small
from tests.service.server import Server


def found(server: Server, data: bytes, top_k: int) -> list[tuple[str, float]]:
    return [(match["id"], match["score"]) for match in server.search(data, top_k=top_k)]


def same(answer: list[tuple[str, float]], exact: list[tuple[str, float]]) -> None:
    """Assert that two answers are one, but for rounding: pictures whose scores it can make equal may change places."""
    assert [score for _, score in answer] == pytest.approx([score for _, score in exact], abs=chosen.rounding())
    expected = dict(exact)
    for name, score in answer:
        assert score == pytest.approx(expected.get(name, exact[-1][1]), abs=chosen.rounding())


def is_exact(server: Server, held: Iterable[int], queries: Iterable[int]) -> None:
    """Compare answers with an exact search, scores included."""
    oracle = Exact({str(seed): small(seed) for seed in held})
    for seed in queries:
        data = jpeg(seed, 30)
        same(found(server, data, 10), oracle.search(data, 10))
