"""The settings DEDUP_* of a crawl, checked."""

from dataclasses import dataclass, fields
from typing import Any

from scrapy.settings import BaseSettings

WHOLE = ("batch_size", "max_pending", "max_bytes")
NUMBERS = ("target_precision", "batch_wait", "hold_seconds", "timeout")


@dataclass(frozen=True)
class Options:
    """Each is the setting of its name in capitals after DEDUP_; docs/crawlers.md has what they mean."""

    server: str = "http://127.0.0.1:8080"
    api_key: str | None = None
    collection: str = "default"
    against: tuple[str, ...] = ()
    mode: str | None = None
    target_precision: float | None = None
    batch_size: int = 16
    batch_wait: float = 0.5  # seconds
    action: str = "drop"
    drop_when: str = "all"
    when_down: str = "pass"
    hold_seconds: float = 3600.0
    max_pending: int = 64  # pictures
    max_bytes: int = 20 * 2**20  # of a picture
    timeout: float = 60.0  # seconds
    urls_field: str = "image_urls"
    result_field: str = "dedup"

    def __post_init__(self) -> None:
        _one_of("MODE", self.mode, (None, "fast", "thorough"))
        _one_of("ACTION", self.action, ("drop", "mark"))
        _one_of("DROP_WHEN", self.drop_when, ("all", "any"))
        _one_of("WHEN_DOWN", self.when_down, ("pass", "hold"))
        if not 1 <= self.batch_size <= 32:
            raise ValueError(f"DEDUP_BATCH_SIZE: 1 to 32, not {self.batch_size}")
        if self.max_pending < self.batch_size:
            raise ValueError(f"DEDUP_MAX_PENDING: DEDUP_BATCH_SIZE at least, not {self.max_pending}")

    @classmethod
    def of(cls, settings: BaseSettings) -> "Options":
        """Raises ValueError, which names the setting; a misspelt one is refused, too."""
        known = {f"DEDUP_{each.name.upper()}": each.name for each in fields(cls)}
        given = {name: settings.get(name) for name in settings if name.startswith("DEDUP_")}
        if strange := sorted(given.keys() - known.keys()):
            raise ValueError(f"unknown settings: {', '.join(strange)}; there are {', '.join(sorted(known))}")
        values = {known[name]: value for name, value in given.items() if value is not None}
        return cls(**{name: _typed(name, value, settings) for name, value in values.items()})


def _typed(name: str, value: Any, settings: BaseSettings) -> Any:
    """From the command line (`-s DEDUP_BATCH_SIZE=8`) all are strings."""
    setting = f"DEDUP_{name.upper()}"
    if name == "against":
        return tuple(settings.getlist(setting))
    kind = int if name in WHOLE else float if name in NUMBERS else str
    try:
        return kind(value)
    except (TypeError, ValueError):
        raise ValueError(f"{setting}: not a number: {value!r}") from None


def _one_of(name: str, value: str | None, values: tuple[str | None, ...]) -> None:
    if value not in values:
        raise ValueError(f"DEDUP_{name}: {' or '.join(str(each) for each in values)}, not {value!r}")
