"""The `logicnn` command. Every error is one line on stderr: exit code 2 for the user's to mend, 1 for a failed check, 130 for Ctrl-C."""

import argparse
import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence

from logicnn import boards, build, export, run
from logicnn.errors import LogicnnError

__all__ = ["command", "guarded", "list_boards", "main"]


def guarded(run: Callable[[], None]) -> int:
    """Runs a command and turns every expected end of it into one line and an exit code; a SIGTERM is a Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run()
        sys.stdout.flush()
    except LogicnnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a folder that vanished
        where = f" ({error.filename})" if error.filename else ""
        hint = "; free the space or choose another folder with --output" if error.errno in (errno.ENOSPC, errno.EROFS, errno.EDQUOT) else ""
        print(f"error: {error.strerror or error}{where}{hint}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted; nothing was left half written, run the command again to go on", file=sys.stderr)
        return 130
    return 0


def _first_paragraph(text: str | None) -> str:
    return (text or "").split("\n\n")[0]


def command(
    name: str,
    description: str | None,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    run: Callable[[argparse.Namespace], None],
    argv: Sequence[str] | None,
) -> int:
    """Parses and runs one command."""
    parser = argparse.ArgumentParser(name, description=_first_paragraph(description))
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    return guarded(lambda: run(arguments))


def list_boards(arguments: argparse.Namespace) -> None:
    """Prints the boards that come with the package."""
    rows = boards.table()
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    lines = [("board", "device", "logic cells", "memory bits", "DSP", "clock, MHz", "of engines", "programmer")]
    lines += [
        tuple("none" if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in row.values())
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip())


def main(argv: Sequence[str] | None = None) -> int:
    """The `logicnn` command with its subcommands."""
    parser = argparse.ArgumentParser("logicnn", description="Neural networks as FPGA logic, with open tools only.")
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="from a network to a verified bitstream", description=_first_paragraph(build.__doc__))
    build.add_arguments(builder)
    builder.set_defaults(run=build.run)
    exporter = commands.add_parser("export", help="a network as Verilog", description=_first_paragraph(export.__doc__))
    export.add_arguments(exporter)
    exporter.set_defaults(run=export.run)
    runner = commands.add_parser("run", help="samples to a board and back", description=_first_paragraph(run.__doc__))
    run.add_arguments(runner)
    runner.set_defaults(run=run.run)
    lister = commands.add_parser("boards", help="the boards that come with the package", description=_first_paragraph(boards.table.__doc__))
    lister.add_argument("--json", action="store_true", help="print JSON instead of a table")
    lister.set_defaults(run=list_boards)
    arguments = parser.parse_args(argv)
    return guarded(lambda: arguments.run(arguments))
