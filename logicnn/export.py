"""A network as Verilog for other flows: ``logicnn export mnist-bnn --verilog core.v``.

Beside the text come a testbench that checks itself (``core_tb.v``) and its vectors (``core_inputs.hex``, ``core_expected.hex``).
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from logicnn import bits, estimate, tools
from logicnn.errors import LogicnnError
from logicnn.files import load, replace_file
from logicnn.mapping import Mapping
from logicnn.network import Network
from logicnn.progress import Steps
from logicnn.resources import DEVICES
from logicnn.verify import vectors_for

__all__ = ["ExportError", "Exported", "component_of", "export", "mapping_of"]

NEUTRAL = DEVICES["LFE5U-85F"]  # whose delays place registers: the text has no cells of any device
VECTORS = 200
WORDS = 20_000  # of the vectors of an engine that takes word by word: three images of MNIST take 2,352
UNUSED = ", .clear(1'b0)"  # input of an engine
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ExportError(LogicnnError):
    """A file that is there already, or a name that Verilog does not allow."""


@dataclass(frozen=True)
class Exported:
    """Texts of the core and its testbench, and its vectors, a line each, in hex."""

    name: str
    verilog: str
    testbench: str
    inputs: str
    expected: str
    vectors: int

    def write(self, path: Path, force: bool) -> list[Path]:
        """Writes all files beside `path`, or none. Raises `ExportError` where one is there and not to be replaced."""
        files = {path: self.verilog, path.with_name(f"{self.name}_tb.v"): self.testbench}
        files |= {path.with_name(f"{self.name}_{part}.hex"): getattr(self, part) for part in ("inputs", "expected")}
        there = [each for each in files if each.exists()]
        if there and not force:
            raise ExportError(f"{there[0]} exists; --force replaces it")
        for each, text in files.items():
            replace_file(each, text.encode())
        return list(files)


def mapping_of(network: Network, stream: bool, period_ns: float) -> Mapping:
    """Logic, with registers for streams; on engines what is far too big for logic."""
    if estimate.unshared_bits(network) > estimate.SEARCHED * NEUTRAL.capacity.logic_cells:
        if not stream:
            raise ExportError(f"{network.name or 'the network'} is too large for combinational logic; use --stream")
        return Mapping.sparse(network, NEUTRAL)
    made = Mapping.embedded(network, NEUTRAL, period=period_ns) if stream else Mapping.embedded(network, NEUTRAL, ranks=0)
    if not stream or made.latency:
        return made
    return Mapping.unrolled(network, range(network.core_start, len(network.layers)))


def component_of(mapping: Mapping, stream: bool):
    """What is exported: combinational, or with streams."""
    from logicnn.gateware import Accelerator, ConvolutionEngine, Core

    if mapping.plan:
        return ConvolutionEngine(mapping.plan)
    return Accelerator(mapping) if stream else Core(mapping)


def _verilog(component, name: str, folder: Path) -> str:
    """The component's text, by Yosys, one module for each of its own."""
    from amaranth.back import rtlil

    from logicnn.gateware import ConvolutionEngine

    ports = component.exported if isinstance(component, ConvolutionEngine) else None
    (folder / "core.il").write_text(rtlil.convert(component, name=name, ports=ports, emit_src=False))
    (folder / "core.ys").write_text("read_rtlil core.il\nproc\nclean\nwrite_verilog -defparam core.v\n")
    tools.run(["yosys", "-q", "core.ys"], folder, "export.log")
    text = (folder / "core.v").read_text()
    return text[text.index("\n") + 1 :]  # without the line that says who wrote it, and when


def _header(network: Network, mapping: Mapping, name: str, ports: Iterable[str], stream: bool) -> str:
    """What a user of the text has to know."""
    given, output = network.core_input, network.output
    if mapping.plan:
        words = f"i__payload: one of {given.size} words of an input a transfer, in C order of {given.shape}"
    else:
        port = "i__payload" if stream else "i"
        words = f"{port}: {given.size} words of {given.interval.word} bits, in C order of {given.shape}, the first in the lowest bits"
    transfer = "the last" if mapping.plan else "a"
    times = f"latency {mapping.latency} cycles from {transfer} transfer on i to o__valid, interval {mapping.interval} cycles"
    timing = times if stream else "combinational"
    lines = [
        f"{name}: {network.name or 'a network'} by logicnn",
        f"network {network.digest()}",
        timing,
        words,
        f"{'o__payload' if stream else 'o'}: {output.interval.low} ... {output.interval.high}",
        *(["a transfer is a cycle in which valid and ready are 1; rst is synchronous"] if stream else []),
        *ports,
    ]
    return "".join(f"// {line}\n" for line in lines)


