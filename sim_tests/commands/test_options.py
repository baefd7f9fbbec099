"""Options that are wrong, and options that nothing reads: a line each, before anything is done."""

import argparse

import pytest

from logicnn.commands import cli, options


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (options.seed, ["0", "2147483647"], ["-1", "2147483648", "1.5", "x", ""]),
        (options.baud_rate, ["300", "12000000"], ["299", "12000001", "fast"]),
        (options.count, ["1", "70000"], ["0", "-3", "many"]),
        (options.seconds, ["0.5", "60"], ["0", "-1", "nan", "inf", "soon"]),
        (options.period, ["0.1", "1000000"], ["0", "nan", "-1", "x"]),
    ],
)
def test_values(read, good, bad):
    for text in good:
        assert read(text) == float(text)
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match=rf"{text!r}"):
            read(text)


COMMANDS = {
    "build": ["build", "--board", "icebreaker", "--model", "digits-bnn"],
    "export": ["export", "digits-bnn", "--verilog", "core.v"],
    "run": ["run", "--port", "sim", "--model", "digits-bnn", "--test-set", "1"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_data_dir_is_no_folder(command, tmp_path, monkeypatch, capsys):
    """Also where the network's data set has no files, so that nothing would be read from it."""
    monkeypatch.chdir(tmp_path)
    assert cli.main([*COMMANDS[command], "--data-dir", "/nonexistent"]) == 2
    error = capsys.readouterr().err
    assert error.splitlines()[-1] == "error: --data-dir is /nonexistent, which is no folder"
    assert not list(tmp_path.glob("*.v"))


def test_environment_is_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LOGICNN_DATA", "/nonexistent")
    assert cli.main([*COMMANDS["run"]]) == 2
    assert capsys.readouterr().err == "error: LOGICNN_DATA is /nonexistent, which is no folder\n"


def test_data_dir_of_a_set_without_files(tmp_path, monkeypatch, capsys):
    """Nothing is wrong, but the user should know."""
    monkeypatch.chdir(tmp_path)
    assert cli.main([*COMMANDS["export"], "--data-dir", str(tmp_path)]) == 0
    assert "warning: --data-dir is not read: digits has no files\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*COMMANDS["build"], "--verify", "none", "--data-dir", "."], "--data-dir is for --verify full and quick only"),
        ([*COMMANDS["export"], "--period", "5"], "--period is for --stream only"),
        ([*COMMANDS["run"], "--resize"], "--resize is for pictures in files only"),
        ([*COMMANDS["run"], "--invert"], "--invert is for pictures in files only"),
        (["run", "--port", "sim", "--data-dir", ".", "x.csv"], "--data-dir is for --test-set only"),
    ],
)
def test_read_by_nothing(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
