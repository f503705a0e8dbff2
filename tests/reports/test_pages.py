"""How much goes on a page."""

import pytest

from reports.pages import MOST_PICTURES, paged


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ([], []),
        ([2] * 5, [5]),
        ([2] * 101, [100, 1]),
        ([9999], [1]),
        ([150, 150, 150, 2], [2, 2]),
        ([2, 9999, 2], [1, 1, 1]),
    ],
)
def test_pages_have_room_for_so_much(sizes: list[int], parts: list[int]) -> None:
    made = paged("x", "X", sizes, lambda size: size)
    assert [len(page.items) for page in made] == parts
    assert [(page.number, page.last) for page in made] == [(n, len(parts)) for n in range(1, len(parts) + 1)]
    assert all(len(page.items) == 1 or sum(page.items) <= MOST_PICTURES for page in made)
