"""What nodes make of constants: QONNX's quantizers by its definition, and ONNX's operators in every version."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import helper

from logicnn.importers import ImportRefused
from logicnn.importers.graphs import attributes_of, computed

OPSETS = {"": 13}


def made(kind: str, *arrays: Any, opsets: dict[str, int] = OPSETS, **options: Any) -> np.ndarray:
    node = helper.make_node(kind, [f"i{each}" for each in range(len(arrays))], ["o"], name=kind, **options)
    return computed(node, [np.asarray(each) for each in arrays], opsets)["o"]


def quant(x: list[float], scale: float, bits: int, **options: Any) -> list[float]:
    return made("Quant", *(np.float32(each) for each in (x, scale, 0, bits)), **options).tolist()


def test_quant():
    """Half to even; narrow leaves out the lowest."""
    assert quant([0.5, 1.5, -0.5, -1.5, 9, -9], 1, 3) == [0, 2, 0, -2, 3, -4]
    assert quant([-9, 9], 1, 3, narrow=1) == [-3, 3]
    assert quant([-1, 2.5, 9], 0.5, 3, signed=0) == [0, 2.5, 3.5]
    assert quant([-0.3, 0.3, 2], 1, 2, narrow=1) == [0, 0, 1]
    for message, given in (
        (r"^Quant Quant must round to the nearest, not by b'FLOOR'$", {"rounding_mode": "FLOOR"}),
        (r"^Quant Quant: attribute narrow must be of kind int$", {"narrow": 1.5}),
    ):
        with pytest.raises(ImportRefused, match=message):
            quant([1], 1, 3, **given)
    with pytest.raises(ImportRefused, match=r"^Quant Quant must have 1 to 32 bits and scales above 0$"):
        quant([1], -1, 3)


def test_bipolar():
    assert made("BipolarQuant", np.float32([-0.1, 0, -0.0, 2]), np.float32(0.5)).tolist() == [-0.5, 0.5, 0.5, 0.5]
    with pytest.raises(
        ImportRefused, match=r"^BipolarQuant BipolarQuant is not supported, or has not all of its inputs"
    ):
        made("BipolarQuant", np.float32(1))


def test_versions():
    """Axes that were an attribute, and are an input."""
    x = np.zeros((2, 3), np.float32)
    assert made("Unsqueeze", x, opsets={"": 9}, axes=[0]).shape == (1, 2, 3)
    assert made("Unsqueeze", x, np.array([0], np.int64)).shape == (1, 2, 3)
    with pytest.raises(ImportRefused, match=r"^Unsqueeze Unsqueeze cannot be computed: "):
        made("Unsqueeze", x, axes=[0])


def test_batch_norm_by_the_statistics_of_the_file():
    """Whatever the version; ONNX's reference of version 9 would take new ones."""
    from logicnn.importers.graphs import by_reference

    x, ones = np.array([[1.0, 2], [3, 4]], np.float32), np.ones(2, np.float32)
    names = ["x", "gain", "bias", "mean", "variance"]
    node = helper.make_node("BatchNormalization", names, ["o"], epsilon=0.0, momentum=0.5)
    arrays = dict(zip(names, (x, 2 * ones, ones, ones, 4 * ones), strict=True))
    for version in (7, 9, 15):
        (found,) = by_reference(node, arrays, {"": version})
        assert found.tolist() == ((x - 1) / 2 * 2 + 1).tolist()


def test_attributes():
    node = helper.make_node("Conv", ["x"], ["o"], strides=[2, 2], group=1)
    assert attributes_of(node) == {"strides": [2, 2], "group": 1}
    with pytest.raises(ImportRefused, match=r"^Conv that gives o: attribute strides must be of kind list$"):
        attributes_of(helper.make_node("Conv", ["x"], ["o"], strides=2))
