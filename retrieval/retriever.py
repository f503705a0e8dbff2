"""The Retriever: pictures in, verdicts out. It knows no HTTP; resources, scripts and jobs call the same methods."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from extractor.interface import Vectors
from index_store import (
    DUPLICATE,
    AddOutcome,
    Collection,
    Facts,
    ImageStore,
    Marks,
    Match,
    NewImage,
    PictureFacts,
    Recorded,
    RefinedMatches,
    Rules,
    relation,
    score_of,
)
from retrieval import observing
from retrieval.answers import AddAnswer, InBatch, SearchAnswer, Took
from retrieval.crowd import Crowd
from retrieval.errors import BadPayload
from retrieval.judges import Judges
from retrieval.options import AddOptions, Mode, NewPicture, Receipt, SearchOptions
from retrieval.payload import ImageSource, any_url
from retrieval.picture import Picture
from retrieval.query import FAILURES, Failure, Query, Reader
from retrieval.settings import SearchSettings
from retrieval.verdicts import Judge, Verdict, outcome_of, respecting


@dataclass(frozen=True, eq=False)
class _Searched:
    """An answer, and what the other pictures of the batch compare themselves with."""

    answer: SearchAnswer
    facts: Facts | None  # None of a picture that is alone
    views: Vectors


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A picture that is ready to be remembered."""

    new: NewImage
    decode_ms: float
    embed_ms: float


class Retriever:
    """Searches and adds pictures; one is the batch of one.

    Of a batch, a picture that cannot be used has the error as its answer. Raises the errors of the store.
    """

    def __init__(self, settings: SearchSettings, reader: Reader, store: ImageStore, judges: Judges) -> None:
        self._settings = settings
        self._reader = reader
        self._store = store
        self._marks = Marks(store.catalog)
        self._judges = judges

    def search(self, sources: Sequence[ImageSource], options: SearchOptions) -> list[SearchAnswer | Failure]:
        """Of each picture the nearest remembered ones, and which earlier ones of the batch it repeats."""
        self._depth(options)
        bound = self._store.bound(options.collection)  # first: an unknown one is told at once
        mode = "fast" if options.refinement else self._judges.mode(options.mode)
        judge = self._judges.of(bound, mode, options.target_precision)
        least = options.min_score if options.target_precision is None else judge.threshold
        options = replace(options, mode=mode, min_score=least)
        several = len(sources) > 1
        searched = self._reader.each(
            lambda source: self._searched(source, bound, options, judge, several), sources, any_url(sources)
        )
        return [
            each if isinstance(each, FAILURES) else replace(each.answer, in_batch=_repeats(number, searched, judge))
            for number, each in enumerate(searched)
        ]

    def add(
        self, pictures: Sequence[NewPicture], options: AddOptions, receipt: Receipt | None = None
    ) -> list[AddAnswer | Failure]:
        """Remember pictures, in their order and in one transaction; with `reject` only those that are no duplicates.

        Raises AnsweredBefore, KeyReused of the `receipt`.
        """
        if receipt:
            self._store.check_answered(receipt.once)
        bound = self._store.find_collection(options.collection)
        homes = [*([bound] if bound else []), *(self._store.bound(name) for name in options.against)]
        mode = self._judges.mode(options.mode)
        judge = self._judges.of(bound, mode, options.target_precision)
        fetches = any_url(each.source for each in pictures)
        prepared = self._reader.each(lambda picture: self._prepared(picture, homes, mode, judge), pictures, fetches)
        new = [each.new for each in prepared if not isinstance(each, FAILURES)]
        if not new:
            return [each for each in prepared if isinstance(each, FAILURES)]
        started = perf_counter()
        written: list[AddAnswer | Failure] = []

        def encode(outcomes: Sequence[AddOutcome]) -> bytes:
            written.extend(self._answers(prepared, outcomes, judge, started))
            return receipt.encode(written) if receipt else b""

        rules = Rules(judge.threshold, options.reject, options.against)
        recorded = Recorded(receipt.once, encode) if receipt else None
        with observing.timed("store"):
            outcomes = self._store.add(options.collection, new, rules, recorded)
        return written or self._answers(prepared, outcomes, judge, started)

    def _searched(
        self, source: ImageSource, bound: Collection, options: SearchOptions, judge: Judge, in_batch: bool
    ) -> _Searched:
        with self._reader.query(source, [bound], whole=False) as query:
            return self._looked_for(query, options, judge, in_batch)

    def _looked_for(self, query: Query, options: SearchOptions, judge: Judge, in_batch: bool) -> _Searched:
        started = perf_counter()
        embedded_ms = query.embed_ms
        query, found = self._nearest(query, options, judge)
        told = self._told(judge, query.facts, found.refined, options.min_score)
        plain = self._told(judge, query.facts, found.plain, options.min_score) if options.refinement else told
        search_ms = 1e3 * (perf_counter() - started) - (query.embed_ms - embedded_ms)
        observing.watch().stage("search", search_ms / 1e3)
        took = Took(query.decode_ms, query.embed_ms, search_ms)
        answer = SearchAnswer(told, outcome_of(query.facts.indeterminate, plain), took)
        return _Searched(answer, PictureFacts.of(query.facts) if in_batch else None, query.views)

    def _told(self, judge: Judge, facts: Facts, matches: Sequence[Match], min_score: float | None) -> list[Verdict]:
        return [each for each in self._judged(judge, facts, matches) if _reaches(each.match, min_score)]

    def _judged(self, judge: Judge, facts: Facts, matches: Sequence[Match]) -> list[Verdict]:
        """Marks are asked for only where they can tell: beside a duplicate there is another picture."""
        verdicts = judge.verdicts(facts, matches)
        if len(verdicts) < 2 or not any(each.is_duplicate for each in verdicts):
            return verdicts
        return respecting(self._marks.among(match.image.seq for match in matches), verdicts)

    def _nearest(self, query: Query, options: SearchOptions, judge: Judge) -> tuple[Query, RefinedMatches]:
        """What is nearest, and what it was looked for with."""
        name, depth, refinement = options.collection, self._depth(options), options.refinement
        crowd = Crowd(self._store, name, judge.threshold, depth)
        if refinement:
            (found,) = self._store.search_refined(name, [query.vector], depth, refinement, options.min_score)
            return query, replace(found, plain=crowd.uncovered(query.facts, query.views, found.plain))
        (matches,) = self._store.search(name, [query.views], depth)
        if options.mode == "thorough":
            whole, query = query, self._reader.with_parts(query, _surest(matches, judge))
            matches = matches if query is whole else self._store.search(name, [query.views], depth)[0]
        matches = crowd.uncovered(query.facts, query.views, matches)
        return query, RefinedMatches(matches, matches)

    def _depth(self, options: SearchOptions) -> int:
        most = self._settings.max_top_k
        if options.top_k is not None and options.top_k > most:
            raise BadPayload(f"top_k: at most {most}")
        return options.top_k or self._settings.top_k

    def _prepared(self, picture: NewPicture, homes: Sequence[Collection], mode: Mode, judge: Judge) -> _Prepared:
        with self._reader.query(picture.source, homes, whole=True) as query:
            return self._ready(picture, query, homes, mode, judge)

    def _ready(
        self, picture: NewPicture, query: Query, homes: Sequence[Collection], mode: Mode, judge: Judge
    ) -> _Prepared:
        if mode == "thorough":
            query = self._reader.with_parts(query, self._best(homes, query, judge))
        if query.picture is None:
            raise ValueError("what is remembered has to be decoded")
        new = new_image(picture.id or uuid.uuid4().hex, query.picture, query.vector, picture.source.origin)
        new = replace(new, metadata=picture.metadata, views=query.views, kept=self._reader.kept(query))
        return _Prepared(new, query.decode_ms, query.embed_ms)

    def _best(self, homes: Sequence[Collection], query: Query, judge: Judge) -> float:
        """As `_surest`, in every one of the collections: one that holds no copy is looked through for the parts."""
        found = [self._store.search(home.name, [query.vector], self._settings.top_k)[0] for home in homes]
        return min((_surest(matches, judge) for matches in found), default=-1.0)

    def _answers(
        self, prepared: list[_Prepared | Failure], outcomes: Sequence[AddOutcome], judge: Judge, started: float
    ) -> list[AddAnswer | Failure]:
        """In the order of the pictures; outcomes are of those that could be used."""
        search_ms = 1e3 * (perf_counter() - started)
        rest = iter(outcomes)
        return [
            each if isinstance(each, FAILURES) else self._answer(each, next(rest), judge, search_ms)
            for each in prepared
        ]

    def _answer(self, prepared: _Prepared, outcome: AddOutcome, judge: Judge, search_ms: float) -> AddAnswer:
        verdicts = self._judged(judge, prepared.new, outcome.matches)
        took = Took(prepared.decode_ms, prepared.embed_ms, search_ms)
        return AddAnswer(outcome.id, outcome.status, verdicts, took)


