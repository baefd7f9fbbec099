"""What a network takes on a board before it is built: cells, and the time to an answer."""

from dataclasses import dataclass

from logicnn.board.boards import Board
from logicnn.board.protocol import BAUD
from logicnn.engines.choose import kinds
from logicnn.flow.design import designed, mapped
from logicnn.network import Network

__all__ = ["Estimate", "estimated"]


@dataclass(frozen=True)
class Estimate:
    """Logic cells of the whole board, and from a sample to its class: cycles, 0 of logic between two registers, and
    nanoseconds.
    """

    logic_cells: int
    latency_cycles: int
    answer_ns: float


def estimated(network: Network, board: Board, engine: str) -> Estimate:
    """As `logicnn build --engine` would build it. Raises `TooBig` where the board has no room for it, `LogicnnError`
    where it cannot answer for it.
    """
    design = designed(mapped(network, board, kinds()[engine]), board, BAUD)
    cycles = design.mapping.latency.most
    answer_ns = cycles * design.period_ns if cycles else design.mapping.delay_ns(board.device)
    return Estimate(design.estimate.logic_cells, cycles, answer_ns)
