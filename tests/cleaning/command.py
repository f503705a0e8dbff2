"""Acting on a plan as `scripts/dedupe.py` does it, without what finding copies takes to load."""

import argparse
import sys
from collections.abc import Sequence

from cleaning import acting_command


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quiet", action="store_true")
    acting_command.add_arguments(parser.add_argument_group("acting"))
    return acting_command.run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
