"""Transistors of combinational logic in static CMOS, as Yosys counts them after mapping to simple gates: an estimate of
area.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Value

from logicnn.errors import CheckFailed
from logicnn.flow import tools

__all__ = ["transistors"]

MODULE = re.compile(r"^=== (\S+) ===$", re.MULTILINE)
COUNT = re.compile(r"Estimated number of transistors:\s+(\d+)")
GATES = "AND,NAND,OR,NOR,XOR,XNOR,ANDNOT,ORNOT,MUX,AOI3,OAI3"


def transistors(components: Mapping[str, Any], folder: Path) -> dict[str, int]:
    """Transistors of components with ports `i` and `o`, by name, all mapped in one run. Raises `CheckFailed` where
    Yosys counts none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = []
    for name, component in components.items():
        ports = [Value.cast(component.i), Value.cast(component.o)]
        texts.append(rtlil.convert(component, name=name, ports=ports, emit_src=False))
    reads = []
    for index, text in enumerate(texts):
        (folder / f"{index}.il").write_text(text)
        reads.append(f"read_rtlil {index}.il")
    # not `synth` and the default script of ABC, which take many minutes on thousands of additions
    steps = [
        "setattr -mod -unset top",
        "proc",
        "flatten",
        "opt_expr",
        "opt_clean",
        "wreduce",
        "alumacc",
        "techmap",
        "opt_expr",
        "opt_clean",
    ]
    lines = [*reads, *steps, f"abc -g {GATES} -script +strash;map", "opt_clean", "tee -o gates.txt stat -tech cmos"]
    (folder / "gates.ys").write_text("\n".join(lines) + "\n")
    tools.run(["yosys", "-q", "gates.ys"], folder, "gates.log")
    found: dict[str, int] = {}
    text = (folder / "gates.txt").read_text()
    starts = [*MODULE.finditer(text)]
    for begin, end in zip(starts, [*(each.start() for each in starts[1:]), len(text)], strict=True):
        count = COUNT.search(text, begin.end(), end)
        if count:
            found[begin[1]] = int(count[1])
    missing = [name for name in components if name not in found]
    if missing:
        raise CheckFailed(f"Yosys counted no transistors of {missing[0]}; see {folder / 'gates.txt'}")
    return {name: found[name] for name in components}
