"""`python -m tests.service.lost_answers --config FILE`: a service whose adds are stored, and then it dies.

A worker kills itself between the commit and the answer, as a power cut may; its master replaces it.
"""

import os
import signal
from typing import Any

import app
from index_store import ImageStore


def dying_after(add: Any) -> Any:
    def add_and_die(*arguments: Any, **options: Any) -> None:
        add(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    return add_and_die


if __name__ == "__main__":
    ImageStore.add = dying_after(ImageStore.add)  # type: ignore[method-assign]
    app.main()
