"""What a person gets for bad input: the corpus beside this file, and what no file in a repository can hold."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulator.calibration.on_history import Seen, seen_by, windows
from simulator.cli import main
from simulator.scenario import Scenario, ScenarioError

CORPUS = Path(__file__).resolve().parent / "corpus"
ROOT = CORPUS.parent.parent
GOOD = (CORPUS / "good-perpetual.toml").read_text()
CASES = sorted(file.stem for file in CORPUS.glob("*.toml"))


@pytest.mark.parametrize("case", CASES)
def test_every_file_of_the_corpus_gives_its_exact_message(case, monkeypatch, capsys):
    monkeypatch.chdir(CORPUS)
    code = main(["validate", f"{case}.toml"])
    printed = capsys.readouterr()
    assert f"exit {code}\n{printed.err}" == (CORPUS / f"{case}.expected").read_text()
    assert (printed.out == "") == (code != 0)


def test_every_expectation_has_its_file():
    assert sorted(file.stem for file in CORPUS.glob("*.expected")) == CASES


def test_the_corpus_is_what_its_maker_writes(tmp_path):
    for name in ("make.py", "good-perpetual.toml", "good-lending.toml", "good-options.toml"):
        (tmp_path / name).write_bytes((CORPUS / name).read_bytes())
    subprocess.run([sys.executable, str(tmp_path / "make.py")], check=True, timeout=60)
    made = {file.name: file.read_bytes() for file in tmp_path.glob("*.toml")}
    assert made == {file.name: file.read_bytes() for file in CORPUS.glob("*.toml")}


def test_every_line_has_the_form_file_place_message():
    for expected in CORPUS.glob("*.expected"):
        for line in expected.read_text().splitlines()[1:]:
            assert line.startswith(f"{expected.stem}.toml: ")
            assert line.isprintable()


def problems_of(text: str, folder: Path) -> tuple[str, ...]:
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_text(text, folder, "case.toml")
    return caught.value.problems


def with_replay(file: str) -> str:
    start, rest = GOOD.split('[market]\nkind = "model"')
    end = rest[rest.index("[protocol]") :]
    window = 'from = 2025-01-01T00:00:00Z\nuntil = 2025-02-01T00:00:00Z\nassets = ["ETH", "BTC"]\n'
    return f'{start}[market]\nkind = "replay"\nfile = "{file}"\n{window}\n{end}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# " + b"x" * 11_000_000, "has 11,000,002 bytes; a scenario has at most 1,048,576"),
        (b"deep = " + b"[" * 5000 + b"]" * 5000, "is nested too deeply; at most 20 levels are allowed"),
        (b".".join([b"a"] * 60) + b" = 1", "is nested too deeply; at most 20 levels are allowed"),
        (b".".join([b"a"] * 400_000) + b" = 1", "line 1: a key of 64 parts or more; at most 20 levels are allowed"),
        (b"deep = " + b"{a=" * 500 + b"1" + b"}" * 500, "is nested too deeply; at most 20 levels are allowed"),
    ],
)
def test_large_and_deep_files_are_refused_at_once(content, message, tmp_path):
    file = tmp_path / "case.toml"
    file.write_bytes(content)
    started = time.monotonic()
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(file)
    assert caught.value.problems == (f"{file}: {message}",)
    assert time.monotonic() - started < 2


def test_a_value_of_a_megabyte_is_shown_cut(tmp_path):
    (problem,) = problems_of(GOOD.replace('"good"', f'"{"x" * 1_000_000}"'), tmp_path)
    assert len(problem) < 200


def test_a_key_of_a_megabyte_is_shown_cut(tmp_path):
    (problem,) = problems_of(f"{'k' * 1_000_000} = 1\n{GOOD}", tmp_path)
    assert len(problem) < 300


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_bad_file_costs_little_memory_and_time(tmp_path):
    """A file of 1 MB and 20,000 wrong cohorts: one second and 200 MB, as BAD_INPUT allows, on a machine that is not idle."""
    bad = tmp_path / "bad.toml"
    bad.write_text(GOOD + '[[cohorts]]\nkind = "keepers"\nspeed = 1\n' * 20_000)
    script = (
        "import sys; from simulator.cli import main; code = main(sys.argv[1:]);"
        "peak = [line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0];"
        "print(code, peak)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, "validate", str(bad)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=True,
    )
    code, peak = map(int, done.stdout.split())
    assert code == 2
    assert peak < 200_000
    assert len(done.stderr.splitlines()) == 21


def test_a_folder_is_no_scenario(tmp_path):
    with pytest.raises(ScenarioError, match="is a folder; name a scenario file"):
        Scenario.load(tmp_path)


def test_a_missing_file_is_said_in_one_line(tmp_path, capsys):
    assert main(["validate", str(tmp_path / "none.toml")]) == 2
    assert capsys.readouterr().err == f"{tmp_path}/none.toml: no such file; `simulator new NAME` writes a starter\n"


@pytest.mark.skipif(os.name != "posix", reason="pipes are a matter of POSIX")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ScenarioError, match="is not a plain file"):
        Scenario.load(tmp_path / "pipe")
    (problem,) = problems_of(with_replay("pipe"), tmp_path)
    assert "is not a regular file" in problem


def test_a_device_is_refused():
    with pytest.raises(ScenarioError, match="is not a plain file"):
        Scenario.load("/dev/zero")


def test_a_link_that_leaves_the_folder_is_refused(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.csv").write_text("timestamp,ETH,BTC\n")
    (inside / "prices.csv").symlink_to(tmp_path / "secret.csv")
    (problem,) = problems_of(with_replay("prices.csv"), inside)
    assert "must be inside it" in problem


def test_a_loop_of_links_and_a_long_name_are_refused(tmp_path):
    (tmp_path / "a.csv").symlink_to(tmp_path / "b.csv")
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")
    assert len(problems_of(with_replay("a.csv"), tmp_path)) == 1
    assert len(problems_of(with_replay("x" * 5000), tmp_path)) == 1


def test_a_folder_is_no_price_file(tmp_path):
    (tmp_path / "prices").mkdir()
    (problem,) = problems_of(with_replay("prices"), tmp_path)
    assert "is not a regular file" in problem


def test_a_file_may_not_take_the_name_of_a_result(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    assert any("rename it" in problem for problem in problems_of(with_replay("run.json"), tmp_path))


WITH_ACCOUNTS = GOOD.replace(
    "accounts = 200\nwealth = { median = 5000, sigma = 1.2 }\nleverage = { low = 1, high = 15 }", 'file = "accounts.csv"'
)


def test_accounts_of_a_file_are_counted(tmp_path):
    (tmp_path / "accounts.csv").write_text("wealth,leverage,side\n1000,5,1\n2000,3,-1\n50,1,0\n")
    scenario = Scenario.from_text(WITH_ACCOUNTS, tmp_path)
    assert scenario.account_count == 3
    assert list(scenario.files) == ["accounts.csv"]


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        ("wealth,leverage\n1,2\n", ['row 1: expected the header wealth,leverage,side, but got "wealth,leverage"']),
        ("wealth,leverage,side\n", ["holds no account; at least one row below the header is needed"]),
        ("wealth,leverage,side\n1,2,1,4\n", ["row 2: has 4 fields, but the header has 3"]),
        (
            "wealth,leverage,side\n-1,2,1\n1,nan,up\n",
            [
                'row 2: wealth: expected a number above 0 [usd], but got "-1"',
                'row 3: leverage: expected a number above 0, at most 1000, but got "nan"',
                'row 3: side: expected 1 (long), -1 (short) or 0 (flat), but got "up"',
            ],
        ),
        ("wealth;leverage;side\n1;2;1\n", ['row 1: expected the header wealth,leverage,side, but got "wealth;leverage;side"']),
    ],
)
def test_a_bad_file_of_accounts_is_said_row_by_row(content, messages, tmp_path):
    (tmp_path / "accounts.csv").write_text(content)
    problems = problems_of(WITH_ACCOUNTS, tmp_path)
    assert problems == tuple(f"case.toml: cohorts.0.file: accounts.csv: {message}" for message in messages)


def test_a_binary_file_of_accounts_is_refused(tmp_path):
    (tmp_path / "accounts.csv").write_bytes(b"\x1f\x8b\xff\xfe\0\0")
    assert len(problems_of(WITH_ACCOUNTS, tmp_path)) == 1


def hourly(first: datetime, hours: int) -> str:
    rows = (f"{(first + timedelta(hours=i)).isoformat()},{2500 + i % 7},{60000 + i % 5}" for i in range(hours))
    return "timestamp,ETH,BTC\n" + "\n".join(rows) + "\n"


PROVENANCE = """[market.provenance]
prices = "prices.csv"
sha256 = "%s"
since = "2024-01-01T00:00:00Z"
until = "2025-06-30T00:00:00Z"
exclude = [%s]
looked_at = [%s]
rows = 9000
step = 3600.0
method = "GJR"

