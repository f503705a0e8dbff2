"""What all Flask-RESTful resources have in common."""

from collections.abc import Callable
from typing import Any

from flask import Response, request
from flask_restful import Resource

from retrieval.callers import caller
from retrieval.errors import BadPayload
from retrieval.service import Service

Reply = dict[str, Any] | tuple[dict[str, Any], int] | tuple[dict[str, Any], int, dict[str, str]] | Response


def in_body(post: Callable[..., Reply]) -> Callable[..., Reply]:
    """Fields in the URL of a POST would be passed over in silence, so they are refused."""

    def checked(*args: Any, **kwargs: Any) -> Reply:
        if request.args:
            raise BadPayload(
                f"the fields of a POST belong in its body, not in its URL: {', '.join(request.args)[:200]}"
            )
        return post(*args, **kwargs)

    return checked


class ServiceResource(Resource):  # type: ignore[misc]  # Flask-RESTful has no type hints
    """What every resource has at hand."""

    method_decorators = {"post": [in_body]}  # noqa: RUF012  # Flask-RESTful's name and shape

    def __init__(self, service: Service) -> None:
        self.service = service

    def allow(self, *collections: str | None) -> None:
        """Before anything is said of collections; None stands for all of them. Raises Forbidden."""
        caller().check(collections)
