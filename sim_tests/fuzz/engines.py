"""Every engine for random networks, wherever it can be, with tiles, registers and latencies of all sizes.

`ENGINES` has an entry a kind of engine; `sim_tests/fuzz/test_networks.py` fails for one that is missing.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from logicnn.arithmetic.sharing import shallow
from logicnn.engines import Embedded, Engine, FeedForward, Mapping, Shared, Sparse, Unrolled
from logicnn.engines.counted import Counted
from logicnn.engines.differences import Differences
from logicnn.engines.folded import Folded
from logicnn.engines.piped import Piped
from logicnn.engines.reused import Reused
from logicnn.engines.sparse import planned
from logicnn.errors import LogicnnError
from logicnn.network import Network
from logicnn.resources import DEVICES, Device

__all__ = ["ENGINES", "FAMILY", "mapping_with"]

SEARCHES = 2  # for what can be shared: how good it is, is not the question
Made = Callable[[Network, int, np.random.Generator, Device], Engine]


def _unrolled(network: Network, start: int, rng: np.random.Generator, device: Device) -> Engine:
    return Unrolled(network, start, register=bool(rng.integers(2)))


def _shared(network: Network, start: int, rng: np.random.Generator, device: Device) -> Engine:
    return Shared.of(network, start, tries=SEARCHES, register=bool(rng.integers(2)))


def _embedded(network: Network, start: int, rng: np.random.Generator, device: Device) -> Engine:
    search = partial(shallow, tries=SEARCHES)
    return Embedded.of(network, start, device, latency=int(rng.integers(4)), optimiser=search)


def _piped(network: Network, start: int, rng: np.random.Generator, device: Device) -> Engine:
    return Piped(network, start, levels=int(rng.integers(1, 6)))


def _counted(network: Network, start: int, rng: np.random.Generator, device: Device) -> Engine:
    return Counted(network, start)


def _folded(network: Network, start: int, rng: np.random.Generator, device: Device) -> Engine:
    return Folded.of(network, start, int(rng.integers(1, 10)))


def _reused(network: Network, start: int, rng: np.random.Generator, device: Device) -> Engine:
    count = int(rng.integers(1, len(network.layers) - start + 1))
    return Reused(network, start, count, int(rng.integers(1, 6)), 1 << int(rng.integers(3)))


def _differences(network: Network, start: int, rng: np.random.Generator, device: Device) -> Engine:
    segments = 1 << int(rng.integers(3))
    lanes = 2 * segments * int(rng.integers(1, 9))
    return Differences(network, start, len(network.layers) - start, lanes, segments, bool(rng.integers(2)))


def _sparse(network: Network, start: int, rng: np.random.Generator, device: Device) -> Engine:
    stop = len(network.layers) if rng.integers(3) else int(rng.integers(1, len(network.layers) + 1))
    return Sparse(planned(network, int(rng.integers(1, 9)), stop))


ENGINES: dict[type[Engine], Made] = {
    Counted: _counted,
    Differences: _differences,
    Embedded: _embedded,
    Folded: _folded,
    Piped: _piped,
    Reused: _reused,
    Shared: _shared,
    Sparse: _sparse,
    Unrolled: _unrolled,
}

# Of which networks an engine finds its own often enough
FAMILY: dict[type[Engine], str] = {
    Counted: "tables",
    Differences: "bits",
    Embedded: "any",
    Folded: "dense words",
    Piped: "tables",
    Reused: "words",
    Shared: "bits",
    Sparse: "plain words",
    Unrolled: "any",
}


def mapping_with(
    kind: type[Engine], network: Network, seed: int, device: Device = DEVICES["iCE40UP5K"]
) -> Mapping | None:
    """Engines in a row of which at least one is of a kind, with logic for what that leaves over; None where it is for
    none of the layers.
    """
    rng = np.random.default_rng(seed)
    skipped = int(rng.integers(2)) if kind is not Sparse else 0  # so that the engine is not always the first one
    engines: list[Engine] = []
    while (start := engines[-1].stop if engines else network.core_start) < len(network.layers):
        offers = _offers(kind, network, start, rng, device, last=len(engines) < skipped)
        engine = next(offers, None)
        if engine is None:
            return None
        engines.append(engine)
    return Mapping(engines) if any(type(each) is kind for each in engines) else None


def _offers(
    kind: type[Engine], network: Network, start: int, rng: np.random.Generator, device: Device, last: bool
) -> Iterator[Engine]:
    """Of the kind first, or `last`, then logic; `Piped`, which takes all that is left, only where it is asked for."""
    logic = [each for each in ENGINES if issubclass(each, FeedForward) and each not in (kind, Piped)]
    rng.shuffle(logic)  # pyright: ignore[reportArgumentType]
    for each in [*logic, kind] if last else [kind, *logic]:
        try:
            engine = ENGINES[each](network, start, rng, device)
        except LogicnnError:
            continue
        if engine.start == start:
            yield engine
