"""config.yaml, the operator's own file and the environment -> one frozen, validated Settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from apscheduler.triggers.cron import CronTrigger
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    model_validator,
)

from extractor.settings import ExtractorSettings
from index_store import Reserve
from index_store.settings import IndexSettings
from retrieval.fetch_settings import FetchSettings

DEFAULTS = Path(__file__).resolve().parent.parent / "config.yaml"
ENV_PREFIX = "IMAGERETRIEVAL__"
Format = Literal["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"]
HostName = Annotated[str, Field(pattern=r"^\.?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$|^\[[0-9A-Fa-f:.]+\]$")]
Origin = Annotated[str, Field(pattern=r"^https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$")]
RelaxedPath = Annotated[Path, Strict(False)]


class BadSettings(Exception):
    """A setting is unknown, of the wrong type or out of range; the message names it."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _cron(expression: str) -> str:
    CronTrigger.from_crontab(expression)
    return expression


class ServerSettings(_Section):
    """Section `server` of config.yaml."""

    host: str = Field(min_length=1)
    port: int = Field(ge=0, le=65535)
    workers: int = Field(ge=1, le=256)
    threads: int = Field(ge=1, le=1024)
    max_waiting: int = Field(ge=0)
    max_connections: int = Field(ge=1)
    receive_timeout_s: float = Field(gt=0, le=3600)
    max_request_bytes: int = Field(ge=1024)
    timeout_s: int = Field(ge=1)
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["text", "json"]
    idempotency_hours: float = Field(gt=0, le=8760)
    trusted_proxies: int = Field(ge=0, le=16)


def _switch(value: Any) -> Any:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


class AccessSettings(_Section):
    """Section `access` of config.yaml."""

    keys: Annotated[Literal["auto", "required", "off"], BeforeValidator(_switch)]
    requests_per_minute: int = Field(ge=0, le=1_000_000)
    failures_per_minute: int = Field(ge=1, le=1_000_000)
    allowed_hosts: Annotated[tuple[HostName, ...], Strict(False)]
    cors_origins: Annotated[tuple[Origin, ...], Strict(False)]


class InputSettings(_Section):
    """Section `input` of config.yaml."""

    max_bytes: int = Field(ge=1)
    max_pixels: int = Field(ge=1)
    max_pixels_at_once: int = Field(ge=1)
    decode_timeout_s: float = Field(gt=0, le=3600)
    max_batch: int = Field(ge=1, le=1000)
    formats: Annotated[tuple[Format, ...], Strict(False)] = Field(min_length=1)
    fetch: FetchSettings


class SearchSettings(_Section):
    """Section `search` of config.yaml."""

    top_k: int = Field(ge=1)
    max_top_k: int = Field(ge=1)
    refine_depth: int = Field(ge=1, le=1000)
    mode: Literal["fast", "thorough"]
    threshold: float = Field(ge=-1, le=1)
    target_precision: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _top_k_is_allowed(self) -> Self:
        if self.top_k > self.max_top_k:
            raise ValueError(f"top_k {self.top_k} is more than max_top_k {self.max_top_k}")
        return self


class GroupsSettings(_Section):
    """Section `groups` of config.yaml."""

    at_once: int = Field(ge=0)


class KeepSettings(_Section):
    """Section `keep` of config.yaml."""

    pictures: Literal["thumbnail", "original", "nothing"]
    side: int = Field(ge=64, le=8192)
    files: bool


class CatalogSettings(_Section):
    """Section `catalog` of config.yaml."""

    url: str | None
    min_free_bytes: int = Field(ge=0)
    check_s: float = Field(ge=0, le=3600)


class MaintenanceSettings(_Section):
    """Section `maintenance` of config.yaml."""

    enabled: bool
    cron: Annotated[str, AfterValidator(_cron)]
    rebuild_after: int = Field(ge=1)
    poll_s: float = Field(gt=0, le=3600)
    inbox_settle_s: float = Field(ge=0)
    ingest_after_s: float = Field(ge=0)
    job_timeout_s: float = Field(gt=0)


class Settings(_Section):
    """The whole of config.yaml."""

    data_dir: RelaxedPath
    server: ServerSettings
    access: AccessSettings
    input: InputSettings
    extractor: ExtractorSettings
    search: SearchSettings
    groups: GroupsSettings
    keep: KeepSettings
    catalog: CatalogSettings
    index: IndexSettings
    maintenance: MaintenanceSettings

    @property
    def catalog_url(self) -> str:
        """SQLAlchemy URL of the catalog."""
        return self.catalog.url or f"sqlite:///{self.data_dir.resolve() / 'catalog.db'}"

    @property
    def reserve(self) -> Reserve:
        """What stays free on the disk."""
        return Reserve(self.catalog.min_free_bytes)


def load_settings(path: Path | None = None, environ: Mapping[str, str] | None = None, **changes: Any) -> Settings:
    """The project's config.yaml, then the file at `path`, the environment, and `changes`; later ones win.

    `changes` are sections or keys as nested dicts, for scripts and tests: `load_settings(server={"port": 0})`.
    Raises BadSettings.
    """
    merged: dict[str, Any] = {}
    environment = _from_environment(os.environ if environ is None else environ)
    for layer in (_read(DEFAULTS), _read(path) if path else {}, environment, changes):
        merge(merged, layer)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise BadSettings("\n".join(_explain(problem) for problem in error.errors())) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} is not valid YAML: {error}") from None
    if content is not None and not isinstance(content, dict):
        raise BadSettings(f"{path}: expected `key: value` lines, found a {type(content).__name__}")
    return content or {}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """IMAGERETRIEVAL__SERVER__PORT=80 -> {"server": {"port": 80}}; values are read as YAML, so types come out right."""
    layer: dict[str, Any] = {}
    for name, text in environ.items():
        if name.startswith(ENV_PREFIX):
            try:
                value = yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise BadSettings(f"environment variable {name} is not valid YAML: {error}") from None
            for key in reversed(name.removeprefix(ENV_PREFIX).lower().split("__")):
                value = {key: value}
            merge(layer, value)
    return layer


def merge(base: dict[str, Any], layer: Mapping[str, Any]) -> None:
    """Put the settings of `layer` over those of `base`, section by section."""
    for key, value in layer.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value


def _explain(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown setting"
    return f"{key}: {problem['msg']} (got {problem['input']!r})"
