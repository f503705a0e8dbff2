"""Options of `build_index.py` that make no sense are refused in words."""

import json
from pathlib import Path

import pytest

from scripts import build_index
from tests.corpus import encoded, photo
from tests.service.server import configuration


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(configuration(tmp_path / "data")))
    return path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--reembed", "folder"], "takes no folders"),
        (["--reembed", "--on-duplicate", "reject"], "--on-duplicate has no meaning"),
        (["--forget-missing", "folder"], "goes with --reembed only"),
        ([], "name at least one FOLDER, or give --reembed"),
    ],
)
def test_options_that_do_not_go_together_are_refused(config, capsys, arguments, told):
    with pytest.raises(SystemExit) as stopped:
        build_index.main([*arguments, "--config", str(config)])
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err


def test_a_collection_that_is_not_there_is_told(config, capsys):
    assert build_index.main(["--reembed", "--collection", "nowhere", "--config", str(config)]) == 2
    assert "there is no collection 'nowhere'" in capsys.readouterr().err


def test_the_bar_learns_how_many_there_are_while_work_goes_on(config, tmp_path, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.png").write_bytes(encoded(photo(number), "PNG"))
    assert build_index.main([str(folder), "--config", str(config)]) == 0
    assert "12/12" in capsys.readouterr().err
