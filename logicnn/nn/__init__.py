"""Training with PyTorch and export to `logicnn.Network`: `logicnn.nn.binary`, `logicnn.nn.integer` and
`logicnn.nn.tables`, one for each kind of network that there is; `search` for the best of several `ways`,
`LogicClassifier`, which does so for scikit-learn, and `convert`, which takes a module that is trained.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logicnn.nn.conversion import convert
    from logicnn.nn.estimator import LogicClassifier

__all__ = ["LogicClassifier", "convert", "way_names"]

WHERE = {"LogicClassifier": "estimator", "convert": "conversion"}


def way_names() -> tuple[str, ...]:
    """Names of `nn.ways`, without the seconds that torch takes to be imported."""
    return tuple(found.name for found in iter_modules([f"{__path__[0]}/ways"]))


def __getattr__(name: str) -> Any:  # torch and scikit-learn take seconds to import
    if name not in WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{WHERE[name]}"), name)
