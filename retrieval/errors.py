"""What can be wrong with a request, in the service's own words; one table elsewhere gives each its HTTP status."""

from typing import Literal


class InputError(Exception):
    """The picture, or the request that brought it, cannot be used; the message is fit for clients."""


class BadPayload(InputError):
    """The body of a request is malformed: not JSON, no picture or two, a field of the wrong type."""


class UnsupportedMedia(InputError):
    """The body of a request has a content type other than JSON or a form."""


class PictureTooLarge(InputError):
    """A picture exceeds the limit on bytes or pixels."""


class BadImage(InputError):
    """The bytes are not a picture, are damaged, or are in a format that is not accepted."""


class FetchError(InputError):
    """A URL brought no picture; `reason` is a slug that stays the same, such as "timeout", for those who count."""

    def __init__(self, message: str, reason: str = "") -> None:  # by its message alone an error is copied or unpickled
        super().__init__(message)
        self.reason = reason


class FetchRefused(FetchError):
    """The operator does not allow this URL to be fetched."""


class FetchFailed(FetchError):
    """The URL is invalid, or what it names could not be had."""


class ServiceError(Exception):
    """The service itself cannot do what is asked, now or for this picture; the message is fit for clients."""


class NotReady(ServiceError):
    """The service is still loading, or cannot load; the message says which, and `reason` in a word."""

    def __init__(self, message: str, reason: Literal["loading", "failed"]) -> None:
        super().__init__(message)
        self.reason = reason


class NeedsJob(ServiceError):
    """What is asked for takes too long for a request; the message names the job that does it."""


class ResultGone(ServiceError):
    """The pages of an earlier answer are no longer kept."""


class NothingKept(ServiceError):
    """Of a picture that is asked for there is only its vector."""


class IdTaken(ServiceError):
    """The id of a new picture is in use in its collection."""


class CannotCalibrate(ServiceError):
    """Too few pictures of a collection can be read again to say what its scores are worth."""


class NoDecoder(ServiceError):
    """No process could be started to decode the picture in: the system has no memory or no room for one now."""


class NotCalibrated(ServiceError):
    """Nobody knows which score gives the precision that is asked for; the message says how to find out."""


class BackupRefused(ServiceError):
    """A backup cannot be made, is damaged, or cannot be put back; the message says which and what to do."""


class Unprotected(ServiceError):
    """The service would be open to strangers, or to nobody; the message names the ways out."""


class AccessDenied(Exception):
    """A request is refused, whatever it says; `headers` belong to the reply."""

    def __init__(self, message: str, **headers: str) -> None:
        super().__init__(message)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Unauthorized(AccessDenied):
    """No key came with the request, or one that does not open anything."""

    def __init__(self, message: str, key_given: bool) -> None:
        error = ', error="invalid_token"' if key_given else ""
        super().__init__(message, WWW_Authenticate=f'Bearer realm="imageretrieval"{error}')


class Forbidden(AccessDenied):
    """This is not for who asks; `scope` is the one that is missing, if one is."""

    def __init__(self, message: str, scope: str | None = None) -> None:
        challenge = f'Bearer realm="imageretrieval", error="insufficient_scope", scope="{scope}"'
        super().__init__(message, **({"WWW_Authenticate": challenge} if scope else {}))


class TooManyRequests(AccessDenied):
    """The caller has used up what is allowed, for `wait` seconds."""

    def __init__(self, message: str, wait: int) -> None:
        super().__init__(message, Retry_After=str(wait))
