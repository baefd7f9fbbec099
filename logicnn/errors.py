"""What a user can do wrong, and what can turn out wrong: each becomes one line on the command line.

`LogicnnError` ends a command with exit code 2 (the input or the machine must change), `CheckFailed` with 1 (a check
said no).
"""

__all__ = ["CheckFailed", "LogicnnError"]


class LogicnnError(ValueError):
    """A request that cannot be met; the message names the argument, the value it got, and the next step."""

    exit_code = 2


class CheckFailed(LogicnnError):
    """A check that ran and failed: a mismatch, a missed clock, a tool that rejected the design."""

    exit_code = 1
