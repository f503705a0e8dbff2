"""Requests to a service, each timed, noted and judged by its status."""

import base64
from time import monotonic
from typing import Any

import requests

from scripts.soaking.record import Record, Request, Wrong

TIMEOUT_S = 60


class Calls:
    """One client's connection."""

    def __init__(self, port: int, record: Record) -> None:
        self._record = record
        self._session = requests.Session()
        self._session.trust_env = False
        self._url = f"http://127.0.0.1:{port}"

    def close(self) -> None:
        self._session.close()

    def ask(self, kind: str, method: str, path: str, *expected: int, **options: Any) -> requests.Response:
        """One request; `options` are those of requests. Raises Wrong at any status but the `expected` ones."""
        started = monotonic()
        reply = self._session.request(method, self._url + path, timeout=TIMEOUT_S, **options)
        ms = 1e3 * (monotonic() - started)
        self._record.requests.append(Request(kind, started, ms, reply.status_code))
        if reply.status_code not in expected:
            raise Wrong(f"{kind}: {reply.status_code} instead of {expected}: {reply.text[:300]}")
        return reply

    def search(self, kind: str, **options: Any) -> list[dict[str, Any]]:
        """The matches of a search. Raises Wrong also for deleted ones and for a wrong order."""
        asked_at = monotonic()
        matches: list[dict[str, Any]] = self.ask(kind, "POST", "/search", 200, **options).json()["matches"]
        self._record.check_living([match["id"] for match in matches], asked_at)
        return matches


def in_base64(data: bytes, **fields: Any) -> dict[str, Any]:
    """A JSON body with a picture, as an option of requests."""
    return {"json": {"base64": base64.b64encode(data).decode(), **fields}}


def uploaded(data: bytes, name: str, **fields: Any) -> dict[str, Any]:
    """A form with a picture, as options of requests."""
    return {"files": {"image": (name, data)}, "data": fields}
