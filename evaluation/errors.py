"""What may go wrong for reasons outside this package; the messages are for the person at the command line."""


class EvaluationError(Exception):
    """The evaluation cannot be done as asked; the message says why."""
