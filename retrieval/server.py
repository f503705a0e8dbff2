"""Serving, from the settings alone: gunicorn's master, and a worker or more of ours."""

import signal
from collections.abc import Callable
from contextlib import closing
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from extractor import ExtractorError, check_model
from index_store import Catalog, StoreError, check_catalog
from retrieval import gathering, logs
from retrieval.allowances import Allowances
from retrieval.errors import Unprotected
from retrieval.listening import check_exposure
from retrieval.reception import Bounds
from retrieval.settings import Settings
from retrieval.worker import Worker

GRACEFUL_S = 30
BOOT_S = 20


class Master(Arbiter):  # type: ignore[misc]  # gunicorn has no type hints
    """Ctrl-C stops as SIGTERM does, answering what is under way; pressed again, it ends that at once."""

    _interrupted = False

    def signal(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGINT and self._interrupted:
            self.kill_workers(signal.SIGQUIT)
        self._interrupted |= sig == signal.SIGINT
        super().signal(sig, frame)

    def handle_int(self) -> None:
        self.handle_term()


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no type hints
    """Workers build their application after the fork: model, index and threads belong to one process each."""

    def __init__(self, settings: Settings, create_app: Callable[[Settings], Flask]) -> None:
        self._settings = settings
        self._create_app = create_app
        super().__init__()

    def load_config(self) -> None:
        server = self._settings.server
        host = f"[{server.host}]" if ":" in server.host else server.host
        options: dict[str, Any] = {
            "bind": f"{host}:{server.port}",
            "worker_class": Worker,
            "workers": server.workers,
            "timeout": server.timeout_s,
            "graceful_timeout": GRACEFUL_S,
            "loglevel": server.log_level,
            "logger_class": logs.GunicornLog,
            "worker_exit": _close,
            "child_exit": lambda _arbiter, worker: gathering.forget(worker.pid),
            "on_exit": lambda _arbiter: gathering.close(),
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """As the parent's, with a Master."""
        Master(self).run()

    @property
    def bounds(self) -> Bounds:
        """How much a worker takes on."""
        server = self._settings.server
        return Bounds(
            threads=server.threads,
            waiting=server.max_waiting,
            connections=server.max_connections,
            body_bytes=server.max_request_bytes,
            receive_s=server.receive_timeout_s,
        )

    def load(self) -> Flask:
        app = self._create_app(self._settings)
        # So that no worker takes requests which another, ready already, could answer. A long load is told by /readyz.
        app.extensions["service"].wait(BOOT_S)
        return app


def serve(settings: Settings, create_app: Callable[[Settings, Allowances], Flask]) -> None:
    """Serve until a signal. What would stop every worker is found out first, and ends the start with a message."""
    logs.configure(settings.server)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with closing(Catalog(settings.catalog_url)) as catalog:
            check_exposure(settings, catalog)
        check_catalog(settings.catalog_url, settings.catalog.check_s)
        check_model(settings.extractor)
    except (StoreError, ExtractorError, Unprotected, OSError) as error:
        raise SystemExit(f"cannot start: {error}") from None
    gathering.open_folder()
    allowances = Allowances()  # before the fork, so that all workers count together
    Server(settings, lambda settings: create_app(settings, allowances)).run()


def _close(_arbiter: Any, worker: Any) -> None:
    if hasattr(worker, "wsgi"):  # or else it ends before its application was made
        worker.wsgi.extensions["service"].close()