[[market.assets]]
name = "ETH"
"""
LEFT_OUT = '"2025-02-01T00:00:00Z..2025-04-01T00:00:00Z"'
FITTED = "[market] comes from 2024-01-01 to 2025-06-30"
LOOKED = "`fit --held-out` looked at 2025-03-07 to 2025-03-20"
HISTORY = """[[regime]]
name = "crash"
role = "%s"
[regime.market]
kind = "replay"
file = "history.csv"
from = 2025-03-01T00:00:00Z
until = 2025-03-08T00:00:00Z
assets = ["ETH", "BTC"]
"""


@pytest.mark.parametrize(
    ("role", "exclude", "looked_at", "seen"),
    [
        ("confirm", "", "", FITTED),
        ("report", "", "", FITTED),
        ("confirm", '"2025-02-01T00:00:00Z..2025-04-01T00:00:00Z"', "", ""),
        ("confirm", '"2025-03-04T00:00:00Z..2025-04-01T00:00:00Z"', "", FITTED),
        ("confirm", LEFT_OUT, '"2025-03-07T00:00:00Z..2025-03-20T00:00:00Z"', LOOKED),
        ("report", LEFT_OUT, '"2025-03-07T00:00:00Z..2025-03-20T00:00:00Z"', LOOKED),
        ("confirm", LEFT_OUT, '"2025-03-08T00:00:00Z..2025-03-20T00:00:00Z"', ""),
    ],
)
def test_a_window_that_a_fit_has_seen_cannot_confirm(role, exclude, looked_at, seen, tmp_path):
    (tmp_path / "history.csv").write_text(hourly(datetime(2025, 2, 20, tzinfo=UTC), 24 * 20))
    text = GOOD.replace('[[market.assets]]\nname = "ETH"\n', PROVENANCE % ("0" * 64, exclude, looked_at)) + HISTORY % role
    if seen and role == "confirm":
        (problem,) = problems_of(text, tmp_path)
        assert problem == (
            f'case.toml: regime.0.role: its window, 2025-03-01 to 2025-03-08, was seen: {seen}; write role = "report"'
            + (", or fit with `--exclude` or an earlier `--until`" if seen == FITTED else "")
        )
    else:
        scenario = Scenario.from_text(text, tmp_path)
        assert scenario.data_until == "2025-06-30"
        assert [(name, role) for name, role, _ in scenario.regimes()] == [("crash", role)]
        (window,) = scenario.windows()
        assert (window["world"], window["role"], window["since"][:10]) == ("regime-crash", role, "2025-03-01")
        assert window["seen"] == seen


@pytest.mark.parametrize(("last", "is_seen"), [("2025-03-01", False), ("2025-03-02", True)])
def test_history_that_the_search_runs_on_cannot_confirm(last, is_seen, tmp_path):
    (tmp_path / "history.csv").write_text(hourly(datetime(2025, 2, 20, tzinfo=UTC), 24 * 20))
    searched = f"""[market]
