"""The deployment files: linters have nothing to say, and they agree with the service and with each other."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from retrieval.connection import IDLE_S
from retrieval.server import GRACEFUL_S
from retrieval.settings import load_settings
from tests.deployment.files import DEPLOY, ROOT, copied, environment, ignored, run, setting, tool

UNIT = (DEPLOY / "imageretrieval.service").read_text()
PROXY = (DEPLOY / "nginx/proxy.conf").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SITES = ("site.conf", "compose.conf")
EXPOSURE = "20"  # of systemd's scale, times ten: below 2.0 is what it calls OK


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a Python that is there."""
    python = setting(UNIT, "ExecStart", r"\S+")
    found = tmp_path / "imageretrieval.service"
    found.write_text(UNIT.replace(python, sys.executable))
    return found


def test_hadolint_has_nothing_to_say() -> None:
    assert run(tool("hadolint"), "--failure-threshold", "style", ROOT / "Dockerfile") == (0, "")


def test_compose_keeps_to_its_schema() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    status, printed = run(tool("check-jsonschema"), *schema, ROOT / "compose.yaml")
    assert status == 0, printed


def test_systemd_knows_every_line_of_the_unit(unit: Path) -> None:
    assert run(tool("systemd-analyze"), "verify", "--man=no", unit) == (0, "")


def test_systemd_calls_the_unit_well_shut(unit: Path) -> None:
    status, printed = run(
        tool("systemd-analyze"), "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", unit
    )
    assert status == 0, printed


def test_the_image_gets_all_that_the_service_imports() -> None:
    elsewhere = {"tests", "integrations"}  # the latter is for crawlers
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - elsewhere
    assert packages | {"app.py", "config.yaml", "scripts"} <= set(copied())
    assert not [name for name in copied() if ignored(name) or not (ROOT / name).exists()]


def test_nothing_else_goes_to_the_builder() -> None:
    assert all(ignored(name) for name in (".git", ".venv", ".models", ".samples", "data", "tests", "deploy"))


def test_the_images_variables_are_settings() -> None:
    settings = load_settings(environ=environment())
    assert (str(settings.data_dir), settings.server.host, settings.server.port) == ("/data", "0.0.0.0", 8080)


def test_the_configuration_for_systemd_is_one() -> None:
    settings = load_settings(DEPLOY / "imageretrieval.yaml", environ={})
    assert settings.server.trusted_proxies == 1
    assert str(settings.data_dir) == f"/var/lib/{setting(UNIT, 'StateDirectory')}"
    assert setting((DEPLOY / "nginx/site.conf").read_text(), "server_name") in settings.access.allowed_hosts


def test_backups_of_the_image_are_not_made_where_the_data_is() -> None:
    manual = (ROOT / "docs/deployment.md").read_text()
    volumes = [each.partition(":")[2] for each in COMPOSE["services"]["retrieval"]["volumes"]]
    used = re.findall(r"backup\.py (?:create|restore) (\S+/)\w+", manual)
    assert used
    assert set(used) <= {f"{each}/" for each in volumes if each != environment()["IMAGERETRIEVAL__DATA_DIR"]}


def test_who_stops_it_waits_until_it_has_stopped() -> None:
    assert int(setting(UNIT, "TimeoutStopSec")) > GRACEFUL_S
    assert int(COMPOSE["services"]["retrieval"]["stop_grace_period"].removesuffix("s")) > GRACEFUL_S
    assert setting(UNIT, "KillMode") == "mixed"


def test_there_are_files_enough_for_all_connections() -> None:
    most = load_settings(environ={}).server.max_connections
    assert int(setting(UNIT, "LimitNOFILE")) > 2 * most
    assert COMPOSE["services"]["retrieval"]["ulimits"]["nofile"] > 2 * most


def test_nginx_lets_the_service_say_what_is_too_large_and_too_slow() -> None:
    server = load_settings(environ={}).server
    size = setting(PROXY, "client_max_body_size")
    assert size.endswith("m") and server.max_request_bytes < int(size[:-1]) << 20 <= 2 * server.max_request_bytes
    assert int(setting(PROXY, "proxy_read_timeout").removesuffix("s")) > server.timeout_s


@pytest.mark.parametrize("name", SITES)
def test_nginx_closes_an_idle_connection_before_the_service_does(name: str) -> None:
    assert int(setting((DEPLOY / "nginx" / name).read_text(), "keepalive_timeout").removesuffix("s")) < IDLE_S


def test_the_container_can_write_only_where_it_must() -> None:
    for service in COMPOSE["services"].values():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.get("privileged") and "mem_limit" in service and "pids_limit" in service
    assert "ports" not in COMPOSE["services"]["retrieval"]  # nobody gets past nginx, which is believed


def test_files_that_compose_mounts_are_there() -> None:
    mounts = [each for service in COMPOSE["services"].values() for each in service.get("volumes", [])]
    assert all((ROOT / each.split(":")[0]).is_file() for each in mounts if each.startswith("./"))


def test_a_line_that_systemd_does_not_know_is_told(unit: Path) -> None:
    shutil.copy(unit, wrong := unit.with_name("wrong.service"))
    wrong.write_text(wrong.read_text().replace("ProtectSystem=", "ProtectSytem="))
    assert "ProtectSytem" in run(tool("systemd-analyze"), "verify", "--man=no", wrong)[1]
