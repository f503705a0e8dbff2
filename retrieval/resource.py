"""What all Flask-RESTful resources have in common."""

from collections.abc import Mapping
from typing import Any

from flask import Response
from flask_restful import Resource

from retrieval.callers import caller
from retrieval.service import Service

Reply = Mapping[str, Any] | tuple[Mapping[str, Any], int] | tuple[Mapping[str, Any], int, dict[str, str]] | Response


class ServiceResource(Resource):  # type: ignore[misc]  # Flask-RESTful has no type hints
    """What every resource has at hand. Each method is declared: see retrieval/openapi/operations.py."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def allow(self, *collections: str | None) -> None:
        """Before anything is said of collections; None stands for all of them. Raises Forbidden."""
        caller().check(collections)
