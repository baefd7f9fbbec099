"""The layers, a file each. Every file of this folder is read, so that a new layer is one new file."""

from importlib import import_module
from pkgutil import iter_modules

from logicnn.network.layer import Arrays, Fields, Layer
from logicnn.network.values import NetworkError

__all__ = ["layer_of_file"]

for _found in iter_modules(__path__):
    import_module(f"{__name__}.{_found.name}")


def layer_of_file(name: str, fields: Fields, arrays: Arrays) -> Layer:
    """The layer that a network file describes by its type's name. Raises `NetworkError` for a type that is not
    known.
    """
    if name not in Layer.types:
        raise NetworkError(f"unknown layer type {name!r}")
    return Layer.types[name].restored(fields, arrays)
