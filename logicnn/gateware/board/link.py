"""A board's end of the serial line: requests in, answers out."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from logicnn.board.protocol import Fault, Identity, Kind
from logicnn.gateware.board.frames import CYCLES_BITS, FAULT, TIMED, ZERO, Deframer, Framer, Program
from logicnn.gateware.board.uart import Receiver, Silence, Transmitter

__all__ = ["Link"]


class Link(wiring.Component):
    """`logicnn.board.protocol` on a serial line of `divisor` cycles a bit, for one sample at a time.

    Bytes of a sample come on `samples`; with its last frame byte `accepted` is up for a cycle, or `dropped`, after
    which they count for nothing. The class of an accepted sample, or the bytes of its answer, are taken on `answers`;
    until the first of them is, other samples are answered BUSY. `refuse` is the `Fault` for which no sample is
    accepted, or 0.

    With `timed` the counters' answer has `cycles` in it.

    A waiting answer is never lost to a later request. An error gives way to the answer of a request, and is made up
    for.
    """

    def __init__(self, identity: Identity, divisor: int, *, timed: bool = False):
        self._identity, self._divisor, self._timed = identity, divisor, timed
        super().__init__(
            ({"cycles": In(CYCLES_BITS)} if timed else {})
            | {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "samples": Out(stream.Signature(8, always_ready=True)),
                "accepted": Out(1),
                "dropped": Out(1),
                "refuse": In(FAULT),
                "answers": In(stream.Signature(8)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = Receiver(self._divisor)
        m.submodules.silence = silence = Silence(self._divisor)
        m.submodules.deframer = deframer = Deframer(self._identity.sample_bytes)
        m.submodules.framer = framer = Framer(self._identity, TIMED if self._timed else ZERO)
        m.submodules.transmitter = transmitter = Transmitter(self._divisor)
        wiring.connect(m, receiver.o, deframer.i)
        wiring.connect(m, framer.o, transmitter.i)
        wiring.connect(m, deframer.o, wiring.flipped(self.samples))
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            silence.heard.eq(receiver.o.valid),
            deframer.quiet.eq(silence.quiet),
        ]
        if self._timed:
            m.d.comb += framer.cycles.eq(self.cycles)
        m.d.comb += self.answers.ready.eq(framer.i.ready)
        if self._identity.answer_bytes > 1:  # further bytes go while the framer takes no other answer
            m.d.comb += framer.more.payload.eq(self.answers.payload)
            m.d.comb += self.answers.ready.eq(framer.i.ready | framer.more.ready)
        self._connect(m, deframer, framer)
        return m

    def _connect(self, m: Module, deframer: Deframer, framer: Framer) -> None:
        """What becomes of each frame, and which answer goes next: a sample's, then the reply to another request or an
        error, then `missed`.
        """
        verdict = deframer.verdict
        fault, is_sample, request = Signal(FAULT), Signal(), Signal()
        waiting, sample_tag = Signal(), Signal.like(verdict.tag)  # for the class of a sample
        tag = Signal.like(verdict.tag, name="reply_tag")
        replies, reply, reply_fault, reply_tag = Signal(), Signal(Program), Signal(FAULT), tag
        missed = Signal()  # an error that is not answered yet, as another answer waited
        m.d.comb += [
            is_sample.eq(verdict.kind == Kind.CLASSIFY),
            fault.eq(verdict.fault),
            request.eq(deframer.ends & (fault == 0) & ~is_sample),
            self.accepted.eq(deframer.ends & (fault == 0) & is_sample),
            self.dropped.eq(deframer.ends & ~self.accepted),
        ]
        with m.If((verdict.fault == 0) & is_sample):
            m.d.comb += fault.eq(Mux(self.refuse != 0, self.refuse, Mux(waiting, Fault.BUSY, 0)))
        answer, goes = framer.i.payload, Signal()
        m.d.comb += [
            framer.i.valid.eq(self.answers.valid | replies | missed),
            goes.eq(framer.i.valid & framer.i.ready),
        ]
        with m.If(self.answers.valid):
            m.d.comb += [
                answer.program.eq(Program.CLASSIFY),
                answer.tag.eq(sample_tag),
                answer.value.eq(self.answers.payload),
            ]
        with m.Elif(replies):
            m.d.comb += [answer.program.eq(reply), answer.tag.eq(reply_tag), answer.value.eq(reply_fault)]
        with m.Else():
            m.d.comb += [answer.program.eq(Program.ERROR), answer.value.eq(Fault.BUSY)]
        with m.If(goes & self.answers.valid):
            m.d.sync += waiting.eq(0)
        with m.Elif(goes & replies):
            m.d.sync += replies.eq(0)
        with m.Elif(goes):
            m.d.sync += missed.eq(0)
        with m.If(self.accepted):
            m.d.sync += [waiting.eq(1), sample_tag.eq(verdict.tag)]
        with m.Elif(deframer.ends):
            # What waits goes right now; it is the reply to a request, or comes before another error
            taken, kept = Signal(), Signal()
            m.d.comb += [
                taken.eq(goes & ~self.answers.valid),
                kept.eq(replies & ~taken & ((reply != Program.ERROR) | ~request)),
            ]
            with m.If(replies & ~taken):
                m.d.sync += missed.eq(1)
            with m.If(~kept):
                program = Mux(
                    ~request, Program.ERROR, Mux(verdict.kind == Kind.IDENTIFY, Program.IDENTIFY, Program.COUNTERS)
                )
                m.d.sync += [replies.eq(1), reply.eq(program), reply_fault.eq(fault), reply_tag.eq(verdict.tag)]
            m.d.comb += framer.error.eq(~request | kept)
