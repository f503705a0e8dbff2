"""multipart/form-data (RFC 7578) that is read piece by piece: files are never in memory as a whole."""

import json
import secrets
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.pictures import blocks, name_of

QUOTED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})  # as browsers do


@dataclass(frozen=True)
class FilePart:
    """A picture as a file of a form; `size` in bytes."""

    name: str
    picture: Path | str | bytes
    size: int


class Form:
    """A form's body, to be read once: `len()` bytes in all, which goes into Content-Length.

    `read` raises UnreadableFile.
    """

    def __init__(self, fields: dict[str, str], files: Sequence[FilePart]) -> None:
        self._boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={self._boundary}"
        texts = [self._head(name) + value.encode() + b"\r\n" for name, value in fields.items()]
        self._start = b"".join(texts)
        self._files = [(self._head(each.name, name_of(each.picture)), each) for each in files]
        self._end = f"--{self._boundary}--\r\n".encode()
        self._pieces = self._all()
        self._rest = b""

    def __len__(self) -> int:
        return len(self._start) + sum(len(head) + each.size + 2 for head, each in self._files) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def read(self, size: int = -1) -> bytes:
        """At most `size` of the bytes that are left; all of them if it is negative."""
        if size < 0:
            return self._rest + b"".join(self._pieces)
        if not self._rest:
            self._rest = next(self._pieces, b"")
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def close(self) -> None:
        """Closes the file that was being read."""
        self._pieces.close()

    def _all(self) -> Generator[bytes, None, None]:
        between = self._start
        for head, each in self._files:
            yield between + head
            yield from filter(None, blocks(each.picture, each.size))  # an empty piece would be taken for the end
            between = b"\r\n"
        yield between + self._end

    def _head(self, name: str, filename: str | None = None) -> bytes:
        file = "" if filename is None else f'; filename="{filename.translate(QUOTED)}"'
        kind = "" if filename is None else "\r\nContent-Type: application/octet-stream"
        about = f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"{file}{kind}\r\n\r\n'
        return about.encode(errors="replace")


def as_text(value: Any) -> str:
    """A field as a form has it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ",".join(value)
    return json.dumps(value)
