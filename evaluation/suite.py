"""The suite: edited copies of a folder's own pictures, so that no labels are needed.

Some pictures, the strangers, are kept out of the references. Copies of the others are what has to be found; edited
strangers are what must not be; and strangers are the other pictures that edits paste and blend. Every copy is made from
its own number and the seed alone, when it is needed, so it does not depend on what was made before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, SeedSequence
from PIL.Image import Image

from evaluation.edits import CASES, EDITS, ONLY, STRENGTHS, VERSION, Case
from evaluation.errors import EvaluationError
from evaluation.pictures import Found, Photo
from evaluation.task import Task

FEWEST = 4
PLAN, PIXELS = 0, 1  # streams of random numbers


@dataclass(frozen=True)
class Copy:
    """An edited copy, made anew whenever it is opened; always the same for the same seed.

    source: what is edited.
    other:  a stranger, for edits that need another picture.
    steps:  one to three edits, in their order.
    seed:   of the suite, and the copy's number in it.
    """

    source: Photo
    other: Photo
    steps: tuple[Case, ...]
    seed: tuple[int, int]

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def edits(self) -> str:
        return " + ".join(str(step) for step in self.steps)

    @property
    def chain(self) -> int:
        return len(self.steps)

    def open(self) -> Image:
        """Upright RGB. Raises InputError, OSError."""
        rng = generator(self.seed[0], PIXELS, self.seed[1])
        image, other = self.source.open(), self.other.open()
        for step in self.steps:
            image = step(image, rng, other)
        return image


@dataclass(frozen=True)
class Plan:
    """How a suite is made up.

    copies:    edited copies of references; half have one edit, half two or three. Half as many edited strangers come
               on top of them.
    strangers: part of the pictures that is kept out of the references, above 0, below 1.
    seed:      the same seed and the same pictures give the same suite, to the byte.
    strengths: of the edits that have degrees, those that are drawn; edits without degrees always are.
    """

    copies: int
    strangers: float
    seed: int
    strengths: tuple[str, ...] = STRENGTHS

    def suite(self, found: Found) -> Task:
        """The task. Raises EvaluationError where there are too few pictures."""
        if len(found.photos) < FEWEST:
            raise EvaluationError(f"{len(found.photos)} different pictures could be read; at least {FEWEST} are needed")
        rng = generator(self.seed, PLAN)
        order = [found.photos[number] for number in rng.permutation(len(found.photos))]
        count = min(max(2, round(self.strangers * len(order))), len(order) - 1)
        strangers, references = order[:count], order[count:]
        owners = in_turn(self.copies, len(references), rng)
        lures = in_turn(self.copies // 2, count, rng)
        chains = [*self._chains(self.copies, rng), *self._chains(self.copies // 2, rng)]
        others = [strangers[number] for number in in_turn(self.copies, count, rng)]
        others += [strangers[(number + rng.integers(1, count)) % count] for number in lures]  # never itself
        sources = [references[number] for number in owners] + [strangers[number] for number in lures]
        drawn = zip(sources, others, chains, strict=True)
        queries = [Copy(*parts, seed=(self.seed, number)) for number, parts in enumerate(drawn)]
        pairs = np.column_stack([np.arange(self.copies), owners])
        return Task("suite", references, queries, pairs, self._parameters(found))

    def _chains(self, count: int, rng: Generator) -> list[tuple[Case, ...]]:
        return chains_of(count, rng, [case for case in CASES if case.strength in (*self.strengths, ONLY)])

    def _parameters(self, found: Found) -> dict[str, object]:
        """Everything that settles the suite, for results to be told apart by."""
        parameters = vars(self) | {"pictures": len(found.photos), "digest": found.digest, "edits_version": VERSION}
        return parameters | {"strengths": list(self.strengths)}


def generator(seed: int, *key: int) -> Generator:
    """A stream of random numbers of its own for each key."""
    return np.random.default_rng(SeedSequence(seed, spawn_key=key))


def in_turn(count: int, among: int, rng: Generator) -> np.ndarray:
    """`count` numbers below `among`, each as often as any other, give or take one, in random order: int (count,)."""
    rounds = [rng.permutation(among) for _ in range(-(-count // among))]
    return np.concatenate([*rounds, np.empty(0, np.int64)])[:count].astype(np.int64)


def chains_of(count: int, rng: Generator, cases: Sequence[Case] = CASES) -> list[tuple[Case, ...]]:
    """Single edits, taking turns, and chains of two and of three, evenly mixed: half single, a quarter each."""
    singles = iter(in_turn(-(-count // 2), len(cases), rng))
    kinds = [(1, 2, 1, 3)[number % 4] for number in range(count)]
    return [(cases[next(singles)],) if kind == 1 else _chain(kind, rng, cases) for kind in kinds]


def _chain(length: int, rng: Generator, cases: Sequence[Case]) -> tuple[Case, ...]:
    """Edits of different kinds, each at any of the strengths that the cases have of it."""
    names: Sequence[str] = rng.choice(list(EDITS), length, replace=False).tolist()
    strengths = {name: [case.strength for case in cases if case.edit == name] for name in names}
    return tuple(Case(name, str(rng.choice(strengths[name]))) for name in names)
