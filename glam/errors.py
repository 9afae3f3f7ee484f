"""The one exception that is shown to the user as a message instead of a traceback."""


class GlamError(Exception):
    """A mistake in what the user gave us: a file, a setting, a flag.

    The message names the file, field or flag, what was found, what was expected and what to do.
    The entry points print it in one piece and exit with status 2.
    """
