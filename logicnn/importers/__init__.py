"""Networks of other tools, as the integers that compute the same. A file of this folder with a value `IMPORTER` is one
for its kind of file.
"""

from importlib import import_module
from pkgutil import iter_modules

from logicnn.importers.imported import Given, Imported, Importer, ImportRefused

__all__ = ["Given", "ImportRefused", "Imported", "Importer", "importers"]


def importers() -> dict[str, Importer]:
    """By the suffix of their files."""
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    found = (module.IMPORTER for module in modules if hasattr(module, "IMPORTER"))
    return {each.suffix: each for each in sorted(found, key=lambda each: each.suffix)}