kind = "bootstrap"
file = "history.csv"
from = 2025-02-20T00:00:00Z
until = {last}T00:00:00Z
assets = ["ETH", "BTC"]
mean_block = 24

"""
    text = GOOD[: GOOD.index("[market]")] + searched + GOOD[GOOD.index("[protocol]") :] + HISTORY % "confirm"
    if not is_seen:
        assert Scenario.from_text(text, tmp_path).windows()[0]["seen"] == ""
        return
    assert list(problems_of(text, tmp_path)) == [
        "case.toml: regime.0.role: its window, 2025-03-01 to 2025-03-08, was seen: [market] comes from 2025-02-20 to 2025-03-02; "
        'write role = "report", or take other days'
    ]


def test_history_that_was_looked_at_is_marked_in_a_back_test_and_history_left_out_of_the_fit_is_not(tmp_path):
    (tmp_path / "history.csv").write_text(hourly(datetime(2025, 2, 20, tzinfo=UTC), 24 * 20))
    looked = '"2025-07-10T00:00:00Z..2025-07-20T00:00:00Z"'
    text = GOOD.replace('[[market.assets]]\nname = "ETH"\n', PROVENANCE % ("0" * 64, LEFT_OUT, looked)) + HISTORY % "report"
    scenario = Scenario.from_text(text, tmp_path)

    def day(month, day):
        return datetime(2025, month, day, tzinfo=UTC)

    assert windows(scenario, day(3, 10), day(3, 30))  # left out of the fit
    for since, until in ((day(3, 10), day(4, 30)), (day(1, 20), day(3, 1)), (day(6, 29), day(8, 1))):
        with pytest.raises(Seen, match="fitted to prices until 2025-06-30"):
            windows(scenario, since, until)
    assert seen_by(scenario, (day(7, 1), day(7, 9))) == ""
    assert seen_by(scenario, (day(7, 9), day(7, 11))) == "`fit --held-out` looked at 2025-07-10 to 2025-07-20"
    assert seen_by(scenario, (day(3, 7), day(3, 9))) == "regime crash lived 2025-03-01 to 2025-03-08"
    assert seen_by(scenario, (day(3, 8), day(3, 9))) == ""
    spans = windows(scenario, day(7, 1), day(7, 30))
    marked = [bool(seen_by(scenario, (begin, end))) for begin, _, end in spans]
    assert marked == [begin < day(7, 20) and day(7, 10) < end for begin, _, end in spans]
    assert any(marked)
    assert not all(marked)


ODD_VALUES = (
    "-1", "0", "1.5", "nan", "inf", "1e300", "1e-320", "true", '"x"', '"5%"', '""', "[]", "{}", "[[1]]", "{kind=1}", '{kind="x"}',
    "2026-01-01", "12:30:00", "1" + "0" * 30, '"../x"', "{a={b={c=1}}}", '"\\\\u0000"', '"\\\\u202e"',
)  # fmt: skip
ODD_LINES = (
    "[grid]",
    "[market]",
    "[[cohorts]]",
    "[[regime]]",
    "[regime.market]",
    '"" = 1',
    "[[market.assets]]",
    "[parameters.collateral]",
)


def edited(text: str, rng: random.Random) -> str:
    """One to three lines of a file removed, doubled, replaced, or given another value."""
    lines = text.splitlines()
    for _ in range(rng.choice((1, 1, 2, 3))):
        i = rng.randrange(len(lines))
        lines[i : i + 1] = rng.choice(
            (
                [],
                [lines[i], lines[i]],
                [rng.choice(ODD_LINES)],
                [re.sub(r"=\s*[^,{}]+", lambda found: rng.choice((found[0], f"= {rng.choice(ODD_VALUES)}")), lines[i])],
            )
        )
    return "\n".join(lines)


@pytest.mark.parametrize("base", ["good-perpetual.toml", "good-lending.toml", "good-options.toml"])
def test_no_edit_of_a_file_gets_more_or_less_than_lines(base, tmp_path):
    rng, text, refused = random.Random(20261121), (CORPUS / base).read_text(), []
    for _ in range(400):
        try:
            Scenario.from_text(edited(text, rng), tmp_path)
        except ScenarioError as error:
            refused.append(error.problems)
    assert len(refused) > 200
    assert all(1 <= len(problems) <= 21 for problems in refused)
    assert all(line.isprintable() and len(line) < 1500 for problems in refused for line in problems)


def test_a_scenario_built_in_python_is_checked_too(tmp_path):
    values = Scenario.from_text(GOOD, tmp_path).model_dump()
    assert Scenario.model_validate(values).hash == Scenario.from_text(GOOD, tmp_path).hash
    values["cohorts"][0]["market"] = "BTC"
    with pytest.raises(ValueError, match=r'cohorts\.0\.market: "BTC" is not in \[parameters\.perpetuals\]'):
        Scenario.model_validate(values)


def test_nothing_is_written_for_bad_input(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text(GOOD.replace("seed = 7", "seed = -7"))
    for verb in ("run", "calibrate"):
        assert main([verb, "bad.toml"]) == 2
    assert capsys.readouterr().out == ""
    assert [file.name for file in tmp_path.iterdir()] == ["bad.toml"]


@pytest.mark.parametrize("text", [GOOD, GOOD.replace("\n", "\r\n"), "\ufeff" + GOOD])
def test_line_ends_and_byte_order_marks_change_nothing(text, tmp_path):
    file = tmp_path / "case.toml"
    file.write_bytes(text.encode())
    assert Scenario.load(file).hash == Scenario.load(CORPUS / "good-perpetual.toml").hash


def test_the_hash_does_not_see_comments_order_or_spelling(tmp_path):
    respelt = GOOD.replace("seed = 7\npaths = 1000", "# a comment\npaths = 1_000\nseed = 0x7").replace("1e9 }", "1000000000 }")
    assert Scenario.from_text(respelt, tmp_path).hash == Scenario.from_text(GOOD, tmp_path).hash
    venues = GOOD[GOOD.index("[protocol.venues.ETH]") : GOOD.index("[parameters.perpetuals.ETH]")]
    first, second = venues.split("[protocol.venues.BTC]")
    swapped = GOOD.replace(venues, f"[protocol.venues.BTC]{second}{first}")
    assert swapped.index("[protocol.venues.BTC]") < swapped.index("[protocol.venues.ETH]")
    assert Scenario.from_text(swapped, tmp_path).hash == Scenario.from_text(GOOD, tmp_path).hash
    signed = Scenario.from_text(GOOD + '\n[proposal]\nauthor = "Risk Co"\n', tmp_path)
    assert (signed.preamble.author, signed.hash) == ("Risk Co", Scenario.from_text(GOOD, tmp_path).hash)
    assert Scenario.from_text(GOOD.replace("seed = 7", "seed = 8"), tmp_path).hash != Scenario.from_text(GOOD, tmp_path).hash


def test_the_hash_sees_the_bytes_of_named_files(tmp_path):
    (tmp_path / "accounts.csv").write_text("wealth,leverage,side\n1000,5,1\n")
    before = Scenario.from_text(WITH_ACCOUNTS, tmp_path).hash
    (tmp_path / "accounts.csv").write_text("wealth,leverage,side\n1000,6,1\n")
    assert Scenario.from_text(WITH_ACCOUNTS, tmp_path).hash != before
