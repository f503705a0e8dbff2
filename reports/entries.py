"""The groups of a plan in the orders in which people look through them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from cleaning.plan import Copy, Plan, PlannedGroup

RELATIONS = ("near", "identical", "exact")  # what should be looked at most closely first


@dataclass(frozen=True, eq=False)
class Entry:
    """A group with its place in the plan, from 1, which is its name in the report."""

    number: int
    group: PlannedGroup

    @property
    def weakest(self) -> Copy:
        """The copy that one is least sure of, of those to be removed, if there are any."""
        return min(self.group.removed or self.group.copies, key=_certainty)

    @property
    def relations(self) -> str:
        """Those of all copies, with spaces between, and `held` where a copy is held."""
        names = {copy.relation for copy in self.group.copies}
        return " ".join([*sorted(names), *(["held"] if any(copy.held for copy in self.group.copies) else [])])


def least_similar_first(plan: Plan) -> list[Entry]:
    """Groups in the order of doubt: near copies by rising score, then the same pixels, then the same bytes.

    Those of which nothing is removed come last.
    """
    return sorted(_entries(plan), key=lambda each: (not each.group.removed, *_certainty(each.weakest)))


def most_space_first(plan: Plan) -> list[Entry]:
    """Groups by the bytes that they save, the most first."""
    return sorted(_entries(plan), key=lambda each: -each.group.saves_bytes)


def _entries(plan: Plan) -> Iterator[Entry]:
    return (Entry(number, group) for number, group in enumerate(plan.groups, 1))


def _certainty(copy: Copy) -> tuple[int, float]:
    return RELATIONS.index(copy.relation), -math.inf if math.isnan(copy.score) else copy.score
