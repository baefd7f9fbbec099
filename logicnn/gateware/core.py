"""Engines in a row as one component: `Core` with plain ports, `Accelerator` with streams."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from logicnn.board import flash
from logicnn.engines import Engine, FeedForward, Io, Latency, Mapping, MappingError
from logicnn.gateware.engine import load_layout, put, streamed
from logicnn.gateware.wires import KEEP, port_shape, word_shape
from logicnn.network import Activations
from logicnn.resources import Device

__all__ = ["Accelerator", "Core", "pieces_of"]


class Core(wiring.Component):
    """Feed-forward engines: `i` their bits or words (C order, the first lowest), `o` their output.

    `latency` cycles from `i` to `o`; one input a cycle. With latency 0 there is no clock at all. Registers have no
    reset.
    """

    def __init__(self, mapping: Mapping):
        if not mapping.feed_forward:
            raise MappingError("mapping has an engine that is no logic alone: use logicnn.gateware.Accelerator")
        self.mapping = mapping
        super().__init__({"i": In(port_shape(mapping.given)), "o": Out(port_shape(mapping.gives))})

    @property
    def latency(self) -> int:
        return self.mapping.latency.most

    def elaborate(self, platform):
        m = Module()
        value = self.i
        for engine in self.mapping.engines:
            value = put(engine, m, value)
            if isinstance(engine, FeedForward) and engine.register:
                register = Signal.like(value, name=f"r{engine.start}", reset_less=True, attrs=KEEP)
                m.d.sync += register.eq(value)
                value = register
        m.d.comb += self.o.eq(value)
        return m


def pieces_of(engine: Engine, device: Device) -> int:
    """How many pieces an engine's memory is loaded in on a device; 0 where nothing is to be loaded."""
    image = engine.image(device)
    return 0 if image is None else len(flash.pieces(image))


class Accelerator(wiring.Component):
    """Engines behind streams: a whole input a transfer on `i`, or its values one by one in C order
    (`Mapping.input_io`); outputs on `o`.

    `latency` cycles from the (last) transfer on `i` to `o.valid`, `interval` cycles between inputs; back-pressure on
    `o` stops feed-forward engines, with latency 0 in the same cycle, and makes others wait. Where values come one by
    one, `clear` drops what has come of an unfinished input.

    For a device that must load an engine's memory (`loads_for`), that comes over `load` before any input: the images of
    all engines one after the other. Without one, memories hold their contents from the start.
    """

    def __init__(self, mapping: Mapping, loads_for: Device | None = None):
        self.mapping = mapping
        self._pieces = {engine.start: pieces_of(engine, loads_for) if loads_for else 0 for engine in mapping.engines}
        given = port_shape(mapping.given) if mapping.input_io is Io.PARALLEL else word_shape(mapping.given.interval)
        ports = {"i": In(stream.Signature(given)), "o": Out(stream.Signature(port_shape(mapping.gives)))}
        if mapping.input_io is Io.SERIAL:
            ports["clear"] = In(1)
        if sum(self._pieces.values()):
            ports["load"] = In(stream.Signature(load_layout(sum(self._pieces.values())), always_ready=True))
        super().__init__(ports)

    @property
    def latency(self) -> Latency:
        return self.mapping.latency

    @property
    def interval(self) -> int:
        return self.mapping.interval

    def elaborate(self, platform):
        m = Module()
        if self.mapping.feed_forward:
            self._pipeline(m)
        else:
            self._chain(m)
        return m

    def _pipeline(self, m: Module) -> None:
        """One valid bit for every stage; all stages go on together."""
        latency = self.mapping.latency.most
        advance = Signal()
        m.submodules.core = core = EnableInserter(advance)(Core(self.mapping)) if latency else Core(self.mapping)
        valid = Signal(latency + 1)  # bit 0: at the input; bit s: after the registers of stage s
        m.d.comb += [
            core.i.eq(self.i.payload),
            self.o.payload.eq(core.o),
            advance.eq(self.o.ready | ~self.o.valid),
            valid[0].eq(self.i.valid),
            self.o.valid.eq(valid[-1]),
            self.i.ready.eq(advance if latency else self.o.ready),
        ]
        for stage in range(latency):
            with m.If(advance):
                m.d.sync += valid[stage + 1].eq(valid[stage])

    def _chain(self, m: Module) -> None:
        """Every run of engines by itself, joined by streams; where one gives a sample whole and the next wants values,
        or the other way round, a component between them.
        """
        source, io = wiring.flipped(self.i), self.mapping.input_io
        for run in self.mapping.runs:
            first = run.engines[0]
            if run.feed_forward:
                m.submodules[f"logic{run.start}"] = component = Accelerator(run)
            else:
                m.submodules[f"engine{run.start}"] = component = streamed(first, self._pieces[run.start] > 0)
                self._load(m, first, component)
            source = self._joined(m, source, io, run.given, first.input_io, f"join{run.start}")
            wiring.connect(m, source, component.i)
            if run.start == self.mapping.start and io is Io.SERIAL:
                m.d.comb += component.clear.eq(self.clear)
            source, io = component.o, run.engines[-1].output_io
        source = self._joined(m, source, io, self.mapping.gives, Io.PARALLEL, "join")
        wiring.connect(m, source, wiring.flipped(self.o))

    def _joined(self, m: Module, source, io: Io, values: Activations, wanted: Io, name: str):
        """A stream as its reader wants it."""
        if io is wanted:
            return source
        if values.size == 1:
            join = Renamer(values, wanted)
        else:
            join = Serializer(values) if wanted is Io.SERIAL else Deserializer(values)
        m.submodules[name] = join
        wiring.connect(m, source, join.i)
        return join.o

    def _load(self, m: Module, engine: Engine, component) -> None:
        """The part of all images that is this engine's."""
        count = self._pieces[engine.start]
        if not count:
            return
        first = sum(pieces for start, pieces in self._pieces.items() if start < engine.start)
        address = self.load.payload.address
        alone = sum(self._pieces.values()) == count
        mine = C(1, 1) if alone else (address >= first) & (address < first + count)
        m.d.comb += [
            component.load.valid.eq(self.load.valid & mine),
            component.load.payload.data.eq(self.load.payload.data),
            component.load.payload.address.eq(address - first),
        ]


