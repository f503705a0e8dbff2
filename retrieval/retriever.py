"""The Retriever: a picture in, a verdict out. It knows no HTTP; resources, scripts and jobs call the same methods."""

import os
import uuid
from dataclasses import dataclass, replace
from threading import Semaphore
from time import perf_counter
from typing import Any, Literal

from extractor import Batcher
from extractor.interface import Vectors
from index_store import AddOutcome, Collection, ImageStore, KeptPicture, Match, NewImage, RefinedMatches, Refinement
from retrieval.errors import BadPayload
from retrieval.keeping import kept_of
from retrieval.payload import ImageSource
from retrieval.picture import Picture, decode
from retrieval.settings import Settings

Relation = Literal["exact", "identical", "near", "similar"]
# What rounding, of the engine in batches and of stored vectors, leaves of 1 is well above this.
IDENTICAL_SCORE = 0.99


@dataclass(frozen=True)
class Verdict:
    """A remembered picture beside a query: `score` is their cosine in [-1, 1], higher is closer."""

    match: Match
    relation: Relation

    @property
    def is_duplicate(self) -> bool:
        return self.relation != "similar"


@dataclass(frozen=True)
class Took:
    """Milliseconds spent reading and decoding the picture, embedding it, and searching or storing."""

    decode: float
    embed: float
    search: float

    @property
    def total(self) -> float:
        return self.decode + self.embed + self.search


@dataclass(frozen=True)
class SearchAnswer:
    """Verdicts, best first. `duplicate` says whether a search without refinement gives one of a duplicate."""

    verdicts: list[Verdict]
    duplicate: bool
    took: Took


@dataclass(frozen=True)
class AddAnswer:
    """`status` is as in AddOutcome; `verdicts` are the duplicates that were there before, best first."""

    id: str
    status: str
    verdicts: list[Verdict]
    took: Took


@dataclass(frozen=True)
class _Embedded:
    data: bytes
    picture: Picture
    vector: Vectors
    decode_ms: float
    embed_ms: float


class Retriever:
    """Searches and adds pictures. Raises the errors of image input, extractor and store."""

    def __init__(self, settings: Settings, batcher: Batcher, store: ImageStore) -> None:
        self._settings = settings
        self._batcher = batcher
        self._store = store
        # More decoders than cores only take turns, and throw each other out of the caches.
        self._decoding = Semaphore(os.cpu_count() or 1)

    def search(
        self,
        image: ImageSource,
        collection: str,
        top_k: int | None,
        min_score: float | None,
        refinement: Refinement | None = None,
    ) -> SearchAnswer:
        """The `top_k` nearest pictures that score at least `min_score`, in the order that `refinement` gives them."""
        depth = self._depth(top_k)
        bound = self._store.collection(collection)  # before the costly part: an unknown one is told at once
        query = self._embed(image)
        started = perf_counter()
        found = self._nearest(collection, query.vector, depth, refinement, min_score)
        verdicts, plain = (
            [judge(match, query.picture, self.threshold(bound)) for match in matches if _reaches(match, min_score)]
            for matches in (found.refined, found.plain)
        )
        return SearchAnswer(verdicts, any(verdict.is_duplicate for verdict in plain), _took(query, started))

    def add(
        self, image: ImageSource, collection: str, image_id: str | None, metadata: dict[str, Any], reject: bool
    ) -> AddAnswer:
        """Remember a picture; with `reject` only if the collection, made if need be, holds no duplicate of it."""
        threshold = self.threshold(self._store.find_collection(collection))
        query = self._embed(image)
        started = perf_counter()
        new = new_image(image_id or uuid.uuid4().hex, query.picture, query.vector, image.origin, metadata)
        new = replace(new, kept=self._kept(query))
        (outcome,) = self._store.add(collection, [new], near=threshold, reject=reject)
        return AddAnswer(new.id, outcome.status, _verdicts(outcome, query.picture, threshold), _took(query, started))

    def threshold(self, collection: Collection | None) -> float:
        """The score from which a match counts as a duplicate."""
        own = collection.threshold if collection else None
        return self._settings.search.threshold if own is None else own

    def _nearest(
        self, collection: str, vector: Vectors, depth: int, refinement: Refinement | None, min_score: float | None
    ) -> RefinedMatches:
        if refinement:
            (found,) = self._store.search_refined(collection, vector[None], depth, refinement, min_score)
            return found
        (matches,) = self._store.search(collection, vector[None], depth)
        return RefinedMatches(matches, matches)

    def _depth(self, top_k: int | None) -> int:
        most = self._settings.search.max_top_k
        if top_k is not None and top_k > most:
            raise BadPayload(f"top_k: at most {most}")
        return top_k or self._settings.search.top_k

    def _kept(self, query: _Embedded) -> KeptPicture | None:
        with self._decoding:
            return kept_of(query.data, query.picture, self._settings.keep)

    def _embed(self, image: ImageSource) -> _Embedded:
        started = perf_counter()
        data = image.read()
        with self._batcher.expect() as announced:
            with self._decoding:
                picture = decode(data, self._settings.input)
            decoded = perf_counter()
            vector = announced.embed(picture.image)
        return _Embedded(data, picture, vector, 1e3 * (decoded - started), 1e3 * (perf_counter() - decoded))


def judge(match: Match, query: Picture, threshold: float) -> Verdict:
    """How a remembered picture relates to a query: same bytes, same pixels, a copy by its score, or merely similar."""
    if match.image.sha256 == query.sha256:
        return Verdict(match, "exact")
    if _may_be_identical(match, query) and match.image.pixels_sha256 == query.pixels_sha256:
        return Verdict(match, "identical")
    return Verdict(match, "near" if match.score >= threshold else "similar")


def _reaches(match: Match, min_score: float | None) -> bool:
    return min_score is None or match.score >= min_score


def _may_be_identical(match: Match, query: Picture) -> bool:
    """Spares most queries the hashing of their pixels: the same pixels have the same size and vector."""
    return match.score > IDENTICAL_SCORE and (match.image.width, match.image.height) == (query.width, query.height)


def new_image(
    image_id: str, picture: Picture, vector: Vectors, source: str | None, metadata: dict[str, Any]
) -> NewImage:
    """What the store needs to remember a picture; `vector` is (D,) float32 of norm 1."""
    return NewImage(
        id=image_id,
        vector=vector,
        sha256=picture.sha256,
        pixels_sha256=picture.pixels_sha256,
        width=picture.width,
        height=picture.height,
        size=picture.size,
        format=picture.format,
        source=source,
        metadata=metadata,
    )


def _verdicts(outcome: AddOutcome, query: Picture, threshold: float) -> list[Verdict]:
    return [judge(match, query, threshold) for match in outcome.matches]


def _took(query: _Embedded, started: float) -> Took:
    return Took(query.decode_ms, query.embed_ms, 1e3 * (perf_counter() - started))
