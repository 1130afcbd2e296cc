"""`verify`, `monitor` and `backtest` on results of the real engine."""

import hashlib
import itertools
import json
import math
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_cli import confirming, small

from simulator.calibration.on_history import Seen, margin_coverage, windows
from simulator.calibration.record import decode, encode
from simulator.cli import main
from simulator.market.price_file import read_prices
from simulator.scenario import Scenario

RULE = """[[calibration.search]]
parameter = "protocol.fund.cash"
low = 100000
high = 300000
step = 50000

"""
BACKTEST = """
[backtest]
paths = 2
[backtest.market]
kind = "replay"
file = "prices.csv"
from = 2025-07-02T00:00:00Z
until = 2025-07-29T12:00:00Z
assets = ["ETH"]
"""


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated")
    prices_file(folder)
    text = confirming()
    place = text.index("# A market that a proposal must also survive.")
    (folder / "small.toml").write_text(text[:place] + RULE + text[place:] + BACKTEST)
    assert main(["calibrate", str(folder / "small.toml"), "--jobs", "1", "--out", str(folder / "results")]) in (0, 1)
    (result,) = [path for path in (folder / "results").iterdir() if path.is_dir()]
    return result


def copied(result, folder):
    import shutil

    return shutil.copytree(result, folder / result.name)


def altered(result, change):
    """The result with its log changed by somebody who can compute checksums."""
    lines = [decode(raw) for raw in (result / "log.jsonl").read_bytes().splitlines(keepends=True)]
    change(lines)
    (result / "log.jsonl").write_bytes(b"".join(map(encode, lines)))
    relisted(result, "log.jsonl")


