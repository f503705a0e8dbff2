"""HTTP replies as plain values, so that they can be gathered, written down, and given again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from flask import Response


@dataclass(frozen=True)
class Answer:
    """A status, a JSON body, and where what was made can be found."""

    status: int
    body: Mapping[str, Any]
    location: str | None = None

    @classmethod
    def read(cls, text: bytes) -> Self:
        """What `written` gave."""
        return cls(**json.loads(text))

    def written(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    def response(self, **headers: str) -> Response:
        """As Flask sends it; an error is a problem document."""
        kind = "application/problem+json" if self.status >= 400 else "application/json"
        text = json.dumps(self.body, ensure_ascii=False) + "\n"
        response = Response(text, self.status, headers, content_type=kind)
        if self.location is not None:
            response.headers["Location"] = self.location
        return response


def several(answers: Sequence[Answer], more: Sequence[dict[str, Any]] = ()) -> Answer:
    """One for a batch: what each picture would have been answered by itself, in order, and `more` about each."""
    each = [{"status": answer.status, "body": answer.body} for answer in answers]
    return Answer(200, {"results": [one | extra for one, extra in zip(each, more or [{}] * len(each), strict=True)]})
