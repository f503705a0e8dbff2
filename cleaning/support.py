"""Two pairs that are in some doubt say as much as one that is not: what nearly matches a keeper may join its group.

It takes a member of the group that it nearly matches, too. One such pair would not do: pictures of different things
under one watermark score as much. But neither of these resembles the original of the other.
"""

from collections.abc import Sequence
from dataclasses import replace

from cleaning.stars import Graph, Mask, Star


def with_supported(found: Sequence[Star], doubtful: Graph, protected: Mask) -> list[Star]:
    """The groups; what was in none joins one if it is paired with its keeper and with a member that it had before.

    doubtful: pairs that are in doubt, and those that are not. Of several groups, it joins the one whose keeper has
    the best score with it. What is protected joins none.
    """
    members = {star.keeper: {place for place, _ in star.members} for star in found}
    taken = set(members).union(*members.values())
    joining: dict[int, list[tuple[int, float]]] = {}
    for place in doubtful.places():
        if place in taken or protected[place]:
            continue
        around = doubtful.around(place)
        keepers = [other for other in around if not members.get(other, set()).isdisjoint(around)]
        if keepers:
            best = max(keepers, key=around.__getitem__)
            joining.setdefault(best, []).append((place, around[best]))
    return [replace(star, members=star.members + tuple(joining.get(star.keeper, ()))) for star in found]
