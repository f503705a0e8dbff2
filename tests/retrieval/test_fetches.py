"""Places for requests with URLs: so many at a time, and none takes all of them."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from retrieval.fetches import Fetches
from retrieval.payload import ImageSource
from retrieval.reception import Overloaded
from retrieval.turns import asking

PICTURES = [ImageSource(None, lambda: b"")]
URLS = [ImageSource("http://a.example/x.jpg", lambda: b"", is_url=True)]


@pytest.fixture
def places() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def take(fetches: Fetches, caller: str | None, places: ExitStack, sources: list[ImageSource] = URLS) -> None:
    token = asking.set(caller)
    try:
        places.enter_context(fetches.place(sources))
    finally:
        asking.reset(token)


def test_one_caller_leaves_a_quarter_to_others(places: ExitStack) -> None:
    fetches = Fetches(8)
    for _ in range(6):
        take(fetches, "a", places)
    with pytest.raises(Overloaded):
        take(fetches, "a", places)
    take(fetches, "b", places)
    take(fetches, None, places)
    with pytest.raises(Overloaded):
        take(fetches, "c", places)
    take(fetches, "a", places, PICTURES)


def test_places_come_back(places: ExitStack) -> None:
    fetches = Fetches(1)
    for caller in ("a", None, "b", "a"):
        with ExitStack() as own:
            take(fetches, caller, own)
            with pytest.raises(Overloaded):
                take(fetches, "c", places)


def test_who_is_nobody_in_particular_may_have_all(places: ExitStack) -> None:
    fetches = Fetches(4)
    for _ in range(4):
        take(fetches, None, places)
    with pytest.raises(Overloaded):
        take(fetches, None, places)
