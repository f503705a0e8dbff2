"""Folders -> a plan: what is a copy of what, and which one stays. Nothing is changed."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import numpy as np

from cleaning.cache import Cache, Content
from cleaning.evidence import Rule
from cleaning.keeping import Keep
from cleaning.looks import Look, Places, looks_of
from cleaning.matching import Matcher, parts_key
from cleaning.parts import DiskParts
from cleaning.plan import About, PlannedGroup, Relation, Trouble
from cleaning.planning import Planner
from cleaning.progress import Progress
from cleaning.reading import Depth, Reader, Seen
from cleaning.scan import roots, scan
from cleaning.stars import Graph, of_one_keeper, stars
from cleaning.support import with_supported
from extractor import Extractor, Parts, load_extractor
from retrieval import calibrations
from retrieval.settings import Settings

LEAST_BYTES, LEAST_PIXELS = 128 * 1024 * 1024, 150_000_000  # of a file of one's own, whatever a service would refuse
WEIGHED = "sscd-"  # how fingerprints of the extractor begin that the weighing of parts was measured with


class FindingError(Exception):
    """What was asked cannot be done; the message says why."""


@dataclass(frozen=True)
class Question:
    """What is looked for. Paths are as given; `threshold` is a cosine, `precision` a part of 1: one at most."""

    folders: Sequence[str]
    keep: Keep
    protected: Sequence[str] = ()
    relation: Relation = "near"
    threshold: float | None = None
    precision: float | None = None


@dataclass
class Tally:
    """What there was, while it is counted."""

    pictures: int = 0
    bytes: int = 0
    troubles: list[Trouble] = field(default_factory=list)

    def tell(self, path: str, reason: str) -> None:
        self.troubles.append(Trouble(path=path, reason=reason))


class Finder:
    """Answers one question. `tally` counts along."""

    def __init__(self, settings: Settings, cache: Cache, question: Question, progress: Progress) -> None:
        self._settings = settings
        self._cache = cache
        self._question = question
        self._progress = progress
        self._protected = roots(question.protected)
        self._folders = roots([*question.folders, *question.protected])
        self._limits = settings.input.model_copy(
            update={
                "max_bytes": max(settings.input.max_bytes, LEAST_BYTES),
                "max_pixels": max(settings.input.max_pixels, LEAST_PIXELS),
            }
        )
        self.tally = Tally()

    def find(self) -> tuple[About, list[PlannedGroup]]:
        """The plan. Raises FindingError, ExtractorError, DamagedCache, OSError."""
        extractor = load_extractor(self._settings.extractor) if self._question.relation == "near" else None
        looks = self._looks(extractor)
        rule = self._rule(extractor, self.tally.pictures)
        groups = self._near(looks, rule, extractor) if extractor else self._same(looks)
        planned = [group for group in groups if group]
        planned.sort(key=lambda group: group.keeper.path)
        self._cache.commit()
        return self._about(rule, extractor), planned

    def _looks(self, extractor: Extractor | None) -> list[Look]:
        wanted = self._question.relation
        depth: Depth = "bytes" if wanted == "exact" else "pixels" if wanted == "identical" else "vectors"
        seen = list(self._seen(depth, extractor))
        if depth == "bytes":
            self._read_repeated(seen)
        contents = dict(self._cache.contents({each.sha256 for each in seen}))
        self._count(seen, contents)
        order = [os.path.realpath(folder) for folder in self._question.folders]
        return looks_of(seen, contents, Places(order, self._protected), self._question.keep, wanted)

    def _seen(self, depth: Depth, extractor: Extractor | None) -> Iterator[Seen]:
        """Every file that could be read, all of it in the cache by then."""
        leave = [str(self._cache.folder.resolve())]
        files = scan(self._folders, self.tally.tell, leave)
        reader = Reader(self._cache, self._limits, depth, extractor)
        count = partial(scan, self._folders, _ignore, leave)
        with closing(reader.look(files)) as looking:
            for seen in self._progress.counted(looking, count, "look"):
                if seen.trouble:
                    self.tally.tell(seen.file.path, seen.trouble)
                else:
                    yield seen
        self._cache.commit()

    def _read_repeated(self, seen: Sequence[Seen]) -> None:
        """Formats and sizes of what there is more than one of, for the plan."""
        often = Counter(each.sha256 for each in seen)
        first = {each.sha256: each.file for each in reversed(seen) if often[each.sha256] > 1}
        reader = Reader(self._cache, self._limits, "pixels", None)
        for _ in self._progress.over(reader.look(iter(first.values())), len(first), "read copies"):
            pass
        self._cache.commit()

    def _count(self, seen: Sequence[Seen], contents: dict[str, Content]) -> None:
        sizes = {each.file.identity: each.file.size for each in seen}
        self.tally.pictures, self.tally.bytes = len(sizes), sum(sizes.values())
        for each in seen:
            if (content := contents.get(each.sha256)) and content.failure:
                self.tally.tell(each.file.path, content.failure)

    def _rule(self, extractor: Extractor | None, pictures: int) -> Rule:
        asked = self._question
        if extractor is None:
            return Rule.plain(1.0)
        if asked.precision is not None:
            return Rule.plain(_reached(extractor.fingerprint, asked.precision, pictures))
        if asked.threshold is None and extractor.fingerprint.startswith(WEIGHED):
            return Rule.weighed(pictures)
        return Rule.plain(self._settings.search.threshold if asked.threshold is None else asked.threshold)

    def _near(self, looks: Sequence[Look], rule: Rule, extractor: Extractor) -> Iterator[PlannedGroup | None]:
        settings = self._settings.extractor
        key = parts_key(extractor.fingerprint, settings)
        parts = DiskParts(self._cache, self._limits, Parts(settings, extractor), key, extractor.dim)
        matcher = Matcher(self._cache, extractor, parts, self._progress.steps, self._progress.over)
        pairs = matcher.pairs(looks, rule, "\n".join(self._folders))
        graph = Graph(len(looks), pairs.where(pairs.scores >= rule.threshold))
        protected = np.array([look.is_protected for look in looks], np.bool_)
        grouped: set[int] = set()
        found = of_one_keeper(stars(graph, protected, partial(_best, looks, self._question.keep)))
        for star in with_supported(found, Graph(len(looks), pairs), protected):
            members = [(looks[place], score, int(place in star.apart)) for place, score in star.members]
            grouped |= {star.keeper, *(place for place, _ in star.members)}
            yield self._planner.group(looks[star.keeper], members)
        yield from self._same(look for place, look in enumerate(looks) if place not in grouped)

    def _same(self, looks: Iterable[Look]) -> Iterator[PlannedGroup | None]:
        for look in looks:
            if len(look.pictures) > 1:
                yield self._planner.group(look, [])

    @property
    def _planner(self) -> Planner:
        return Planner(self._cache, self._question.keep, self.tally.tell)

    def _about(self, rule: Rule, extractor: Extractor | None) -> About:
        return About(
            made_at=datetime.fromtimestamp(int(time.time()), UTC),
            folders=tuple(self._folders),
            protected=tuple(self._protected),
            keep=str(self._question.keep),
            threshold=rule.threshold,
            fingerprint=extractor.fingerprint if extractor else self._question.relation,
            pictures=self.tally.pictures,
            bytes=self.tally.bytes,
            troubles=tuple(self.tally.troubles),
        )


def _best(looks: Sequence[Look], keep: Keep, places: Sequence[int], apart: Set[int]) -> int:
    """The place of the look that the rules keep."""

    def key(place: int) -> tuple[int | str, ...]:
        return keep.key(replace(looks[place].pictures[0].candidate, apart=int(place in apart), near=True))

    return min(places, key=key)


def _reached(fingerprint: str, precision: float, pictures: int) -> float:
    """The cosine for a precision among so many pictures, by the calibration that is shipped for the extractor."""
    known = calibrations.default(fingerprint, "fast")
    if known is None:
        raise FindingError("nothing is known of what scores of this extractor are worth: give --threshold")
    among = known.among(pictures)
    score = among.threshold(precision)
    if score is None:
        most = among.knots[-1][1]
        text = (
            f"among {pictures:,} pictures no score is known to give a precision of {precision}; {most:.4f} is the most"
        )
        raise FindingError(f"{text} that can be said: give --threshold, or neither")
    return score


def _ignore(_path: str, _reason: str) -> None:
    """What cannot be read is told by the other walk."""
