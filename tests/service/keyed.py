"""A service that asks for keys, with pictures in two collections, and a request for each of its routes."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from index_store import KeyRing
from tests.service.asking import body, small
from tests.service.server import ROOT

MINE, THEIRS = "mine", "theirs"


@dataclass(frozen=True)
class Asked:
    """A request that a key of admin would get 200, 201, 202 or 204 for; `of` is the collection that it is about."""

    endpoint: str
    method: str
    path: str
    json: Any = None
    of: str | None = MINE

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def requests_about(name: str) -> list[Asked]:
    """One for each route and method that is about collections, all about this one."""
    compared = {"a": {"id": "1", "collection": name}, "b": {"id": "2", "collection": name}}
    pair = {"a": "1", "b": "2", "collection": name, "verdict": "not_duplicates"}
    return [
        Asked("search", "POST", "/search", body(small(1), collection=name), name),
        Asked("compare", "POST", "/compare", compared, name),
        Asked("add", "POST", "/add", body(small(9), collection=name), name),
        Asked("images", "GET", f"/images?collection={name}", None, name),
        Asked("image", "GET", f"/images/1?collection={name}", None, name),
        Asked("image", "PATCH", f"/images/1?collection={name}", {"metadata": {"a": 1}}, name),
        Asked("collection", "GET", f"/collections/{name}", None, name),
        Asked("collection", "PATCH", f"/collections/{name}", {"threshold": 0.7}, name),
        Asked("duplicates", "GET", f"/collections/{name}/duplicates", None, name),
        Asked("pairs", "POST", "/pairs", pair, name),
        Asked("pairs", "GET", f"/pairs?collection={name}", None, name),
        Asked("pairs", "DELETE", f"/pairs?collection={name}&a=1&b=2", None, name),
        Asked("jobs", "POST", "/jobs", {"kind": "rebuild", "collection": name}, name),
        Asked("image", "DELETE", f"/images/2?collection={name}", None, name),
        Asked("collection", "DELETE", f"/collections/{name}", None, name),
    ]


def every_request() -> list[Asked]:
    """One for each route and method that there is."""
    return [
        Asked("collections", "GET", "/collections", of=None),
        Asked("jobs", "GET", "/jobs", of=None),
        Asked("job", "GET", "/jobs/1"),
        Asked("healthz", "GET", "/healthz", of=None),
        Asked("readyz", "GET", "/readyz", of=None),
        Asked("metrics", "GET", "/metrics", of=None),
        Asked("openapi", "GET", "/openapi.json", of=None),
        Asked("docs", "GET", "/docs", of=None),
        Asked("collections", "POST", "/collections", {"name": "new"}, "new"),
        *requests_about(MINE),
    ]


def routes(app: Flask) -> set[tuple[str, str]]:
    """Endpoint and method of all that the application answers."""
    own = (rule for rule in app.url_map.iter_rules() if rule.endpoint != "static")  # which has no files
    return {(rule.endpoint, method) for rule in own for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}


class Keyed:
    """Asks a service in this process with keys."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        service = client.application.extensions["service"].wait_until_ready()
        self.keys = KeyRing(service.catalog)
        self.admin = self.key("admin")
        for name in (MINE, THEIRS):
            for number in (1, 2):
                answer = self.ask(self.admin, "POST", "/add", body(small(number), id=str(number), collection=name))
                assert answer.status_code == 201, answer.text
            self.ask(self.admin, "POST", "/jobs", {"kind": "ingest", "collection": name})

    def key(self, *scopes: Any, collections: list[str] | None = None) -> str:
        """A new key."""
        return self.keys.create(f"key-{len(self.keys.all())}", scopes, collections)[1]

    def ask(self, key: str | None, method: str, path: str, json: Any = None, **headers: str) -> TestResponse:
        """One request; `X_Y` is the header X-Y."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        return self.client.open(path, method=method, json=json, headers=sent)


def script(data: Path, *arguments: str) -> str:
    """What scripts/keys.py prints."""
    config = data.parent / "keys.yaml"
    config.write_text(json.dumps({"data_dir": str(data)}))
    command = [sys.executable, str(ROOT / "scripts/keys.py"), *arguments, "--config", str(config)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
