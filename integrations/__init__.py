"""ImageRetrieval inside other people's programs."""
