"""A new layer type is one file, with two functions where it is to be logic: this one defines a layer that the package
does not know, and takes it through files, exact evaluation, estimate and logic.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from logicnn.engines import Mapping
from logicnn.engines.unrolled import Logic, logic_of
from logicnn.gateware.unrolled import layer_component
from logicnn.gateware.wires import port_shape
from logicnn.network import Activations, Argmax, Batch, Integers, Interval, Layer, Network, NetworkError, files
from logicnn.network.layer import Arrays, Fields
from logicnn.network.values import read_only
from logicnn.resources import DEVICES
from sim_tests.helpers import rtl_evaluate

GIVEN = Activations((4,), Interval(0, 7))


@dataclass(frozen=True, eq=False)
class Chosen(Layer):
    """Some of its input values, in an order of their own."""

    indices: np.ndarray

    def __post_init__(self) -> None:
        read_only(self, "indices", np.int32, 1)

    def infer(self, given: Activations) -> Activations:
        if int(self.indices.max()) >= given.size:
            raise NetworkError(f"Chosen.indices must be below {given.size}, the size of its input")
        return Activations((len(self.indices),), given.interval)

    def evaluate(self, given: Activations, x: Batch) -> Batch:
        return Integers(x.integers[:, self.indices])

    def reads(self, given: Activations) -> np.ndarray:
        return np.unique(self.indices)

    def described(self) -> tuple[Fields, Arrays]:
        return {}, {"indices": self.indices}

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> Self:
        return cls(arrays["indices"])


@logic_of.register
def _(layer: Chosen, given: Activations) -> Logic:
    return Logic(0, 0)


class ChosenComponent(wiring.Component):
    def __init__(self, layer: Chosen, given: Activations):
        self._layer = layer
        super().__init__({"i": In(port_shape(given)), "o": Out(port_shape(layer.infer(given)))})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [self.o[place].eq(self.i[int(index)]) for place, index in enumerate(self._layer.indices)]
        return m


@layer_component.register
def _(layer: Chosen, given: Activations) -> wiring.Component:
    return ChosenComponent(layer, given)


@pytest.fixture
def network() -> Network:
    return Network(GIVEN, [Chosen(np.array([3, 0, 3])), Argmax()], "chosen")


def every_input() -> np.ndarray:
    return np.stack(np.meshgrid(*[np.arange(8)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)


def test_file(network, tmp_path):
    files.save(network, tmp_path / "chosen.lnn")
    again = files.load(tmp_path / "chosen.lnn")
    assert again.digest() == network.digest() and again.layers[0].indices.tolist() == [3, 0, 3]


def test_evaluate(network):
    x = every_input()
    assert network.evaluate(x).tolist() == [0 if high >= low else 1 for low, _, _, high in x.tolist()]


def test_reads(network):
    """What it leaves out is nothing that a design need store."""
    words = {bit // 3 for bit in network.read_inputs()}
    assert words == {0, 3}


def test_logic(network):
    x = every_input()[::17]
    mapping = Mapping.unrolled(network)
    assert rtl_evaluate(network, network.encode(x), mapping).tolist() == network.evaluate(x).tolist()
    plain = Mapping.unrolled(Network(Activations((3,), Interval(0, 7)), [Argmax()]))
    device = DEVICES["iCE40UP5K"]
    assert mapping.cost(device) == plain.cost(device) and mapping.delay_ns(device) == plain.delay_ns(device)


def test_wrong():
    with pytest.raises(NetworkError, match=r"^layer 0: Chosen.indices must be below 4"):
        Network(GIVEN, [Chosen(np.array([4]))])
