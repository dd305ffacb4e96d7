"""Errors that end a command in one line."""


class InputError(Exception):
    """The user's input is wrong; the command line shows the message alone and exits with 2.

    The message is one line that names the file, the row or key, what was expected and what was
    found.
    """


class NotFiniteError(InputError):
    """A feature is NaN, infinite or more than float32 holds."""


class NoSplitsError(InputError):
    """There is no split file where one was looked for."""


class MachineError(Exception):
    """The machine could not do what was asked; the message alone is shown, exit code 1.

    What is recorded is whole, and the same command goes on from it.
    """
