"""A board's netlist with a convolution engine against `Network.evaluate`, from the flash image to the class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from logicnn.errors import CheckFailed, LogicnnError
from logicnn.flash import OFFSET, RESOURCE
from logicnn.flash_chip import FlashChip
from logicnn.simulate import Simulation
from logicnn.sparse import EngineTimes, Plan
from logicnn.verify import Vectors, Verification

__all__ = ["EngineProbe", "EngineRun", "engine_outputs", "verify_engine"]

LANES = 256  # inputs that are simulated side by side
WAKES_NS = 3_000  # tRES1 of the flash chip
LOCK = "pll_locks"
SLACK = 1000  # cycles beyond a prediction until the simulation gives up


@dataclass(frozen=True)
class EngineProbe:
    """Names in a board's netlist: words that come and when, the class and when it is there, and the flash chip's pins, if there are any."""

    word: str = "classifier.words"
    arrives: str = "classifier.arrives"
    result: str = "classifier.result"
    answers: str = "classifier.answers"
    done: str = "classifier.loaded"
    corrupt: str = "classifier.corrupt"
    flash: str = "_".join(map(str, RESOURCE))


@dataclass(frozen=True)
class EngineRun:
    """What a netlist computed: classes (n,), the cycles from an input's last word to its class, and those until the weights were there."""

    classes: np.ndarray
    cycles: int
    loading: int


def load_weights(simulation: Simulation, probe: EngineProbe, image: bytes, times: EngineTimes) -> int:
    """Runs a netlist from reset until it has read its flash, a chip that holds `image`; returns the cycles that it took.

    Raises `CheckFailed` where it finds the image corrupt, or is not done a little after its time.
    """
    chip = FlashChip(image, OFFSET, round(WAKES_NS / times.period_ns))
    cs_n, clk, copi, cipo = (simulation.pin(f"{probe.flash}__{name}__io") for name in ("cs", "clk", "copi", "cipo"))
    detach = simulation.attach(lambda _: cipo.set(chip.step(cs_n.get(), clk.get(), copi.get())))
    cipo.set(chip.step(cs_n.get(), clk.get(), copi.get()))
    done = simulation.run_until(probe.done, times.loading + SLACK)
    detach()
    if (done < 0).any():
        corrupt = simulation.get(probe.corrupt).any()
        raise CheckFailed(
            "the netlist finds its flash image corrupt"
            if corrupt
            else f"the netlist has not loaded its weights in {times.loading + SLACK} cycles"
        )
    return int(done[0])


def engine_outputs(
    netlist: Path, plan: Plan, x: np.ndarray, image: bytes | None, times: EngineTimes, probe: EngineProbe | None = None
) -> EngineRun:
    """What a board's netlist makes of inputs x (n, ...), with weights from a flash image where it has a loader.

    The serial receiver is left out: words come a cycle each. Raises `LogicnnError` for inputs of another size, `CheckFailed` where an
    answer does not come in time.
    """
    if x.shape[1:] != plan.network.input.shape:
        raise LogicnnError(f"x must have samples of shape {plan.network.input.shape}, not {x.shape[1:]}")
    probe = probe or EngineProbe()
    simulation = Simulation(netlist, LANES, forced=[probe.word, probe.arrives, *([LOCK] if image else [])])
    loaded = 0
    if image:
        simulation.set(LOCK, 1)
        loaded = load_weights(simulation, probe, image, times)
    words = x.reshape(len(x), -1).astype(np.int64)
    classes, cycles = np.zeros(len(x), np.int64), set()
    for start in range(0, len(x), LANES):
        batch = words[start : start + LANES]
        filled = np.concatenate([batch, np.zeros((LANES - len(batch), words.shape[1]), np.int64)])
        simulation.run({probe.word: filled.T, probe.arrives: np.ones(words.shape[1], np.int64)})
        simulation.set(probe.arrives, 0)
        taken = simulation.run_until(probe.answers, times.latency + SLACK)
        if (taken < 0).any():
            raise CheckFailed(f"the netlist gives no class in {times.latency + SLACK} cycles; {times.latency} were predicted")
        cycles |= set((taken + 1).tolist())  # edges after that of the last word
        simulation.step(1)
        classes[start : start + LANES] = simulation.get(probe.result)[: len(batch)]
        simulation.step(1)
    if len(cycles) != 1:
        raise CheckFailed(f"the netlist takes {sorted(cycles)} cycles for an input, not always as many")
    return EngineRun(classes, cycles.pop(), loaded)


def verify_engine(run: EngineRun, plan: Plan, times: EngineTimes, vectors: Vectors) -> Verification:
    """Compares what a netlist computed with `Network.evaluate`, and its cycles with the prediction.

    Raises `CheckFailed` with the first differing vector, the expected and the actual value.
    """
    expected = plan.network.evaluate(vectors.x)
    differs = expected != run.classes
    if differs.any():
        first = int(np.argmax(differs))
        raise CheckFailed(
            f"the netlist differs from the network on {np.count_nonzero(differs)} of {len(expected)} vectors: vector {first} "
            f"({vectors.source}) should give {expected[first]} but gives {run.classes[first]}"
        )
    if run.cycles != times.latency:
        raise CheckFailed(f"the netlist takes {run.cycles} cycles for an input, but {times.latency} were predicted")
    labelled = run.classes[: len(vectors.labels)]
    accuracy = float(np.mean(labelled == vectors.labels)) if len(labelled) else None
    return Verification(len(expected), 0, vectors.source, accuracy)
