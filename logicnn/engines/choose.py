"""The one policy that chooses a mapping: logic where it fits, else the engine that does. Builds, exports and
simulations all ask here.
"""

from collections.abc import Callable, Sequence
from functools import cache

from logicnn.engines.engine import Engine, FeedForward, MappingError
from logicnn.engines.mapping import Mapping
from logicnn.errors import LogicnnError
from logicnn.network import Network
from logicnn.resources import Device

__all__ = ["TooBig", "chosen", "kinds", "logic"]


class TooBig(LogicnnError):
    """A network for which there is no room, or no engine; `mapping` is the smallest of those that were tried."""

    def __init__(self, message: str, mapping: Mapping | None = None):
        super().__init__(message)
        self.mapping = mapping


def logic(network: Network, index: int, device: Device, period_ns: float | None) -> Engine:
    """The feed-forward engine for layer `index` and as many after it as it can be for, of equals the cheapest. Raises
    `MappingError` for a layer that has none.
    """
    usable, refused = [], []
    for kind in Engine.types:
        if issubclass(kind, FeedForward):
            try:
                usable.append(kind.proposed(network, index, device, period_ns))
            except LogicnnError as error:
                refused.append(str(error))
    usable = [each for each in usable if each is not None]
    if usable:
        return min(usable, key=lambda each: (-each.span, each.cost(device).logic_cells, each.delay_ns(device)))
    layer = type(network.layers[index]).__name__
    raise MappingError("; ".join(refused) or f"layer {index}, of type {layer}, has no logic of its own")


def _row(network: Network, proposed: Callable[[int], Engine]) -> Mapping:
    """What is proposed for the first layer, for the one after that engine's, and so on."""
    engines: list[Engine] = []
    index = network.core_start
    while index < len(network.layers):
        engines.append(proposed(index))
        index = engines[-1].stop
    return Mapping(engines)


def kinds() -> dict[str, type[Engine]]:
    """What may be asked for by name: `logic`, all feed-forward engines, and each other kind in small letters."""
    others = {kind.__name__.lower(): kind for kind in Engine.types if not issubclass(kind, FeedForward)}
    return {"logic": FeedForward} | others


def chosen(
    network: Network,
    device: Device,
    period_ns: float | None,
    lacks: Callable[[Mapping], str | None],
    only: type[Engine] | None = None,
) -> Mapping:
    """The mapping of a network for a device, with registers for a period, or with `period_ns` None without any.

    Logic where that fits. Else, of all other kinds of engines, each wherever it can be and logic for what it leaves
    over, the one that answers first. `lacks` says in a few words what there is too little of for a mapping, or None
    where it fits. With `only` one kind, or `FeedForward` for logic, the others are not asked. Raises `TooBig` with what
    is lacking for the smallest, and why other kinds cannot do it.
    """
    refused: list[str] = []
    large: list[tuple[Mapping, str]] = []  # what there is no room for, and why

    @cache  # a search may take seconds
    def as_logic(index: int) -> Engine:
        return logic(network, index, device, period_ns)

    def row(kind: type[Engine]) -> Mapping | None:
        """Of this kind, and logic; None where that is nothing else than logic."""
        reasons: list[str] = []

        def engine(index: int) -> Engine:
            try:
                proposed = kind.proposed(network, index, device, period_ns)
            except LogicnnError as error:
                named = only is not None or str(error).startswith(kind.__name__)
                reasons.append(str(error) if named else f"{kind.__name__}: {error}")
                proposed = None
            return proposed or as_logic(index)

        try:
            made = _row(network, engine)
        except LogicnnError as error:
            reasons.append(str(error))
            made = None
        refused.extend(reason for reason in reasons[:1] if reason not in refused)  # the others are of fewer layers
        return None if made is None or made.feed_forward else made

    def fits(mapping: Mapping) -> bool:
        lacking = lacks(mapping)
        if lacking is not None:
            large.append((mapping, lacking))
        return lacking is None

    if only in (None, FeedForward):
        try:
            mapping = _row(network, as_logic)
            if fits(mapping):
                return mapping
        except LogicnnError as error:
            refused.append(str(error))
    rows = [row(kind) for kind in Engine.types if not issubclass(kind, FeedForward) and only in (None, kind)]
    fitting = [each for each in rows if each is not None and fits(each)]
    if fitting:
        return min(fitting, key=lambda each: each.latency.most)
    raise _too_big(network, device, large, refused, "engine" if only is None else only.__name__)


def _too_big(
    network: Network, device: Device, large: Sequence[tuple[Mapping, str]], refused: Sequence[str], kind: str
) -> TooBig:
    """Of mappings that have no room, and why: what the smallest lacks; of none, that no engine of the kind is any."""
    name, reasons = network.name or "the network", "; ".join(refused)
    if not large:
        return TooBig(f"no {kind} builds {name}: {reasons or 'it is for none of its layers'}")
    smallest, lacking = min(large, key=lambda each: each[0].cost(device).logic_cells)
    also = f" (no other way: {reasons})" if refused else ""
    return TooBig(f"{name} {lacking}{also}", smallest)
