"""The one policy that chooses a mapping: logic where it fits, else the engine that does. Builds, exports and
simulations all ask here.
"""

from collections.abc import Callable

from logicnn.engines.embedded import unshared_bits
from logicnn.engines.engine import Engine, FeedForward
from logicnn.engines.mapping import Mapping
from logicnn.engines.shared import SEARCHED
from logicnn.errors import LogicnnError
from logicnn.network import Network
from logicnn.resources import Device

__all__ = ["TooBig", "chosen", "logic"]


class TooBig(LogicnnError):
    """A network for which there is no room; `mapping` is what came nearest, if anything did."""

    def __init__(self, message: str, mapping: Mapping | None = None):
        super().__init__(message)
        self.mapping = mapping


def logic(network: Network, device: Device, period_ns: float | None, start: int | None = None) -> list[Engine]:
    """Feed-forward engines for the layers from `start` on (None: all): each for as many layers as it can be, of equals
    the cheapest.
    """
    engines: list[Engine] = []
    index = network.core_start if start is None else start
    while index < len(network.layers):
        kinds = [kind for kind in Engine.types if issubclass(kind, FeedForward)]
        proposed = [kind.proposed(network, index, device, period_ns) for kind in kinds]
        usable = [each for each in proposed if each is not None]
        if not usable:
            raise TooBig(f"layer {index}, a {type(network.layers[index]).__name__}, has no logic of its own")
        best = min(usable, key=lambda each: (-each.span, each.cost(device).logic_cells, each.delay_ns(device)))
        engines.append(best)
        index = best.stop
    return engines


def chosen(
    network: Network, device: Device, period_ns: float | None, lacks: Callable[[Mapping], str | None]
) -> Mapping:
    """The mapping of a network for a device, with registers for a period, or with `period_ns` None without any.

    `lacks` says in a few words what there is too little of for a mapping, or None where it fits. Raises `TooBig` with
    what is lacking for the mapping that came nearest.
    """
    name = network.name or "the network"
    nearest: TooBig | None = None
    unshared = unshared_bits(network)
    if unshared <= SEARCHED * device.capacity.logic_cells:
        mapping = Mapping(logic(network, device, period_ns))
        lacking = lacks(mapping)
        if lacking is None:
            return mapping
        nearest = TooBig(f"{name} {lacking}", mapping)
    refused: list[str] = []
    fitting: list[Mapping] = []
    for kind in Engine.types:
        if issubclass(kind, FeedForward):
            continue
        try:
            engine = kind.proposed(network, network.core_start, device, period_ns)
            if engine is None:
                continue
            rest = logic(network, device, period_ns, engine.stop) if engine.stop < len(network.layers) else []
        except LogicnnError as error:
            refused.append(f"{kind.__name__}: {error}")
            continue
        mapping = Mapping([engine, *rest])
        lacking = lacks(mapping)
        if lacking is None:
            fitting.append(mapping)
        else:
            nearest = TooBig(f"{name} {lacking}", mapping)
    if fitting:
        return min(fitting, key=lambda each: each.latency.most)
    raise nearest or TooBig(
        f"{name} needs about {unshared} logic cells without sharing, too many for sharing to bring down to the "
        f"{device.capacity.logic_cells} of the {device.name}, and no engine runs it: "
        f"{'; '.join(refused) or 'those that might are for streams'}"
    )
