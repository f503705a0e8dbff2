"""What can be wrong with a request, in the service's own words; one table elsewhere gives each its HTTP status."""


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


class FetchRefused(InputError):
    """The operator does not allow this URL to be fetched."""


class FetchFailed(InputError):
    """The URL is invalid, or what it names could not be had."""


class ServiceError(Exception):
    """The service itself cannot do what is asked, now or for this picture; the message is fit for clients."""


class NotReady(ServiceError):
    """The service is still loading, or cannot load; the message says which."""


class NeedsJob(ServiceError):
    """What is asked for takes too long for a request; the message names the job that does it."""


class ResultGone(ServiceError):
    """The pages of an earlier answer are no longer kept."""


class IdTaken(ServiceError):
    """The id of a new picture is in use in its collection."""


class CannotCalibrate(ServiceError):
    """Too few pictures of a collection can be read again to say what its scores are worth."""


class NotCalibrated(ServiceError):
    """Nobody knows which score gives the precision that is asked for; the message says how to find out."""


class BackupRefused(ServiceError):
    """A backup cannot be made, is damaged, or cannot be put back; the message says which and what to do."""
