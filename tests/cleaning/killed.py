"""Runs what it is told on its standard input, each in a process of its own that is killed before its n-th line of code.

A line of input is JSON, see `Order`; the answer is how many lines were run, or -1 where it was killed.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

REPOSITORY = Path(__file__).parents[2]
OURS = str(REPOSITORY / "cleaning")
# between two neighbouring calls in these the time of the folder above is known to nobody else: docs tell
SPARED = {"make_folder", "remove_folder", "put_time"}


@dataclass(frozen=True)
class Order:
    """arguments: of the command. before: which of the lines of cleaning/ that it runs is its last."""

    arguments: list[str]
    before: int = 0


class Server:
    """Quicker than a new interpreter each time."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.cleaning.killed"]
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, order: Order) -> int:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def main() -> None:
    from tests.cleaning import command

    for line in sys.stdin:
        order = Order(**json.loads(line))
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            lines = _trace(order.before)
            status = command.main(order.arguments)
            sys.settrace(None)
            os.write(writing, f"{next(lines)} {status}".encode())
            os._exit(0)
        os.close(writing)
        _, status = os.waitpid(child, 0)
        told = os.read(reading, 100).decode()
        os.close(reading)
        assert os.WIFSIGNALED(status) != bool(told), (status, told)
        print(told.split()[0] if told else -1, flush=True)


def _trace(before: int) -> "count[int]":
    lines = count()

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS) or frame.f_code.co_name in SPARED:
            return None
        if event == "line" and next(lines) == before > 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    return lines


if __name__ == "__main__":
    main()
