"""Logs on standard error: a record is a line, of JSON or to be read by people, whatever clients send.

URLs lose their path, query and password: those that clients have pictures fetched from may carry their secrets.
API keys, which people paste anywhere, lose their secret part.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from gunicorn.glogging import Logger

from retrieval.settings import ServerSettings

URL = re.compile(r"(?i)\b(https?://)(?:[^\s/@'\"]*@)?([^\s/?#'\"<>]*)(?:[/?#][^\s'\"<>]*)?")
API_KEY = re.compile(r"(ir_[0-9a-f]{16})_[0-9a-f]{64}")
PLAIN = re.compile(r"[\w./:+-]+")
# Also those that turn the direction of what follows.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
TALKATIVE = ("PIL", "urllib3", "asyncio", "sqlalchemy")  # below warnings they tell of pixels, URLs and rows

# What the message of an access line says already.
IN_MESSAGE = {"method", "path", "status"}

# What every record of the request that is being answered says besides: its id.
fields: ContextVar[Mapping[str, Any]] = ContextVar("fields", default=MappingProxyType({}))


def configure(server: ServerSettings, **always: Any) -> None:
    """Have this process log as the settings say; `always` are fields of every record."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((JsonLines if server.log_format == "json" else TextLines)(always))
    logging.basicConfig(level=server.log_level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


class _Lines(logging.Formatter):
    """What both formats have in common."""

    def __init__(self, always: Mapping[str, Any]) -> None:
        super().__init__()
        self._always = always

    def told(self, record: logging.LogRecord) -> tuple[str, dict[str, Any], str]:
        """Message, fields, and traceback or nothing."""
        message = record.getMessage()
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        own: Mapping[str, Any] = getattr(record, "fields", {})
        more = {name: _clean(value) for name, value in {**self._always, **fields.get(), **own}.items()}
        return _without_secrets(message), more, _without_secrets(trace)


class JsonLines(_Lines):
    """An object a line: time, level, logger, message, the fields, and `exception` with the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """See the class."""
        message, more, trace = self.told(record)
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": when, "level": record.levelname.lower(), "logger": record.name, "message": message, **more}
        return json.dumps(line | ({"exception": trace} if trace else {}), default=str)


class TextLines(_Lines):
    """Time, level, logger, message, fields; a traceback follows, indented, so that none of it looks like a record."""

    def format(self, record: logging.LogRecord) -> str:
        """See the class."""
        message, more, trace = self.told(record)
        shown = {name: value for name, value in more.items() if value is not None and name not in IN_MESSAGE}
        told = " ".join(f"{name}={_quoted(value)}" for name, value in shown.items())
        line = f"{record.levelname} {record.name}: {message}{f' [{told}]' if told else ''}"
        lines = [f"{self.formatTime(record)} {_on_one_line(line)}", *map(_on_one_line, trace.splitlines())]
        return "\n    | ".join(lines)


class GunicornLog(Logger):  # type: ignore[misc]  # gunicorn has no type hints
    """gunicorn's own records, by way of the root logger."""

    def setup(self, cfg: Any) -> None:
        """Takes away the handlers that gunicorn gives them."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def _clean(value: Any) -> Any:
    return _without_secrets(value) if isinstance(value, str) else value


def _quoted(value: Any) -> str:
    return str(value) if PLAIN.fullmatch(str(value)) else json.dumps(value)


def _without_secrets(text: str) -> str:
    text = URL.sub(_shortened, text) if "://" in text else text
    return API_KEY.sub(r"\1_...", text) if "ir_" in text else text


def _shortened(url: re.Match[str]) -> str:
    scheme_and_host = url[1] + url[2]
    return scheme_and_host if len(url[0]) == len(scheme_and_host) else f"{scheme_and_host}/..."


def _on_one_line(text: str) -> str:
    return CONTROL.sub(lambda letter: ascii(letter[0])[1:-1], text)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: Any) -> None:
    if issubclass(kind, SystemExit | KeyboardInterrupt):
        sys.__excepthook__(kind, error or kind(), trace)
        return
    logging.getLogger(__name__).critical("uncaught %s", kind.__name__, exc_info=(kind, error or kind(), trace))
