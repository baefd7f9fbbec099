"""The export command's options and refusals."""

import pytest

from logicnn import load
from logicnn.commands import cli
from logicnn.flow.verilog import ExportError, export


def test_exists(tmp_path, capsys):
    """Nothing is replaced unless asked for; nothing else is written either."""
    path = tmp_path / "core.v"
    path.write_text("mine")
    assert cli.main(["export", "digits-bnn", "--verilog", str(path)]) == 2
    assert capsys.readouterr().err == f"error: {path} exists; --force replaces it\n"
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]
    assert cli.main(["export", "digits-bnn", "--verilog", str(path), "--force"]) == 0
    assert "module core(" in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["digits-bnn", "--verilog", "9.v"],
            "name must be letters, digits and '_', and not begin with a digit, not '9'",
        ),
        (["digits-bnn", "--verilog", "core.txt"], "core.txt must end in .v"),
        (["digits-bnn", "--verilog", "nowhere/core.v"], "nowhere is no folder"),
        (
            ["lenet5-ikr", "--verilog", "core.v"],
            "there is no combinational logic for this network, try --stream: no engine",
        ),
        (["nonet", "--verilog", "core.v"], "unknown model 'nonet'"),
        (["mnist-bnn", "--qonnx", "core.v"], "core.v must end in .onnx"),
        (["mnist-bnn", "--qonnx", "core.onnx", "--stream"], "--stream is for --verilog only"),
        (["jsc-a", "--qonnx", "core.onnx"], "layer 0 is a IntDense that QONNX files here do not have"),
    ],
)
def test_refused(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", *arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: {message}") and not list(tmp_path.iterdir())


@pytest.mark.parametrize("period", ["0", "-1", "nan", "soon"])
def test_period_refused(period, capsys):
    with pytest.raises(SystemExit) as refusal:
        cli.main(["export", "nid-a", "--verilog", "core.v", "--stream", "--period", period])
    assert refusal.value.code == 2 and f"must lie in 0.1 ... 1000000 ns, not {period!r}" in capsys.readouterr().err


def test_half_written(tmp_path):
    """A testbench that is there already keeps the core from being written."""
    made = export(load("digits-bnn"), "core", tmp_path, stream=False)
    other = tmp_path / "out"
    other.mkdir()
    (other / "core_tb.v").write_text("mine")
    with pytest.raises(ExportError, match=r"core_tb.v exists; --force replaces it$"):
        made.write(other / "core.v", force=False)
    assert [each.name for each in other.iterdir()] == ["core_tb.v"]
