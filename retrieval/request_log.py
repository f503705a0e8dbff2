"""Each request gets an id, a line in the log and its place in the metrics."""

import logging
import re
import uuid
from time import perf_counter
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from retrieval import logs, observing

if TYPE_CHECKING:
    from retrieval.metrics import Metrics

log = logging.getLogger("access")
HEADER = "X-Request-ID"
ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
MOST_PATH = 512
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
PROBES = {"healthz", "readyz", "metrics"}  # asked every few seconds by machines: told at level debug while all is well


def install(app: Flask, metrics: "Metrics") -> None:
    """Have the requests of an application logged and counted."""

    def begin() -> None:
        given = request.headers.get(HEADER, "")
        g.request_id = given if ID.fullmatch(given) else uuid.uuid4().hex
        g.began = perf_counter()
        logs.fields.set({"request_id": g.request_id})
        observing.watched_by(metrics)
        metrics.requests_in_flight.inc()

    def answered(response: Response) -> Response:
        seconds = perf_counter() - g.began
        response.headers[HEADER] = g.request_id
        route = request.endpoint or "none"
        method = request.method if request.method in METHODS else "other"
        metrics.request(route, method, response.status_code, seconds)
        _tell(route, response, seconds)
        return response

    def end(_error: BaseException | None) -> None:
        metrics.requests_in_flight.dec()
        observing.watched_by(observing.UNWATCHED)
        logs.fields.set({})

    app.before_request(begin)
    app.after_request(answered)
    app.teardown_request(end)


def _tell(route: str, response: Response, seconds: float) -> None:
    """The path, not the query; nothing of headers and bodies but their sizes."""
    is_quiet = route in PROBES and response.status_code == 200
    level = logging.DEBUG if is_quiet else logging.INFO
    if not log.isEnabledFor(level):
        return
    caller = g.get("caller")
    about = {
        "method": request.method,
        "route": route,
        "path": request.path[:MOST_PATH],
        "status": response.status_code,
        "duration_ms": round(1e3 * seconds, 2),
        "bytes_in": request.content_length,
        "bytes_out": response.calculate_content_length(),
        "caller": caller.name if caller else None,
        "client": request.remote_addr,
    }
    log.log(level, "%s %s %d", about["method"], about["path"], about["status"], extra={"fields": about})
