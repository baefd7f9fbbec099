"""How a network is built: an engine a file, what it costs, which to choose. Every file here is read: a new engine is
one new file here, and one in `logicnn.gateware`.
"""

from importlib import import_module
from pkgutil import iter_modules

from logicnn.engines.choose import TooBig, chosen
from logicnn.engines.embedded import Embedded
from logicnn.engines.engine import Engine, FeedForward, Io, Latency, MappingError, MemoryBits
from logicnn.engines.mapping import Mapping
from logicnn.engines.shared import Shared
from logicnn.engines.sparse import Sparse
from logicnn.engines.unrolled import Unrolled

__all__ = [
    "Embedded",
    "Engine",
    "FeedForward",
    "Io",
    "Latency",
    "Mapping",
    "MappingError",
    "MemoryBits",
    "Shared",
    "Sparse",
    "TooBig",
    "Unrolled",
    "chosen",
]

for _found in iter_modules(__path__):
    import_module(f"{__name__}.{_found.name}")
