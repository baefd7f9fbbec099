"""Training with PyTorch and export to `logicnn.Network`: `logicnn.nn.binary` and `logicnn.nn.integer`, one for each
kind of network that there is; `search` for the best of them, and `LogicClassifier`, which does so for scikit-learn.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logicnn.nn.estimator import LogicClassifier

__all__ = ["LogicClassifier"]


def __getattr__(name: str) -> Any:  # scikit-learn takes a second to import
    if name != "LogicClassifier":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from logicnn.nn.estimator import LogicClassifier

    return LogicClassifier
