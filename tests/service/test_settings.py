"""config.yaml, an operator's file and the environment become settings, or a message that names the key."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from retrieval.settings import DEFAULTS, BadSettings, load_settings


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}"""
    return {
        name: leaf
        for key, value in tree.items()
        for name, leaf in (flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}).items()
    }


def written(folder: Path, text: str) -> Path:
    path = folder / "own.yaml"
    path.write_text(text)
    return path


def test_config_yaml_holds_every_setting_and_no_other():
    assert flat(yaml.safe_load(DEFAULTS.read_text())).keys() == flat(load_settings(environ={}).model_dump()).keys()


def test_every_setting_is_required_so_its_default_stands_in_config_yaml_alone():
    for name in flat(yaml.safe_load(DEFAULTS.read_text())):
        tree = yaml.safe_load(DEFAULTS.read_text())
        *sections, key = name.split(".")
        at = tree
        for section in sections:
            at = at[section]
        del at[key]
        with pytest.raises(ValidationError, match=key):
            type(load_settings(environ={})).model_validate(tree)


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path):
    own = written(tmp_path, "server: {port: 9000}\nsearch:\n  top_k: 3\n")
    defaults, changed = (flat(load_settings(path, environ={}).model_dump()) for path in (None, own))
    assert {key: value for key, value in changed.items() if defaults[key] != value} == {
        "server.port": 9000,
        "search.top_k": 3,
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_changes_nothing(tmp_path, text):
    assert load_settings(written(tmp_path, text), environ={}) == load_settings(environ={})


def test_the_environment_wins_over_the_file(tmp_path):
    environ = {
        "IMAGERETRIEVAL__SERVER__PORT": "9001",
        "IMAGERETRIEVAL__INPUT__FETCH__ENABLED": "false",
        "IMAGERETRIEVAL__MAINTENANCE__CRON": '"30 3 * * sun"',
        "IMAGERETRIEVAL__DATA_DIR": "/srv/pictures",
        "OTHER__SERVER__PORT": "1",
    }
    settings = load_settings(written(tmp_path, "server: {port: 9000, threads: 5}"), environ)
    assert (settings.server.port, settings.server.threads) == (9001, 5)
    assert not settings.input.fetch.enabled
    assert settings.maintenance.cron == "30 3 * * sun"
    assert settings.data_dir == Path("/srv/pictures")


def test_the_process_environment_is_read_unless_another_is_given(monkeypatch):
    monkeypatch.setenv("IMAGERETRIEVAL__SERVER__PORT", "9002")
    assert load_settings().server.port == 9002
    assert load_settings(environ={}).server.port == 8080


BAD = {
    "server.prot": "80",  # unknown
    "serve": "{port: 80}",
    "input.fetch.enable": "true",
    "extractor.model": "sscd",
    "index.nlist": "100",
    "server.port": "65536",  # out of range
    "server.workers": "0",
    "server.timeout_s": "-1",
    "input.max_pixels": "0",
    "input.fetch.max_redirects": "21",
    "extractor.size": "32",
    "search.threshold": "1.01",
    "search.refine_depth": "1001",
    "index.recall_target": "0",
    "maintenance.poll_s": "0",
    "maintenance.rebuild_after": "0",
    "server.threads": "many",  # of the wrong type
    "server.host": "8080",
    "server.log_level": "loud",
    "input.max_bytes": "20e6",
    "input.formats": "[JPEG, SVG]",
    "input.fetch.total_timeout_s": "soon",
    "extractor.name": "pyretri",
    "extractor.engine": "tensorrt",
    "search.top_k": "10.5",
    "catalog.url": "5",
    "maintenance.enabled": "1",
    "maintenance.cron": '"every night"',
    "maintenance.ingest_after_s": ".inf",  # could not be told to a job's process
    "maintenance.inbox_settle_s": ".nan",
}


@pytest.mark.parametrize("key", BAD)
def test_a_bad_value_in_a_file_is_refused_by_the_name_of_its_key(tmp_path, key):
    text = BAD[key]
    for section in reversed(key.split(".")):
        text = f"{{{section}: {text}}}"
    with pytest.raises(BadSettings) as refusal:
        load_settings(written(tmp_path, text), environ={})
    assert str(refusal.value).startswith(f"{key}")


@pytest.mark.parametrize("key", BAD)
def test_a_bad_value_in_the_environment_is_refused_by_the_name_of_its_key(key):
    with pytest.raises(BadSettings) as refusal:
        load_settings(environ={"IMAGERETRIEVAL__" + key.upper().replace(".", "__"): BAD[key]})
    assert str(refusal.value).startswith(f"{key}")


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(BadSettings) as refusal:
        load_settings(environ={}, server={"prot": 80, "workers": 0})
    assert {line.split(":")[0] for line in str(refusal.value).splitlines()} == {"server.prot", "server.workers"}


def test_more_matches_by_default_than_are_allowed_make_no_sense():
    with pytest.raises(BadSettings, match="top_k 10 is more than max_top_k 5"):
        load_settings(environ={}, search={"max_top_k": 5})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("server: [", "not valid YAML"),
        ("- a\n- b\n", "key: value"),
        ("server:\n", "server"),
        ("\xff", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, words):
    path = tmp_path / "own.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadSettings, match=words):
        load_settings(path, environ={})


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(BadSettings, match=r"own\.yaml: No such file"):
        load_settings(tmp_path / "own.yaml", environ={})


@pytest.mark.parametrize("section", [None, "server", "input", "extractor", "search", "catalog", "index", "maintenance"])
def test_settings_cannot_be_changed(section):
    settings = load_settings(environ={})
    part = getattr(settings, section) if section else settings
    with pytest.raises(ValidationError, match="frozen"):
        setattr(part, next(iter(type(part).model_fields)), None)


def test_settings_survive_the_way_to_a_job(settings):
    own = settings(search={"threshold": 0.123456789}, input={"formats": ["PNG"]})
    assert type(own).model_validate_json(own.model_dump_json()) == own
