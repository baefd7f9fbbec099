"""A network as Verilog for other flows: ``logicnn export mnist-bnn --verilog core.v``.

Beside the text come a testbench that checks itself (``core_tb.v``) and its vectors (``core_inputs.hex``,
``core_expected.hex``).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from logicnn import bits
from logicnn.engines import Io, Mapping, TooBig, chosen
from logicnn.errors import LogicnnError
from logicnn.flow import tools
from logicnn.flow.keywords import KEYWORDS
from logicnn.flow.testbench import Bench, hexadecimal
from logicnn.network import Network
from logicnn.resources import DEVICES
from logicnn.storage import replace_file
from logicnn.verify.vectors import vectors_for

__all__ = ["ExportError", "Exported", "component_of", "export", "mapping_of"]

NEUTRAL = DEVICES["LFE5U-85F"]  # whose delays place registers: the text has no cells of any device
MOST_CELLS = 500_000
VECTORS = 200
WORDS = 20_000  # of the vectors of an engine that takes value by value: three images of MNIST take 2,352
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
        """Writes all files, `path` last, or none where one is there and not to be replaced: `ExportError`."""
        files = {path: self.verilog, path.with_name(f"{self.name}_tb.v"): self.testbench}
        files |= {path.with_name(f"{self.name}_{part}.hex"): getattr(self, part) for part in ("inputs", "expected")}
        there = [each for each in files if each.exists()]
        if there and not force:
            raise ExportError(f"{there[0]} exists; --force replaces it")
        for each, text in reversed(files.items()):
            replace_file(each, text.encode())
        return list(files)


def mapping_of(network: Network, stream: bool, period_ns: float) -> Mapping:
    """Logic, with registers for streams; on an engine what is far too big for logic. Whether that fits is for the
    reader to know.
    """
    try:
        mapping = chosen(network, NEUTRAL, period_ns if stream else None, _too_long)
    except TooBig as error:
        if stream:
            raise
        raise ExportError(f"there is no combinational logic for this network, try --stream: {error}") from None
    return mapping if not stream or mapping.latency.most else mapping.with_registers()


def _too_long(mapping: Mapping) -> str | None:
    """What is far beyond any device, and would take hours to write down."""
    cells = mapping.cost(NEUTRAL).logic_cells
    return f"takes about {cells} logic cells; texts have {MOST_CELLS} at most" if cells > MOST_CELLS else None


def component_of(mapping: Mapping, stream: bool):
    """What is exported: combinational, or with streams."""
    from logicnn.gateware import Accelerator, Core

    return Accelerator(mapping) if stream else Core(mapping)


def _verilog(component, name: str, folder: Path) -> str:
    """The component's text, by Yosys, one module for each of its own."""
    from amaranth.back import rtlil

    (folder / "core.il").write_text(rtlil.convert(component, name=name, emit_src=False))
    (folder / "core.ys").write_text("read_rtlil core.il\nproc\nclean\nwrite_verilog -defparam core.v\n")
    tools.run(["yosys", "-q", "core.ys"], folder, "export.log")
    text = (folder / "core.v").read_text()
    return text[text.index("\n") + 1 :]  # without the line that says who wrote it, and when


def _ports(component, clocked: bool) -> list[str]:
    """The ports of the component's module, as Verilog declares them."""
    from amaranth.hdl import Shape
    from amaranth.lib.wiring import Flow

    ports = [f"input {name};" for name in ("clk", "rst")] if clocked else []
    for path, member, _ in component.signature.flatten(component):
        width = Shape.cast(member.shape).width
        direction = "input" if member.flow is Flow.In else "output"
        ports.append(f"{direction} {f'[{width - 1}:0] ' if width > 1 else ''}{'__'.join(map(str, path))};")
    return ports


def _header(mapping: Mapping, name: str, ports: Iterable[str], stream: bool) -> str:
    """What a user of the text has to know."""
    network, serial = mapping.network, mapping.input_io is Io.SERIAL
    given, output = mapping.given, mapping.gives
    if serial:
        words = f"i__payload: one of {given.size} words of an input a transfer, in C order of {given.shape}"
    else:
        port = "i__payload" if stream else "i"
        words = (
            f"{port}: {given.size} words of {given.interval.word} bits, in C order of {given.shape}, the "
            f"first in the lowest bits"
        )
    transfer = "the last" if serial else "a"
    times = (
        f"latency {mapping.latency} cycles from {transfer} transfer on i to o__valid, interval "
        f"{mapping.interval} cycles"
    )
    lines = [
        f"{name}: {network.name or 'a network'} by logicnn",
        f"network {network.digest()}",
        times if stream else "combinational",
        words,
        f"{'o__payload' if stream else 'o'}: {output.interval.low} ... {output.interval.high}",
        *(["a transfer is a cycle in which valid and ready are 1; rst is synchronous"] if stream else []),
        *(["clear drops what has come of an unfinished input"] if serial else []),
        *ports,
    ]
    return "".join(f"// {line}\n" for line in lines)


def export(
    network: Network, name: str, folder: Path, *, stream: bool, period_ns: float = 10.0, data_dir: str | None = None
) -> Exported:
    """The network's text and testbench, in the mapping that is chosen for it; `folder` is for the tools' own files.

    Raises `ExportError` for a name that Verilog does not allow, and for a network that is too large to be
    combinational.
    """
    check_name(name)
    return exported(mapping_of(network, stream, period_ns), name, folder, stream=stream, data_dir=data_dir)


def check_name(name: str) -> None:
    """Raises `ExportError` for what cannot be the name of a module."""
    if not NAME.fullmatch(name):
        raise ExportError(f"name must be letters, digits and '_', and not begin with a digit, not {name!r}")
    for language, words in KEYWORDS.items():
        if (name.lower() if language == "VHDL" else name) in words:
            raise ExportError(f"name must not be {name!r}, a keyword of {language}")


def exported(mapping: Mapping, name: str, folder: Path, *, stream: bool, data_dir: str | None = None) -> Exported:
    """The text and testbench of a mapping."""
    check_name(name)
    network, serial = mapping.network, mapping.input_io is Io.SERIAL
    component = component_of(mapping, stream)
    ports = _ports(component, clocked=stream)
    text = _verilog(component, name, folder)
    vectors = vectors_for(network, "quick", data_dir)
    count = min(VECTORS, len(vectors.x))
    if serial:
        count = max(1, min(3, WORDS // network.input.size))
    encoded = network.encode(vectors.x[:count])
    expected = network.evaluate_bits(encoded).reshape(count, -1)
    gives = bits.from_words(expected, network.output.interval.word).reshape(count, -1)
    words = encoded.reshape(count * network.core_input.size, -1) if serial else encoded
    unused = ("clear",) if serial else ()
    bench = Bench(name, words.shape[1], gives.shape[1], len(words), count, unused)
    return Exported(
        name,
        _header(mapping, name, ports, stream) + text,
        bench.stream() if stream else bench.combinational(),
        hexadecimal(words),
        hexadecimal(gives),
        count,
    )
