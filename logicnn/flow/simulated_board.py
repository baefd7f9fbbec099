"""A board's design in Amaranth's simulator behind a pseudo-terminal: host programs talk to it as to a serial port.

The same bytes go over the simulated line, bit by bit, as over a real one, with as few cycles a bit as the design reads.
Time stands still while nothing is to be done. Memories that a board loads from flash hold their contents from the
start.
"""

import os
import select
import threading
from types import TracebackType
from typing import Any

from logicnn.errors import LogicnnError
from logicnn.flow.design import Design
from logicnn.flow.serial_line import levels, receive

__all__ = ["SimulatedBoard"]

DIVISOR = 4  # cycles a bit
BYTE = 10 * DIVISOR
POLL_S = 0.02


class SimulatedBoard:
    """A context whose `port` is the terminal's name. If the simulation fails, so does the port; the context ends with
    `LogicnnError`.
    """

    def __init__(self, design: Design):
        self._design = design
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulated board", daemon=True)
        self._error: BaseException | None = None
        self.port = ""

    def __enter__(self) -> "SimulatedBoard":
        try:
            import pty
            import tty
        except ImportError:
            raise LogicnnError(
                "a simulated board needs a pseudo-terminal, which this system has not: use Linux or macOS"
            ) from None
        self._ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        self.port = os.ttyname(self._theirs)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._theirs)
        if self._error is not None:
            raise LogicnnError(f"the simulation failed: {type(self._error).__name__}: {self._error}") from self._error

    def _run(self) -> None:
        try:
            self._simulate()
        except Exception as failure:  # it goes to the thread that waits for us
            self._error = failure
        finally:
            os.close(self._ours)  # which ends the host's reading

    def _simulate(self) -> None:
        from amaranth.hdl import Signal
        from amaranth.sim import Simulator

        from logicnn.gateware.board.classifier import Classifier
        from logicnn.gateware.board.uart import silent_cycles

        mapping = self._design.mapping
        dut: Any = Classifier(mapping, DIVISOR, 1)
        # A sample, an error about a frame that was cut, an answer.
        lasts = mapping.latency.most + silent_cycles(DIVISOR) + 100 * BYTE
        quiet = 0  # cycles since a byte came or went
        stopped = Signal()

        async def sender(ctx):
            nonlocal quiet
            while not self._stop.is_set():
                data = self._taken(POLL_S if quiet > lasts else 0)
                for byte in data:
                    if self._stop.is_set():
                        break
                    for level in levels(byte):
                        ctx.set(dut.rx, level)
                        await ctx.tick().repeat(DIVISOR)
                if not data and quiet <= lasts:
                    await ctx.tick().repeat(BYTE)
                    quiet += BYTE
                elif data:
                    quiet = 0
            ctx.set(stopped, 1)

        async def receiver(ctx):
            nonlocal quiet
            while (byte := await receive(ctx, dut.tx, stopped, DIVISOR)) is not None:
                os.write(self._ours, bytes([byte]))
                quiet = 0

        simulator = Simulator(dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(sender)
        simulator.add_testbench(receiver)
        simulator.run()

    def _taken(self, wait_s: float) -> bytes:
        """What the host has sent."""
        ready, _, _ = select.select([self._ours], [], [], wait_s)
        return os.read(self._ours, 4096) if ready else b""
