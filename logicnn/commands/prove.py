"""Proves that the logic of a board's netlist is the network's, for every input: ``logicnn prove --board icebreaker
--model mnist-bnn``.

Synthesises as `logicnn build` does, in the same folder, and leaves what was proved there as ``proof.json``. A netlist
that differs ends with an input on which it does.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from logicnn.board import boards
from logicnn.commands.command import Command
from logicnn.commands.options import warn_of_old_tools
from logicnn.engines.choose import kinds
from logicnn.flow.build import PROOF_SAMPLES, Options, build_folder, synthesised
from logicnn.flow.design import designed, mapped
from logicnn.flow.progress import Steps
from logicnn.network import load
from logicnn.storage import replace_file
from logicnn.verify.exhaustive import can_exhaust, exhausted
from logicnn.verify.prove import check_provable, prove
from logicnn.verify.vectors import random_vectors

__all__ = ["COMMAND"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--board", required=True, help=f"a board ({', '.join(boards.names())}) or the path of a board file"
    )
    parser.add_argument("--model", default="mnist-luts", help="a shipped network or a .lnn file (default: %(default)s)")
    parser.add_argument("--engine", choices=list(kinds()), help="the kind to build with, where it can be")
    parser.add_argument(
        "--output", type=Path, default=Options.output, metavar="DIR", help="folder for builds (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print proof.json instead of the text")


def run(arguments: argparse.Namespace) -> None:
    board, network = boards.find(arguments.board), load(arguments.model)
    warn_of_old_tools("yosys")
    options, steps = Options(arguments.output), Steps(quiet=False)
    with steps.step("map", "map layers to engines", "the first search for sums is compiled, half a minute", silent_s=1):
        mapping = mapped(network, board, kinds()[arguments.engine] if arguments.engine else None)
        if not can_exhaust(mapping):
            check_provable(mapping)
    design = designed(mapping, board, options.baud)
    netlist = synthesised(design, options, steps)
    with steps.step("prove", "prove the netlist"):
        if can_exhaust(mapping):
            proof = exhausted(netlist, mapping)
        else:
            proof = prove(netlist, mapping, network.encode(random_vectors(network, PROOF_SAMPLES)))
    of = {"name": design.name, "digest": network.digest(), "board": board.name, "device": board.device.name}
    text = json.dumps(of | dataclasses.asdict(proof) | {"whole": proof.whole, "seconds": steps.seconds}, indent=2)
    replace_file(build_folder(design, options) / "proof.json", f"{text}\n".encode())
    sys.stdout.write(f"{text}\n" if arguments.json else proof.as_text())


COMMAND = Command("prove", "that a netlist is its network, for every input", __doc__, add_arguments, run, "--output")
