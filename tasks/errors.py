"""Errors a user can mend."""


class InputError(Exception):
    """The user's input is wrong; the command line shows the message alone and exits with 2.

    The message is one line that names the file, the row or key, what was expected and what was
    found.
    """
