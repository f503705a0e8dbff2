"""Checking a delivery: which of its pictures are new to a collection and to each other. Takes `client`, no server."""
