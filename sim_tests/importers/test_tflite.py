"""TFLite files as networks of integers, beside LiteRT on random models; what is refused; damaged files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")

from logicnn.importers import Given, ImportRefused
from logicnn.importers.tflite import imported
from logicnn.network import Argmax, Interval
from sim_tests.tflite_helpers import ACTIVATIONS, OPS, SAME, VALID, Model, answers

NONE, RELU, RELU6 = ACTIVATIONS.NONE, ACTIVATIONS.RELU, ACTIVATIONS.RELU6
AVERAGE, GREATEST = OPS.AVERAGE_POOL_2D, OPS.MAX_POOL_2D

MODELS = {
    "dense": lambda seed: Model((1, 30), seed=seed).dense(20).dense(7, NONE, 2.0, 5),
    "a scale a neuron": lambda seed: Model((1, 30), seed=seed).dense(9, RELU6, 0.05, -100, True).dense(4, NONE, 1.0, 0),
    "convolution": lambda seed: Model((1, 9, 8, 3), seed=seed).conv(5).conv(4, stride=2).reshape(1, 24).dense(6, NONE),
    "padded": lambda seed: (
        Model((1, 8, 9, 2), zero=0, seed=seed).conv(5, padding=SAME).conv(4, stride=2, padding=SAME, zero=-30)
    ),
    "padded on one side": lambda seed: Model((1, 8, 8, 2), zero=0, seed=seed).conv(3, stride=2, padding=SAME),
    "wide": lambda seed: Model((1, 10, 6, 1), zero=0, seed=seed).conv(4, (5, 2), 2, SAME).conv(3, (1, 3), 1, SAME),
    "holes": lambda seed: Model((1, 9, 9, 2), seed=seed).conv(3, dilation=2),
    "depthwise": lambda seed: (
        Model((1, 8, 8, 3), seed=seed).depthwise(times=2).conv(5, (1, 1)).depthwise(padding=SAME, activation=RELU6)
    ),
    "greatest": lambda seed: Model((1, 8, 8, 2), seed=seed).conv(4, zero=-20, activation=NONE).pool(GREATEST, (2, 2)),
    "mean": lambda seed: Model((1, 8, 8, 2), seed=seed).conv(4, zero=10, activation=NONE).pool(AVERAGE, (3, 3), 3),
    "mean of a picture": lambda seed: (
        Model((1, 8, 8, 2), seed=seed).conv(4, padding=VALID).pool(AVERAGE, (6, 6), 6).reshape(1, 4).dense(3, NONE)
    ),
}


def read(model: Model, folder: Path, given: Given | None = None):
    path = folder / "model.tflite"
    path.write_bytes(model.data)
    return imported(path, given)


@pytest.mark.parametrize("seed", (1, 2))
@pytest.mark.parametrize("name", MODELS)
def test_bit_for_bit(name, seed, tmp_path):
    model = MODELS[name](seed)
    inputs = model.inputs(200)
    found = read(model, tmp_path)
    given = answers(model.data, inputs)
    assert len(np.unique(given)) > 8
    got = found.network.evaluate(found.inputs(inputs)).reshape(200, *found.network.output.shape)
    got = np.moveaxis(got, 1, -1) if got.ndim == 4 else got
    wrong = np.argwhere(got != given)
    assert not len(wrong), f"{wrong[0]}: {got[tuple(wrong[0])]} instead of {given[tuple(wrong[0])]}, {len(wrong)} such"


def test_classes(tmp_path):
    """A softmax in the end changes no class, but makes the network give it."""
    model = Model((1, 12), seed=3).dense(10).dense(4, NONE, 1.5, 20).softmax()
    inputs = model.inputs(300)
    found = read(model, tmp_path)
    assert isinstance(found.network.layers[-1], Argmax) and len(found.scores) == 256
    classes, outputs = found.network.evaluate(found.inputs(inputs)), answers(model.data, inputs)
    assert (outputs[np.arange(300), classes] == outputs.max(1)).all() and len(set(classes.tolist())) > 2


def test_pixels(tmp_path):
    """Integers from 0 on, where the file's are from -128 on: 0 stands for 0, so that pictures may be padded."""
    model = Model((1, 6, 6, 1), 1 / 255, -128, seed=4).conv(3, padding=SAME, scale=0.02).reshape(1, 108).dense(5, NONE)
    inputs = model.inputs(50)
    found = read(model, tmp_path, Given(Interval(0, 255), 1 / 255))
    assert found.network.input.interval == Interval(0, 255)
    got = found.network.evaluate(found.inputs(inputs.astype(np.int64) + 128))
    assert np.array_equal(got, answers(model.data, inputs))
    with pytest.raises(ImportRefused, match=r"pads the input with what stands for 0, which here is -128; give a range"):
        read(model, tmp_path)


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (Model((1, 4)), None, r"^the file must have 1 to 4096 operators, not 0$"),
        (Model((1, 4, 4, 1)).pool(GREATEST), None, r"^the file has no layer with weights$"),
        (Model((2, 4)).dense(3), None, r"'t0' of shape \[2, 4\] must be of one sample"),
        (Model((1, 4)).dense(3, ACTIVATIONS.TANH), None, r"^FULLY_CONNECTED 't3' must have a ReLU, .* not TANH$"),
        (Model((1, 4)).add(OPS.HARD_SWISH, (), (1, 4), 0.1, 0), None, r"HARD_SWISH 't1'.*; a ReLU could stand in"),
        (Model((1, 4, 4, 1)).conv(2).pool(GREATEST, (2, 2), 1), None, r"must be a maximum over square tiles"),
        (Model((1, 4, 4, 1)).pool(AVERAGE, (3, 3), 1, SAME), None, r"must not pad: its borders are means of fewer$"),
        (
            Model((1, 4)).dense(3),
            Given(Interval(0, 255), 0.05),
            r"^input 't0' .* has steps of 0\.05 from -6\.55 to 6\.2",
        ),
        (Model((1, 4)).dense(3), Given(Interval(-100, 100), 0.06), r"which the integers -100 \.\.\. 100 times 0\.06 "),
    ],
)
def test_refused(model, given, message, tmp_path):
    with pytest.raises(ImportRefused, match=message):
        read(model, tmp_path, given)


def test_shortcut(tmp_path):
    """Two branches, named."""
    model = Model((1, 4)).dense(4)
    first = model.at
    model.dense(4).add(OPS.ADD, (first,), (1, 4), 0.1, 0)
    with pytest.raises(ImportRefused, match=r"^ADD 't7' must read what the operator before it gives, and constants: "):
        read(model, tmp_path)


@pytest.mark.parametrize("content", (b"", b"ABCDTFL3", b"\xff" * 4 + b"TFL3" + b"\xff" * 60, b"x" * 100))
def test_no_file(content, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ImportRefused, match=r"is (no TFLite file|damaged: )"):
        imported(path, None)
    with pytest.raises(ImportRefused, match=r"cannot be read: No such file"):
        imported(tmp_path / "none.tflite", None)


WHOLE = MODELS["convolution"](1).data


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 200))
def test_damaged(tmp_path, changes, cut):
    """Is read, or refused in one line."""
    content = bytearray(WHOLE)
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path / "model.tflite"
    path.write_bytes(content[: len(content) - cut])
    try:
        imported(path, None)
    except ImportRefused as error:
        assert "\n" not in str(error)
