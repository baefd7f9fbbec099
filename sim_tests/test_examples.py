"""The examples of docs/examples: simulated, and built by the command that they name."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from amaranth.sim import Simulator

from logicnn import load
from logicnn.data import datasets

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "digit_counter.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("digit_counter", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("busy", [0, 1, 9])
@pytest.mark.parametrize(("pixel", "sync"), [(1.0, 1.0), (2.0, 1.0), (1.0, 2.7)])
def test_counts(example, busy, pixel, sync):
    """Every frame is counted once, whichever clock is faster and however slowly answers are taken."""
    network, frames = load("digits-bnn"), 12
    counter = example.DigitCounter(network, example.digits(network, frames), busy)
    expected = network.evaluate(datasets.load("digits").test.x[:frames])
    first = np.bincount(expected, minlength=10)
    seen = []

    async def testbench(ctx):
        last = [0] * 10
        while sum(last) < 2 * frames:
            counts = [ctx.get(counter.counts[place]) for place in range(10)]
            if counts != last:
                seen.append(int(np.argmax(np.array(counts) - last)))
                last = counts
            await ctx.tick()

    simulator = Simulator(counter)
    simulator.add_clock(pixel * 1e-6, domain="pixel")
    simulator.add_clock(sync * 1e-6, domain="sync")
    simulator.add_testbench(testbench)
    simulator.run()
    assert seen[:frames] == expected.tolist() and seen[frames : 2 * frames] == expected.tolist()
    assert np.bincount(seen[:frames], minlength=10).tolist() == first.tolist()


def test_builds(tmp_path):
    """By its own command line, though no environment is activated."""
    command = [sys.executable, str(EXAMPLE), "--output", str(tmp_path)]
    done = subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "digit_counter.bin").stat().st_size > 100_000
    report = (tmp_path / "digit_counter.tim").read_text()
    clocks = [line for line in report.splitlines() if "Max frequency for clock" in line]
    assert len(clocks) >= 2 and all("PASS" in line for line in clocks[-2:])
