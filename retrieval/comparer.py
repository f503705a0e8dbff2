"""Two pictures -> how they relate."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from index_store import DUPLICATE, Collection, ImageRecord, ImageStore, Marks, Relation, score_of
from index_store.pairs import PairVerdict, pair_of
from retrieval.judges import Judges
from retrieval.options import CompareOptions, Stored
from retrieval.payload import ImageSource, any_url
from retrieval.query import FAILURES, Query, Reader
from retrieval.verdicts import overruled

Side = ImageSource | Stored


@dataclass(frozen=True)
class Comparison:
    """How two pictures relate: `score` is their cosine in [-1, 1], higher is closer; `confidence` as in a Verdict.

    marked: what somebody has said of them, where both are stored; it settles the relation, unless they are the same.
    """

    score: float
    relation: Relation
    confidence: float | None
    marked: PairVerdict | None
    took_ms: float

    @property
    def duplicate(self) -> bool:
        """Whether one is a copy of the other."""
        return self.relation in DUPLICATE


class Comparer:
    """Compares pictures that are sent, or stored, with each other."""

    def __init__(self, store: ImageStore, reader: Reader, judges: Judges) -> None:
        self._store = store
        self._reader = reader
        self._judges = judges

    def compare(self, one: Side, other: Side, options: CompareOptions) -> Comparison:
        """Whether they are copies, by what holds for a collection, or for two pictures alone.

        A thorough comparison looks for the parts of each in the other. Of a stored picture there is only its vector,
        so it is looked for as a whole. Raises UnknownCollection, UnknownImage, FingerprintMismatch, NotCalibrated and
        the errors of image input.
        """
        started = perf_counter()
        mode = self._judges.mode(options.mode)
        bound = self._bound(options.collection, one, other)
        judge = self._judges.of(bound, mode, options.target_precision)
        left, right = self._queries(one, other)
        score = _score(left, right)
        if mode == "thorough":
            surest = score if score >= judge.threshold else -1.0
            left, right = (self._reader.with_parts(each, surest) for each in (left, right))
            score = _score(left, right)
        found, confidence = judge.opinion(left.facts, right.facts, score)
        homes = self._involved(bound, one, other)
        marked = self._marked([self._record(each, homes) for each in (left, right)])
        relation = overruled(found, marked)
        confidence = confidence if relation == found else None
        return Comparison(score, relation, confidence, marked, 1e3 * (perf_counter() - started))

    def _bound(self, name: str | None, *sides: Side) -> Collection | None:
        """The collection that was named, else that of a stored picture."""
        names = [name, *(side.collection for side in sides if isinstance(side, Stored))]
        named = next((each for each in names if each is not None), None)
        return None if named is None else self._store.bound(named)

    def _queries(self, *sides: Side) -> list[Query]:
        found = self._reader.each(self._query, sides, any_url(sides))
        for name, each in zip("ab", found, strict=True):
            if isinstance(each, FAILURES):
                raise type(each)(f"{name}: {each}") from each
        return [each for each in found if isinstance(each, Query)]

    def _query(self, side: Side) -> Query:
        if isinstance(side, Stored):
            record, vector = self._store.stored(side.collection, side.id)
            return Query(vector[None], b"", None, record, 0.0, 0.0)
        with self._reader.query(side, [], whole=True) as query:
            return query.without_pixels  # or two comparisons could each hold one picture and wait for room for another

    def _involved(self, bound: Collection | None, *sides: Side) -> list[Collection]:
        """The collection that decides, and those of stored pictures."""
        names = {side.collection for side in sides if isinstance(side, Stored)} - {bound.name if bound else None}
        return [*([bound] if bound else []), *map(self._store.bound, sorted(names))]

    def _record(self, query: Query, collections: Sequence[Collection]) -> ImageRecord | None:
        """The stored picture that it is, or whose bytes it has."""
        if query.known:
            return query.known
        found = (self._store.known(collection, query.facts.sha256) for collection in collections)
        return next((each[0] for each in found if each), None)

    def _marked(self, records: Sequence[ImageRecord | None]) -> PairVerdict | None:
        seqs = [record.seq for record in records if record]
        if len(seqs) < 2:
            return None
        pair = pair_of(*seqs)
        return Marks(self._store.catalog).among(pair).get(pair)


def _score(left: Query, right: Query) -> float:
    """The better of each looked for in the other."""
    return max(score_of(left.views, right.vector[None]) + score_of(right.views, left.vector[None]))
