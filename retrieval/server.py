"""Serving: gunicorn with threads, from the settings alone."""

import logging
import signal
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from extractor import ExtractorError, check_model
from index_store import Catalog, StoreError, check_catalog
from retrieval.settings import Settings

KEEPALIVE_S = 75
GRACEFUL_S = 30
BOOT_S = 20
LONGEST_URL = 8190  # an id of 512 letters takes up to 6144 bytes there; gunicorn allows no more than this


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no type hints
    """Ctrl-C in a terminal reaches every process: the master acts on it, and workers end in good order when it says so.

    What they start, such as the process of a job, inherits that.
    """

    def init_signals(self) -> None:
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)


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
            "threads": server.threads,
            "timeout": server.timeout_s,
            "graceful_timeout": GRACEFUL_S,
            "keepalive": KEEPALIVE_S,
            "limit_request_line": LONGEST_URL,
            "loglevel": server.log_level,
            "worker_exit": _close,
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        app = self._create_app(self._settings)
        # So that no worker takes requests which another, ready already, could answer. A long load is told by /readyz.
        app.extensions["service"].wait(BOOT_S)
        return app


def serve(settings: Settings, create_app: Callable[[Settings], Flask]) -> None:
    """Serve until a signal. What would stop every worker is found out first, and ends the start with a message."""
    logging.basicConfig(
        level=settings.server.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        Catalog(settings.catalog_url).close()
        check_catalog(settings.catalog_url, settings.catalog.check_s)
        check_model(settings.extractor)
    except (StoreError, ExtractorError, OSError) as error:
        raise SystemExit(f"cannot start: {error}") from None
    Server(settings, create_app).run()


def _close(_arbiter: Any, worker: Any) -> None:
    if hasattr(worker, "wsgi"):  # or else it ends before its application was made
        worker.wsgi.extensions["service"].close()
