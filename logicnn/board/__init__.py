"""Boards and what they say: finding them, their protocol, its host's end, the image of memories in flash."""

from logicnn.board.boards import Board, BoardError, Programmer

__all__ = ["Board", "BoardError", "Programmer"]
