"""Random networks in every reading, and damaged files and lines, for hours: ``python -m benchmarks.fuzz --minutes 60``.

Every kind of `sim_tests.fuzz.kinds` in rounds, each round with seeds of its own, until the time is over. The smallest
case of a finding is written to the output folder, and its kind is left out from then on. ``--kind`` runs one kind, and
with ``--seed`` repeats what a test has found; neither writes a record.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import parser_for, write_result
from logicnn.commands.command import guarded
from logicnn.errors import CheckFailed
from logicnn.network import Network
from logicnn.network.files import to_bytes
from logicnn.storage import replace_file
from sim_tests.fuzz.kinds import KINDS, Outcome, explore, repeated

SEED = 1  # of the first round; further ones count on
MINUTES = 60.0


@dataclass
class Row:
    """Of one kind: cases that were made, those that it was for, findings, and seconds."""

    kind: str
    made: int = 0
    cases: int = 0
    findings: int = 0
    seconds: float = 0.0

    def add(self, outcome: Outcome, seconds: float) -> None:
        self.made += outcome.made
        self.cases += outcome.checked
        self.findings += outcome.finding is not None
        self.seconds = round(self.seconds + seconds, 1)


def explored(row: Row, seed: int, examples: int, folder: Path) -> None:
    """A round of a kind; a finding goes to the folder, and to standard error."""
    start = time.time()
    outcome = explore(KINDS[row.kind], seed, examples)
    row.add(outcome, time.time() - start)
    text = repeated(row.kind, seed, outcome)
    if text is None or outcome.finding is None:
        return
    print(text, file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    name = "".join(each if each.isalnum() else "-" for each in row.kind)
    replace_file(folder / f"{name}.txt", (text + "\n").encode())
    for part in outcome.finding.case if isinstance(outcome.finding.case, tuple) else (outcome.finding.case,):
        if (data := _content(part)) is not None:
            suffix = "bin" if isinstance(part, bytes) else "lnn"
            replace_file(folder / f"{name}.{suffix}", data)


def _content(part: Any) -> bytes | None:
    network = getattr(part, "network", None)
    if isinstance(network, Network):
        return to_bytes(network)
    return part if isinstance(part, bytes) else None


def required(figures: dict[str, Any]) -> dict[str, bool]:
    rows = figures["rows"]
    return {
        "nothing is found": all(row["findings"] == 0 for row in rows),
        "every kind has cases": all(row["cases"] > 0 for row in rows),
    }


def main() -> None:
    parser = parser_for(__doc__, output="fuzz")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long (default: %(default)s)")
    parser.add_argument("--kind", choices=KINDS, metavar="KIND", help="only this one, once, as a test runs it")
    parser.add_argument("--examples", type=int, help="of that kind (default: as in a round)")
    parser.add_argument("--seed", type=int, default=SEED, help="of the first round (default: %(default)s)")
    given = parser.parse_args()
    if given.kind:
        row = Row(given.kind)
        explored(row, given.seed, given.examples or KINDS[given.kind].in_round, given.output)
        print(json.dumps(vars(row)))
        if row.findings:
            raise CheckFailed(f"{given.kind}: the smallest case is in {given.output}")
        return
    rows = {name: Row(name) for name in KINDS}
    ends, rounds = time.time() + 60 * given.minutes, 0
    while time.time() < ends:
        for name, row in rows.items():
            if not row.findings and (time.time() < ends or not row.made):  # the first round is whole
                explored(row, given.seed + rounds, KINDS[name].in_round, given.output)
        rounds += 1
        print(json.dumps({"rounds": rounds, "cases": sum(row.cases for row in rows.values())}), flush=True)
    figures = {"minutes": given.minutes, "rounds": rounds, "rows": [vars(row) for row in rows.values()]}
    write_result("fuzz", given.seed, figures, required(figures), given=given)


if __name__ == "__main__":
    sys.exit(guarded(main))
