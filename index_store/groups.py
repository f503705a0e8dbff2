"""Duplicate groups, with what the catalog says of their pictures now."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from index_store.catalog import Catalog
from index_store.grouping import Found, Grouping, Link, Terms
from index_store.marks import Marks
from index_store.pairs import PairVerdicts, pair_of
from index_store.records import ImageRecord
from index_store.store import ImageStore

MemberRelation = Literal["exact", "identical", "near", "marked"]
PROTECTED = "protected"
TOGETHER = 1000  # pictures whose records are read at once


@dataclass(frozen=True)
class Member:
    """A picture that its keeper makes superfluous. `score` is their cosine in [-1, 1], higher is closer.

    `relation` is `marked` where nothing but a mark says so.
    """

    image: ImageRecord
    score: float
    relation: MemberRelation


@dataclass(frozen=True)
class Group:
    """A keeper and its members, the closest first.

    `kept_for` is the rule that puts it before the best of them, or PROTECTED where it is of another collection.
    """

    keeper: ImageRecord
    kept_for: str
    members: tuple[Member, ...]

    @property
    def min_score(self) -> float:
        """The least of the members' scores."""
        return min(member.score for member in self.members)

    @property
    def saves_bytes(self) -> int:
        """What the members' files take."""
        return sum(member.image.size for member in self.members)


def find_groups(store: ImageStore, name: str, terms: Terms) -> Iterator[Group]:
    """The duplicate groups of a collection, as they are found. Raises UnknownCollection and FingerprintMismatch."""
    for _, found in grouping_of(store, name, terms).groups():
        yield from described(store.catalog, found, terms)


def grouping_of(store: ImageStore, name: str, terms: Terms) -> Grouping:
    """The search for the duplicate groups of a collection as it stands."""
    keepers = store.moment(terms.against) if terms.against else None
    return Grouping(store.catalog, terms, store.moment(name), keepers)


def described(catalog: Catalog, found: Iterable[Found], terms: Terms) -> Iterator[Group]:
    """Groups less what is no longer so: pictures deleted, and pairs marked as no duplicates, since they were found."""
    for some in _together(found):
        records = catalog.images_by_seq({seq for group in some for seq in _seqs(group)})
        verdicts = Marks(catalog).of({group.keeper for group in some})
        for group in some:
            keeper = records.get(group.keeper)
            members = _members(keeper, group, records, verdicts, terms) if keeper else ()
            if keeper and members:
                yield Group(keeper, _reason(keeper, members, terms), members)


def _together(found: Iterable[Found]) -> Iterator[list[Found]]:
    """As many as have TOGETHER members, and one at least."""
    some, members = list[Found](), 0
    for group in found:
        some.append(group)
        members += len(group.links)
        if members >= TOGETHER:
            yield some
            some, members = [], 0
    yield some


def _seqs(group: Found) -> list[int]:
    return [group.keeper, *(link.seq for link in group.links)]


def _reason(keeper: ImageRecord, members: tuple[Member, ...], terms: Terms) -> str:
    return PROTECTED if terms.against else terms.policy.reason(keeper, [member.image for member in members])


def _members(
    keeper: ImageRecord, group: Found, records: dict[int, ImageRecord], verdicts: PairVerdicts, terms: Terms
) -> tuple[Member, ...]:
    links = [link for link in group.links if link.seq in records]
    links = [link for link in links if verdicts.get(pair_of(keeper.seq, link.seq)) != "not_duplicates"]
    related = [(link, _relation(keeper, records[link.seq], link, terms)) for link in links]
    return tuple(Member(records[link.seq], link.score, relation) for link, relation in related if relation)


def _relation(keeper: ImageRecord, image: ImageRecord, link: Link, terms: Terms) -> MemberRelation | None:
    """None for a picture that only seemed a copy, by the part of a digest that a census holds."""
    if image.sha256 == keeper.sha256:
        return "exact"
    if image.pixels_sha256 == keeper.pixels_sha256:
        return "identical"
    if link.score >= terms.least and terms.kind == "near":
        return "near"
    return "marked" if link.marked else None
