"""Taking turns: who asks for much waits behind himself, and the others wait for one of his at most."""

import ipaddress
from collections import Counter, deque
from collections.abc import Hashable
from contextvars import ContextVar
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")

# Whose work a thread does: the holder of a key, or an address. None of this machine's own, who share one turn.
asking: ContextVar[str | None] = ContextVar("asking", default=None)


def network_of(address: str) -> str:
    """An IPv4 address, or the IPv6 /64 around one, of which anybody has a whole one; what is no address as it is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 6:
        found = found.ipv4_mapped or found
    if found.version == 4 or found.is_loopback:
        return str(found)
    return str(ipaddress.ip_network((int(found), 64), strict=False))


class Turns(Generic[Item]):
    """A queue in which the callers take turns, each with his items in the order of arrival. Needs a lock around it."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, deque[Item]] = {}  # the next caller first; none is empty
        self._length = 0
        self._latest: Hashable = None  # caller

    def __len__(self) -> int:
        return self._length

    @property
    def first(self) -> Item:
        """Whose turn it is, of a queue that is not empty."""
        return next(iter(self._lines.values()))[0]

    def add(self, caller: Hashable, item: Item) -> None:
        """Put it behind what else the caller has here."""
        self._lines.setdefault(caller, deque()).append(item)
        self._length += 1
        self._latest = caller

    def take(self) -> Item:
        """The first; its caller's next is behind those of all others. Raises StopIteration of an empty queue."""
        caller, line = next(iter(self._lines.items()))
        del self._lines[caller]
        if len(line) > 1:
            self._lines[caller] = line
        self._length -= 1
        return line.popleft()

    def crowd_out(self) -> Item:
        """Take the newest of the caller who has most here, among equals of who came last.

        Raises ValueError of an empty queue.
        """
        caller, line = max(self._lines.items(), key=lambda each: (len(each[1]), each[0] == self._latest))
        item = line.pop()
        if not line:
            del self._lines[caller]
        self._length -= 1
        return item


class Places:
    """So many places, for whoever is `asking`. One caller gets three quarters of them at most. Safe between threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_of_one = most - most // 4
        self._held: Counter[str | None] = Counter()  # by caller
        self._changed = Condition()

    @property
    def taken(self) -> int:
        """Places that are held."""
        with self._changed:
            return self._held.total()

    def take(self, caller: str | None, wait_s: float = 0.0) -> bool:
        """Whether there was a place within so many seconds, which is now held."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_one_for(caller), wait_s):
                return False
            self._held[caller] += 1
            return True

    def give_back(self, caller: str | None) -> None:
        """A place that the caller has held."""
        with self._changed:
            self._held[caller] -= 1
            self._held += Counter()  # drops those who hold none
            self._changed.notify_all()

    def _has_one_for(self, caller: str | None) -> bool:
        # Who is nobody in particular (see `asking`) is not kept from the rest.
        most_of_one = self._most if caller is None else self._most_of_one
        return self._held.total() < self._most and self._held[caller] < most_of_one
