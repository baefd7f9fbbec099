"""``logicnn prove``."""

import json

import numpy as np
import pytest

from logicnn.commands.cli import main
from logicnn.network import Activations, Argmax, GroupSum, Interval, LutLayer, Network, save


def tables(inputs):
    rng = np.random.default_rng(3)
    first = LutLayer(np.arange(inputs).reshape(-1, 4), rng.integers(0, 2, (inputs // 4, 16)))
    return Network(
        Activations((inputs,), Interval(0, 1)),
        [first, GroupSum([inputs // 8] * 2, np.ones(inputs // 4, int), [0, 0]), Argmax()],
        "tiny",
    )


@pytest.mark.parametrize("inputs, layers", [(24, ["LutLayer", "GroupSum", "Argmax"]), (16, [])])
def test_prove(tmp_path, capsys, inputs, layers):
    """Layer by layer; of few inputs each of them."""
    network = tables(inputs)
    save(network, tmp_path / "tiny.lnn")
    command = ["prove", "--board", "icebreaker", "--model", str(tmp_path / "tiny.lnn"), "--output", str(tmp_path)]
    assert main(command) == 0
    assert "equal the network for all 2**" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    (path,) = tmp_path.glob("*/proof.json")
    assert json.loads(path.read_text()) == printed
    assert printed["whole"] and printed["digest"] == network.digest()
    assert [layer["name"] for layer in printed["layers"]] == layers


def test_what_cannot_be_proved(capsys):
    """Said before anything is synthesised."""
    assert main(["prove", "--board", "icebreaker", "--model", "jsc-reuse"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: a proof is of logic of bits")
