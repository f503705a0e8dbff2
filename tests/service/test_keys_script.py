"""scripts/keys.py: keys are made, listed and ended; what is wrong is told in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import keys

pytestmark = pytest.mark.any_extractor

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    config = tmp_path / "own.yaml"
    config.write_text(json.dumps({"data_dir": str(tmp_path / "data")}))

    def run(command: str, *arguments: str) -> tuple[int, str, str]:
        status = keys.main([command, "--config", str(config), *arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_a_new_key_stands_alone_on_standard_output_and_is_never_shown_again(run: Run) -> None:
    status, out, err = run("create", "crawler", "--scope", "search", "--scope", "add", "--expires", "90d")
    assert (status, len(out)) == (0, 85)
    assert "add, search; all collections" in err
    assert "asks everybody for a key" in err
    secret = out.strip().split("_")[2]
    for arguments in (("list",), ("list", "--json")):
        status, listed, _ = run(*arguments)
        assert status == 0 and "crawler" in listed and secret not in listed


def test_json_is_for_programs(run: Run) -> None:
    _, out, err = run("create", "one", "--scope", "search", "--collection", "a", "--collection", "b", "--json")
    made = json.loads(out)
    assert err == ""
    assert (made["name"], made["scopes"], made["collections"], made["usable"]) == ("one", ["search"], ["a", "b"], True)
    assert made["key"].startswith(f"ir_{made['id']}_")
    (listed,) = json.loads(run("list", "--json")[1])
    assert listed == {name: value for name, value in made.items() if name != "key"}


def test_the_list_says_what_holds(run: Run) -> None:
    run("create", "old", "--scope", "admin", "--expires", "2999-12-31")
    run("create", "gone", "--scope", "metrics")
    assert run("revoke", "gone", "--json")[0] == 0
    out = run("list")[1]
    assert "valid until 2999-12-31" in out and "revoked 2" in out


def test_an_empty_list_is_no_error(run: Run) -> None:
    assert run("list") == (0, "", "no key was ever made\n")


def test_what_cannot_be_done_is_told_in_one_line(run: Run) -> None:
    run("create", "one", "--scope", "search")
    for arguments in (("create", "one", "--scope", "add"), ("revoke", "two"), ("list", "--config", "nowhere.yaml")):
        status, out, err = run(*arguments)
        assert (status, out, err.count("\n")) == (2, "", 1), arguments
        assert err.startswith("keys: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["one"], "--scope"),
        (["one", "--scope", "all"], "invalid choice: 'all'"),
        (["a b", "--scope", "add"], "1 to 64 letters"),
        (["one", "--scope", "add", "--collection", "../x"], "1 to 64 letters"),
        (["one", "--scope", "add", "--expires", "soon"], "neither like"),
        (["one", "--scope", "add", "--expires", "99999w"], "neither like"),
        (["one", "--scope", "add", "--expires", "2001-01-01"], "over already"),
        (["one", "--scope", "add", "--expires", "0d"], "neither like"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(
    run: Run, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run("create", *arguments)
    assert end.value.code == 2
    assert words in capsys.readouterr().err
