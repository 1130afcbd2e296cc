"""`simulator fit-options`: one line a problem and exit 2, or a surface, tables in 80 columns and exit 0."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from simulator.cli import main
from simulator.estimation.options.law_surface import smile_of
from simulator.estimation.options.walk_forward import median_interval
from simulator.market.model import Asset
from simulator.pricing.laws import Bates, Heston
from simulator.pricing.svi import RawSVI

TRUE = RawSVI(0.008, 0.12, -0.3, 0.0, 0.15)


@pytest.fixture
def chain(chain_rows, write_chain):
    return write_chain(chain_rows(lambda k: float(TRUE.volatility(k, 0.1)), days=(20, 36.5, 60)))


def fit_options(*arguments: object) -> int:
    return main(["fit-options", *(str(argument) for argument in arguments)])


@pytest.mark.parametrize("model", ["svi", "ssvi", "sabr"])
@pytest.mark.parametrize("method", ["levenberg-marquardt", "quasi-newton", "both"])
def test_every_model_prints_tables_and_writes_a_surface(model, method, chain, tmp_path, capsys):
    out = tmp_path / "surface.toml"
    assert fit_options(chain, "--model", model, "--method", method, "--out", out) == 0
    printed = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in printed.splitlines() if not line.startswith("written: ")) <= 80
    for word in ("RMSE", "inside", "in the money", f"written: {out}"):
        assert word in printed
    surface = tomllib.loads(out.read_text())["surface"]
    assert (surface["model"], surface["measure"], surface["currency"]) == (model, "risk-neutral", "BTC")
    assert surface["as_of"] == "2026-01-30T16:00:00Z"
    provenance = surface["provenance"]
    assert provenance["chain"] == "chain.csv"
    assert len(provenance["sha256"]) == 64
    assert provenance["cleaning"]["rows"] == 78
    assert method in provenance["method"]
    assert len(surface["slices"]) == 3
    assert "standard error" in out.read_text()
    assert str(tmp_path) not in out.read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.fixture
def chain_of(chain_rows, write_chain):
    """A chain at the prices of a law."""

    def make(law):
        rows, smile = [], smile_of(law)
        for days in (10, 45, 120):
            header, more = chain_rows(lambda k, t=days / 365: float(smile(np.array([k]), np.array([t]))[0]), days=(days,))
            rows += more
        return write_chain((header, rows))

    return make


def test_a_known_heston_law_comes_back_and_a_scenario_takes_it_with_a_premium_only(chain_of, tmp_path, capsys):
    law = Heston(0.3, 4.0, 0.4, 1.5, -0.4)
    file = chain_of(law)
    out = tmp_path / "surface.toml"
    assert fit_options(file, "--model", "heston", "--quote", "mark", "--out", out) == 0
    surface = tomllib.loads(out.read_text())["surface"]
    assert [surface[name] for name in Heston.names()] == pytest.approx(law.values.tolist(), rel=1e-4)
    asset = {"name": "BTC", "price": 80_000.0, **surface["asset"]}
    with pytest.raises(ValueError, match="variance_premium"):
        Asset.model_validate(asset)
    made = Asset.model_validate({**asset, "variance_premium": 1.2})
    assert made.process.volatility == pytest.approx(law.long_run_variance**0.5, rel=1e-4)
    assert made.process.volatility_today == pytest.approx(law.variance_now**0.5, rel=1e-4)
    assert "before any may use these" in out.read_text()


@pytest.mark.parametrize("model", ["bates", "merton", "kou"])
def test_every_law_writes_a_surface(model, chain_of, tmp_path, capsys):
    file = chain_of(Bates(0.2, 4.0, 0.3, 1.5, -0.4, 2.0, -0.06, 0.12))
    out = tmp_path / "surface.toml"
    assert fit_options(file, "--model", model, "--out", out) == 0
    assert max(len(line.rstrip()) for line in capsys.readouterr().out.splitlines() if not line.startswith("written: ")) <= 80
    surface = tomllib.loads(out.read_text())["surface"]
    assert ("asset" in surface) == (model == "bates")
    if model == "bates":
        premia = {"variance_premium": 1.2, "jump_premium": 1.5}
        Asset.model_validate({"name": "BTC", "price": 80_000.0, **surface["asset"], **premia})


def test_the_smile_in_the_file_is_the_smile_of_the_quotes(chain, tmp_path, capsys):
    out = tmp_path / "surface.toml"
    assert fit_options(chain, "--quote", "mark", "--out", out) == 0
    one = tomllib.loads(out.read_text())["surface"]["slices"][1]
    smile = RawSVI(*(one[name] for name in ("a", "b", "rho", "m", "sigma")))
    k = np.linspace(-0.25, 0.25, 11)
    assert np.max(np.abs(smile.volatility(k, one["years"]) - TRUE.volatility(k, 0.1))) < 1e-4
    assert one["least_g"] >= -1e-10


def test_the_same_command_writes_the_same_bytes_over_its_own_file(chain, tmp_path, capsys):
    out = tmp_path / "surface.toml"
    written = []
    for _ in range(2):
        assert fit_options(chain, "--out", out) == 0
        written.append((out.read_bytes(), capsys.readouterr().out))
    assert written[0] == written[1]


def test_json_holds_the_same_facts(chain, tmp_path, capsys):
    assert fit_options(chain, "--out", tmp_path / "s.toml", "--json") == 0
    data = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert data["provenance"]["measure"] == "risk-neutral"
    assert set(data["slices"][0]["estimates"]) == {"a", "b", "rho", "m", "sigma"}
    assert data["raw_violations"] == {}
    assert len(data["calendars"]) == 2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--at", "2026-01-30T16:00:00"], "--at: 2026-01-30T16:00:00 has no offset; write 2026-01-30T16:00:00Z"),
        (["--at", "2020-01-01T00:00:00Z"], "the first snapshot is of 2026-01-30T16:00:00Z, after 2020-01-01T00:00:00+00:00"),
        (["--currency", "ETH"], "column currency: there is no ETH; there are BTC"),
        (["--beta", "2"], "--beta: 2 must be 0 to 1"),
        (
            ["--model", "kou", "--loss", "total-variance"],
            "--loss: kou is fitted by volatility or price, but got total-variance",
        ),
        (["--ridge", "nan"], "--ridge: nan must be 0 to 0.1"),
        (["--min-quotes", "2"], "--min-quotes: 2 must be 5 to 10,000"),
        (["--min-days", "300"], "quotes: none of 78 rows is left (78 expiry too near); needs at least 6 of one expiry"),
        (["--out", "nowhere/s.toml"], "--out: there is no folder nowhere"),
        (["--walk-forward"], "snapshots: 1 can be fitted; a walk forward needs at least 3"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(arguments, line, chain, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert fit_options(chain, *arguments) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"{chain}: {line}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chain.csv"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["{pipe}"], "{pipe}: pipe.csv is not a regular file"),
        (["/dev/zero"], "/dev/zero: zero is not a regular file"),
        (["none.csv"], "none.csv: none.csv cannot be read: No such file or directory"),
        ([], "simulator fit-options: missing argument 'CHAIN'."),
        (["none.csv", "--ridge", "abc"], "simulator fit-options: invalid value for '--ridge': 'abc' is not a valid float."),
        (
            ["none.csv", "--method", "newton"],
            "simulator fit-options: invalid value for '--method': 'newton' is not one of "
            "'levenberg-marquardt', 'quasi-newton', 'both'.",
        ),
        (
            ["none.csv", "--model", "mertn"],
            "simulator fit-options: invalid value for '--model': 'mertn' is not one of "
            "'svi', 'ssvi', 'sabr', 'heston', 'bates', 'merton', 'kou'.",
        ),
    ],
)
def test_no_chain_and_options_of_the_wrong_kind_are_one_line(arguments, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    assert fit_options(*(text.format(pipe=pipe) for text in arguments)) == 2
    assert capsys.readouterr() == ("", f"{line.format(pipe=pipe)}\n")
    assert os.listdir(tmp_path) == ["pipe.csv"]


def test_a_bad_chain_is_exit_two_with_every_problem(chain_rows, write_chain, tmp_path, capsys):
    header, rows = chain_rows()
    rows[0][4], rows[3][5] = "-1", "inf"
    file = write_chain((header, rows))
    assert fit_options(file, "--out", tmp_path / "s.toml") == 2
    assert capsys.readouterr().err.splitlines() == [
        f"{file}: row 2, column bid: -1 must be 0 or more",
        f"{file}: row 5, column ask: inf is not a finite number",
    ]


def test_a_file_of_somebody_else_is_not_written_over(chain, tmp_path, capsys):
    out = tmp_path / "mine.toml"
    out.write_text("mine\n")
    assert fit_options(chain, "--out", out) == 2
    assert "was not written by `simulator fit-options`" in capsys.readouterr().err
    assert out.read_text() == "mine\n"


def test_a_search_that_does_not_converge_is_exit_one_and_writes_nothing(chain, tmp_path, monkeypatch, capsys):
    from simulator.estimation.options import svi_fit

    kept = svi_fit.minimise
    monkeypatch.setattr(svi_fit, "minimise", lambda *arguments: kept(*arguments)._replace(converged=False))
    out = tmp_path / "s.toml"
    assert fit_options(chain, "--out", out) == 1
    assert "the search did not converge for 2026-" in capsys.readouterr().err
    assert not out.exists()


def test_a_disk_that_cannot_be_written_is_exit_four(chain, tmp_path, monkeypatch, capsys):
    import simulator.cli.fit_options as command

    def full(out, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(command, "_write", full)
    assert fit_options(chain, "--out", tmp_path / "s.toml") == 4
    assert "cannot be written: No space left on device" in capsys.readouterr().err


def test_a_walk_forward_knows_a_smile_that_stays_from_one_that_moves(chain_rows, write_chain, capsys):
    """Four snapshots a day apart of one flat smile, and a fifth two points higher: off by nothing, then by two points."""

    def later(text: str, days: int) -> str:
        return f"{datetime.fromisoformat(text) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"

    lines = []
    for day in range(5):
        header, rows = chain_rows(0.52 if day == 4 else 0.5, days=(30 - day, 60 - day))
        lines += [[later(row[0], day), later(row[1], day), *row[2:]] for row in rows]
    file = write_chain((header, lines))
    assert fit_options(file, "--model", "svi", "--walk-forward", "--quote", "mark", "--json") == 0
    walk = json.loads(capsys.readouterr().out)
    (row,) = walk["horizons"]
    assert (row["horizon"], row["pairs"]) == ("12 h to 2 d", 4)
    assert [pair["next"] for pair in walk["pairs"]] == pytest.approx([0, 0, 0, 0.02], abs=1e-4)
    assert [pair["interpolated"] for pair in walk["pairs"]] == pytest.approx([0, 0, 0, 0.02], abs=1e-4)
    assert max(pair["refitted"] for pair in walk["pairs"]) < 1e-4
    assert fit_options(file, "--model", "sabr", "--walk-forward") == 0
    assert max(len(line.rstrip()) for line in capsys.readouterr().out.splitlines()) <= 80


def test_the_page_about_it_runs(tmp_path):
    """The Python and the commands of docs/options.md, as they stand there."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "options.md").read_text()
    for kind, text in re.findall(r"```(python|sh)\n(.*?)```", page, re.DOTALL):
        commands = [["-c", text]] if kind == "python" else [["-m", *shlex.split(line)] for line in text.splitlines() if line]
        for command in commands:
            done = subprocess.run(
                [sys.executable, *command],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
    assert tomllib.loads((tmp_path / "surface.toml").read_text())["surface"]["model"] == "svi"


def test_the_interval_of_a_median_holds_it_as_often_as_it_says():
    rng = np.random.default_rng(1)
    for n in (9, 40):
        held = [low <= 0 <= high for low, high in (median_interval(rng.standard_normal(n)) for _ in range(2_000))]
        assert np.mean(held) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 2_000)
        assert np.mean(held) < 0.995
