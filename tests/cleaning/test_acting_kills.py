"""Killed at any point, in acting or in taking back, a run is finished or taken back, and nothing is lost."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cleaning.killed import REPOSITORY, Order, Server
from tests.cleaning.trees import Snapshot, copy, group, plan_of, settle, snapshot, store, write
from tests.disk import mounted

MODULE = "tests.cleaning.command"


@dataclass(frozen=True)
class Scene:
    """A tree with another file system in it, a plan of its copies, and what the tree is before."""

    top: Path
    plan: Path
    options: list[str]
    before: Snapshot

    def apply(self) -> list[str]:
        return ["--apply", str(self.plan), *self.options]

    def undo(self) -> list[str]:
        return ["--undo", str(self.plan), *self.options[2:]]

    def files(self) -> list[str]:
        """The digests of all files, those of the quarantine too, in order: each once for each name."""
        elsewhere = self.plan.parent / "elsewhere"
        both = [snapshot(self.top), snapshot(elsewhere) if elsewhere.exists() else {}]
        journals = (".jsonl",)
        return sorted(
            facts[6]
            for seen in both
            for path, facts in seen.items()
            if len(facts) > 5 and not path.endswith(journals) and facts[7] == 1
        )


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Another file system within the tree, where we may mount."""
    (tmp_path / "top").mkdir()
    with mounted(tmp_path / "top" / "disk", 16) as found, mounted(tmp_path / "elsewhere", 16):
        if not found:
            pytest.skip("mounting is not permitted here")
        yield tmp_path


def _grown(folder: Path, groups: int, options: list[str]) -> Scene:
    """A keeper, a copy with a sidecar, and a copy of an odd name; on the other file system a keeper and a copy."""
    top = folder / "top"
    told = []
    for number in range(groups):
        content = b"picture %d" % number * 50
        kept = write(top / "kept" / f"{number}.jpg", content, number)
        first = write(top / f"a{number % 3}" / f"ü{number}.jpg", content, number + 1)
        sidecar = write(first.with_suffix(".xmp"), b"sidecar %d" % number, number)
        second = write(top / "b" / os.fsdecode(b"\xff%d.jpg" % number), content, number + 2)
        kept_there = write(top / "disk" / "kept" / f"{number}.jpg", content, number + 4)
        third = write(top / "disk" / f"c{number % 2}" / f"{number}.jpg", content, number + 3)
        first.chmod(0o600 + number % 64)
        os.setxattr(second, "user.number", b"%d" % number)
        told += [group(kept, copy(first, [sidecar]), second), group(kept_there, third)]
    plan = plan_of(top, *told)
    settle(top)
    return Scene(top, store(folder / "plan.json", plan), options, snapshot(top))


OPTIONS = [
    ["--action", "quarantine"],
    ["--action", "hardlink"],
    ["--action", "quarantine", "--quarantine", "ELSEWHERE"],
]


def _options(names: list[str], folder: Path) -> list[str]:
    return [str(folder / "elsewhere") if name == "ELSEWHERE" else name for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS, ids=["quarantine", "hardlink", "other-file-system"])
def test_killed_before_any_line_all_can_be_taken_back(disk: Path, options: list[str]) -> None:
    scene = _grown(disk, 2, _options(options, disk))
    choice = random.Random(1)
    with Server() as server:
        lines, again = server.run(Order(scene.apply())), server.run(Order(scene.undo()))
        assert snapshot(scene.top) == scene.before
        for point in range(1, lines - 10, max(1, lines // 45)):  # a line more or less from run to run
            assert server.run(Order(scene.apply(), point + choice.randrange(5))) == -1
            if choice.random() < 0.5:
                server.run(Order(scene.apply(), choice.randrange(1, lines)))
            server.run(Order(scene.undo(), choice.randrange(1, again)))
            server.run(Order(scene.undo()))
            assert snapshot(scene.top) == scene.before, point


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS, ids=["quarantine", "hardlink", "other-file-system"])
def test_killed_ten_times_at_random_nothing_is_lost(disk: Path, options: list[str]) -> None:
    """Of 240 files; each time it goes on, or is taken back, and that is killed, too."""
    scene = _grown(disk, 40, _options(options, disk))
    whole = scene.files()
    choice = random.Random(str(options))
    size = _size_of_journal(scene)
    for number in range(10):
        _killed(scene, scene.apply(), choice.uniform(0, 0.9) * size)
        if "hardlink" not in options:
            assert set(scene.files()) == set(whole)
        if number % 3 == 0:
            _killed(scene, scene.undo(), choice.uniform(0, 1.9) * size)
            _command(scene.undo())
            assert snapshot(scene.top) == scene.before
    _command(scene.apply())
    assert not list((scene.top / "b").iterdir()) or "hardlink" in options
    _command(scene.undo())
    assert snapshot(scene.top) == scene.before
    assert scene.files() == whole


def _size_of_journal(scene: Scene) -> int:
    _command(scene.apply())
    size = _journal(scene)
    _command(scene.undo())
    assert snapshot(scene.top) == scene.before
    return size


def _journal(scene: Scene) -> int:
    folders = [scene.top / ".imageretrieval-quarantine", scene.plan.parent / "elsewhere"]
    try:
        return sum(path.stat().st_size for folder in folders for path in folder.glob("*.jsonl"))
    except FileNotFoundError:  # it was just removed: all is taken back
        return 0


def _command(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", MODULE, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 2), done.stderr  # 2: nothing is there to be taken back
    assert done.returncode == 0 or "there is no" in done.stderr, done.stderr


def _killed(scene: Scene, arguments: list[str], grown_by: float) -> None:
    """Once the journal has grown by so many bytes, or when it is done."""
    until = _journal(scene) + grown_by
    process = subprocess.Popen([sys.executable, "-m", MODULE, *arguments], cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    while process.poll() is None and _journal(scene) < until:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
