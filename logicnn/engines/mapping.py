"""How a network is built: engines in a row, each for some of its layers, with what they predict together."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np

from logicnn.arithmetic.sharing import shallow
from logicnn.engines.embedded import Embedded, Optimiser, run_of
from logicnn.engines.engine import Engine, FeedForward, Io, Latency, MappingError
from logicnn.engines.sparse.engine import Sparse
from logicnn.engines.unrolled import Unrolled
from logicnn.network import Activations, Network
from logicnn.resources import Device, Resources

__all__ = ["Mapping"]


@dataclass(frozen=True)
class Mapping:
    """Engines in a row, for layers `start` ... `stop` - 1 of one network: each reads what the one before it gives.

    A mapping may leave out layers at either end (a front end for another design); what goes on a board `is_whole`. Its
    output is whole, its input as the first engine wants it. Raises `MappingError` for engines that do not follow each
    other.
    """

    engines: Sequence[Engine]

    def __post_init__(self) -> None:
        object.__setattr__(self, "engines", tuple(self.engines))
        if not self.engines:
            raise MappingError("engines must hold at least one engine, not none")
        if self.start < self.network.core_start:
            raise MappingError(
                f"engines[0] must begin with layer {self.network.core_start}: the layer before encodes the input"
            )
        for place, (before, after) in enumerate(pairwise(self.engines), 1):
            if after.network != self.network:
                raise MappingError(f"engines[{place}] must be for the network of engines[0], not for another")
            if after.start != before.stop:
                raise MappingError(
                    f"engines[{place}] must begin with layer {before.stop}, not with layer {after.start}"
                )

    # -- which layers

    @property
    def network(self) -> Network:
        return self.engines[0].network

    @property
    def start(self) -> int:
        return self.engines[0].start

    @property
    def stop(self) -> int:
        return self.engines[-1].stop

    @property
    def is_whole(self) -> bool:
        """Whether it computes all of the network's logic."""
        return (self.start, self.stop) == (self.network.core_start, len(self.network.layers))

    @property
    def given(self) -> Activations:
        """What it reads."""
        return self.engines[0].given

    @property
    def gives(self) -> Activations:
        return self.engines[-1].gives

    @property
    def runs(self) -> tuple["Mapping", ...]:
        """Its parts that are one circuit each: feed-forward engines that follow each other together, every other engine
        alone.
        """
        found: list[Mapping] = []
        for together, group in groupby(self.engines, lambda engine: engine.feed_forward):
            engines = tuple(group)
            found += [Mapping(engines)] if together else [Mapping((each,)) for each in engines]
        return tuple(found)

    # -- interface and time

    @property
    def feed_forward(self) -> bool:
        """Whether all engines are (`Engine.feed_forward`)."""
        return all(engine.feed_forward for engine in self.engines)

    @property
    def input_io(self) -> Io:
        return self.engines[0].input_io

    @property
    def latency(self) -> Latency:
        """Cycles from the transfer of an input, or of its last value, to its output; without any, the logic is
        combinational.
        """
        total = Latency(0, 0)
        for engine in self.engines:
            total += engine.latency
        between = sum(self._cycles_between())
        return total + Latency(between, between)

    @property
    def _read(self) -> list[tuple[Engine, Io]]:
        """Every engine, and how what it gives is read: by the next one, or whole."""
        return list(zip(self.engines, [*(engine.input_io for engine in self.engines[1:]), Io.PARALLEL], strict=True))

    def _cycles_between(self) -> list[int]:
        """Cycles after every engine until the next one, or the reader of the output, has the last value of what it
        gave.
        """
        return [converting_cycles(engine, io) for engine, io in self._read]

    @property
    def interval(self) -> int:
        """Cycles between inputs, where nothing else waits: as the slowest part needs them."""
        # What converts a sample takes or gives a value a cycle, and nothing in the cycle of the whole sample.
        joins = [engine.gives.size + 1 for engine, io in self._read if is_converted(engine, io)]
        return max([*(engine.interval for engine in self.engines), *joins])

    def cycles(self, x: np.ndarray) -> np.ndarray:  # (n, given.size) integers -> (n,)
        """The latency of each of these samples, as `given` has them."""
        latency = self.latency
        if latency.least == latency.most:
            return np.full(len(x), latency.most)
        total = np.full(len(x), sum(self._cycles_between()))
        for engine in self.engines:
            total += engine.cycles(x)
            x = _evaluated(engine, x)
        return total

    @property
    def phases(self) -> tuple[tuple[str, int], ...]:
        """What it works at one after the other, from a sample's first value on, and for how many cycles; () where
        engines do not say, or several work at the same time.
        """
        working = [engine for engine in self.engines if not engine.feed_forward]
        if len(working) != 1 or not working[0].phases or self.input_io is not Io.SERIAL:
            return ()
        return ("input", self.given.size), *working[0].phases

    # -- on a device

    @property
    def crowded(self) -> bool:
        """Whether any engine is (`Engine.crowded`)."""
        return any(engine.crowded for engine in self.engines)

    @property
    def density(self) -> float:
        """The least of its engines' (`Engine.density`)."""
        return min(engine.density for engine in self.engines)

    def images(self, device: Device) -> list[np.ndarray]:
        """`Engine.image` of all engines with memory that must be loaded at power-up on this device."""
        return [image for engine in self.engines if (image := engine.image(device)) is not None]

    def cost(self, device: Device) -> Resources:
        """An estimate of the logic, with what joins engines of different interfaces."""
        total = Resources()
        for engine in self.engines:
            total += engine.cost(device)
        for engine, io in self._read:
            if is_converted(engine, io):
                bits = engine.gives.size * engine.gives.interval.word  # a register of a whole sample
                total += Resources(lut4=bits, logic_cells=bits, ff=bits)
        return total

    def delay_ns(self, device: Device) -> float:
        """Register to register through the longest path: its logic by the device's delays, plus clock to output and
        setup.
        """
        longest = path = 0.0
        for engine in self.engines:
            path = engine.delay_ns(device) + (path if engine.feed_forward else 0.0)
            longest = max(longest, path)
            path = 0.0 if engine.registered else path
        return device.register_ns + longest

    def with_registers(self) -> "Mapping":
        """The same with registers at the end of every feed-forward engine."""

        def made(engine: Engine) -> Engine:
            if isinstance(engine, FeedForward) and not engine.registered:
                return replace(engine, register=True)
            return engine

        return Mapping(tuple(map(made, self.engines)))

    # -- the kinds that there are

    @classmethod
    def unrolled(cls, network: Network, registers_after: Collection[int] = ()) -> "Mapping":
        """Combinational logic, with registers after the layers whose index in ``network.layers`` is in
        `registers_after`.
        """
        indices = range(network.core_start, len(network.layers))
        wrong = [index for index in registers_after if index not in indices]
        if wrong:
            raise MappingError(
                f"registers_after must name layers {indices.start} ... {indices.stop - 1}, not {wrong[0]}"
            )
        return cls(tuple(Unrolled(network, index, register=index in registers_after) for index in indices))

    @classmethod
    def embedded(
        cls,
        network: Network,
        device: Device,
        *,
        latency: int | None = None,
        period_ns: float | None = None,
        optimiser: Optimiser = shallow,
    ) -> "Mapping":
        """Integer layers as pipelines for a device, at a latency in cycles each or for a period; all else as
        `unrolled`.
        """
        engines: list[Engine] = []
        index = network.core_start
        while index < len(network.layers):
            if run_of(network, index):
                made = Embedded.of(network, index, device, latency=latency, period_ns=period_ns, optimiser=optimiser)
            else:
                made = Unrolled(network, index)
            engines.append(made)
            index = made.stop
        return cls(tuple(engines))

    @classmethod
    def sparse(cls, network: Network, device: Device) -> "Mapping":
        """The whole network on sparse processing engines. Raises `SparseError` where they cannot run it."""
        return cls((Sparse.of(network, device),))


def is_converted(engine: Engine, wanted: Io) -> bool:
    """Whether what an engine gives is made whole, or sent value by value, for its reader; one value alone is both."""
    return engine.output_io is not wanted and engine.gives.size > 1


def converting_cycles(engine: Engine, wanted: Io) -> int:
    """Cycles from an engine's output to its last value at a reader that wants it whole, or value by value."""
    if not is_converted(engine, wanted):
        return 0
    return engine.gives.size if wanted is Io.SERIAL else 1


def _evaluated(engine: Engine, x: np.ndarray) -> np.ndarray:  # (n, given.size) -> (n, gives.size)
    layers = Network(engine.given, engine.layers)
    return layers.evaluate(x.reshape(len(x), *engine.given.shape)).reshape(len(x), engine.gives.size)
