"""Calibrates a collection with edited copies of its own pictures, of which it is known what they are copies of.

Queries are edits of a sample, drawn as the evaluation's suite draws them, and the sample as it is. With its own picture
a query is a copy; without, it is a stranger, and whatever else is found for it is wrong. Excepted are the picture that
an edit pasted or blended in, pictures of the same pixels, and pairs that a person has marked as duplicates. Copies that
the collection holds otherwise count as wrong: the closest such pairs are told, so that they can be marked.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from PIL.Image import Image

from evaluation.edits import VERSION
from extractor.interface import Vectors
from index_store import Match
from index_store.scoring import cosines
from retrieval.calibration import Calibration, Evidence, calibrated
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
    """Calibrations by mode, how many pictures they rest on and how many could not be read, and what to look at."""

    calibrations: dict[str, Calibration]
    pictures: int
    unreadable: int
    doubtful: list[Doubtful]


@dataclass(eq=False)
class _Tally:
    """What the queries of one mode have shown so far."""

    copies: list[float] = field(default_factory=list)
    wrong: list[float] = field(default_factory=list)
    queries: int = 0
    pairs: dict[frozenset[str], float] = field(default_factory=dict)

    def add(self, query: Query, views: Vectors, wrong: Sequence[Match]) -> None:
        self.queries += 1
        self.wrong += [match.score for match in wrong]
        source = query.source.drawn
        if query.steps:
            self.copies.append(_score(source.vector, views))
        else:
            self.pairs |= {frozenset((source.image.id, match.image.id)): match.score for match in wrong}

    def evidence(self, references: int) -> Evidence:
        return Evidence(np.array(self.copies), np.array(self.wrong), self.queries, references)

    def doubtful(self) -> list[Doubtful]:
        best = sorted(self.pairs.items(), key=lambda pair: -pair[1])[:TOLD]
        return [Doubtful((min(ids), max(ids)), score) for ids, score in best]


class Calibrator:
    """Makes the calibrations of one collection, of several modes of search over the same queries.

    modes: how each mode embeds a query; the score of a stored picture is the best that any of its views has with it.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        collection: str,
        sampling: Sampling = USUAL,
        modes: Mapping[str, Embed] | None = None,
    ) -> None:
        """Raises UnknownCollection."""
        self.collection = engine.store.collection(collection)
        self._store = engine.store
        self._sampling = sampling
        self._modes = modes or modes_of(engine)
        self._duplicates = {frozenset(pair.ids) for pair in sampling.marked if pair.is_duplicate}
        self._queries = Queries(settings, engine.store.catalog, self.collection, sampling)

    def run(self, report: Report = lambda _: None) -> Calibrated:
        """Raises CannotCalibrate where too few pictures can be read; otherwise as ImageStore.search does."""
        tallies = {mode: _Tally() for mode in self._modes}
        with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="edit") as pool:
            for queries in self._queries:
                self._ask(queries, pool, tallies)
                report({"pictures": self._queries.pictures, "unreadable": self._queries.unreadable})
        if self._queries.pictures < FEWEST:
            raise CannotCalibrate(self._too_few())
        return self._concluded(tallies)

    def _ask(self, queries: Sequence[Query], pool: Executor, tallies: Mapping[str, _Tally]) -> None:
        images = list(pool.map(Query.open, queries))
        for mode, tally in tallies.items():
            views = self._modes[mode](images)
            for query, each, found in zip(queries, views, self._search(views), strict=True):
                tally.add(query, each, [match for match in found if not self._is_shown(query, match)])

    def _search(self, views: Sequence[Vectors]) -> list[list[Match]]:
        """For each query the matches of all its views, each stored picture once, with its best score."""
        found = iter(self._store.search(self.collection.name, np.concatenate(views), DEPTH))
        return [_merged(list(islice(found, len(each)))) for each in views]

    def _is_shown(self, query: Query, match: Match) -> bool:
        return any(
            match.image.seq == image.seq
            or match.image.pixels_sha256 == image.pixels_sha256
            or frozenset((match.image.id, image.id)) in self._duplicates
            for image in query.shows
        )

    def _concluded(self, tallies: Mapping[str, _Tally]) -> Calibrated:
        calibrations = {mode: self._calibrated(mode, tally) for mode, tally in tallies.items()}
        doubtful = next(iter(tallies.values())).doubtful()
        return Calibrated(calibrations, self._queries.pictures, self._queries.unreadable, doubtful)

    def _calibrated(self, mode: str, tally: _Tally) -> Calibration:
        evidence = tally.evidence(self._store.catalog.count(self.collection)).with_marked(self._sampling.marked)
        return calibrated(evidence, self.collection.fingerprint, mode, VERSION, self._sampling.prior)

    def _too_few(self) -> str:
        return (
            f"of collection {self.collection.name!r} {self._queries.pictures} pictures could be used and "
            f"{self._queries.unreadable} could not be read: a calibration takes at least {FEWEST} that lie where they "
            "came from, in the library, or in the catalog (see `keep`)"
        )


def calibrate(
    settings: Settings,
    engine: Engine,
    collection: str,
    sampling: Sampling = USUAL,
    report: Report = lambda _: None,
) -> Calibrated:
    """Calibrate a collection in every mode; searches go by it from then on. Raises as Calibrator does."""
    calibrator = Calibrator(settings, engine, collection, sampling)
    done = calibrator.run(report)
    for mode, calibration in done.calibrations.items():
        engine.store.catalog.set_calibration(calibrator.collection, mode, calibration.as_json())
    return done


def modes_of(engine: Engine) -> dict[str, Embed]:
    """How each mode of search embeds its queries."""
    return {"fast": lambda images: list(engine.extractor.embed(images)[:, None])}


def _merged(found: Sequence[Sequence[Match]]) -> list[Match]:
    best: dict[int, Match] = {}
    for match in (match for matches in found for match in matches):
        if match.image.seq not in best or best[match.image.seq].score < match.score:
            best[match.image.seq] = match
    return list(best.values())


def _score(vector: Vectors, views: Vectors) -> float:
    """The best score of a stored vector (D,) with any of the views (V, D)."""
    return max(float(cosines(vector[None], view)[0]) for view in views)
