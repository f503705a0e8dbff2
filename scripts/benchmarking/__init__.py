"""The parts of scripts/benchmark.py."""

import index_store  # noqa: F401  # before FAISS is loaded: it says how its threads wait
