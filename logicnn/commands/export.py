"""A network for other tools: as Verilog, with a testbench that checks itself, or a binarized one as QONNX:
``logicnn export mnist-bnn --verilog core.v``.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from logicnn.commands.command import Command
from logicnn.commands.options import only_with, period, warn_of_old_tools, warn_of_unread_data
from logicnn.flow.progress import Steps
from logicnn.flow.qonnx import exported
from logicnn.flow.verilog import ExportError, check_name, export
from logicnn.network import load
from logicnn.storage import replace_file

__all__ = ["COMMAND"]

PERIOD_NS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a shipped network or a .lnn file")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--verilog", type=Path, metavar="FILE.v", help="where the text goes; its name is that of the module"
    )
    what.add_argument("--qonnx", type=Path, metavar="FILE.onnx", help="where the file goes")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--combinational", action="store_true", help="plain ports, no clock (default)")
    form.add_argument("--stream", action="store_true", help="streams in and out, registered")
    parser.add_argument(
        "--period",
        type=period,
        metavar="NS",
        help=f"for registers in integer layers of a stream (default: {PERIOD_NS:g})",
    )
    parser.add_argument(
        "--data-dir", help="folder of data sets for the vectors (default: the environment's LOGICNN_DATA)"
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there")


def run(arguments: argparse.Namespace) -> None:
    network, path = load(arguments.model), arguments.verilog or arguments.qonnx
    suffix = ".v" if arguments.verilog else ".onnx"
    if path.suffix != suffix:
        raise ExportError(f"{path} must end in {suffix}")
    if path.exists() and not arguments.force:
        raise ExportError(f"{path} exists; --force replaces it")
    if not path.parent.is_dir():
        raise ExportError(f"{path.parent} is no folder")
    if arguments.qonnx:
        forms = {name: getattr(arguments, name) for name in ("combinational", "stream", "period", "data_dir")}
        only_with("--verilog", **forms)
        replace_file(path, exported(network))
        print(path)
        return
    check_name(path.stem)
    if not arguments.stream:
        only_with("--stream", period=arguments.period)
    warn_of_unread_data(network, arguments.data_dir)
    warn_of_old_tools("yosys")
    steps = Steps(quiet=False)
    with steps.step("export", "write Verilog") as remark, tempfile.TemporaryDirectory() as folder:
        made = export(
            network,
            path.stem,
            Path(folder),
            stream=arguments.stream,
            period_ns=arguments.period or PERIOD_NS,
            data_dir=arguments.data_dir,
        )
        written = made.write(path, arguments.force)
        remark(f"testbench of {made.vectors} vectors")
    sys.stdout.write("".join(f"{each}\n" for each in written))


COMMAND = Command("export", "a network as Verilog or QONNX", __doc__, add_arguments, run, writes_to="--verilog")
