"""Many pictures -> as few requests as can be, and one result for each picture."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from client import answers
from client.asking import Ask
from client.errors import ServiceError, UnreadableFile
from client.pictures import Picture, Ready, size_of, split
from client.results import Failure
from client.transport import Request

BATCH = 32  # pictures in a request, as many as the service takes (`input.max_batch`)
BATCH_BYTES = 24 * 2**20  # of pictures in a request; the service takes 32 MiB (`server.max_request_bytes`)
R = TypeVar("R")


@dataclass
class Batches(Generic[R]):
    """One call's way through the service. `shape` makes a request of some pictures, `read` a result of a reply."""

    ask: Ask
    shape: Callable[[list[Ready]], Request]
    read: Callable[[dict[str, Any]], R | Failure]
    most: int = BATCH
    _results: dict[int, R | Failure] = field(default_factory=dict)

    def send(self, pictures: Iterable[tuple[Picture, dict[str, Any]]]) -> list[R | Failure]:
        """The results in the order of the pictures; each comes with what is said of it alone."""
        for group in split(self._ready(pictures), self.most, BATCH_BYTES):
            self._send(group)
        return [self._results[index] for index in sorted(self._results)]

    def _ready(self, pictures: Iterable[tuple[Picture, dict[str, Any]]]) -> list[Ready]:
        ready = []
        for index, (picture, item) in enumerate(pictures):
            try:
                ready.append(Ready(index, picture, size_of(picture), item))
            except UnreadableFile as error:
                self._results[index] = answers.unreadable(error)
        return ready

    def _send(self, group: list[Ready]) -> None:
        """One request; more where a file turns out to be unreadable, or where they are too large together."""
        try:
            replies = answers.each(self.ask(self.shape(group)), len(group))
        except UnreadableFile as error:
            self._send_without(error, group)
        except ServiceError as error:
            if error.status != 413:
                raise
            self._send_halves(error, group)
        else:
            self._results.update({each.index: self.read(reply) for each, reply in zip(group, replies, strict=True)})

    def _send_without(self, error: UnreadableFile, group: list[Ready]) -> None:
        broken = next(each for each in group if str(each.picture) == error.path)
        self._results[broken.index] = answers.unreadable(error)
        if rest := [each for each in group if each is not broken]:
            self._send(rest)

    def _send_halves(self, error: ServiceError, group: list[Ready]) -> None:
        if len(group) == 1:
            self._results[group[0].index] = answers.failure(error.status, error.document)
            return
        self._send(group[: len(group) // 2])
        self._send(group[len(group) // 2 :])