class Renamer(wiring.Component):
    """A sample of one value, whole or by itself: wires."""

    def __init__(self, values: Activations, wanted: Io):
        whole, single = port_shape(values), word_shape(values.interval)
        given, gives = (whole, single) if wanted is Io.SERIAL else (single, whole)
        super().__init__({"i": In(stream.Signature(given)), "o": Out(stream.Signature(gives))})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            Value.cast(self.o.payload).eq(Value.cast(self.i.payload)),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
        ]
        return m


class Serializer(wiring.Component):
    """Whole samples on `i` as their values on `o`, the first first: one a cycle, from the cycle after a sample's
    transfer on.
    """

    def __init__(self, values: Activations):
        self._values = values
        super().__init__(
            {"i": In(stream.Signature(port_shape(values))), "o": Out(stream.Signature(word_shape(values.interval)))}
        )

    def elaborate(self, platform):
        m = Module()
        count, width = self._values.size, self._values.interval.word
        held, left = Signal(count * width), Signal(range(count + 1))
        m.d.comb += [
            Value.cast(self.o.payload).eq(held[:width]),
            self.o.valid.eq(left != 0),
            self.i.ready.eq(left == 0),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [held.eq(Value.cast(self.i.payload)), left.eq(count)]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += [held.eq(held >> width), left.eq(left - 1)]
        return m


class Deserializer(wiring.Component):
    """Values on `i` as whole samples on `o`, which is valid a cycle after the last value's transfer."""

    def __init__(self, values: Activations):
        self._values = values
        super().__init__(
            {"i": In(stream.Signature(word_shape(values.interval))), "o": Out(stream.Signature(port_shape(values)))}
        )

    def elaborate(self, platform):
        m = Module()
        count, width = self._values.size, self._values.interval.word
        held, left = Signal(count * width, reset_less=True), Signal(range(count + 1), init=count)
        m.d.comb += [
            Value.cast(self.o.payload).eq(held),
            self.o.valid.eq(left == 0),
            self.i.ready.eq(left != 0),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [held.eq(Cat(held[width:], Value.cast(self.i.payload))), left.eq(left - 1)]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += left.eq(count)
        return m
