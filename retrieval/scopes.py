"""Which scope of a key each route takes: search reads, add adds, admin changes and deletes, metrics is Prometheus's."""

from typing import Literal

from index_store import Scope

Need = Scope | Literal["open"]

READ: dict[str, Need] = {"GET": "search"}
OPEN: dict[str, Need] = {"GET": "open"}
# By endpoint and method. Routes without pictures or figures are open: they tell what anyone can read in the source.
NEEDS: dict[str, dict[str, Need]] = {
    "search": {"POST": "search"},
    "compare": {"POST": "search"},
    "add": {"POST": "add"},
    "images": READ,
    "image": {**READ, "PATCH": "admin", "DELETE": "admin"},
    "collections": {**READ, "POST": "admin"},
    "collection": {**READ, "PATCH": "admin", "DELETE": "admin"},
    "duplicates": READ,
    "pairs": {**READ, "POST": "admin", "DELETE": "admin"},
    "jobs": {"GET": "admin", "POST": "admin"},
    "job": {"GET": "admin"},
    "metrics": {"GET": "metrics"},
    "healthz": OPEN,
    "readyz": OPEN,
    "openapi": OPEN,
    "docs": OPEN,
}


def needed(endpoint: str | None, method: str) -> Need:
    """What a request takes. What nobody has thought of, such as a route that does not exist, takes admin."""
    methods = NEEDS.get(endpoint or "", {})
    return methods.get("GET" if method == "HEAD" else method, "admin")
