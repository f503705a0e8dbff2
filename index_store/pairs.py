"""Statements on marked pairs, each within a connection that the caller holds."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, exists, func, insert, or_, select

from index_store.schema import collections, images, pairs

PairVerdict = Literal["duplicates", "not_duplicates"]
PairVerdicts = dict[tuple[int, int], PairVerdict]  # by (a_seq, b_seq), a_seq being the smaller
_CHUNK = 500


def pair_of(one: int, other: int) -> tuple[int, int]:
    """The key of two pictures' mark, given their seqs."""
    return min(one, other), max(one, other)


@dataclass(frozen=True)
class Pair:
    """What somebody said of two pictures; `a` is the older. `number` grows with every mark."""

    number: int
    a: str
    a_collection: str
    b: str
    b_collection: str
    verdict: PairVerdict
    created_at: datetime


_a, _b = images.alias("a"), images.alias("b")
_a_home, _b_home = collections.alias("a_home"), collections.alias("b_home")
_PAIR = (
    select(
        pairs.c.number,
        _a.c.id,
        _a_home.c.name.label("a_collection"),
        _b.c.id.label("b"),
        _b_home.c.name.label("b_collection"),
        pairs.c.verdict,
        pairs.c.created_at,
    )
    .join(_a, _a.c.seq == pairs.c.a_seq)
    .join(_b, _b.c.seq == pairs.c.b_seq)
    .join(_a_home, _a_home.c.key == pairs.c.a_key)
    .join(_b_home, _b_home.c.key == pairs.c.b_key)
)

PAIR_VECTORS = (
    select(
        pairs.c.number,
        pairs.c.verdict,
        _a.c.id.label("a_id"),
        _b.c.id.label("b_id"),
        _a.c.vector.label("a"),
        _b.c.vector.label("b"),
    )
    .join(_a, _a.c.seq == pairs.c.a_seq)
    .join(_b, _b.c.seq == pairs.c.b_seq)
    .order_by(pairs.c.number)
)


# Every search with a duplicate asks this, so it is put together once.
_BY_A = select(pairs.c.a_seq, pairs.c.b_seq, pairs.c.verdict).where(
    pairs.c.a_seq.in_(bindparam("seqs", expanding=True))
)


def insert_pair(
    connection: Connection, older: tuple[int, int], newer: tuple[int, int], verdict: PairVerdict, number: int
) -> None:
    """Mark two pictures, each given as (seq, collection key); there must be no mark of them."""
    (a_seq, a_key), (b_seq, b_key) = older, newer
    values = {"a_seq": a_seq, "b_seq": b_seq, "a_key": a_key, "b_key": b_key, "verdict": verdict, "number": number}
    connection.execute(insert(pairs).values(**values, created_at=datetime.now(UTC)))


def delete_pair(connection: Connection, a_seq: int, b_seq: int) -> bool:
    """Whether there was such a mark."""
    return connection.execute(delete(pairs).where(_is(a_seq, b_seq))).rowcount > 0


def forget_pairs(connection: Connection, seq: int) -> None:
    """Within the transaction that marks the image deleted; rows of images that are dropped take theirs along."""
    connection.execute(delete(pairs).where(of_image(seq)))


def find_pair(connection: Connection, a_seq: int, b_seq: int) -> Pair:
    """The mark of two pictures that are marked."""
    row: Any = connection.execute(_PAIR.where(_is(a_seq, b_seq))).one()
    return Pair(*row)


def of_collection(key: int) -> ColumnElement[bool]:
    """Marks that a picture of a collection has part in."""
    return or_(pairs.c.a_key == key, pairs.c.b_key == key)


def of_image(seq: int) -> ColumnElement[bool]:
    """Marks that a picture has part in."""
    return or_(pairs.c.a_seq == seq, pairs.c.b_seq == seq)


def within(names: Collection[str]) -> ColumnElement[bool]:
    """Marks of two pictures in collections of these names."""
    return and_(_a_home.c.name.in_(names), _b_home.c.name.in_(names))


def list_pairs(connection: Connection, after: int, limit: int, *wanted: ColumnElement[bool]) -> list[Pair]:
    """Up to `limit` marks with `number` above `after` that are all of `wanted`, oldest first."""
    rows: Any = connection.execute(_PAIR.where(pairs.c.number > after, *wanted).order_by(pairs.c.number).limit(limit))
    return [Pair(*row) for row in rows]


def pairs_of(connection: Connection, seqs: Iterable[int]) -> PairVerdicts:
    """Every mark that one of `seqs` has part in."""
    found: PairVerdicts = {}
    for chunk in _chunks(list(seqs)):
        for side in (pairs.c.a_seq, pairs.c.b_seq):
            found |= _verdicts(connection, side.in_(chunk))
    return found


def pairs_among(connection: Connection, seqs: Iterable[int]) -> PairVerdicts:
    """Every mark of two of `seqs`."""
    asked = set(seqs)
    found: PairVerdicts = {}
    for chunk in _chunks(list(asked)):
        found.update(((row.a_seq, row.b_seq), row.verdict) for row in connection.execute(_BY_A, {"seqs": chunk}))
    return {pair: verdict for pair, verdict in found.items() if pair[1] in asked}


def any_pairs(connection: Connection) -> bool:
    """Whether anything is marked."""
    return bool(connection.scalar(select(exists(select(pairs.c.number)))))


def pairs_version(connection: Connection, keys: Sequence[int]) -> tuple[int, int]:
    """How many marks there are among the pictures of these collections, and the newest's number.

    No other set of marks has had the same two: numbers are not used again, so under one newest they only get fewer.
    """
    among = and_(pairs.c.a_key.in_(keys), pairs.c.b_key.in_(keys))
    row = connection.execute(select(func.count(), func.coalesce(func.max(pairs.c.number), 0)).where(among)).one()
    return row[0], row[1]


def _verdicts(connection: Connection, condition: ColumnElement[bool]) -> PairVerdicts:
    rows = connection.execute(select(pairs.c.a_seq, pairs.c.b_seq, pairs.c.verdict).where(condition))
    return {(row.a_seq, row.b_seq): row.verdict for row in rows}


def _is(a_seq: int, b_seq: int) -> ColumnElement[bool]:
    return and_(pairs.c.a_seq == a_seq, pairs.c.b_seq == b_seq)


def _chunks(values: list[int]) -> Iterator[list[int]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))
