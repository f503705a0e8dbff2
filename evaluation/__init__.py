"""Measures how well pictures are found again: makes edited copies, embeds them, ranks, reports.

Above everything else: it knows the extractor and the service's settings, and neither knows it.
"""
