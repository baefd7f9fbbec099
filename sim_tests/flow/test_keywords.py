"""Names that a hardware language reserves."""

import pytest

from logicnn.commands import cli
from logicnn.flow.keywords import KEYWORDS
from logicnn.flow.verilog import ExportError, check_name


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("module", "Verilog"),
        ("always", "Verilog"),
        ("logic", "SystemVerilog"),
        ("process", "VHDL"),
        ("Entity", "VHDL"),  # whose case does not matter
    ],
)
def test_refused(name, language):
    with pytest.raises(ExportError, match=rf"^name must not be '{name}', a keyword of {language}$"):
        check_name(name)


@pytest.mark.parametrize("name", ["core", "Module", "ALWAYS", "process_", "top", "_x9"])
def test_allowed(name):
    check_name(name)


def test_every_keyword_is_refused():
    for words in KEYWORDS.values():
        for word in words:
            with pytest.raises(ExportError):
                check_name(word)


def test_command(tmp_path, monkeypatch, capsys):
    """One line, and nothing written."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", "digits-bnn", "--verilog", "module.v"]) == 2
    assert capsys.readouterr().err == "error: name must not be 'module', a keyword of Verilog\n"
    assert not list(tmp_path.iterdir())