def _repeats(number: int, searched: Sequence[_Searched | Failure], judge: Judge) -> list[InBatch]:
    """The earlier ones of a batch that a picture is a copy of, as a search among them would find."""
    query = searched[number]
    earlier = [(index, each) for index, each in enumerate(searched[:number]) if not isinstance(each, FAILURES)]
    if isinstance(query, FAILURES) or not earlier:
        return []
    scores = score_of(query.views, np.stack([each.views[0] for _, each in earlier]))
    found = [
        InBatch(index, score, relation(query.facts, each.facts, score, judge.threshold))
        for (index, each), score in zip(earlier, scores, strict=True)
        if query.facts and each.facts
    ]
    return sorted((each for each in found if each.relation in DUPLICATE), key=lambda each: -each.score)


def new_image(image_id: str, picture: Picture, vector: Vectors, source: str | None) -> NewImage:
    """What the store needs to remember a picture; `vector` is (D,) float32 of norm 1."""
    return NewImage(
        id=image_id,
        vector=vector,
        source=source,
        metadata={},
        format=picture.format,
        size=picture.size,
        **vars(PictureFacts.of(picture)),
    )


def _surest(matches: Sequence[Match], judge: Judge) -> float:
    """The best score of a copy; -1 of none. A picture without content may score high, and says nothing."""
    scores = [match.score for match in matches if not match.image.indeterminate]
    return max((score for score in scores if score >= judge.threshold), default=-1.0)


def _reaches(match: Match, min_score: float | None) -> bool:
    return min_score is None or match.score >= min_score
