"""From a trained `TableNet` to a `Network`: what is computed forward, as it is."""

import numpy as np

from logicnn.network import Argmax, GroupSum, LutLayer, Network, simplify
from logicnn.nn.tables.layers import TableNet

__all__ = ["export"]


def export(net: TableNet, name: str = "", dataset: str = "", labels: tuple[str, ...] = ()) -> Network:
    """The network that `net` computes, without tables that are constant, there twice or not read."""
    connections = [layer.connections.indices.cpu().numpy() for layer in net.layers]
    connections[0] = net.reads.cpu().numpy()[connections[0]]
    tables = [LutLayer(a, layer.tables.cpu().numpy()) for a, layer in zip(connections, net.layers, strict=True)]
    sizes = np.array(net.groups.sizes)
    sums = GroupSum(sizes, np.ones(sizes.sum(), np.int16), np.zeros(len(sizes), np.int32))
    return simplify(Network(net.given, [net.thermometer, *tables, sums, Argmax()], name, dataset, labels))
