"""Bad price files and options of `simulator fit` (BAD_INPUT.md): the exact lines, exit 2, nothing written, at once."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.cli import main

CORPUS = Path(__file__).resolve().parent / "corpus"
UNTIL = ["--until", "2023-01-01T00:00:00Z"]


@pytest.mark.parametrize("case", sorted(file.stem for file in CORPUS.glob("*.csv")))
def test_every_bad_price_file_gets_its_exact_lines(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(CORPUS)
    assert main(["fit", f"{case}.csv", *UNTIL, "--out", str(tmp_path / "m.toml")]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (CORPUS / f"{case}.expected").read_text()
    assert all(re.match(rf"(W\d\d )?{case}\.csv: ", line) for line in shown.err.splitlines())
    assert not any(sign in shown.err for sign in "\x1b\u202e\0")
    assert os.listdir(tmp_path) == []


def test_every_expectation_has_its_file_and_the_corpus_is_what_its_maker_writes(tmp_path):
    assert sorted(f.stem for f in CORPUS.glob("*.expected")) == sorted(f.stem for f in CORPUS.glob("*.csv"))
    (tmp_path / "make.py").write_bytes((CORPUS / "make.py").read_bytes())
    subprocess.run([sys.executable, str(tmp_path / "make.py")], check=True, timeout=60)
    made = {file.name: file.read_bytes() for file in tmp_path.glob("*.csv")}
    assert made == {file.name: file.read_bytes() for file in CORPUS.glob("*.csv")}


def test_marks_line_ends_and_quotes_are_understood(tmp_path, capsys):
    text = (CORPUS / "few-rows.csv").read_text()
    due = (CORPUS / "few-rows.expected").read_text()
    for change in (lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n"), lambda t: t.replace("BTC", '"BTC"')):
        path = tmp_path / "odd.csv"
        path.write_bytes(change(text).encode())
        assert main(["fit", str(path), *UNTIL, "--out", str(tmp_path / "m.toml")]) == 2
        assert capsys.readouterr().err == due.replace("few-rows.csv", str(path))


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    lines = {
        str(tmp_path / "pipe.csv"): "pipe.csv is not a regular file",
        str(tmp_path): f"{tmp_path.name} is not a regular file",
        "/dev/zero": "zero is not a regular file",
        str(tmp_path / "none.csv"): "none.csv cannot be read: No such file or directory",
        str(tmp_path / "loop.csv"): "loop.csv cannot be read: Too many levels of symbolic links",
        "https://example.org/a.csv": "is an address, and nothing is downloaded; save the file and name it here",
    }
    for path, line in lines.items():
        assert main(["fit", path, *UNTIL, "--out", str(tmp_path / "m.toml")]) == 2
        assert capsys.readouterr().err == f"{Path(path)}: {line}\n"


def test_a_file_too_large_is_not_read(tmp_path, capsys):
    with (tmp_path / "big.csv").open("wb") as file:
        file.truncate(512 * 2**20 + 1)
    assert main(["fit", str(tmp_path / "big.csv"), *UNTIL, "--out", str(tmp_path / "m.toml")]) == 2
    assert capsys.readouterr().err == f"{tmp_path / 'big.csv'}: the file has 536,870,913 bytes; at most 536,870,912 are read\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--until", "1609459200"], "--until: '1609459200' is no moment; write it as 2024-12-31T00:00:00Z"),
        (
            [*UNTIL, "--from", "2023-01-01T00:00:00Z"],
            "from: `from < until` must hold, but got 2023-01-01T00:00:00Z and 2023-01-01T00:00:00Z",
        ),
        ([*UNTIL, "--from", "2022-06-01T00:00:00Z"], "from: 2022-06-01T00:00:00Z is after the last row, 2021-01-01T23:00:00Z"),
        (
            [*UNTIL, "--exclude", "2021-01-02T00:00:00Z..2021-01-01T00:00:00Z"],
            "exclude: `A < B` must hold in A..B, but got 2021-01-02T00:00:00Z and 2021-01-01T00:00:00Z",
        ),
        (
            [*UNTIL, "--exclude", "2021-01-01T00:00:00..2021-01-02T00:00:00Z"],
            "--exclude: 2021-01-01T00:00:00 has no offset; write 2021-01-01T00:00:00Z",
        ),
        ([*UNTIL, "--step", "-1"], "--step: -1 must be a number of seconds above 0"),
        ([*UNTIL, "--step", "inf"], "--step: inf must be a number of seconds above 0"),
        ([*UNTIL, "--persistence", "99"], "--persistence: 99 must lie between 0 and 1, a day"),
        ([*UNTIL, "--tail-index", "nan"], "--tail-index: nan must lie above 2, where a variance exists, and not above 20"),
        ([*UNTIL, "--max-gap", "0"], "--max-gap: 0 must be a number of seconds above 0"),
        ([*UNTIL, "--rolling"], "--rolling: needs --walk-forward"),
        ([*UNTIL, "--walk-forward", "five"], "--walk-forward: 'five' is neither a number of stretches nor days as in 90d"),
        ([*UNTIL, "--walk-forward", "0"], "--walk-forward: 0 must lie between 1 and 200 stretches"),
        ([*UNTIL, "--assets", "BTC,"], "--assets: a name is blank; write names with commas between, as in BTC,ETH"),
        ([*UNTIL, "--report", "nowhere/fit.html"], "--report: there is no folder nowhere"),
        ([*UNTIL, "--report", "."], "--report: . is not a regular file"),
    ],
)
def test_an_option_that_makes_no_sense_is_one_line(arguments, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prices.csv").write_bytes((CORPUS / "few-rows.csv").read_bytes())
    assert main(["fit", "prices.csv", *arguments]) == 2
    assert capsys.readouterr() == ("", f"prices.csv: {line}\n")
    assert os.listdir(tmp_path) == ["prices.csv"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--until"], "simulator: option '--until' requires an argument."),
        ([], "simulator fit: missing option '--until'."),
        ([*UNTIL, "--no-such"], "simulator fit: no such option '--no-such'."),
        ([*UNTIL, "--seed", "abc"], "simulator fit: invalid value for '--seed': 'abc' is not a valid integer range."),
        ([*UNTIL, "--paths", "-1"], "simulator fit: invalid value for '--paths': -1 is not in the range 0<=x<=10000."),
        ([*UNTIL, "--substeps", "0"], "simulator fit: invalid value for '--substeps': 0 is not in the range 1<=x<=100000."),
        ([*UNTIL, "--criterion", "dic"], "simulator fit: invalid value for '--criterion': 'dic' is not one of 'aic', 'bic'."),
        ([*UNTIL, "--step", "1h"], "simulator fit: invalid value for '--step': '1h' is not a valid float."),
    ],
)
def test_an_option_of_the_wrong_kind_names_what_is_allowed(arguments, line, capsys):
    assert main(["fit", str(CORPUS / "few-rows.csv"), *arguments]) == 2
    assert capsys.readouterr() == ("", f"{line}\n")


def test_a_decimals_error_warns_whether_or_not_a_fit_comes_of_it(make_returns, write_prices, tmp_path, capsys):
    returns = make_returns(600, 5, alpha=0.06, beta=0.9, nu=5.0, paths=2)
    returns[300, 0] += 7.2  # a thousandfold and more
    path = write_prices(returns)
    main(["fit", str(path), *UNTIL, "--out", str(tmp_path / "m.toml"), "--paths", "0", "--jumps", "none"])
    first = capsys.readouterr().err.splitlines()[0]
    assert re.fullmatch(rf"W01 {re.escape(str(path))}: row 303, column AAA: \S+ becomes \S+; a decimals error\?", first)