def test_a_calibration_verifies_and_says_what_it_could_have_missed(calibrated, capsys):
    assert main(["verify", str(calibrated), "--share", "20%", "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "parts computed again, largest difference 0" in printed
    assert "would have missed it with probability" in printed
    rows = json.loads((calibrated / "proposal.json").read_bytes())["parameters"]
    assert [row["name"] for row in rows][-1] == "protocol.fund.cash"  # a number of a rule, voted on like any other
    assert printed.splitlines()[-1].endswith("holds")


def test_an_altered_record_with_right_checksums_does_not_verify(calibrated, tmp_path, capsys):
    result = copied(calibrated, tmp_path)

    def hide_fees(lines):
        for line in lines:
            if "fees.whole" in line.get("columns", ()):
                line["columns"]["fees.whole"] = [[0.5 * value for value in row] for row in line["columns"]["fees.whole"]]

    altered(result, hide_fees)
    # the seed picks the twentieth part that is computed again: 3 finds one that holds fees, which few parts do
    assert main(["verify", str(result), "--share", "0.05", "--seed", "3", "--jobs", "1", "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert not facts["holds"]
    assert any("fees.whole differs" in problem for problem in facts["problems"])


def test_a_changed_file_is_named_and_nothing_is_computed(calibrated, tmp_path, capsys):
    result = copied(calibrated, tmp_path)
    (result / "proposal.md").write_text("all is well")
    assert main(["verify", str(result)]) == 1
    assert "proposal.md: was changed since it was written" in capsys.readouterr().out


def torn(path):
    path.write_bytes(path.read_bytes()[:-40])


def relisted(result, name):
    """The manifest's digest of a file, or its absence there, as whoever changed the file would have it."""
    manifest = json.loads((result / "manifest.json").read_bytes())
    del manifest["files"][name]
    if (result / name).exists():
        manifest["files"][name] = hashlib.sha256((result / name).read_bytes()).hexdigest()
    (result / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("covers", [False, True])
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda result: torn(result / "manifest.json"), "manifest.json: was changed since it was written"),
        (lambda result: (result / "manifest.json").write_text("[]"), "manifest.json: was changed since it was written"),
        (lambda result: torn(result / "run.json"), "run.json: "),
        (lambda result: (result / "run.json").write_text("[]"), "run.json: "),
        (lambda result: torn(result / "scenario.toml"), "scenario.toml: "),
        (lambda result: torn(result / "proposal.json"), "proposal.json: "),
        (lambda result: (result / "proposal.json").write_text("[]"), "proposal.json: "),
        (lambda result: torn(result / "log.jsonl"), "log.jsonl: "),
        (lambda result: (result / "log.jsonl").unlink(), "log.jsonl: is missing"),
        (lambda result: (result / "proposal.json").unlink(), "proposal.json: is missing"),
        (lambda result: altered(result, lambda lines: lines.pop()), "log.jsonl: "),
    ],
    ids=[
        "manifest torn",
        "manifest of nothing",
        "origin",
        "origin of nothing",
        "scenario",
        "proposal",
        "proposal of nothing",
        "record torn",
        "no record",
        "no proposal",
        "block",
    ],
)
def test_whatever_is_damaged_is_named_with_exit_code_1(calibrated, tmp_path, capsys, damage, says, covers):
    """F17: with the old digests in the manifest, and with digests that cover the damage up."""
    result = copied(calibrated, tmp_path)
    damage(result)
    if covers and not says.startswith("manifest"):
        relisted(result, says.partition(":")[0])
    code = main(["verify", str(result), "--share", "1e-9", "--jobs", "1"])
    printed = capsys.readouterr()
    told = printed.out + printed.err
    assert code == (2 if says == "scenario.toml: " and covers else 1)  # no scenario at all is bad input, with line and column
    assert any(line.startswith((says, str(result / says.partition(":")[0]))) for line in told.splitlines()), told
    assert "Traceback" not in told
    assert "defect" not in told


@pytest.mark.parametrize("name", ["run.json", "proposal.json"])
@pytest.mark.parametrize("content", ["[]", "{"])
def test_what_is_no_object_is_a_problem_of_the_result_in_json_too(tmp_path, capsys, name, content):
    """Neither needs an engine: what is wrong is found before the record is read."""
    (tmp_path / "scenario.toml").write_text(small())
    files = {"run.json": json.dumps({"scenario_hash": Scenario.load(tmp_path / "scenario.toml").hash}), "proposal.json": "{}"}
    files |= {"log.jsonl": "", "proposal.md": "", "report.html": "", name: content}
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    listed = {file: hashlib.sha256((tmp_path / file).read_bytes()).hexdigest() for file in ("scenario.toml", *files)}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": listed}))
    assert main(["verify", str(tmp_path), "--jobs", "1", "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert not facts["holds"]
    assert [problem.startswith(f"{name}: is no JSON") for problem in facts["problems"]] == [True]


def test_a_run_verifies_until_an_outcome_is_changed(tmp_path, monkeypatch, capsys):
    import pandas as pd

    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(small())
    assert main(["run", "small.toml", "--jobs", "1"]) == 0
    (result,) = (tmp_path / "results").iterdir()
    assert main(["verify", str(result), "--share", "25%", "--seed", "3"]) == 0
    table = pd.read_parquet(result / "outcomes.parquet")
    table["fees.whole"] *= 1.001
    table.to_parquet(result / "outcomes.parquet", index=False)
    relisted(result, "outcomes.parquet")
    capsys.readouterr()
    assert main(["verify", str(result), "--share", "25%", "--seed", "3"]) == 1
    assert "fees.whole differs by" in capsys.readouterr().out


@pytest.mark.parametrize("share", ["0", "101%", "five", "-1%"])
def test_a_share_that_is_none_is_one_line(calibrated, share, capsys):
    assert main(["verify", str(calibrated), "--share", share]) == 2
    assert "is no share; write 5% or 0.05" in capsys.readouterr().err


def test_monitoring_says_whether_the_proposal_still_speaks(calibrated, tmp_path, capsys):
    (tmp_path / "now.toml").write_text("date = 2026-01-01\nloss = 0.0\nvolatility.ETH = 0.8\n")
    assert main(["monitor", str(calibrated), "--observed", str(tmp_path / "now.toml")]) == 0
    assert "still speaks" in capsys.readouterr().out
    (tmp_path / "now.toml").write_text("loss = 1e12\n")
    assert main(["monitor", str(calibrated), "--observed", str(tmp_path / "now.toml")]) == 1
    assert "no longer speaks" in capsys.readouterr().out
    (tmp_path / "now.toml").write_text("los = 1.0\nfees = -1.0\n")
    assert main(["monitor", str(calibrated), "--observed", str(tmp_path / "now.toml")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def prices_file(folder, days=30):
    """Hourly prices of ETH whose every hour moves by 1 %, up and down in turn, and by -10 % once."""
    start = datetime(2025, 7, 1, tzinfo=UTC)
    price, rows = 2_500.0, ["timestamp,ETH"]
    for hour in range(24 * days + 1):
        rows.append(f"{(start + timedelta(hours=hour)).isoformat()},{price!r}")
        price *= 0.9 if hour == 300 else (1.01 if hour % 2 else 1 / 1.01)
    (folder / "prices.csv").write_text("\n".join(rows) + "\n")
    return folder / "prices.csv"


def test_history_is_lived_window_by_window_under_both_sets_of_parameters(calibrated, tmp_path, capsys):
    file = prices_file(tmp_path)
    arguments = ["backtest", str(calibrated), str(file), "--from", "2025-07-02T00:00:00Z", "--paths", "2", "--jobs", "1"]
    assert main([*arguments, "--until", "2025-07-08T00:00:00Z", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    scenario = Scenario.load(calibrated / "scenario.toml")
    whole = (scenario.grid.burn_in_steps + scenario.grid.horizon_steps) * scenario.grid.dt / 86_400
    assert len(facts["windows"]) == int(6 / whole)
    assert facts["windows"][0]["current"]["open_interest"] > 0
    assert {window["seen"] for window in facts["windows"]} == {""}
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "one history" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_a_proposal_lists_the_back_test_that_its_scenario_names_and_it_is_the_one_of_the_verb(calibrated, tmp_path, capsys):
    found = json.loads((calibrated / "proposal.json").read_bytes())
    told = found["backtest"]
    arguments = ["backtest", str(calibrated), str(prices_file(tmp_path)), "--from", "2025-07-02T00:00:00Z", "--paths", "2"]
    capsys.readouterr()
    assert main([*arguments, "--until", "2025-07-29T12:00:00Z", "--jobs", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    names = {"current": "before", "proposed": "after"}
    kept = ("vote", "worst_fall", "seen", *names)
    wanted = [{names.get(key, key): one[key] for key in kept} for one in facts["windows"]]
    wanted = [{**one, "vote": one["vote"].replace(" ", "T")} for one in wanted]
    assert found["verdict"] == "confirmed"
    assert told["windows"] == wanted
    assert len(wanted) > 5
    assert max(one["worst_fall"] for one in wanted) == pytest.approx(0.1)
    assert [row["falls"]["exceeded"] for row in told["margin"]["rows"]] == [1] * len(told["margin"]["rows"])
    assert [row["condition"] for row in told["limits"]]
    for text in ((calibrated / "proposal.md").read_text(), (calibrated / "report.html").read_text()):
        assert f"{len(wanted)} windows of burn-in and horizon, 2025-07-02 to 2025-07-" in text.replace("\\", "")


def test_margin_coverage_counts_moves_over_disjoint_periods(tmp_path):
    table = read_prices(prices_file(tmp_path))
    (one,) = margin_coverage(table, "ETH", [("current", 0.05)], 3_600.0, 0.99)
    assert (one.falls.count, one.falls.exceeded, one.rises.exceeded) == (720, 1, 0)
    (tight,) = margin_coverage(table, "ETH", [("current", 0.009)], 3_600.0, 0.99)
    assert tight.rises.exceeded == pytest.approx(360, abs=1)
    assert tight.rises.exact_p < 1e-12
    (longer,) = margin_coverage(table, "ETH", [("current", 0.05)], 7_200.0, 0.99)
    assert longer.falls.count == 360


def test_history_that_the_market_was_fitted_to_is_refused(calibrated, tmp_path, capsys):
    scenario = Scenario.load(calibrated / "scenario.toml").model_copy(update={"data_until": "2025-06-30"})
    with pytest.raises(Seen, match="fitted to prices until 2025-06-30"):
        windows(scenario, datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 9, 1, tzinfo=UTC))
    with pytest.raises(Seen, match="the history between is shorter"):
        windows(scenario, datetime(2025, 7, 1, tzinfo=UTC), datetime(2025, 7, 1, 1, tzinfo=UTC))
    spans = windows(scenario, datetime(2025, 7, 1, tzinfo=UTC), datetime(2025, 7, 31, tzinfo=UTC))
    assert all(end == begin for (_, _, end), (begin, _, _) in itertools.pairwise(spans))
    assert math.isclose((spans[0][2] - spans[0][1]).total_seconds(), scenario.grid.horizon_steps * scenario.grid.dt)
