"""The host's end of the line, against a board that is a few lines of Python, and that loses what it is told to lose."""

import re
import time
from types import SimpleNamespace

import numpy as np
import pytest

from logicnn import load
from logicnn.board.host import TRIES, Connection, HostError, found_port, open_port
from logicnn.board.protocol import (
    TAGS,
    Counters,
    Fault,
    Frame,
    Identity,
    Kind,
    ProtocolError,
    encode,
    pack_sample,
)
from logicnn.errors import CheckFailed
from sim_tests.board_helpers import NETWORK, Board
from sim_tests.page_helpers import ROOT, python_blocks

IDENTITY = Identity.of(NETWORK, 1)


def connected(board: Board) -> Connection:
    return Connection(board, "PORT", 0.01, new=True)


def samples(count: int) -> tuple[list[bytes], list[int]]:
    x = np.random.default_rng(1).integers(0, 17, (count, 1, 8, 8))
    return [pack_sample(values, 1) for values in NETWORK.encoded_words(x)], NETWORK.evaluate(x).tolist()


def classes(connection: Connection, packed: list[bytes]) -> list[int]:
    found = dict(connection.classify(Identity.of(NETWORK, 1), packed))
    return [int(found[index][0]) for index in range(len(packed))]


def test_requests():
    connection = connected(Board())
    packed, expected = samples(20)
    assert connection.check(NETWORK.digest(), "digits-bnn") == IDENTITY
    assert classes(connection, packed) == expected and len(set(expected)) > 3
    assert connection.counters() == Counters(20, 0) and connection.damaged == 0


@pytest.fixture
def ports(monkeypatch):
    """Ports of this machine: what is behind each, and its USB identity."""
    list_ports = pytest.importorskip("serial.tools.list_ports")

    def put(**there: tuple[Board | None, tuple[int, int] | None]) -> None:
        listed = [
            SimpleNamespace(device=name, vid=usb and usb[0], pid=usb and usb[1]) for name, (_, usb) in there.items()
        ]
        monkeypatch.setattr(list_ports, "comports", lambda: listed)

        def opened(port: str, baud: int) -> Board:
            board, _ = there[port]
            if board is None:
                raise HostError(f"port {port} cannot be opened: busy")
            return board

        monkeypatch.setattr("logicnn.board.host.open_port", opened)

    return put


FTDI, OTHER = (0x0403, 0x6010), (0x2341, 0x0043)


def silent() -> Board:
    return Board(hook=lambda number, asked, answer: b"")


def test_port_of_the_board(ports):
    """The channel of it that answers; what is no board is not asked."""
    board, channel, other = Board(), silent(), Board()
    ports(usb0=(channel, FTDI), usb1=(board, FTDI), acm0=(other, OTHER), s0=(other, None))
    assert found_port({FTDI}) == "usb1" and board.closed and channel.closed and not other.requests


def test_port_of_no_board(ports):
    ports(acm0=(Board(), OTHER))
    with pytest.raises(
        HostError, match=r"^no serial port has the USB identity of a board; ports here: acm0; give --port"
    ):
        found_port({FTDI})
    ports(usb0=(silent(), FTDI), usb1=(None, FTDI))
    with pytest.raises(
        HostError, match=r"^no board answers: port usb1 cannot be opened: busy; the board at usb0 is silent: IDENTIFY"
    ):
        found_port({FTDI})


def test_ports_of_two_boards(ports):
    ports(usb1=(Board(), FTDI), usb3=(Board(), FTDI))
    known = re.escape("usb1 (digits-bnn), usb3 (digits-bnn)")
    with pytest.raises(HostError, match=f"^more than one board answers: {known}; give --port one of them$"):
        found_port({FTDI})


def error(fault: int, tag: int) -> bytes:
    return encode(Frame(Kind.ERROR, tag, bytes([fault])))


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(
    ("instead", "damaged"),
    [
        (lambda asked, answer: b"", 0),
        (lambda asked, answer: answer[:4], None),
        (lambda asked, answer: b"\x00\xff" + answer, 1),
        (lambda asked, answer: b"\x7e\x55\x7e" + answer, 1),
        (lambda asked, answer: answer.replace(answer[4:5], bytes([answer[4] ^ 1]), 1), 1),
        (lambda asked, answer: error(Fault.CRC, asked.tag), 0),
        (lambda asked, answer: error(Fault.CUT, 0), 1),
        (lambda asked, answer: error(99, asked.tag), 0),
        (lambda asked, answer: encode(Frame(Kind.COUNTERS, asked.tag, b"")), 0),
        (lambda asked, answer: error(Fault.BUSY, 0) + answer, 1),
        (lambda asked, answer: error(Fault.BUSY, asked.tag), 0),
        (lambda asked, answer: error(Fault.LOADING, asked.tag), 0),
    ],
)
def test_one_answer_lost(instead, damaged, place, monkeypatch):
    """Every class is right, whichever answer is lost, cut, damaged or refused, and however."""
    monkeypatch.setattr("logicnn.board.host.WAIT_S", 0.001)
    board = Board(hook=lambda number, asked, answer: instead(asked, answer) if number == place else answer)
    connection = connected(board)
    packed, expected = samples(6)
    assert classes(connection, packed) == expected
    assert connection.damaged == damaged or damaged is None


