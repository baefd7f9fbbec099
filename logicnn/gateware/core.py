"""A whole network as one component: `Core` with plain ports, `Accelerator` with streams."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from logicnn.gateware.layers import KEEP, layer_component, port_shape, word_shape
from logicnn.gateware.pipelines import PipelinedDatapath
from logicnn.gateware.popcounts import SharedThresholds
from logicnn.mapping import Embedded, Mapping, MappingError, Shared, Sparse, Unrolled
from logicnn.network import Activations

__all__ = ["Accelerator", "Core"]


class Core(wiring.Component):
    """The logic of a network: `i` its bits or words (``network.core_input``, C order, first lowest), `o` its output.

    `latency` cycles from `i` to `o`; one input a cycle. With latency 0 there is no clock at all. Registers have no reset.
    """

    def __init__(self, mapping: Mapping):
        if mapping.plan:
            raise MappingError("mapping has a Sparse engine, which takes words one by one: use logicnn.gateware.ConvolutionEngine")
        self.mapping = mapping
        super().__init__({"i": In(port_shape(mapping.network.core_input)), "o": Out(port_shape(mapping.network.output))})

    @property
    def latency(self) -> int:
        return self.mapping.latency

    def elaborate(self, platform):
        m = Module()
        network = self.mapping.network
        value = self.i
        for index, engine in self.mapping.parts():
            assert not isinstance(engine, Sparse)
            layer, given = network.layers[index], network.activations[index]
            match engine:
                case Embedded():
                    m.submodules[f"layer{index}"] = pipeline = PipelinedDatapath(engine.slices, engine.pipeline.stages)
                    value = _through(m, pipeline, value, network.activations[index + engine.layers], f"w{index}")
                case Shared() | Unrolled():
                    component = SharedThresholds(engine.popcounts) if isinstance(engine, Shared) else layer_component(layer, given)
                    if component is not None:
                        m.submodules[f"layer{index}"] = component
                        m.d.comb += component.i.eq(value)
                        value = component.o
            if engine.register:
                register = Signal.like(value, name=f"r{index}", reset_less=True, attrs=KEEP)
                m.d.sync += register.eq(value)
                value = register
        m.d.comb += self.o.eq(value)
        return m


def _through(m: Module, pipeline: PipelinedDatapath, value, gives: Activations, name: str):
    """A port's value through a pipeline, whose words are each as wide as they need to be, to the next port's."""
    datapath = pipeline.slices.datapath
    bits, words = Value.cast(value), []
    for index, interval in enumerate(datapath.inputs):
        m.d.comb += Value.cast(pipeline.i[f"x{index}"]).eq(bits[index * interval.word : (index + 1) * interval.word])
    for index in range(gives.size):
        words.append(word := Signal(word_shape(gives.interval), name=f"{name}_{index}"))
        m.d.comb += word.eq(pipeline.o[f"y{index}"])
    result = Signal(port_shape(gives), name=name)
    m.d.comb += Value.cast(result).eq(Cat(words))
    return result


class Accelerator(wiring.Component):
    """`Core` behind streams: a whole input a transfer on `i`, its output on `o`, in order.

    `latency` cycles from the transfer on `i` to `o.valid`, `interval` cycles between transfers; back-pressure on `o` stops the pipeline.
    With latency 0 both streams transfer in the same cycle.
    """

    def __init__(self, mapping: Mapping):
        self.mapping = mapping
        super().__init__(
            {
                "i": In(stream.Signature(port_shape(mapping.network.core_input))),
                "o": Out(stream.Signature(port_shape(mapping.network.output))),
            }
        )

    @property
    def latency(self) -> int:
        return self.mapping.latency

    @property
    def interval(self) -> int:
        return self.mapping.interval

    def elaborate(self, platform):
        m = Module()
        advance = Signal()
        m.submodules.core = core = EnableInserter(advance)(Core(self.mapping)) if self.latency else Core(self.mapping)
        valid = Signal(self.latency + 1)  # bit 0: at the input; bit s: after register rank s
        m.d.comb += [
            core.i.eq(self.i.payload),
            self.o.payload.eq(core.o),
            advance.eq(self.o.ready | ~self.o.valid),
            valid[0].eq(self.i.valid),
            self.o.valid.eq(valid[-1]),
            self.i.ready.eq(advance if self.latency else self.o.ready),
        ]
        for rank in range(self.latency):
            with m.If(advance):
                m.d.sync += valid[rank + 1].eq(valid[rank])
        return m
