"""The document as it is served, for programs and for people."""

import json
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from flask import Response, current_app

from retrieval.openapi.document import Route, document
from retrieval.openapi.operations import Text, operation
from retrieval.openapi.page import POLICY, page
from retrieval.resource import Reply, ServiceResource


class Contract:
    """What the routes declare; made when it is first asked for."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = tuple(routes)

    @cached_property
    def document(self) -> dict[str, Any]:
        """OpenAPI 3.1. Raises ValueError where two schemas have one name."""
        return document(self._routes)

    @cached_property
    def text(self) -> str:
        """The same as JSON."""
        return json.dumps(self.document, ensure_ascii=False)

    @cached_property
    def page(self) -> str:
        """The same as HTML."""
        return page(self.document)


class OpenApi(ServiceResource):
    """The contract for programs."""

    @operation("This document", gives={200: Text("application/json", {"type": "object"})})
    def get(self) -> Reply:
        return Response(_contract().text, content_type="application/json")


class Docs(ServiceResource):
    """The contract for people."""

    @operation("This document as a page to read", gives={200: Text("text/html")})
    def get(self) -> Reply:
        return Response(_contract().page, content_type="text/html", headers={"Content-Security-Policy": POLICY})


def _contract() -> Contract:
    contract: Contract = current_app.extensions["contract"]
    return contract
