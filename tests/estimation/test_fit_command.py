"""`simulator fit`: one line a problem and exit 2, or a block, tables in 80 columns and exit 0."""

import json
import os
import tomllib
from pathlib import Path

import pytest

from simulator.cli import main

UNTIL = "2022-12-31T00:00:00Z"
TRUE = {"alpha": 0.06, "beta": 0.9, "nu": 5.0}


@pytest.fixture
def prices(make_returns, write_prices) -> Path:
    return write_prices(make_returns(1500, 41, **TRUE, paths=2))


def fit(*arguments: object) -> int:
    return main(["fit", *(str(argument) for argument in arguments)])


def test_a_fit_prints_its_tables_and_writes_its_block(prices, tmp_path, capsys):
    out = tmp_path / "market.toml"
    assert fit(prices, "--until", UNTIL, "--out", out, "--paths", 5) == 0
    shown = capsys.readouterr()
    assert max(len(line.rstrip()) for line in shown.out.splitlines() if not line.startswith("written: ")) <= 80
    for word in (
        "volatility",
        "Fitted / simulated / interval",
        "|r| 1 h, 99 %",
        "AAA",
        "BBB",
        "cost: bounds",
        "inside: AAA in ",
        f"written: {out}",
    ):
        assert word in shown.out
    block = tomllib.loads(out.read_text())["market"]
    assert [asset["name"] for asset in block["assets"]] == ["AAA", "BBB"]
    assert block["provenance"]["prices"] == "prices.csv"
    assert str(tmp_path) not in out.read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_same_command_writes_the_same_bytes_and_may_write_over_its_own_block(prices, tmp_path, capsys):
    out = tmp_path / "market.toml"
    written = []
    for _ in range(2):
        assert fit(prices, "--assets", "AAA", "--until", UNTIL, "--out", out, "--paths", 2) == 0
        written.append((out.read_bytes(), capsys.readouterr().out))
    assert written[0] == written[1]


def test_json_holds_the_same_facts(prices, tmp_path, capsys):
    assert fit(prices, "--assets", "AAA", "--until", UNTIL, "--out", tmp_path / "m.toml", "--paths", 2, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert {row["parameter"] for row in data["estimates"]} >= {"volatility", "alpha", "beta", "degrees_of_freedom"}
    assert data["comparison"][0]["statistic"] == "|r| 1 h, 50 %"
    assert data["provenance"]["rows"] == 1501


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["--until", "2022-12-31T00:00:00"], ["--until: 2022-12-31T00:00:00 has no offset; write 2022-12-31T00:00:00Z"]),
        (["--until", "tomorrow"], ["--until: 'tomorrow' is no moment; write it as 2024-12-31T00:00:00Z"]),
        (["--until", "2021-01-01T00:00:00Z"], ["until: 2021-01-01T00:00:00Z is before the first row, 2022-01-01T00:00:00Z"]),
        (
            ["--until", "2022-01-02T06:00:00Z"],
            ["AAA: needs >= 500 returns, has 30; widen the window", "BBB: needs >= 500 returns, has 30; widen the window"],
        ),
        (["--until", UNTIL, "--assets", "AAA,XRP"], ["row 1: there is no column XRP; there are timestamp, AAA, BBB"]),
        (["--until", UNTIL, "--assets", "AAA,AAA"], ["--assets: AAA is there twice"]),
        (["--until", UNTIL, "--assets", ""], ["--assets: a name is blank; write names with commas between, as in BTC,ETH"]),
        (["--until", UNTIL, "--step", "60"], ["step: no two rows are 60 s apart; the commonest distance is 3600 s"]),
        (["--until", UNTIL, "--step", "nan"], ["--step: nan must be a number of seconds above 0"]),
        (
            ["--until", UNTIL, "--exclude", "2022-01-05"],
            ["--exclude: '2022-01-05' is no stretch; write 2022-05-07T00:00:00Z..2022-05-14T00:00:00Z"],
        ),
        (
            ["--until", "2022-12-31", "--persistence", "1", "--tail-index", "2", "--max-move", "1"],
            [
                "--until: 2022-12-31 has no offset; write 2022-12-31T00:00:00Z",
                "--persistence: 1 must lie between 0 and 1, a day",
                "--tail-index: 2 must lie above 2, where a variance exists, and not above 20",
                "--max-move: 1 must lie between 3 and 500 standard deviations",
            ],
        ),
    ],
)
def test_bad_input_is_one_line_a_problem_and_exit_2(prices, tmp_path, capsys, arguments, lines):
    out = tmp_path / "market.toml"
    assert fit(prices, *arguments, "--out", out) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [f"{prices}: {line}" for line in lines]
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("timestamp,A\n", "row 2: the file has a header and no rows"),
        ("timestamp;A\n2022-01-01T00:00:00Z;1\n", "row 1: columns are separated by semicolons"),
        ("timestamp,A\n2022-01-01T00:00:00,1\n", "row 2, column timestamp: 2022-01-01T00:00:00 has no offset; write Z"),
        ("timestamp,A\n2022-01-01T00:00:00Z,-1\n", "row 2, column A: -1 is not a positive price"),
        ("timestamp,A\n2022-01-01T00:00:00Z,1,2\n", "row 2: has 3 fields, the header names 2"),
    ],
)
def test_a_bad_price_file_is_named_row_by_row(tmp_path, capsys, text, line):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    assert fit(path, "--until", UNTIL, "--out", tmp_path / "m.toml") == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"{path}: {line}")
    assert not (tmp_path / "m.toml").exists()


