"""Which names cohorts, labels, methods and the parts of a task's name may have.

Names become parts of KIND/COHORT/LABEL, of file names and of cells in every table: whoever reads
one, from a manifest or from a record, asks here.
"""

import re

NAME_RULE = "a name of letters, digits and . _ + -"
"""The rule in an error's words."""

LONGEST_NAME = 100

NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._+-]{{0,{LONGEST_NAME - 1}}}")

ARROW = "->"
"""Between two cohorts: fitted on the one, tested on the other. No name holds it."""

OF = "@"
"""Between a cohort and the embeddings that its patients are to have: no name holds it either."""

COHORT = re.compile(rf"{NAME.pattern}(?:{ARROW}{NAME.pattern}|{OF}{NAME.pattern})?")
COHORT_RULE = f"{NAME_RULE}, or two such with {ARROW} or {OF} between them"

TASK = re.compile(f"{NAME.pattern}/{COHORT.pattern}/{NAME.pattern}")


def is_name(text: object) -> bool:
    """Whether a value is a name that is allowed."""
    return isinstance(text, str) and NAME.fullmatch(text) is not None


def transfer_name(train: str, test: str) -> str:
    """The cohort of a transfer between two cohorts."""
    return f"{train}{ARROW}{test}"


def transfer_parts(cohort: str) -> tuple[str, str] | None:
    """The two cohorts of a transfer; None for the name of one cohort."""
    train, arrow, test = cohort.rpartition(ARROW)
    return (train, test) if arrow else None


def covered_name(cohort: str, embeddings: str) -> str:
    """The cohort of those patients who have embeddings of this name."""
    return f"{cohort}{OF}{embeddings}"


def covered_parts(cohort: str) -> tuple[str, str] | None:
    """The cohort and the embeddings that its patients have; None for the name of a whole cohort."""
    whole, of, embeddings = cohort.rpartition(OF)
    return (whole, embeddings) if of else None


def file_name(cohort: str) -> str:
    """A cohort's name as a file has it: systems differ about `>`, and `~` is in no name."""
    return cohort.replace(ARROW, "~")
