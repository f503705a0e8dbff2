"""ImageRetrieval's service."""

VERSION = "0.1.0"  # also of the package and of the API
