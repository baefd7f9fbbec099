"""What a command is, and how one ends: every error is one line on stderr, with exit code 2 for the user's to mend, 1
for a failed check and 130 for Ctrl-C.
"""

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from logicnn.errors import LogicnnError, one_line

__all__ = ["Command", "guarded", "run_command"]

NO_ROOM = errno.ENOSPC, errno.EROFS, errno.EDQUOT


@dataclass(frozen=True)
class Command:
    """A command of `logicnn`: every file of this folder that defines `COMMAND` is one. `writes_to` is the option that
    says where to.
    """

    name: str
    help: str
    doc: str | None  # whose first paragraph describes it
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]
    writes_to: str | None = None

    @property
    def description(self) -> str:
        return (self.doc or "").split("\n\n")[0]

    def guarded(self, arguments: argparse.Namespace) -> int:
        """Runs it; its exit code."""
        return guarded(lambda: self.run(arguments), self.writes_to)


def guarded(run: Callable[[], None], writes_to: str | None = None) -> int:
    """Turns every expected end of a run into one line and an exit code; a SIGTERM is a Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: a class may be called what no terminal shows
    try:
        run()
        sys.stdout.flush()
    except LogicnnError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a folder that vanished
        where = f" ({one_line(str(error.filename))})" if error.filename else ""
        other = f" or choose another folder with {writes_to}" if writes_to else ""
        hint = f"; free the space{other}" if error.errno in NO_ROOM else ""
        print(f"error: {error.strerror or error}{where}{hint}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"error: not enough memory: {one_line(str(error)) or 'of this machine'}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted; nothing was left half written, run the command again to go on", file=sys.stderr)
        return 130
    return 0


def run_command(command: Command, name: str, argv: Sequence[str] | None) -> int:
    """Parses and runs one command by itself, called `name`."""
    parser = argparse.ArgumentParser(name, description=command.description)
    command.add_arguments(parser)
    return command.guarded(parser.parse_args(argv))
