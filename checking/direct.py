"""A service within this process, over a data folder: the same code as over HTTP, without a socket."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import requests

from app import create_app
from checking.delivery import CheckFailed
from client import Client
from client.wsgi import WsgiAdapter
from index_store import Catalog, StoreError
from retrieval.errors import NotReady
from retrieval.service import Service
from retrieval.settings import BadSettings, Settings, load_settings
from scripts.build_index import rebuild

HOST = "in-this-process"


@contextmanager
def client_of(settings: Settings) -> Iterator[Client]:
    """A client of the service that these settings make; it ends with the block.

    It asks for no keys: who can read the folder can read all that they guard. Raises CheckFailed.
    """
    alone = settings.model_copy(
        update={
            "access": settings.access.model_copy(
                update={"keys": "off", "requests_per_minute": 0, "allowed_hosts": (HOST,)}
            ),
            "maintenance": settings.maintenance.model_copy(update={"enabled": False}),
        }
    )
    try:
        app = create_app(alone)
    except (StoreError, OSError) as error:
        raise CheckFailed(str(error)) from None
    service = app.extensions["service"]
    try:
        _wait_for(service)
        with requests.Session() as session:
            session.mount(f"http://{HOST}", WsgiAdapter(app))
            yield Client(f"http://{HOST}", session=session)
    finally:
        service.close()


def _wait_for(service: Service) -> None:
    try:
        service.wait_until_ready()
    except NotReady as error:
        raise CheckFailed(str(error)) from None


def settings_of(config: Path | None, data_dir: Path | None) -> Settings:
    """Of a file, or the defaults, with this data folder, which must be there. Raises CheckFailed."""
    try:
        settings = load_settings(config)
    except BadSettings as error:
        raise CheckFailed(str(error)) from None
    if data_dir:
        settings = settings.model_copy(update={"data_dir": data_dir.resolve()})
    if not settings.data_dir.is_dir():
        raise CheckFailed(f"no such data folder: {settings.data_dir}")
    return settings


def rebuilt(config: Path | None, data_dir: Path | None, collection: str) -> str:
    """Brings the index up to date after many adds, or asks the service beside for it; says which."""
    settings = settings_of(config, data_dir)
    with closing(Catalog(settings.catalog_url, settings.reserve)) as catalog:
        return rebuild(settings, catalog, collection)
