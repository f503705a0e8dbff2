"""What clients of a service under attack were told, and whether it holds: for scripts/torture.py."""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

State = Literal["adding", "here", "deleting", "gone", "queued"]
# What may be listed of a picture, times: of one whose answer never came, both.
MAY_BE: dict[State, set[int]] = {"adding": {0, 1}, "here": {1}, "deleting": {0, 1}, "gone": {0}, "queued": {0, 1}}


@dataclass
class Ledger:
    """Pictures by number. A state that ends in -ing was asked for and not, or not yet, acknowledged."""

    states: dict[int, State] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)
    keyed: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, keyed: bool = False) -> int:
        """The number of a picture that is about to be added; `keyed` can be sent again if no answer comes."""
        with self._lock:
            number = len(self.states)
            self.keyed |= {number} if keyed else set()
            self.states[number] = "adding"
            return number

    def note(self, number: int, state: State, image_id: str | None = None) -> None:
        """What was asked for, or acknowledged, of a picture."""
        with self._lock:
            self.states[number] = state
            self.counts[state] += 1
            if image_id is not None:
                self.ids[number] = image_id

    def added(self, number: int, image_id: str) -> None:
        """An add was acknowledged, perhaps to the second who asked; by then it may have been deleted again."""
        with self._lock:
            if self.states[number] == "adding":
                self.states[number] = "here"
                self.counts["here"] += 1
                self.ids[number] = image_id

    def some(self, state: State, random: Random) -> int | None:
        """Any picture in a state."""
        with self._lock:
            found = [number for number, its in self.states.items() if its == state]
        return random.choice(found) if found else None

    def unanswered(self, random: Random) -> int | None:
        """Any keyed picture of which nobody knows whether it was added."""
        with self._lock:
            found = [number for number in self.keyed if self.states[number] == "adding"]
        return random.choice(found) if found else None

    def take(self, state: State, to: State, random: Random) -> int | None:
        """Any picture in a state, which nobody else gets as it goes to another."""
        with self._lock:
            found = [number for number, its in self.states.items() if its == state]
            if not found:
                return None
            number = random.choice(found)
            self.states[number] = to
            return number

    def ids_gone(self) -> set[str]:
        """Of the pictures whose deletion was acknowledged so far."""
        with self._lock:
            return {self.ids[number] for number, its in self.states.items() if its == "gone"}

    def fault(self, what: str) -> None:
        """Note a broken promise."""
        with self._lock:
            self.faults.append(what)

    def settle(self, images: Iterable[dict[str, Any]]) -> None:
        """Compare with all images that are listed while nobody changes any; what was open is known from then on."""
        listed: dict[int, list[str]] = {}
        for image in images:
            listed.setdefault(image["metadata"]["number"], []).append(image["id"])
        for number, state in list(self.states.items()):
            ids = listed.pop(number, [])
            if len(ids) not in MAY_BE[state]:
                self.fault(f"picture {number} is {state!r} and listed {len(ids)} times")
            self._resolve(number, state, ids)
        for number in listed:
            self.fault(f"picture {number} was never added and is listed")

    def _resolve(self, number: int, state: State, ids: list[str]) -> None:
        if ids:
            self.ids[number] = ids[0]
        if state == "deleting":
            self.states[number] = "here" if ids else "gone"
        elif state in ("adding", "queued") and ids:
            self.states[number] = "here"