def test_late_answer():
    """An answer that comes after its request was repeated counts as damage: the class is that of the repeated
    request.
    """
    late: list[tuple[Frame, bytes]] = []

    def hook(number, asked, answer):
        if number == 0:
            late.append((asked, answer))
            return b""
        if late and asked.payload == late[0][0].payload and asked.tag != late[0][0].tag:
            return late.pop()[1] + answer
        return answer

    board = Board(hook=hook)
    connection = connected(board)
    packed, expected = samples(5)
    assert classes(connection, packed) == expected
    assert len(board.requests) == 6 and connection.damaged == 1


def test_lost_while_others_are_answered():
    """A request that got lost is repeated when its time is over, not at the end."""
    board = Board(hook=lambda number, asked, answer: (time.sleep(0.002), b"" if number == 0 else answer)[1])
    packed, expected = samples(300)
    assert classes(connected(board), packed) == expected
    assert board.requests[0].payload in [asked.payload for asked in board.requests[2:150]]


class Chatter(Board):
    """Something that sends a line of text whenever it is read, and answers nothing."""

    def read(self, size: int = 1) -> bytes:
        time.sleep(0.001)
        return b"temperature 21.5\n"


def test_no_board():
    """A port that talks, but is no board, ends like one that is silent."""
    with pytest.raises(
        HostError, match=r"^the board at PORT sends what are no frames \(74 65 6d 70 .*\): IDENTIFY was sent 4 times"
    ):
        connected(Chatter()).identify()


def test_silent():
    board = Board(hook=lambda number, asked, answer: b"")
    with pytest.raises(
        HostError,
        match=r"^the board at PORT is silent: IDENTIFY was sent 4 times \(7e 41 [0-9a-f ]+ 7e\), with 0.01 s for "
        r"each answer; "
        r"is it configured, at this baud rate\?$",
    ):
        connected(board).identify()
    assert len(board.requests) == TRIES


def test_always_refused():
    board = Board(hook=lambda number, asked, answer: error(Fault.CRC, asked.tag))
    with pytest.raises(
        HostError,
        match=r"^the board at PORT answers CRC: CLASSIFY was sent 4 times \(7e .*\.\.\. \(\d+ bytes\)\), with",
    ):
        classes(connected(board), samples(1)[0])


def test_busy_board_gets_one_at_a_time(monkeypatch):
    """A board that cannot take a sample while one is classified."""
    monkeypatch.setattr("logicnn.board.host.WAIT_S", 0.001)
    board = Board(hook=lambda number, asked, answer: error(Fault.BUSY, asked.tag) if number == 1 else answer)
    packed, expected = samples(8)
    assert classes(connected(board), packed) == expected and len(board.requests) == 9


def test_busy_for_long(monkeypatch):
    """A board that classifies longer than a frame takes: its BUSY is no failure of the sample that comes too early."""
    monkeypatch.setattr("logicnn.board.host.WAIT_S", 0.001)
    board = Board(hook=lambda number, asked, answer: error(Fault.BUSY, asked.tag) if 1 <= number <= 30 else answer)
    packed, expected = samples(4)
    connection = Connection(board, "PORT", 0.05)
    assert classes(connection, packed) == expected


def test_busy_with_a_sample_that_was_given_up(monkeypatch):
    """Its answer comes at last, when another request has its tag, if any has: nobody takes it for that one's."""
    monkeypatch.setattr("logicnn.board.host.WAIT_S", 0.001)
    late: list[tuple[Frame, bytes]] = []

    def hook(number, asked, answer):
        if number == 0:
            late.append((asked, answer))
            return b""
        if late and (number == 40 or (asked.tag == late[0][0].tag and asked.payload != late[0][0].payload)):
            return late.pop()[1] + error(Fault.BUSY, asked.tag)
        return error(Fault.BUSY, asked.tag) if late else answer

    board = Board(hook=hook)
    packed, expected = (each[1:] for each in samples(9))
    assert expected[0] != expected[1] and classes(connected(board), packed) == expected
    assert len(board.requests) > 40


