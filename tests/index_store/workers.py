"""What tests run in other processes."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np

from index_store import Catalog, ImageStore, JobBoard, KeptPicture, Rules
from tests.index_store.stores import NAME, new_store
from tests.index_store.vectors import new_image, unit_vectors


def add_rejecting(folder: Path, worker: int, start: Barrier, outcomes: Queue) -> None:
    """Four threads add the same five vectors, each under ids of its own; puts (status, vector) of each."""
    vectors = unit_vectors(5, seed=3)
    store = new_store(folder)

    def add(thread: int) -> list[tuple[str, int]]:
        start.wait()
        return [
            (store.add(NAME, [new_image(f"{worker}-{thread}-{n}", vector)], Rules(0.9, reject=True))[0].status, n)
            for n, vector in enumerate(vectors)
        ]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(add, range(4)))
    store.close()
    outcomes.put(results)


@dataclass
class Member:
    """What a process of a crew holds."""

    store: ImageStore
    together: Barrier


_member: list[Member] = []
Calls = list[list[tuple[str, list[float]]]]  # of each call the (id, vector) of its pictures
Told = list[tuple[str, str, list[tuple[str, float]]]]  # of each picture (id, status, matches as (id, score))


def join_crew(folder: Path, together: Barrier) -> None:
    """Begins a process whose store stays open for many tasks; all of a crew begin each task together."""
    _member.append(Member(new_store(folder), together))


def add_in_threads(name: str, near: float, hands: list[Calls]) -> Told:
    """Adds with reject, each hand's calls on a thread of its own."""
    (member,) = _member
    member.together.wait(120)

    def add(calls: Calls) -> Told:
        told = []
        for call in calls:
            images = [new_image(image_id, np.array(vector, np.float32)) for image_id, vector in call]
            outcomes = member.store.add(name, images, Rules(near, reject=True))
            told += [(each.id, each.status, [(m.image.id, m.score) for m in each.matches]) for each in outcomes]
        return told

    with ThreadPoolExecutor(len(hands)) as pool:
        return [each for told in pool.map(add, hands) for each in told]


def add_and_say(folder: Path, first: int) -> None:
    """Adds one picture after the other, saying the id of each once it is acknowledged, until killed."""
    store = new_store(folder)
    for number in range(first, first + 100_000):
        vector = unit_vectors(1, seed=number)[0]
        kept = KeptPicture("original", str(number).encode() * 1000)
        store.add(NAME, [new_image(str(number), vector, kept=kept)], Rules(0.95, reject=True))
        print(number, flush=True)
        if number % 40 == 39:
            store.rebuild(NAME)


def open_catalog(folder: Path, start: Barrier, outcomes: Queue) -> None:
    start.wait()
    catalog = Catalog(f"sqlite:///{folder / 'catalog.db'}")
    catalog.close()
    outcomes.put("ok")


def create_elsewhere(folder: Path, start: Barrier, outcomes: Queue) -> None:
    start.wait()
    catalog = Catalog(f"sqlite:///{folder / 'catalog.db'}")
    catalog.create_collection("elsewhere", "f1", 8, None)
    catalog.close()
    outcomes.put("ok")


def claim_all(folder: Path, start: Barrier, outcomes: Queue) -> None:
    """Claims jobs until none is left; puts their ids in the order of claiming."""
    catalog = Catalog(f"sqlite:///{folder / 'catalog.db'}")
    board = JobBoard(catalog)
    start.wait()
    claimed = []
    while job := board.claim():
        claimed.append(job.id)
    catalog.close()
    outcomes.put(claimed)


def ask_many(folder: Path, start: Barrier, outcomes: Queue) -> None:
    catalog = Catalog(f"sqlite:///{folder / 'catalog.db'}")
    board = JobBoard(catalog)
    start.wait()
    asked = [board.ask("rebuild", "a").id for _ in range(10)]
    catalog.close()
    outcomes.put(asked)


if __name__ == "__main__":
    add_and_say(Path(sys.argv[1]), int(sys.argv[2]))
