"""The one policy: logic where it fits, else the engine that does, else what is lacking."""

from dataclasses import replace

import numpy as np
import pytest

from logicnn.engines import Embedded, Mapping, Shared, Sparse, TooBig, Unrolled, chosen
from logicnn.engines.choose import kinds, logic
from logicnn.engines.engine import MappingError
from logicnn.engines.reused import Reused
from logicnn.network import Activations, BinaryDense, Interval, Network, Offset, Threshold, load
from logicnn.resources import DEVICES, Resources
from sim_tests.helpers import dense_network, int_network
from sim_tests.sparse_helpers import network as pruned_network

UP5K, ECP5 = DEVICES["iCE40UP5K"], DEVICES["LFE5U-85F"]
pytestmark = pytest.mark.usefixtures("short_search")


def fits(mapping: Mapping) -> str | None:
    return None


def test_wide_neurons_share():
    """On iCE40, where the estimate is that of the netlist."""
    network = dense_network(np.random.default_rng(3), 40, 24, 4, 3)
    plain = Mapping.unrolled(network)
    mapping = chosen(network, UP5K, None, fits)
    assert isinstance(mapping.engines[0], Shared) and mapping.latency == plain.latency
    assert mapping.cost(UP5K).logic_cells < 0.8 * plain.cost(UP5K).logic_cells
    assert mapping.delay_ns(UP5K) > 5 * UP5K.level_ns
    assert chosen(network, ECP5, None, fits) == plain


def test_narrow_neurons_do_not():
    network = load("digits-bnn")
    assert chosen(network, UP5K, 50.0, fits) == Mapping.unrolled(network)


@pytest.mark.parametrize("period_ns", [None, 3.0, 1000.0])
def test_integers_embedded(period_ns):
    """All integer layers in a row are one engine; without a period it has no registers."""
    network = int_network(np.random.default_rng(1), 5, 4, 3)
    first, second = chosen(network, ECP5, period_ns, fits).engines
    assert isinstance(first, Embedded) and first.span == 2 and isinstance(second, Unrolled)
    assert (first.latency.most > 0) == (period_ns == 3.0)


def mixed() -> Network:
    """Two layers on bits, without a decision."""
    rng = np.random.default_rng(5)
    bits = BinaryDense(rng.choice([-1, 1], (6, 8)), Threshold(np.full(6, 4)))
    return Network(
        Activations((8,), Interval(0, 1)), [bits, BinaryDense(rng.choice([-1, 1], (3, 6)), Offset(np.zeros(3, int)))]
    )


def test_later_layers():
    network = mixed()
    assert logic(network, 1, ECP5, None) == Unrolled(network, 1)


def test_engine_where_logic_does_not_fit():
    """The same network on a device without room for its logic: an engine takes it, if the reason is not that there is
    no room at all.
    """
    network = pruned_network(8, side=2, image=(1, 3, 3), convolutions=((2, 1, 1),), dense=(), classes=3)

    def crowded(mapping: Mapping) -> str | None:
        return "is too large as logic" if mapping.feed_forward else None

    assert isinstance(chosen(network, ECP5, 20.0, fits).engines[0], Embedded)
    assert isinstance(chosen(network, ECP5, 20.0, crowded).engines[0], Reused)  # which answers before `Sparse` does
    with pytest.raises(TooBig, match=r"^the network is too large as logic$") as refusal:
        chosen(network, ECP5, None, crowded)  # combinational: no engine that needs a clock
    assert refusal.value.mapping is not None and refusal.value.mapping.feed_forward


def test_only_what_is_asked_for():
    """One kind where another would fit as well, or logic alone; a kind that is for none of the layers says so."""
    network = pruned_network(8, side=2, image=(1, 3, 3), convolutions=((2, 1, 1),), dense=(), classes=3)
    assert set(kinds()) >= {"logic", "counted", "differences", "folded", "reused", "sparse"}
    made = chosen(network, ECP5, 20.0, fits, kinds()["reused"])
    assert isinstance(made.engines[0], Reused)
    assert chosen(network, ECP5, 20.0, fits, kinds()["logic"]).feed_forward
    with pytest.raises(TooBig, match=r"^the network is too large$"):
        chosen(network, ECP5, 20.0, lambda mapping: "is too large", kinds()["logic"])
    with pytest.raises(TooBig, match=r"^no Counted builds the network: it is for none of its layers$"):
        chosen(network, ECP5, 20.0, fits, kinds()["counted"])


def test_refusal_is_said_once(monkeypatch):
    """Of the first layer that a kind could be for, not again of those after it; its name where others are asked."""

    def proposed(cls, network, start, device, period_ns):
        raise MappingError(f"layers {start} ... 1 need 9 bits of memory")

    monkeypatch.setattr(Reused, "proposed", classmethod(proposed))
    with pytest.raises(TooBig, match=r"^no Reused builds the network: layers 0 \.\.\. 1 need 9 bits of memory$"):
        chosen(mixed(), ECP5, 20.0, fits, kinds()["reused"])
    said = r"^the network is too large \(no other way: .*; Differences gives [^:]*; Reused: layers 0 [^;]* memory\)$"
    with pytest.raises(TooBig, match=said):
        chosen(mixed(), ECP5, 20.0, lambda mapping: "is too large")


def test_far_too_large():
    """Beyond what sharing could bring down, logic is not even tried."""
    network = load("lenet5-ikr")
    assert isinstance(chosen(network, UP5K, 20.0, fits).engines[0], Sparse)
    tiny = replace(UP5K, capacity=Resources(logic_cells=1))
    refused = r"^no engine builds jsc-a: layer 0 .* about \d+ logic cells .*; Sparse: layer 0 must have no widths"
    with pytest.raises(TooBig, match=refused):
        chosen(load("jsc-a"), tiny, 20.0, fits)
