"""The `logicnn` command: its subcommands are the files of this folder."""

import argparse
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

from logicnn import __version__, commands
from logicnn.commands.command import Command

__all__ = ["main", "subcommands"]


def subcommands() -> list[Command]:
    """All commands, by name."""
    modules = (
        import_module(f"{commands.__name__}.{found.name}")
        for found in iter_modules(commands.__path__)
        if found.name != "cli"
    )
    return sorted(
        (module.COMMAND for module in modules if hasattr(module, "COMMAND")), key=lambda command: command.name
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Parses and runs a subcommand."""
    parser = argparse.ArgumentParser("logicnn", description="Neural networks as FPGA logic, with open tools only.")
    parser.add_argument("--version", action="version", version=f"logicnn {__version__}")
    parsers = parser.add_subparsers(dest="command", required=True)
    for command in subcommands():
        own = parsers.add_parser(command.name, help=command.help, description=command.description)
        command.add_arguments(own)
        own.set_defaults(chosen=command)
    arguments = parser.parse_args(argv)
    return arguments.chosen.guarded(arguments)
