"""Which names cohorts, labels, methods and the parts of a task's name may have.

Names become parts of KIND/COHORT/LABEL, of file names and of cells in every table: whoever reads
one, from a manifest or from a record, asks here.
"""

import re

NAME_RULE = "a name of letters, digits and . _ + -"
"""The rule in an error's words."""

LONGEST_NAME = 100

NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._+-]{{0,{LONGEST_NAME - 1}}}")


def is_name(text: object) -> bool:
    """Whether a value is a name that is allowed."""
    return isinstance(text, str) and NAME.fullmatch(text) is not None


def is_task_name(text: object) -> bool:
    """Whether a value is a task's name: allowed names with slashes between them."""
    return isinstance(text, str) and all(map(is_name, text.split("/")))
