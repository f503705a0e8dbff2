"""Damaged files are decoded or refused; and the fuzzer would notice if they were not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import fuzz
from scripts.mutants import mutant, originals, with_checksums
from tests.corpus import encoded, photo

SCRIPT = str(Path(fuzz.__file__))


@pytest.fixture
def worker():
    """A process that is decoding."""
    started = fuzz.Worker(begin=0, step=1).start()
    while started.number < 0:
        assert started.trouble() is None
    yield started
    started.stop()


def test_originals_are_pictures_and_their_mutants_are_made_again():
    assert all(fuzz.found_in(data) is None for data in originals())
    assert len({mutant(number) for number in range(500)}) > 480
    assert [mutant(number) for number in range(50)] == [mutant(number) for number in range(50)]


def test_checksums_of_a_png_are_put_right():
    data = encoded(photo(1), "PNG")
    assert with_checksums(data) == data
    assert with_checksums(data[:29] + bytes(4) + data[33:]) == data


@pytest.mark.parametrize("begin", range(0, 2000, 500))
def test_mutants_are_decoded_or_refused(begin, capfd):
    assert [number for number in range(begin, begin + 500) if fuzz.found_in(mutant(number))] == []


def test_an_unexpected_error_is_a_finding(monkeypatch):
    monkeypatch.setattr(fuzz.OpenFile, "load", lambda self: {}["x"])
    assert fuzz.found_in(originals()[0]) == "KeyError"


def test_a_picture_larger_than_allowed_is_a_finding(monkeypatch):
    monkeypatch.setattr(fuzz.OpenFile, "load", lambda self: photo(1, (4001, 1000)))
    assert fuzz.found_in(originals()[0]) == "wrong-picture"


def test_a_crash_is_told_and_the_file_kept(worker, tmp_path):
    os.kill(worker.process.pid, signal.SIGSEGV)
    worker.process.wait()
    assert worker.trouble() == "crash"
    kept = fuzz._keep(worker, "crash", tmp_path / "new")
    assert kept.read_bytes() == mutant(worker.number)
    assert kept.name == f"crash-{worker.number}"


def test_a_hang_is_told(worker, monkeypatch):
    os.kill(worker.process.pid, signal.SIGSTOP)
    while worker.trouble() is None:  # reads what was sent before
        monkeypatch.setattr(fuzz, "HANGS", 0.2)
    assert worker.trouble() == "hang"


def test_a_run_and_a_replay_say_how_they_went(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(mutant(1))
    arguments = (["--minutes", "0.03", "--seed", "7", "--out", str(tmp_path)], ["--replay", str(file)])
    for given, words in zip(arguments, ("files from number 7, 0 findings", "as it should be"), strict=True):
        done = subprocess.run([sys.executable, SCRIPT, *given], capture_output=True, text=True, check=False)
        assert (done.returncode, words in done.stdout) == (0, True), done.stderr
