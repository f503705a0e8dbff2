"""Decode damaged picture files for some minutes, in processes of their own: what crashes, hangs or grows is kept.

    python scripts/fuzz.py --minutes 60         # findings in run/fuzz; exit status 1 if there are any
    python scripts/fuzz.py --replay run/fuzz/crash-123

Every file is one of real ones, damaged at random (scripts/mutants.py); its number makes it again. They are decoded as
the service's child processes do it, with less memory and time. Coverage-guided fuzzing (atheris) would see nothing
of the decoders, which are native libraries built without instrumentation.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from retrieval.decoder import silence
from retrieval.decoding import Bounds, OpenFile
from retrieval.errors import BadImage, PictureTooLarge
from retrieval.formats import ORDER
from scripts.mutants import mutant

BOUNDS = Bounds(ORDER, max_pixels=4_000_000, seconds=5)
HANGS = 10.0  # seconds without a word from a process
MEMORY = 512 << 20  # bytes that a process may take


@dataclass
class Worker:
    """A process that decodes the files of numbers `begin`, `begin + step`, ..., and tells each before it starts."""

    begin: int
    step: int
    number: int = -1
    heard: float = field(default_factory=time.monotonic)

    def start(self) -> "Worker":
        """Starts the process where the last one ended."""
        self.socket, theirs = Pipe()
        first = self.begin if self.number < 0 else self.number + self.step
        command = [sys.executable, __file__, "--work", str(theirs.fileno()), str(first), str(self.step)]
        with theirs:
            self.process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))  # noqa: S603
        self.heard = time.monotonic()
        return self

    def trouble(self) -> str | None:
        """What the process has come to: "crash", "hang", the name of an error, or nothing yet."""
        try:
            while self.socket.poll():
                message = self.socket.recv_bytes().decode()
                self.heard = time.monotonic()
                if not message.isdigit():
                    return message
                self.number = int(message)
        except (EOFError, OSError):
            return "crash"
        return "hang" if time.monotonic() - self.heard > HANGS else None

    def stop(self) -> None:
        """Ends the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        self.socket.close()


def work(parent: Connection, number: int, step: int) -> None:
    """Decodes until it is stopped or finds something."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    silence()
    while True:
        data = mutant(number)
        parent.send_bytes(str(number).encode())
        if finding := found_in(data):
            parent.send_bytes(finding.encode())
            return
        number += step


def found_in(data: bytes) -> str | None:
    """What is wrong with how a file is decoded: a name for it, or nothing. Crashes and hangs the caller has to see."""
    started = time.process_time()
    try:
        opened = OpenFile(data, BOUNDS)
        image = opened.load()
        if image.mode != "RGB" or image.width * image.height > BOUNDS.max_pixels:
            return "wrong-picture"
    except (BadImage, PictureTooLarge):
        pass
    except Exception as error:  # noqa: BLE001 - any other is what is looked for
        return type(error).__name__
    return "slow" if time.process_time() - started > BOUNDS.seconds else None


def fuzz(minutes: float, seed: int, folder: Path) -> list[Path]:
    """Runs a process on each core for so long. The findings, as files whose names say what and which number."""
    step = os.cpu_count() or 1
    workers = [Worker(seed + each, step).start() for each in range(step)]
    findings, until, told = [], time.monotonic() + 60 * minutes, 0.0
    try:
        while time.monotonic() < until:
            wait([worker.socket for worker in workers], timeout=1)
            for worker in workers:
                if trouble := worker.trouble():
                    findings.append(_keep(worker, trouble, folder))
                    worker.stop()
                    worker.start()
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print(f"{_done(workers):,} files, {len(findings)} findings, {until - told:.0f} s left", flush=True)
    finally:
        for worker in workers:
            worker.stop()
    print(f"{_done(workers):,} files from number {seed}, {len(findings)} findings")
    return findings


def _done(workers: list[Worker]) -> int:
    return sum((worker.number - worker.begin) // worker.step + 1 for worker in workers if worker.number >= 0)


def _keep(worker: Worker, trouble: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{trouble}-{worker.number}"
    path.write_bytes(mutant(worker.number))
    print(f"{trouble}: {path}", flush=True)
    return path


def main() -> None:
    """Fuzz, or decode one file that was found before."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, help="number of the first file; another one each time unless given")
    parser.add_argument("--out", type=Path, default=Path("run/fuzz"), help="folder of the findings")
    parser.add_argument("--replay", type=Path, help="decode this file and tell what is wrong")
    parser.add_argument("--work", nargs=3, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        return work(Connection(given.work[0]), *given.work[1:])
    if given.replay:
        finding = found_in(given.replay.read_bytes())
        print(finding or "decoded or refused as it should be")
        sys.exit(bool(finding))
    seed = given.seed if given.seed is not None else int(time.time()) * 10_000
    sys.exit(bool(fuzz(given.minutes, seed, given.out)))


if __name__ == "__main__":
    main()
