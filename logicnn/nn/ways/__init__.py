"""The kinds of networks that a search knows, by the names of their files here: a new one is one new file, with a value
`WAY` of type `logicnn.nn.search.Way`. What it may be varied in, it says itself.
"""

from importlib import import_module
from pkgutil import iter_modules

from logicnn.nn.search import Way

__all__ = ["WAYS"]

WAYS: dict[str, Way] = {found.name: import_module(f"{__name__}.{found.name}").WAY for found in iter_modules(__path__)}
