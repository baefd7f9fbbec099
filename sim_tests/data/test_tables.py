"""Tables as spreadsheets save them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logicnn.data.tables import Table, TableError, number_of


@pytest.fixture
def read(tmp_path):
    def of(data: str | bytes) -> Table:
        (tmp_path / "t.csv").write_bytes(data.encode() if isinstance(data, str) else data)
        return Table.read(tmp_path / "t.csv")

    return of


def numbers(table: Table) -> list[list[float | None]]:
    return [[number_of(word, table.separator) for word in row] for row in table.rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5,2.25,-3\n", [1.5, 2.25, -3]),
        ("1,5;2,25;-3\n", [1.5, 2.25, -3]),
        ("1.5;2.25;-3\r\n\r\n", [1.5, 2.25, -3]),
        ("1,5\t2,25\t-3\n", [1.5, 2.25, -3]),
        ('"1,5"\t"2,25"\t-3e0', [1.5, 2.25, -3]),
        ('"a;b",c,d\n1.5,2.25,-3\n', [1.5, 2.25, -3]),
        ("ä;b;c\n1,5;2,25;-3\n", [1.5, 2.25, -3]),
    ],
)
def test_separators(read, text, expected, encoding):
    data = text.encode(encoding)
    table = read(b"\xff\xfe" + data if encoding == "utf-16-le" else data)
    assert numbers(table) == [expected]
    names = text.splitlines()[0] if text[0] in '"aä' and "\n1" in text else ""
    assert len(table.names) == (3 if names else 0)


def test_what_is_no_number(read):
    assert number_of("1,234.5", ";") is None and number_of("1,2", ",") is None and number_of("1,2,3", ";") is None
    for text in ("", "\n\n", "a,b\n", ",,\n"):
        with pytest.raises(TableError, match=r"t\.csv holds no sample$"):
            read(text)


def test_a_field_that_is_too_long(read):
    with pytest.raises(TableError, match=r"^cannot read .*t\.csv: field larger than field limit"):
        read('1,"' + "1" * 200_000 + '"\n')


@given(
    st.lists(st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3), min_size=1, max_size=5),
    st.sampled_from([(",", "."), (";", ","), ("\t", ","), (";", ".")]),
)
def test_numbers_come_back(tmp_path_factory, rows, style):
    separator, point = style
    path = tmp_path_factory.mktemp("any") / "t.csv"
    path.write_text("\n".join(separator.join(repr(each).replace(".", point) for each in row) for row in rows))
    assert numbers(Table.read(path)) == rows