def test_a_missing_file_and_a_folder_are_bad_input(tmp_path, capsys):
    assert fit(tmp_path / "none.csv", "--until", UNTIL, "--out", tmp_path / "m.toml") == 2
    assert fit(tmp_path, "--until", UNTIL, "--out", tmp_path / "m.toml") == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_file_that_fit_did_not_write_is_left_alone(prices, tmp_path, capsys):
    mine = tmp_path / "scenario.toml"
    mine.write_text("name = 'mine'\n")
    assert fit(prices, "--until", UNTIL, "--out", mine) == 2
    assert "was not written by `simulator fit`" in capsys.readouterr().err
    assert mine.read_text() == "name = 'mine'\n"
    assert fit(prices, "--until", UNTIL, "--out", tmp_path / "no" / "m.toml") == 2
    assert "--out: there is no folder" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_exit_4(prices, tmp_path, capsys):
    folder = tmp_path / "sealed"
    folder.mkdir(mode=0o555)
    assert fit(prices, "--assets", "AAA", "--until", UNTIL, "--out", folder / "m.toml", "--paths", 0) == 4
    assert "cannot be written" in capsys.readouterr().err


def test_a_stale_price_is_exit_1_with_the_way_out(tmp_path, write_prices, capsys, make_returns):
    returns = make_returns(1500, 42, **TRUE, paths=2)
    returns[:, 0] = 0
    returns[::200, 0] = 0.03
    path = write_prices(returns, name="stale.csv")
    assert fit(path, "--until", UNTIL, "--out", tmp_path / "m.toml", "--jumps", "none") == 1
    shown = capsys.readouterr()
    assert shown.err.startswith(f"{path}: AAA: degrees of freedom fall to 2")
    assert not (tmp_path / "m.toml").exists()


def test_warnings_of_the_file_are_numbered(make_returns, write_prices, tmp_path, capsys):
    returns = make_returns(1500, 43, **TRUE, paths=2)
    path = write_prices(returns)
    lines = path.read_text().splitlines()
    del lines[700:705]
    path.write_text("\n".join(lines) + "\n")
    assert fit(path, "--assets", "AAA", "--until", UNTIL, "--out", tmp_path / "m.toml", "--paths", 0) == 0
    shown = capsys.readouterr()
    assert shown.err.startswith(f"W01 {path}: 1 gaps in the prices of AAA")
    assert "1 gaps in the prices" in (tmp_path / "m.toml").read_text()


def test_a_gap_beyond_max_gap_is_an_error_unless_it_is_left_out_of_the_fit(make_returns, write_prices, tmp_path, capsys):
    """Rows 700 to 704 are gone for both; BBB has two blanks more. Each asset answers for its own prices, in the window alone."""
    path = write_prices(make_returns(1500, 43, **TRUE, paths=2))
    lines = path.read_text().splitlines()
    for row in (300, 301):
        lines[row] = lines[row].rpartition(",")[0] + ","
    del lines[700:705]
    path.write_text("\n".join(lines) + "\n")
    command = [path, "--until", UNTIL, "--out", tmp_path / "m.toml", "--paths", 0, "--jumps", "none"]
    stretch, blanks = "2022-01-30T02:00:00Z..2022-01-30T08:00:00Z", "2022-01-13T10:00:00Z..2022-01-13T13:00:00Z"
    line = f"no price for 6 h, {stretch}; max-gap is 2 h; exclude the stretch"
    assert fit(*command, "--max-gap", 7_200) == 2
    errors = [one for one in capsys.readouterr().err.splitlines() if not one.startswith("W")]
    more = f"no price for 3 h, {blanks}; max-gap is 2 h; exclude the stretch"
    assert errors == [f"{path}: AAA: {line}", f"{path}: BBB: {more}", f"{path}: BBB: {line}"]
    assert fit(*command, "--max-gap", 21_600) == 0
    assert fit(*command, "--max-gap", 7_200, "--exclude", stretch, "--exclude", blanks) == 0
    assert fit(*command, "--max-gap", 7_200, "--from", "2022-01-30T08:00:00Z") == 0
