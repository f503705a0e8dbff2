"""What can go wrong between a program and the service."""

from typing import Any

UNREADABLE = "urn:imageretrieval:unreadable-file"  # of this client's own: the service never saw the picture


class ClientError(Exception):
    """Anything that this client raises but for ValueError and TypeError, which say that it was called wrongly."""


class ServiceError(ClientError):
    """The service refuses; `type`, `title` and `detail` are those of its problem document (RFC 9457).

    retry_after:    seconds that it asks to wait, None where it says nothing.
    answer_lost:    an earlier try got no answer, so what was asked may have been done then.
    """

    def __init__(self, status: int, document: dict[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.document = document
        self.type = str(document.get("type", "about:blank"))
        self.title = str(document.get("title", "Error"))
        self.detail = str(document.get("detail", ""))
        self.reason = document.get("reason")
        self.retry_after = retry_after
        self.answer_lost = False
        super().__init__(f"{status} {self.title}: {self.detail}")

    @property
    def slug(self) -> str:
        """Last word of `type`, such as "unknown-image"."""
        return self.type.rpartition(":")[2]


class Unreachable(ClientError):
    """No answer, after all tries; `hopeless` where another try would be no better, such as of a bad certificate."""

    def __init__(self, message: str, hopeless: bool = False) -> None:
        super().__init__(message)
        self.hopeless = hopeless
        self.answer_lost = False


class BadReply(ClientError):
    """Something answers that is not this service, or not one that this client understands."""


class UnreadableFile(ClientError):
    """A picture's file cannot be read, is no regular file, or has changed while it was sent.

    path: as it was given, which may have bytes in it that cannot be printed.
    """

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path.encode(errors='replace').decode()}: {why}")
        self.path = path


class JobFailed(ClientError):
    """A job that was waited for has failed; `job` is the client's `Job`."""

    def __init__(self, message: str, job: Any) -> None:
        super().__init__(message)
        self.job = job


class TookTooLong(ClientError):
    """What was waited for has not come about in time; it may yet."""
