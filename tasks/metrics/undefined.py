"""What a metric says when it has no value."""


class Undefined(Exception):  # noqa: N818 - not an error: the data allow no answer
    """The metric has no value on these patients; the message says why, in words for a table."""
