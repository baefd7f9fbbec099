"""From a trained `TableNet` to a `Network`: what is computed forward, as it is."""

import numpy as np

from logicnn.network import Argmax, GroupSum, LutLayer, Network, simplify
from logicnn.nn.tables.layers import TableNet

__all__ = ["export"]


def export(net: TableNet, name: str = "", dataset: str = "", labels: tuple[str, ...] = ()) -> Network:
    """The network that `net` computes, without tables that are constant, there twice or not read."""
    connections = [layer.connections.indices.cpu().numpy() for layer in net.layers]
    connections[0] = net.reads.cpu().numpy()[connections[0]]
    tables = [layer.tables.cpu().numpy() for layer in net.layers]
    order = net.groups.order.cpu().numpy()
    connections[-1], tables[-1] = connections[-1][order], tables[-1][order]
    layers = [LutLayer(*each) for each in zip(connections, tables, strict=True)]
    sizes = np.array(net.groups.sizes)
    sums = GroupSum(sizes, np.ones(sizes.sum(), np.int16), np.zeros(len(sizes), np.int32))
    return simplify(Network(net.given, [net.thermometer, *layers, sums, Argmax()], name, dataset, labels))
