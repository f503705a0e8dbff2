"""Folders of files, the programs that go through them, and a peer that cannot be had."""

import sys
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image

from retrieval.bulk import ImageFile
from scripts.benchmarking import environments, files, immaculate
from scripts.benchmarking.figures import BenchmarkError
from scripts.benchmarking.programs import BuildIndex, ImageHash, Immaculate, Program, Run
from tests.corpus import encoded, photo


@pytest.fixture
def pictures(tmp_path: Path) -> list[ImageFile]:
    """Three, a broken one, and one that not all programs take."""
    for number, form in enumerate(("JPEG", "PNG", "WEBP", "AVIF")):
        (tmp_path / f"{number}.{form.lower()}").write_bytes(encoded(photo(number), form))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    return [ImageFile(path.name, path) for path in sorted(tmp_path.iterdir())]


def test_a_folder_is_filled_with_different_pictures(pictures: list[ImageFile], tmp_path: Path) -> None:
    files.fill(tmp_path / "many", pictures, 11)
    made = sorted((tmp_path / "many").iterdir())
    assert len(made) == 11
    assert [path.read_bytes() for path in made[:3]] == [each.path.read_bytes() for each in pictures[:3]]
    pixels = [Image.open(path).convert("RGB").tobytes() for path in made]
    assert len({sha256(each).digest() for each in pixels}) == 11


def test_no_files_for_all_programs_is_told(pictures: list[ImageFile], tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="no files that all the programs take"):
        files.fill(tmp_path / "many", pictures[3:], 5)


def test_what_a_program_cannot_do_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(BenchmarkError, match="imagehash, phash failed"):
        ImageHash().run(tmp_path)
    with pytest.raises(BenchmarkError, match="added nothing"):
        BuildIndex("thumbnail").run(tmp_path)


class OldAndAbsent:
    """Commands that stand where a Python could."""

    def __init__(self, folder: Path) -> None:
        self.old = self._made(folder / "old", "echo 3 11")
        self.absent = self._made(folder / "absent", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
        self.new = self._made(folder / "new", "echo 3 12")

    def _made(self, path: Path, line: str) -> str:
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
        return str(path)


@pytest.fixture
def pythons(tmp_path: Path) -> OldAndAbsent:
    return OldAndAbsent(tmp_path)


def test_a_python_is_taken_that_runs_and_is_new_enough(pythons: OldAndAbsent) -> None:
    assert environments.version_of(sys.executable) == sys.version_info[:2]
    assert environments.version_of(pythons.absent) is None
    assert environments.version_of("no-such-python") is None
    assert environments.suitable(pythons.new) == pythons.new


def test_a_python_that_will_not_do_is_told(pythons: OldAndAbsent, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"3\.12 or newer, and .*old is Python 3\.11"):
        immaculate.command(pythons.old, tmp_path / "peers")
    with pytest.raises(BenchmarkError, match="absent does not run"):
        immaculate.command(pythons.absent, tmp_path / "peers")
    with pytest.raises(BenchmarkError, match="could not be installed"):
        immaculate.command(pythons.new, tmp_path / "peers")  # says its version, and makes no environment


@pytest.mark.skipif(sys.version_info >= environments.LEAST, reason="this very Python would do")
def test_none_that_will_do_is_told_and_the_rest_measured(
    pythons: OldAndAbsent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(immaculate.command, "__defaults__", (None, tmp_path / "peers"))
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "absent").rename(tmp_path / "python3.12")
    chosen = files.programs("sscd", None, True, None)
    assert [each.name for each in chosen] == ["build_index, sscd", "build_index, sscd_distilled", "imagehash, phash"]
    assert "immaculate is left out: it needs Python 3.12 or newer" in capsys.readouterr().err


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.skipif(not (environments.FOLDER / "immaculate/.done").exists(), reason="`make bench` installs it")
def test_immaculate_is_run(pictures: list[ImageFile], tmp_path: Path) -> None:
    files.fill(tmp_path / "many", pictures, 4)
    (tmp_path / "many/broken.jpg").write_bytes(b"no picture")
    run = Immaculate(immaculate.command(), "sscd_distilled").run(tmp_path / "many")
    assert run.files == 4
    assert run.seconds > 0


class Told(Program):
    """Takes as long as it is told: for one file, and for more."""

    name = "told"

    def __init__(self, one: float, many: float) -> None:
        self._seconds = {1: one, 21: many}

    def run(self, folder: Path) -> Run:
        count = sum(1 for _ in folder.iterdir())
        return Run(count, self._seconds[count])


@pytest.mark.parametrize(("one", "many", "whole", "after"), [(2, 4, 5.25, 10), (4, 3, 7, 7)])
def test_start_up_is_what_one_file_takes(
    pictures: list[ImageFile], one: float, many: float, whole: float, after: float
) -> None:
    figures = files.measure(pictures, 21, 2, [Told(one, many)]).figures
    assert figures == {"told: start-up s": one, "told: files/s": whole, "told: files/s after start-up": after}
