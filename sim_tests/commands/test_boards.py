"""The list of boards, as a table and as JSON."""

import json
import re

from logicnn.board import boards
from logicnn.commands import cli


def test_listed(capsys):
    assert cli.main(["boards"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["board", "device"] and len(lines) == len(boards.names())
    (line,) = [each for each in lines if each.split()[0] == "icebreaker"]
    assert re.fullmatch(r"icebreaker +iCE40UP5K +5280 +1171456 +8 +12 +24 +iceprog", line)
    assert cli.main(["boards", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == boards.table()
