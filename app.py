"""ImageRetrieval: have I seen this picture before?  `create_app(settings)` wires; `python app.py` serves."""

import argparse
from pathlib import Path

from flask import Flask
from werkzeug.exceptions import HTTPException

from index_store import KeyRing
from retrieval import curation_resources, incoming, request_log, resources
from retrieval.access import Access
from retrieval.allowances import Allowances
from retrieval.openapi import contract
from retrieval.problems import ServiceApi, http_problem, refuse, unexpected
from retrieval.server import serve
from retrieval.service import Service
from retrieval.settings import BadSettings, Settings, load_settings

MORE_PARTS = 1000  # of a form, beside the pictures
ROUTES = (
    (incoming.Search, "search", "/search", "/query"),  # /query and /insert: clients of the first version
    (incoming.Compare, "compare", "/compare"),
    (incoming.Add, "add", "/add", "/insert"),
    (resources.Images, "images", "/images"),
    (resources.Image, "image", "/images/<path:image_id>"),
    (resources.Collections, "collections", "/collections"),
    (resources.Collection, "collection", "/collections/<name>"),
    (curation_resources.Duplicates, "duplicates", "/collections/<name>/duplicates"),
    (curation_resources.Pairs, "pairs", "/pairs"),
    (resources.Jobs, "jobs", "/jobs"),
    (resources.Job, "job", "/jobs/<int(max=2147483647):job_id>"),
    (resources.Healthz, "healthz", "/healthz"),
    (resources.Readyz, "readyz", "/readyz"),
    (resources.Metrics, "metrics", "/metrics"),
    (contract.OpenApi, "openapi", "/openapi.json"),
    (contract.Docs, "docs", "/docs"),
)
CONTRACT = contract.Contract(ROUTES)


def create_app(settings: Settings, allowances: Allowances | None = None) -> Flask:
    """The service as a WSGI application, loading in the background. Raises CatalogUnavailable.

    `allowances` are those of all workers, if there are several.
    """
    # It takes up what `serve` has prepared in the environment for several processes, when it is imported.
    from retrieval.metrics import Metrics  # noqa: PLC0415
    from retrieval.scrape import State  # noqa: PLC0415

    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = settings.server.max_request_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.server.max_request_bytes  # a form may carry a picture in base64
    app.config["MAX_FORM_PARTS"] = settings.input.max_batch + MORE_PARTS
    app.url_map.merge_slashes = False  # /images//a is no other name of /images/a, which a DELETE would follow
    app.config["RESTFUL_JSON"] = {"ensure_ascii": False}
    app.extensions["contract"] = CONTRACT
    app.extensions["metrics"] = metrics = Metrics()
    app.extensions["service"] = service = Service(settings, metrics)
    metrics.register(State(service))
    request_log.install(app, metrics)
    app.before_request(refuse)
    api = ServiceApi(app)
    keys = KeyRing(service.catalog)
    Access(settings, keys, allowances or Allowances(), api.handle_error).guard(app)
    for resource, endpoint, *urls in ROUTES:
        api.add_resource(resource, *urls, endpoint=endpoint, resource_class_args=(service,))
    app.register_error_handler(HTTPException, http_problem)
    app.register_error_handler(500, unexpected)
    service.start()
    return app


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="Serve ImageRetrieval.")
    parser.add_argument("--config", type=Path, help="YAML file with what differs from config.yaml")
    try:
        settings = load_settings(parser.parse_args().config)
    except BadSettings as error:
        raise SystemExit(f"bad configuration:\n{error}") from None
    serve(settings, create_app)


if __name__ == "__main__":
    main()
