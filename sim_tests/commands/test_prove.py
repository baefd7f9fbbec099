"""``logicnn prove``."""

import json

import numpy as np

from logicnn.commands.cli import main
from logicnn.network import save
from sim_tests.helpers import dense_network


def test_prove(tmp_path, capsys):
    network = dense_network(np.random.default_rng(3), 8, 6, 3)
    save(network, tmp_path / "tiny.lnn")
    command = ["prove", "--board", "icebreaker", "--model", str(tmp_path / "tiny.lnn"), "--output", str(tmp_path)]
    assert main(command) == 0
    assert "equal the network for all 2**" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    (path,) = tmp_path.glob("*/proof.json")
    assert json.loads(path.read_text()) == printed
    assert printed["whole"] and printed["digest"] == network.digest()
    assert [layer["name"] for layer in printed["layers"]] == ["BinaryDense 1", "BinaryDense 2", "Argmax"]


def test_what_cannot_be_proved(capsys):
    """Said before anything is synthesised."""
    assert main(["prove", "--board", "icebreaker", "--model", "jsc-reuse"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: a proof is of logic of bits")
