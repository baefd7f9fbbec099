"""Functions that numba compiles when they are first called, and keeps on disk."""

import contextlib
import io
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import IndexDataCacheFile
from numba.core.options import DefaultOptions

from logicnn.storage import replace_file

__all__ = ["compiled", "leaf"]

ROOM = Path(__file__).parent
SOURCES = sha256(b"".join(path.read_bytes() for path in sorted(ROOM.glob("*.py")))).hexdigest()
DIGEST_BYTES = 32
PARTS = "_load_index", "_load_data", "_open_for_write"  # of numba's files, which `_Checked` takes over


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
    cache: Any = getattr(made, "_cache", None)
    if not hasattr(getattr(cache, "_cache_file", None), "_source_stamp") or not all(
        hasattr(IndexDataCacheFile, each) for each in PARTS
    ):  # a numba that keeps its files in another way
        return njit(**options)(function)
    cache._cache_file = _Checked(cache._cache_path, cache._impl.filename_base, SOURCES)
    return made


class _Checked(IndexDataCacheFile):
    """numba's files of a function, with a SHA-256 behind what numba writes, which has none: machine code that is
    damaged or cut short is compiled again instead of run. So is it where the folder is full, or read-only by now.
    """

    def save(self, key: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            super().save(key, data)

    def _load_index(self) -> Any:
        return super()._load_index() if _is_whole(Path(self._index_path)) else {}

    def _load_data(self, name: str) -> Any:
        path = Path(self._data_path(name))
        if not _is_whole(path):
            raise FileNotFoundError(path)  # which numba takes for a file that is no longer there
        return super()._load_data(name)

    @contextlib.contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[Any]:
        with io.BytesIO() as file:
            yield file
            data = file.getvalue()
        replace_file(Path(filepath), data + sha256(data).digest())


def _is_whole(path: Path) -> bool:
    try:
        data = path.read_bytes()
    except OSError:
        return False
    return sha256(data[:-DIGEST_BYTES]).digest() == data[-DIGEST_BYTES:]
