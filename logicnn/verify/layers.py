"""Which layer of a network the logic of a netlist belongs to.

Synthesis keeps few names inside logic. But what a layer gives is known for any sample, so that its bits are found among
the nets by their values: a net that has a bit's value, or the inverse, on every sample is taken for that bit. What such
bits follow from belongs to their layer, or to an earlier one whose bits follow from it, too.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from logicnn import bits
from logicnn.netlist.netlist import Net, Netlist
from logicnn.network import Network

__all__ = ["layer_names", "layers_of_nets"]

RARE = 32  # a bit that differs on less than one of so many samples is like others by chance


def layer_names(network: Network) -> dict[int, str]:
    """Of every layer that computes something, by index: its type, numbered where there are several."""
    logic = [index for index in range(network.core_start, len(network.layers)) if not network.layers[index].reshapes]
    kinds = [type(network.layers[index]).__name__ for index in logic]
    return {
        index: f"{kind} {kinds[:place].count(kind) + 1}" if kinds.count(kind) > 1 else kind
        for place, (index, kind) in enumerate(zip(logic, kinds, strict=True))
    }


def layers_of_nets(
    netlist: Netlist, network: Network, values: Mapping[Net, np.ndarray], encoded: np.ndarray, *, through: bool
) -> dict[Net, str]:
    """Names of layers by net, from packed `values` of nets on the samples `encoded` (n, core bits): of the nets that
    have bits of a layer, and of those that they follow from, `through` registers or up to them.
    """
    names = layer_names(network)
    bounds = _bounds(network, values, encoded)
    parts: dict[Net, str] = {}
    for index in sorted(set(bounds.values()), reverse=True):  # the first layer has the last word
        seen: set[Net] = set()
        todo = [net for net, layer in bounds.items() if layer == index]
        while todo:
            net = todo.pop()
            if net not in seen and (net in values or isinstance(net, tuple)):  # a carry inside a cell has no value
                seen.add(net)
                todo += netlist.reads(net, through)
        parts |= dict.fromkeys(seen, names[index])
    return parts


def _bounds(network: Network, values: Mapping[Net, np.ndarray], encoded: np.ndarray) -> dict[Net, int]:
    """The layer, by index, whose output bits are among the nets, for these nets."""
    samples = len(encoded)
    by_value: dict[bytes, int] = {}
    for index, given in enumerate(network.values(encoded), network.core_start):
        if network.layers[index].reshapes:
            continue
        word = network.activations[index + 1].interval.word
        for row in _varying(bits.pack(bits.from_words(given, word)), samples):
            by_value.setdefault(row.tobytes(), index)
    found = {}
    for net, packed in values.items():
        for row in _varying([packed, ~packed], samples):
            index = by_value.get(row.tobytes())
            if index is not None:
                found[net] = index
    return found


def _varying(rows: Iterable[np.ndarray], samples: int) -> Iterable[np.ndarray]:
    """Packed bits without what is beyond the last sample; those that are nearly always the same tell nothing."""
    mask = bits.pack(np.ones((samples, 1), bool))[0]
    least = max(1, samples // RARE)
    for row in rows:
        masked = row & mask
        if least <= int(np.bitwise_count(masked).sum()) <= samples - least:
            yield masked
