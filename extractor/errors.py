"""What can go wrong in the extractor. No HTTP here: the service maps these to statuses."""


class ExtractorError(Exception):
    """Any failure of this package that its caller may want to tell apart."""


class ModelMissing(ExtractorError):
    """A model file is not where the settings say; the message names the command that puts it there."""


class ModelCorrupt(ExtractorError):
    """A model file is not, byte for byte, the one whose vectors this version knows."""


class BadModel(ExtractorError):
    """Model files and settings that do not go together; the message says which, and what would."""


class NoEmbedding(ExtractorError):
    """The network gave something other than finite numbers for a picture."""


class BatcherClosed(ExtractorError):
    """The batcher was closed before it took this picture in."""
