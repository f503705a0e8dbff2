"""The HTTP contract as OpenAPI 3.1: said once beside the code that is held to it, gathered, served, and shown."""
