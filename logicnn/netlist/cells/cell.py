"""One cell of a netlist, its ports and parameters read with checks; what the models of all families share."""

from collections.abc import Sequence
from dataclasses import dataclass

from logicnn.bits import Wire, add_bits
from logicnn.netlist.circuit import ZERO, Bit, Circuit
from logicnn.netlist.netlist import Net, NetlistError

__all__ = ["WIRE", "Cell", "product"]

WIRE = Wire(lambda bit: bit, ZERO)


@dataclass(frozen=True)
class Cell:
    """A cell that is being put into `circuit`."""

    circuit: Circuit
    name: str
    kind: str
    parameters: dict[str, str | int]
    connections: dict[str, list[Net]]

    def fail(self, what: str) -> NetlistError:
        return NetlistError(f"cell {self.name} ({self.kind}): {what}")

    def nets(self, port: str, width: int = 1, default: str = "0") -> list[Net]:
        """The nets of a port; where it is not connected, `default` for an input and nothing ("x") for an output."""
        nets = list(self.connections.get(port, ()))
        return nets + [default] * (width - len(nets))

    def net(self, port: str, default: str = "0") -> Net:
        return self.nets(port, 1, default)[0]

    def bit(self, port: str, default: str = "0") -> Bit:
        return self.circuit.bit(self.net(port, default))

    def bits(self, port: str, width: int) -> list[Bit]:
        return [self.circuit.bit(net) for net in self.nets(port, width)]

    def outputs(self, port: str, width: int = 1) -> list[Net]:
        """Nets of an output port; a place that is not connected gets a net of its own."""
        nets = self.nets(port, width, "x")
        return [(self.name, (port, place)) if isinstance(net, str) else net for place, net in enumerate(nets)]

    def number(self, parameter: str, default: int = 0) -> int:
        """A number; its unknown digits are 0."""
        value = self.parameters.get(parameter, default)
        return value if isinstance(value, int) else int(value.replace("x", "0"), 2)

    def text(self, parameter: str, default: str) -> str:
        """A word; Yosys puts a blank after one that looks like a number."""
        return str(self.parameters.get(parameter, default)).strip()

    def require(self, parameter: str, *allowed: str) -> str:
        """The word of a parameter, the first of `allowed` where it is not given; any other raises `NetlistError`."""
        value = self.text(parameter, allowed[0])
        if value not in allowed:
            raise self.fail(f"{parameter} {value} is not supported")
        return value

    def require_constant(self, port: str, value: Bit, default: str = "0") -> None:
        """Raises `NetlistError` for an input that is not tied to `value`."""
        if self.bit(port, default) is not value:
            raise self.fail(f"{port} is not constant")

    def clocked(self, port: str) -> bool:
        """Notes the clock of the cell; False where it is constant, so that no edge ever comes."""
        net = self.net(port)
        if isinstance(net, str):
            return False
        self.circuit.clocks.setdefault(net, self.name)
        return True


def product(left: Sequence[Bit], right: Sequence[Bit], signed: tuple[bool, bool], width: int) -> list[Bit]:
    """The product of two words modulo ``2 ** width``, each signed or not.

    A product of two bits of which one is a sign counts negatively: ``-x = ~x - 1`` makes it a bit and a constant (Baugh
    and Wooley, 1973).
    """
    columns: list[list[Bit]] = [[] for _ in range(max(width, len(left) + len(right)))]
    constant = 0
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            negative = (signed[0] and i == len(left) - 1) != (signed[1] and j == len(right) - 1)
            columns[i + j].append(~(a & b) if negative else a & b)
            constant -= negative << (i + j)
    return add_bits(WIRE, columns, constant % (1 << width), width)