def _hex(words: np.ndarray) -> str:  # (n, bits) bool, the first bit lowest
    digits = -(-words.shape[1] // 4)
    return "".join(f"{sum(int(bit) << place for place, bit in enumerate(row)):0{digits}x}\n" for row in words)


def _testbench(name: str, widths: tuple[int, int], counts: tuple[int, int], stream: bool, unused: str) -> str:
    """A testbench that ends with PASS, or with the first difference and exit code 1; `unused` are connections of further inputs."""
    (given, gives), (words, vectors) = widths, counts
    head = [
        "`timescale 1ns/1ps",
        f"module {name}_tb;",
        f"  reg [{given - 1}:0] inputs [0:{words - 1}];",
        f"  reg [{gives - 1}:0] expected [0:{vectors - 1}];",
        "  integer sent = 0, seen = 0;",
    ]
    read = [f'    $readmemh("{name}_inputs.hex", inputs);', f'    $readmemh("{name}_expected.hex", expected);']
    check = [
        "      if (o !== expected[seen]) begin",
        '        $display("FAIL: vector %0d should give %h but gives %h", seen, expected[seen], o);',
        "        $fatal(1);",
        "      end",
    ]
    passed = [f'      $display("PASS: {vectors} vectors");', "      $finish;"]
    if not stream:
        body = [
            f"  reg [{given - 1}:0] i;",
            f"  wire [{gives - 1}:0] o;",
            f"  {name} dut (.i(i), .o(o));",
            "  initial begin",
            *read,
            f"    for (seen = 0; seen < {vectors}; seen = seen + 1) begin",
            "      i = inputs[seen];",
            "      #1;",
            *check,
            "    end",
            *(line[2:] for line in passed),
            "  end",
        ]
    else:
        body = [
            "  reg clk = 0, rst = 1;",
            f"  wire [{gives - 1}:0] o;",
            "  wire ready, valid;",
            "  always #5 clk = ~clk;",
            f"  wire offered = !rst && sent < {words};",
            f"  {name} dut (.clk(clk), .rst(rst), .i__payload(inputs[sent]), .i__valid(offered), .i__ready(ready),",
            f"    .o__payload(o), .o__valid(valid), .o__ready(1'b1){unused});",
            "  initial begin",
            *read,
            "    repeat (2) @(negedge clk);",
            "    rst = 0;",
            "  end",
            "  always @(negedge clk) if (!rst) begin",
            "    if (valid) begin",
            *check,
            "      seen <= seen + 1;",
            f"      if (seen == {vectors - 1}) begin",
            *(f"  {line}" for line in passed),
            "      end",
            "    end",
            "  end",
            f"  always @(posedge clk) if (offered && ready && sent < {words}) sent <= sent + 1;",
        ]
    return "\n".join([*head, *body, "endmodule", ""])


def export(network: Network, name: str, folder: Path, *, stream: bool, period_ns: float = 10.0, data_dir: str | None = None) -> Exported:
    """The network's text and testbench; `folder` is for the tools' own files.

    Raises `ExportError` for a name that Verilog does not allow, and for a network too large to be combinational.
    """
    if not NAME.fullmatch(name):
        raise ExportError(f"name must be letters, digits and '_', and not begin with a digit, not {name!r}")
    mapping = mapping_of(network, stream, period_ns)
    component = component_of(mapping, stream)
    text = _verilog(component, name, folder)
    ports = re.findall(r"^  (?:input|output) [^;]*;", text[text.index(f"module {name}(") :].split("endmodule")[0], flags=re.M)
    vectors = vectors_for(network, "quick", data_dir)
    count = min(VECTORS, len(vectors.x)) if mapping.plan is None else max(1, min(3, WORDS // network.input.size))
    x = vectors.x[:count]
    encoded = network.encode(x)
    expected = network.evaluate_bits(encoded).reshape(count, -1)
    width = network.output.interval.word
    gives = bits.from_words(expected, width).reshape(count, -1)
    words = encoded.reshape(count * network.core_input.size, -1) if mapping.plan else encoded
    bench = _testbench(name, (words.shape[1], gives.shape[1]), (len(words), count), stream, UNUSED if mapping.plan else "")
    header = _header(network, mapping, name, (port.strip() for port in ports), stream)
    return Exported(name, header + text, bench, _hex(words), _hex(gives), count)


def _period(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"must lie in 0.1 ... 1000000 ns, not {text!r}")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a shipped network or a .lnn file")
    parser.add_argument("--verilog", type=Path, required=True, metavar="FILE.v", help="where the text goes; its name is that of the module")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--combinational", action="store_true", help="plain ports, no clock (default)")
    form.add_argument("--stream", action="store_true", help="streams in and out, registered")
    parser.add_argument("--period", type=_period, default=10.0, metavar="NS", help="for registers in integer layers (default: %(default)s)")
    parser.add_argument("--data-dir", help="folder of data sets for the vectors (default: the environment's LOGICNN_DATA)")
    parser.add_argument("--force", action="store_true", help="replace files that are there")


def run(arguments: argparse.Namespace) -> None:
    """The export command."""
    network, path = load(arguments.model), arguments.verilog
    if path.suffix != ".v":
        raise ExportError(f"{path} must end in .v")
    if path.exists() and not arguments.force:
        raise ExportError(f"{path} exists; --force replaces it")
    if not path.parent.is_dir():
        raise ExportError(f"{path.parent} is no folder")
    steps = Steps(quiet=False)
    with steps.step("export", "write Verilog") as remark, tempfile.TemporaryDirectory() as folder:
        made = export(network, path.stem, Path(folder), stream=arguments.stream, period_ns=arguments.period, data_dir=arguments.data_dir)
        written = made.write(path, arguments.force)
        remark(f"testbench of {made.vectors} vectors")
    sys.stdout.write("".join(f"{each}\n" for each in written))