@pytest.mark.parametrize("before", [[(1, 2)], [(1, 3), (2, 4)], [(3, 2), (4, 1)]], ids=["one", "two", "others"])
@pytest.mark.parametrize("is_busy", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("first", range(1, TAGS))
def test_samples_of_a_host_before(before, is_busy, first, monkeypatch):
    """A host was ended while the board had samples of it: whatever their tags, nobody takes their answers for ours."""
    monkeypatch.setattr("logicnn.board.host.WAIT_S", 0.001)
    packed, expected = samples(16)
    wrong = (expected[0] + 1) % 10
    foreign = [encode(Frame(Kind.CLASSIFY, (first + tag - 2) % (TAGS - 1) + 1, bytes([wrong]))) for tag, _ in before]
    left, busy = list(foreign), [is_busy] * 3

    def hook(number, asked, answer):
        if asked.kind != Kind.CLASSIFY:
            return answer
        if busy:
            busy.pop()
            return error(Fault.BUSY, asked.tag)
        return (left.pop(0) if left else b"") + answer

    board = Board(hook=hook)
    connection = Connection(board, "PORT", 0.05)
    connection.check(NETWORK.digest(), "digits-bnn")
    assert classes(connection, packed) == expected and not left


def test_unplugged_and_back():
    """In the middle of an answer: an error, and the next connection finds its way behind what is left of it."""

    class Unplugged(Board):
        reads = 0

        def read(self, size: int = 1) -> bytes:
            self.reads += 1
            if self.reads > 1:
                raise OSError(5, "Input/output error")
            return super().read(4)

    board, (packed, expected) = Unplugged(), samples(3)
    with pytest.raises(HostError, match=r"is the board still connected\?$"):
        classes(connected(board), packed)
    again = Board()
    again.coming = board.coming
    connection = Connection(again, "PORT", 0.05)
    connection.check(NETWORK.digest(), "digits-bnn")
    assert classes(connection, packed) == expected and connection.damaged == 2


def test_weights():
    board = Board(hook=lambda number, asked, answer: error(Fault.WEIGHTS, asked.tag))
    with pytest.raises(
        CheckFailed, match=r"^the board at PORT has other weights in its flash than its network's; write its build's"
    ):
        classes(connected(board), samples(1)[0])


def test_loading_for_ever(monkeypatch):
    monkeypatch.setattr("logicnn.board.host.WAIT_S", 0.001)
    monkeypatch.setattr("logicnn.board.host.LATEST_S", 0.01)
    board = Board(hook=lambda number, asked, answer: error(Fault.LOADING, asked.tag))
    with pytest.raises(HostError, match=r"^the board at PORT has answered LOADING for 0.01 s; reset it$"):
        classes(connected(board), samples(1)[0])


def test_another_network():
    with pytest.raises(
        HostError,
        match=(
            r"^the board at PORT runs digits-bnn [0-9a-f]{12}, not mnist-bnn 5ff75b4b1861; flash it, or give "
            r"--model the network that "
        ),
    ):
        connected(Board()).check(load("mnist-bnn").digest(), "mnist-bnn")


def test_no_class():
    def hook(number, asked, answer):
        return (
            encode(Frame(asked.kind, asked.tag, b"ab"))
            if asked.kind == Kind.CLASSIFY
            else encode(Frame(asked.kind, asked.tag, b"no"))
        )

    with pytest.raises(
        HostError, match=r"^PORT, CLASSIFY answered with 61 62: the board's answer must have 1 bytes, not 2$"
    ):
        classes(connected(Board(hook=hook)), samples(1)[0])
    with pytest.raises(ProtocolError, match=r"^the board's identity must be JSON"):
        connected(Board(hook=hook)).identify()


def test_unplugged():
    class Unplugged(Board):
        def read(self, size: int = 1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(HostError, match=r"^port PORT failed: .*Input/output error; is the board still connected\?$"):
        connected(Unplugged()).identify()


def test_no_port():
    with pytest.raises(HostError, match=r"^no port /dev/no-such-port; ports here: .+; `sim` simulates a board$"):
        open_port("/dev/no-such-port")


def test_no_terminal(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(HostError, match=rf"^port {path} cannot be opened: "):
        open_port(str(path))


def test_busy_port():
    import os
    import pty

    ours, theirs = pty.openpty()
    first = open_port(os.ttyname(theirs))
    with pytest.raises(HostError, match=r"^port /dev/pts/\d+ cannot be opened: another program uses it$"):
        open_port(os.ttyname(theirs))
    first.close()
    os.close(ours)
    os.close(theirs)


def test_code_of_the_page(monkeypatch):
    """The program of docs/host.md."""
    (code,) = python_blocks(ROOT / "docs" / "host.md")
    network = load("digits-bnn")
    monkeypatch.setattr("logicnn.board.host.open_port", lambda port: Board(network))
    names: dict = {}
    exec(code, names)
    assert names["found"].answers.tolist() == network.evaluate(names["images"]).tolist()
