"""What the tools of a build read: a design elaborated for its board's platform, and the commands that Amaranth wants
run on it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from logicnn.flow.design import Design

__all__ = ["TOP", "Sources", "elaborated"]

TOP = "top"


@dataclass(frozen=True)
class Sources:
    """Files by name, and commands: synthesis, place and route (without its netlist and what differs from try to try),
    packing.
    """

    files: Mapping[str, bytes]
    synthesis: tuple[str, ...]
    place: tuple[str, ...]
    pack: tuple[str, ...]

    def named(self, *suffixes: str) -> list[str]:
        """Names of the files that end so, sorted."""
        return sorted(name for name in self.files if name.endswith(suffixes))


def elaborated(design: Design) -> Sources:
    """Elaborates a design. The same design gives the same bytes, wherever the checkout lies."""
    platform = design.board.make_platform()
    plan = platform.prepare(
        design.top(),
        TOP,
        debug_verilog=False,
        emit_src=False,  # paths and line numbers would make stages run again that read nothing new
        synth_opts=design.synthesis_options,
        script_after_read=design.script,
        script_after_synth=design.script_after,
    )
    files = {name: data if isinstance(data, bytes) else data.encode() for name, data in plan.files.items()}
    synthesis, place, pack, *_ = json.loads(files[f"build_{TOP}.json"])["commands"]  # what else marks a file for DFU
    at = place.index("--json")
    return Sources(
        {name: data for name, data in files.items() if not name.startswith("build_")},
        tuple(synthesis),
        (*place[:at], *place[at + 2 :]),
        tuple(pack),
    )
