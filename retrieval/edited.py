"""Pictures of a collection, read again and edited: queries of which it is known what they show."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import islice

from numpy.random import Generator
from PIL.Image import Image

from evaluation.edits import Case
from evaluation.pictures import scaled_down
from evaluation.suite import PIXELS, chains_of, generator
from index_store import Catalog, Collection, ImageRecord
from index_store.sampling import Drawn, draw
from retrieval.calibration import PRIOR, MarkedPair
from retrieval.originals import Absent, Originals
from retrieval.pipeline import in_batches
from retrieval.settings import Settings

TRIES = 4  # pictures looked at for each that is wanted, where some cannot be read
TOGETHER = 8  # pictures in memory, with their edits; each is pasted on, and by, others of them
LONGEST = 1024  # pixels, as in the suite
CHAINS = 2  # streams of random numbers beside the suite's
OTHERS = 3
MODES = ("fast", "thorough")


@dataclass(frozen=True)
class Sampling:
    """What a calibration rests on.

    pictures: most that are drawn of the collection.
    edits:    copies of each.
    seed:     of all that is random.
    prior:    share of the queries to come that are copies, above 0, at most 1.
    marked:   pairs of stored pictures that are known to be copies or not, besides those that the catalog has.
    modes:    of search, to be calibrated.
    """

    pictures: int = 500
    edits: int = 8
    seed: int = 0
    prior: float = PRIOR
    marked: tuple[MarkedPair, ...] = ()
    modes: tuple[str, ...] = MODES


@dataclass(frozen=True, eq=False)
class Readable:
    """A stored picture that could be read again, at most LONGEST pixels wide and high."""

    drawn: Drawn
    image: Image


@dataclass(frozen=True, eq=False)
class Query:
    """A picture edited by `steps`, with `other` for those that need one; as it is where there are no steps."""

    source: Readable
    other: Readable
    steps: tuple[Case, ...]
    seed: tuple[int, int]

    def open(self) -> Image:
        """The same whenever it is opened."""
        rng = generator(self.seed[0], PIXELS, self.seed[1])
        image = self.source.image
        for step in self.steps:
            image = step(image, rng, self.other.image)
        return image

    @property
    def shows(self) -> list[ImageRecord]:
        """Stored pictures of which it may rightly be called a copy."""
        shown = (self.source, self.other) if self.steps else (self.source,)
        return [readable.drawn.image for readable in shown]


class Queries:
    """Queries made from a sample of a collection, a few pictures' at a time."""

    def __init__(self, settings: Settings, catalog: Catalog, collection: Collection, sampling: Sampling) -> None:
        self.pictures = 0
        self.unreadable = 0
        self._catalog = catalog
        self._collection = collection
        self._sampling = sampling
        self._originals = Originals(settings, catalog, collection.name)

    def __iter__(self) -> Iterator[list[Query]]:
        """`pictures` and `unreadable` count along. A last picture alone has none to be edited with: it is left out."""
        readable = islice(self._readable(), self._sampling.pictures)
        chains = iter(chains_of(self._sampling.pictures * self._sampling.edits, self._stream(CHAINS)))
        while len(together := list(islice(readable, TOGETHER))) > 1:
            yield list(self._about(together, chains))
            self.pictures += len(together)

    def _about(self, together: Sequence[Readable], chains: Iterator[tuple[Case, ...]]) -> Iterator[Query]:
        rng = self._stream(OTHERS, self.pictures)
        for place, source in enumerate(together):
            number = (self.pictures + place) * self._sampling.edits
            yield Query(source, source, (), (self._sampling.seed, number))
            for edit, steps in enumerate(islice(chains, self._sampling.edits)):
                other = together[(place + int(rng.integers(1, len(together)))) % len(together)]
                yield Query(source, other, steps, (self._sampling.seed, number + edit))

    def _stream(self, *key: int) -> Generator:
        return generator(self._sampling.seed, *key)

    def _readable(self) -> Iterator[Readable]:
        drawn = islice(draw(self._catalog, self._collection, self._sampling.seed), TRIES * self._sampling.pictures)
        for readable in in_batches(drawn, TOGETHER, self._begin, _ended, iter):
            if readable is None:
                self.unreadable += 1
            else:
                yield readable

    def _begin(self, pool: Executor, batch: list[Drawn]) -> list["Future[Readable | None]"]:
        return [pool.submit(self._read, drawn) for drawn in batch]

    def _read(self, drawn: Drawn) -> Readable | None:
        try:
            _, picture = self._originals.read(drawn.image)
        except Absent:
            return None
        return Readable(drawn, scaled_down(picture.image, LONGEST))


def _ended(batch: list["Future[Readable | None]"]) -> list[Readable | None]:
    return [reading.result() for reading in batch]
