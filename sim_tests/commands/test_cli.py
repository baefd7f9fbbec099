"""The command line as a whole: what there is, and of which version."""

import re
from pathlib import Path

import pytest

import logicnn
from logicnn.commands import cli
from logicnn.commands.command import guarded

ROOT = Path(__file__).parents[2]


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == f"logicnn {logicnn.__version__}\n"
    assert f"version: {logicnn.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(rf"^## {re.escape(logicnn.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_every_command_says_what_it_does(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = capsys.readouterr().out
    for command in cli.subcommands():
        assert command.name in text and command.help in text and command.description


@pytest.mark.parametrize("said, shown", [("Unable to allocate 9 GiB", "Unable to allocate 9 GiB"), ("", "of this ma")])
def test_too_little_memory(capsys, said, shown):
    def run():
        raise MemoryError(said)

    assert guarded(run) == 2 and capsys.readouterr().err.startswith(f"error: not enough memory: {shown}")


def test_no_command(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 2 and "Traceback" not in capsys.readouterr().err
