"""Reading nextpnr's report: clocks with the least margin, and paths into given cells only."""

import pytest

from logicnn.flow.timing import Placed, TimingError


def report(**changes) -> Placed:
    endpoint = {"event": "posedge clk", "port": "I0"}
    nets = [
        {
            "endpoints": [
                endpoint | {"cell": "a_LC", "delay": [1.0, 7.5]},
                endpoint | {"cell": "b_LC", "delay": [1.0, 9.0]},
            ]
        },
        {
            "endpoints": [
                endpoint | {"cell": "a_LC", "delay": [1.0, 8.0], "port": "CEN"},
                endpoint | {"cell": "a_LC", "delay": [2.0, 6.0]},
            ]
        },
    ]
    setup = {"type": "setup", "delay": 0.5, "to": {"cell": "a_LC"}}
    other = {"type": "setup", "delay": 0.9, "to": {"cell": "b_LC"}}
    fmax = {"fast": {"achieved": 200.0, "constraint": 100.0}, "slow": {"achieved": 12.5, "constraint": 12.0}}
    whole = {
        "detailed_net_timings": nets,
        "critical_paths": [{"path": [setup]}, {"path": [other]}],
        "fmax": fmax,
        "utilization": {"LC": {"used": 7}},
    }
    return Placed(whole | changes)


def test_clock_with_least_margin():
    assert report().clock() == (12.5, 12.0)


def test_delay_into_data_ports_only():
    assert report().delay_into({"a_LC"}) == 8.0  # 7.5 and its own setup, not the enable's 8.0


def test_used():
    assert (report().used("LC"), report().used("DSP")) == (7, 0)


def test_nothing_found():
    with pytest.raises(TimingError, match=r"^the timing report has no path into the output register$"):
        report().delay_into({"c_LC"})
    with pytest.raises(TimingError, match=r"^the timing report has no clock$"):
        report(fmax={}).clock()


def test_slowest_path_is_between_clock_edges():
    def path(start, end, *delays):
        return {"from": start, "to": end, "path": [{"type": "logic", "delay": each} for each in delays]}

    paths = [
        path("posedge clk", "posedge clk", 1.0, 2.0),
        path("posedge clk", "posedge slow", 2.5, 1.0),
        path("posedge clk", "<async>", 9.0),
        path("<async>", "posedge clk", 9.0),
    ]
    assert [step["delay"] for step in report(critical_paths=paths).slowest()] == [2.5, 1.0]
    assert report(critical_paths=paths[2:]).slowest() == []
