"""A classifier of scikit-learn's interface whose result is a `Network` for a board."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from logicnn.board import boards
from logicnn.data.dataset import Dataset
from logicnn.data.own import MOST_CLASSES, Labelled, OwnData
from logicnn.errors import LogicnnError
from logicnn.network import Network
from logicnn.nn.search import searched, values
from logicnn.nn.ways import WAYS

__all__ = ["LogicClassifier"]


class LogicClassifier(ClassifierMixin, BaseEstimator):
    """The best network that so many minutes find for a board (`logicnn train` in Python).

    `fit` takes rows of numbers X (n, columns) and classes y (n,); `validation` of the samples choose between networks.
    Then `network_` is the `Network`, which reads `network_.preparation.values(X)`, and `logic_cells_` what it takes of
    the board by the estimate. Raises `LogicnnError` where none fits.
    """

    def __init__(
        self,
        board: str = "icebreaker",
        engine: str = "logic",
        minutes: float = 1.0,
        validation: float = 0.15,
        seed: int = 1,
    ):
        self.board = board
        self.engine = engine
        self.minutes = minutes
        self.validation = validation
        self.seed = seed

    def fit(self, X: Any, y: Any) -> "LogicClassifier":
        X, y = validate_data(self, X, y, dtype=np.float64)
        if self.engine not in WAYS:
            raise LogicnnError(f"engine must be one of {', '.join(WAYS)}, not {self.engine!r}")
        self.classes_, classes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must be of 2 classes at least; all of it is {self.classes_[0]!r}")
        if len(self.classes_) > MOST_CLASSES:
            raise LogicnnError(f"y must be of at most {MOST_CLASSES} classes, not {len(self.classes_)}")
        names = getattr(self, "feature_names_in_", [f"column {place}" for place in range(1, X.shape[1] + 1)])
        own = OwnData(tuple(map(str, self.classes_)), Labelled(X, classes), columns=tuple(map(str, names)))
        train, held = own.parted(own.train, self.validation, self.seed)
        way = WAYS[self.engine]
        preparation = way.preparation(own, train)
        low, high = preparation.range
        parts = [values(preparation, each) for each in (train, held)]
        data = Dataset("", own.classes, high, parts[0], parts[1], low, preparation)
        best = searched(way, data, parts[1], boards.find(self.board).device, self.minutes, self.seed).best
        self.network_: Network = best.network
        self.logic_cells_: int = best.logic_cells
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The classes (n,) that the network gives, bit for bit as the board does."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        preparation = self.network_.preparation
        return self.classes_[self.network_.evaluate(preparation.values(X))]  # pyright: ignore
