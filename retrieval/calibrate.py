"""Calibrates a collection with edited copies of its own pictures, of which it is known what they are copies of.

Queries are edits of a sample, drawn as the evaluation's suite draws them, and the sample as it is. With its own picture
a query is a copy; without, it is a stranger, and whatever else is found for it is wrong. Excepted are the picture that
an edit pasted or blended in, pictures of the same pixels, and pairs that a person has marked as duplicates. Copies that
the collection holds otherwise count as wrong: the closest such pairs are told, so that they can be marked.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL.Image import Image

from evaluation.edits import VERSION
from extractor.interface import Vectors
from index_store import Collection, ImageStore, Marks, Match
from index_store.scoring import best_cosines, pair_cosines
from retrieval.calibration import Calibration, Evidence, MarkedPair, calibrated
from retrieval.edited import Queries, Query, Sampling
from retrieval.engine import Engine
from retrieval.errors import CannotCalibrate
from retrieval.settings import Settings

FEWEST = 20
DEPTH = 16  # matches looked at for each query
TOLD = 20  # doubtful pairs
USUAL = Sampling()

# Pictures -> for each its views (V, D): row 0 the whole picture, of norm 1; further ones of norm 1 or less.
Embed = Callable[[Sequence[Image]], list[Vectors]]
Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Doubtful:
    """Two stored pictures that are copies of each other, or the hardest of strangers: a person can tell."""

    ids: tuple[str, str]
    score: float


@dataclass(frozen=True)
class Calibrated:
    """Calibrations of a collection by mode, how many pictures they rest on, how many could not be read."""

    collection: Collection
    calibrations: dict[str, Calibration]
    pictures: int
    unreadable: int
    doubtful: list[Doubtful]


@dataclass(eq=False)
class Tally:
    """What the queries of one mode have shown so far."""

    copies: list[float] = field(default_factory=list)
    wrong: list[float] = field(default_factory=list)
    queries: int = 0
    pairs: dict[frozenset[str], float] = field(default_factory=dict)

    def add(self, query: Query, views: Vectors, wrong: Sequence[Match]) -> None:
        """A query, its views (V, D), and what was found for it besides what it shows."""
        self.queries += 1
        self.wrong += [match.score for match in wrong]
        source = query.source.drawn
        if query.steps:
            self.copies.append(best_cosines(source.vector[None], views).item())
        else:
            self.pairs |= {frozenset((source.image.id, match.image.id)): match.score for match in wrong}

    def evidence(self, references: int) -> Evidence:
        """The same as arrays; `references` pictures were searched."""
        return Evidence(np.array(self.copies), np.array(self.wrong), self.queries, references)

    def doubtful(self) -> list[Doubtful]:
        """The closest pairs, closest first."""
        best = sorted(self.pairs.items(), key=lambda pair: -pair[1])[:TOLD]
        return [Doubtful((min(ids), max(ids)), score) for ids, score in best]


class Asker:
    """Searches a collection for queries, in several modes.

    modes: how each mode embeds a query; the score of a stored picture is the best that any of its views has with it.
    """

    def __init__(
        self, store: ImageStore, collection: str, modes: Mapping[str, Embed], marked: Sequence[MarkedPair] = ()
    ) -> None:
        self._store = store
        self._collection = collection
        self._modes = modes
        self._duplicates = {frozenset(pair.ids) for pair in marked if pair.is_duplicate}

    def ask(self, queries: Queries, report: Report = lambda _: None) -> dict[str, Tally]:
        """What they show, by mode. Raises as ImageStore.search does."""
        tallies = {mode: Tally() for mode in self._modes}
        with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="edit") as pool:
            for some in queries:
                images = list(pool.map(Query.open, some))
                for mode, tally in tallies.items():
                    self._ask(some, self._modes[mode](images), tally)
                report({"pictures": queries.pictures, "unreadable": queries.unreadable})
        return tallies

    def _ask(self, queries: Sequence[Query], views: Sequence[Vectors], tally: Tally) -> None:
        matches = self._store.search(self._collection, views, DEPTH)
        for query, each, found in zip(queries, views, matches, strict=True):
            tally.add(query, each, [match for match in found if self._is_wrong(query, match)])

    def _is_wrong(self, query: Query, match: Match) -> bool:
        """A picture without content is no wrong match: whatever it scores, it is not told as a copy."""
        return not match.image.indeterminate and not self._is_shown(query, match)

    def _is_shown(self, query: Query, match: Match) -> bool:
        return any(
            match.image.seq == image.seq
            or match.image.pixels_sha256 == image.pixels_sha256
            or frozenset((match.image.id, image.id)) in self._duplicates
            for image in query.shows
        )


def find_out(
    settings: Settings,
    engine: Engine,
    name: str,
    sampling: Sampling = USUAL,
    report: Report = lambda _: None,
) -> Calibrated:
    """Calibrations of a collection for the modes asked for; stores nothing. What people have marked counts too.

    Raises UnknownCollection, FingerprintMismatch, and CannotCalibrate where too few pictures can be read.
    """
    store, collection = engine.store, engine.store.collection(name)
    sampling = replace(sampling, marked=(*sampling.marked, *marked_in(store, collection)))
    queries = Queries(settings, store.catalog, collection, sampling)
    modes = {mode: embed for mode, embed in modes_of(engine).items() if mode in sampling.modes}
    tallies = Asker(store, name, modes, sampling.marked).ask(queries, report)
    if queries.pictures < FEWEST:
        raise CannotCalibrate(_too_few(name, queries))
    references = store.catalog.count(collection)
    calibrations = {
        mode: calibrated(
            tally.evidence(references).with_marked(sampling.marked),
            collection.fingerprint,
            mode,
            VERSION,
            sampling.prior,
        )
        for mode, tally in tallies.items()
    }
    doubtful = next(iter(tallies.values())).doubtful()
    return Calibrated(collection, calibrations, queries.pictures, queries.unreadable, doubtful)


def calibrate(
    settings: Settings,
    engine: Engine,
    name: str,
    sampling: Sampling = USUAL,
    report: Report = lambda _: None,
) -> Calibrated:
    """Calibrate a collection: searches go by it from then on. Raises as `find_out` does."""
    done = find_out(settings, engine, name, sampling, report)
    for mode, calibration in done.calibrations.items():
        engine.store.catalog.set_calibration(done.collection, mode, calibration.as_json())
    return done


def marked_in(store: ImageStore, collection: Collection) -> Iterator[MarkedPair]:
    """The pairs that people have marked within a collection."""
    for some in Marks(store.catalog).vectors(collection):
        scores = pair_cosines(some.a, some.b).tolist()
        yield from map(MarkedPair, some.ids, scores, some.duplicates.tolist())


def modes_of(engine: Engine) -> dict[str, Embed]:
    """How each mode of search embeds its queries; in `thorough`, parts are looked for whatever the whole finds."""
    return {"fast": lambda images: list(engine.extractor.embed(images)[:, None]), "thorough": _thorough(engine)}


def _thorough(engine: Engine) -> Embed:
    def embed(images: Sequence[Image]) -> list[Vectors]:
        wholes = engine.extractor.embed(images)[:, None]
        return [np.concatenate([whole, engine.parts.rows(image)]) for whole, image in zip(wholes, images, strict=True)]

    return embed


def _too_few(name: str, queries: Queries) -> str:
    return (
        f"{queries.pictures} pictures of collection {name!r} could be used, {queries.unreadable} could not be read: a "
        f"calibration takes at least {FEWEST} that lie where they came from, in the library, or in the catalog (`keep`)"
    )
