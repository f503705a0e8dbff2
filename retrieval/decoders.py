"""Child processes that decode: started when first needed, used again, ended when they take too long."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from multiprocessing import Pipe
from pathlib import Path
from threading import Semaphore
from time import monotonic
from typing import Any

from PIL import Image

from retrieval.decoder import LOAD, strips
from retrieval.decoding import Bounds, TookTooLong, check_pixels
from retrieval.errors import BadImage, InputError, NoDecoder, PictureTooLarge

ROOT = Path(__file__).resolve().parent.parent
INHERITED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "LANG")  # of the environment; the rest may hold secrets
WORN_BYTES = 1 << 29  # what a child may have kept of pictures before the one that is its last
ERRORS: dict[str, type[InputError]] = {each.__name__: each for each in (BadImage, PictureTooLarge)}


class Decoder:
    """One child process. What it cannot do is a BadImage or PictureTooLarge; it is `usable` afterwards or not."""

    def __init__(self) -> None:
        self.usable = True
        self._until = 0.0
        self._socket, theirs = Pipe()
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # nothing in the command comes from outside
                [sys.executable, "-m", "retrieval.decoder", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env=environment,
                pass_fds=(theirs.fileno(),),
            )

    def open(self, data: bytes, bounds: Bounds) -> tuple[str, tuple[int, int]]:
        """Format and size by the file's header. Raises BadImage, PictureTooLarge."""
        self._bounds = bounds
        header = self._ask(json.dumps(asdict(bounds)).encode(), data)
        self.usable = header["held"] < WORN_BYTES
        return header["format"], (header["size"][0], header["size"][1])

    def load(self) -> Image.Image:
        """The pixels of the file that was opened. Raises BadImage, PictureTooLarge."""
        width, height = self._ask(LOAD)["size"]
        check_pixels((width, height), self._bounds.max_pixels)
        image = Image.new("RGB", (width, height))
        for box in strips(image.size):
            image.paste(Image.frombytes("RGB", (width, box[3] - box[1]), self._answer()), box)
        return image

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def _ask(self, *messages: bytes) -> dict[str, Any]:
        self._until = monotonic() + self._bounds.seconds
        with suppress(OSError):  # it has died: the answer says so
            for message in messages:
                self._socket.send_bytes(message)
        answer: dict[str, Any] = json.loads(self._answer())
        if "error" in answer:
            raise ERRORS.get(answer["error"], BadImage)(answer["detail"])
        return answer

    def _answer(self) -> bytes:
        try:
            if self._socket.poll(max(0, self._until - monotonic())):
                return self._socket.recv_bytes()
        except (EOFError, OSError):
            self.usable = False
            raise BadImage("The file makes its decoder fail; save it again as a JPEG or PNG.") from None
        self.usable = False
        raise TookTooLong(self._bounds.seconds)


class Decoders:
    """As many children as there are cores, at most."""

    def __init__(self) -> None:
        self._free = Semaphore(os.cpu_count() or 1)
        self._idle: list[Decoder] = []

    @contextmanager
    def one(self) -> Iterator[Decoder]:
        """A child for one file; waits while all are in use."""
        with self._free:
            decoder = self._take()
            try:
                yield decoder
            except InputError:
                raise
            except BaseException:
                decoder.usable = False  # in the middle of something
                raise
            finally:
                if decoder.usable:
                    self._idle.append(decoder)
                else:
                    decoder.close()

    def _take(self) -> Decoder:
        while self._idle:
            decoder = self._idle.pop()
            if decoder.is_alive:
                return decoder
            decoder.close()  # the system may end one to save memory
        try:
            return Decoder()
        except OSError as error:
            raise NoDecoder(f"Pictures of this format cannot be decoded now: {error.strerror}; try again.") from error

    def forget(self) -> None:
        """In a process that was forked: the children are its parent's."""
        self.__init__()  # type: ignore[misc]


DECODERS = Decoders()
os.register_at_fork(after_in_child=DECODERS.forget)
