"""What a user can do wrong, and what can turn out wrong: each becomes one line on the command line.

`LogicnnError` ends a command with exit code 2 (the input or the machine must change), `CheckFailed` with 1 (a check
said no).
"""

__all__ = ["CheckFailed", "LogicnnError", "one_line"]


class LogicnnError(ValueError):
    """A request that cannot be met; the message names the argument, the value it got, and the next step."""

    exit_code = 2


class CheckFailed(LogicnnError):
    """A check that ran and failed: a mismatch, a missed clock, a tool that rejected the design."""

    exit_code = 1


def one_line(text: str) -> str:
    """A text as a terminal shows it in one line: what cannot be printed, as line ends and escapes in the names of files
    and classes, is written as Python escapes it.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
