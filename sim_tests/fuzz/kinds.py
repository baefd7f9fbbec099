"""All that is fuzzed, by name: what cases are made of, and what must be true of each; and one way to run it, for the
tests (`sim_tests/fuzz/test_*.py`) and for hours (`benchmarks.fuzz`).
"""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import hypothesis
from amaranth.hdl import UnusedElaboratable
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from logicnn.engines import Engine, FeedForward
from logicnn.resources import DEVICES
from sim_tests.fuzz import files, lines, readings
from sim_tests.fuzz.engines import ENGINES, FAMILY, mapping_with
from sim_tests.fuzz.networks import FAMILIES

__all__ = ["KINDS", "SEED", "Finding", "Kind", "Outcome", "by_bytes", "explore", "repeated"]

SEED = int(os.environ.get("LOGICNN_FUZZ_SEED") or int.from_bytes(os.urandom(4), "little"))  # another one every time
DEVICES_OF = {"iCE40": DEVICES["iCE40UP5K"], "ECP5": DEVICES["LFE5U-25F"]}
BOARDS = ("icebreaker", "ulx3s")


@dataclass(frozen=True)
class Kind:
    """Cases, and the check of one, which raises what it finds and gives False where a case is none for it; how many in
    a test, and in each round of `benchmarks.fuzz`.
    """

    cases: st.SearchStrategy[Any]
    check: Callable[[Any], Any]
    in_test: int
    in_round: int


@dataclass(frozen=True)
class Finding:
    """The smallest case that fails, and how."""

    case: Any
    error: BaseException


@dataclass(frozen=True)
class Outcome:
    """Cases that were asked for and made, those of them that the check was for, and what it found."""

    asked: int
    made: int
    checked: int
    finding: Finding | None


def explore(kind: Kind, seed: int, examples: int) -> Outcome:
    """Checks so many random cases; one that fails is made as small as still fails."""
    made, checked, latest = 0, 0, None

    @hypothesis.seed(seed)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
    )
    @hypothesis.given(kind.cases)
    def body(case: Any) -> None:
        nonlocal made, checked, latest
        made += 1
        try:
            checked += kind.check(case) is not False
        except Exception:
            latest = case  # of all that failed, the smallest comes last
            raise

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UnusedElaboratable)  # of a simulation that an error ended
        try:
            body()
        except Exception as error:
            return Outcome(examples, made, checked, Finding(latest, error))
    return Outcome(examples, made, checked, None)


def by_bytes(kind: Kind) -> Callable[[bytes], Any]:
    """The check of the case that bytes stand for, for fuzzers that make bytes."""

    @settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @hypothesis.given(kind.cases)
    def body(case: Any) -> None:
        kind.check(case)

    return body.hypothesis.fuzz_one_input  # type: ignore[attr-defined]


def repeated(name: str, seed: int, outcome: Outcome) -> str | None:
    """What was found, in words, and the command that repeats it; None where nothing was."""
    if outcome.finding is None:
        return None
    error = outcome.finding.error
    return (
        f"{name}: {type(error).__name__}: {error}\nsmallest case: {outcome.finding.case!r}\n"
        f"again: python -m benchmarks.fuzz --kind {name!r} --seed {seed} --examples {outcome.asked}"
    )


def _of_engine(
    check: Callable[..., Any], kind: type[Engine], samples: int, in_test: int, in_round: int, *more: Any
) -> Kind:
    cases = st.tuples(readings.cases(FAMILY[kind], samples), st.integers(0, 9999)).filter(
        lambda case: (
            mapping_with(kind, case[0].network, case[1]) is not None
            and (check is not readings.check_board or bool(case[0].network.read_inputs()))  # else nothing is built
        )
    )
    return Kind(cases, lambda case: check(case[0], kind, case[1], *more) is not None, in_test, in_round)


def _kinds() -> dict[str, Kind]:
    logic = [kind for kind in ENGINES if issubclass(kind, FeedForward)]
    found = {f"readings: {name}": Kind(readings.cases(name, 20), readings.check, 40, 300) for name in FAMILIES}
    for kind in ENGINES:
        found[f"simulated: {kind.__name__}"] = _of_engine(readings.check_engine, kind, 6, 3, 15)
        found[f"Verilog: {kind.__name__}"] = _of_engine(readings.check_verilog, kind, 4, 1, 4)
        for board in BOARDS:
            found[f"{board}: {kind.__name__}"] = _of_engine(readings.check_board, kind, 40, 0, 2, board)
    for family, device in DEVICES_OF.items():
        for kind in logic:
            found[f"netlist {family}: {kind.__name__}"] = _of_engine(readings.check_core, kind, 100, 2, 4, device)
    for name, of in files.FILES.items():
        found[f"file: {name}"] = Kind(of.contents(), partial(files.check_file, name), 40, 300)
    found["line: frames"] = Kind(lines.frames(), lines.check_frames, 100, 300)
    found["line: identities"] = Kind(lines.identities(), lines.check_identity, 100, 300)
    found["line: counters"] = Kind(lines.counters(), lines.check_counters, 100, 300)
    found["line: host"] = Kind(lines.lines(), lines.check_host, 5, 20)
    found["flash: images"] = Kind(lines.images(), lines.check_image, 10, 50)
    return found


KINDS = _kinds()
