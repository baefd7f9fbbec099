"""Functions that numba compiles when they are first called, and keeps on disk."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.options import DefaultOptions

__all__ = ["compiled", "leaf"]

ROOM = Path(__file__).parent
SOURCES = sha256(b"".join(path.read_bytes() for path in sorted(ROOM.glob("*.py")))).hexdigest()


def compiled(function: Callable) -> Any:
    """The function in machine code, kept beside its source, or where that is read-only among the user's caches.

    numba takes what it kept as long as the function's own file stays as it was, although the code of functions from
    other files is in it, too. Here it has to stay as all files of this room were.
    """
    return _kept(function, {})


def leaf(function: Callable) -> Any:
    """`compiled`, for a function that makes and returns no array, so that nobody has to count who holds the arrays: of
    all that is passed numba counts every array at every call, which takes longer than what most of these do.
    """
    return _kept(function, {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {})


def _kept(function: Callable, options: dict[str, Any]) -> Any:
    try:
        made: Any = njit(cache=True, **options)(function)
    except RuntimeError:  # there is no folder that can be written to
        return njit(**options)(function)
    file: Any = getattr(getattr(made, "_cache", None), "_cache_file", None)
    if not hasattr(file, "_source_stamp"):  # a numba that keeps its stamps elsewhere
        return njit(**options)(function)
    file._source_stamp = SOURCES
    return made
