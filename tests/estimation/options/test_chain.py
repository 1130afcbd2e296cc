"""Chains: what is read, the one line that every kind of wrong file gets, and what cleaning keeps."""

import gzip
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.estimation.errors import FitError
from simulator.estimation.options.chain import read_chain
from simulator.estimation.options.cleaning import Rules, clean
from simulator.estimation.options.loss import weigh
from simulator.estimation.options.parity import forwards, violations
from simulator.market.price_rows import PriceFileError

CORPUS = Path(__file__).resolve().parent / "corpus"
DERIBIT = "data/options/deribit_chain_snapshots_2026.parquet"


def problems_of(file, **options):
    with pytest.raises(PriceFileError) as caught:
        read_chain(file, **options)
    return caught.value.problems


@pytest.mark.parametrize("case", sorted(file.stem for file in CORPUS.glob("*.csv")))
def test_every_bad_chain_gets_its_exact_lines(case):
    assert "\n".join(problems_of(CORPUS / f"{case}.csv")) + "\n" == (CORPUS / f"{case}.expected").read_text()


def test_every_expectation_has_its_file():
    assert sorted(f.stem for f in CORPUS.glob("*.expected")) == sorted(f.stem for f in CORPUS.glob("*.csv"))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (gzip.compress(b"timestamp,expiry", mtime=0), "row 1: this is a gzip file, not text; unpack it to CSV"),
        (b"PAR1" + bytes(40), "row 1: this is a parquet file, not text; unpack it to CSV"),
        (b"timestamp\0,expiry", "row 1: this is a binary file, not text; write CSV in UTF-8"),
        (b"timestamp,\xff", "row 1: byte 0xff is not UTF-8; save the file as UTF-8"),
    ],
)
def test_what_is_no_text_is_named(content, line, write_chain):
    assert problems_of(write_chain(content)) == [line]


def test_a_broken_parquet_file_is_one_line(write_chain):
    (line,) = problems_of(write_chain(b"PAR1" + bytes(40), "chain.parquet"))
    assert line.startswith("the Parquet file cannot be read: ")


def test_a_good_chain_is_read_as_it_stands(chain_rows, write_chain):
    header, rows = chain_rows()
    rows[0][4] = ""  # nobody bids
    rows[1][5] = "0"  # nobody offers
    chain = read_chain(write_chain((header, rows)))
    assert (len(chain), chain.premium, chain.currencies) == (len(rows), "usd", ["BTC"])
    assert np.isnan([chain.bid[0], chain.ask[1]]).all()
    assert (chain.strike[0], bool(chain.is_call[0]), chain.row[0]) == (float(rows[0][2]), True, 2)
    assert chain.moments() == [datetime(2026, 1, 30, 16, tzinfo=UTC)]


def test_columns_may_stand_in_any_order_with_quotes_bom_and_crlf(chain_rows, write_chain):
    header, rows = chain_rows()
    order = [3, 6, 0, 2, 1, 7, 4, 5, 8]
    lines = [[row[i] for i in order] for row in [header, *rows]]
    text = "\ufeff" + "\r\n".join(",".join(f'"{x}"' for x in line) for line in lines)
    ours, theirs = read_chain(write_chain((header, rows), "a.csv")), read_chain(write_chain(text.encode(), "b.csv"))
    for name in ("strike", "is_call", "bid", "ask", "mark", "forward", "expiry", "moment"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_a_flat_smile_comes_back_flat_in_both_units(chain_rows, write_chain):
    for coin in (False, True):
        file = write_chain(chain_rows(0.6, coin=coin))
        for source in ("mark", "mid"):
            quotes = clean(read_chain(file, "coin" if coin else "usd"), Rules(price=source)).quotes
            assert np.max(np.abs(quotes.volatility - 0.6)) < 1e-10
            assert np.all((quotes.bid < 0.6) & (quotes.ask > 0.6))
            assert np.all(quotes.is_call == (quotes.strike >= quotes.forward))
            assert np.all(np.diff(quotes.strike[quotes.expiry_index == 0]) > 0)


def test_the_wrong_unit_is_noticed(chain_rows, write_chain):
    (line,) = problems_of(write_chain(chain_rows(coin=True)), premium="usd")
    assert line.endswith("say --premium coin?")
    (line,) = problems_of(write_chain(chain_rows()), premium="coin")
    assert line.endswith("say --premium usd?")


@pytest.mark.parametrize("coin", [False, True])
def test_forwards_come_from_put_call_parity_where_the_file_has_none(coin, chain_rows, write_chain):
    chain = read_chain(write_chain(chain_rows(forward=81_234.0, with_forward=False, coin=coin)), "coin" if coin else "usd")
    forward, notes = forwards(chain, np.ones(len(chain)))
    assert forward == pytest.approx(np.full(len(chain), 81_234.0), rel=1e-12)
    assert len(notes) == 2
    assert all(note.endswith("forward 81,234 by put-call parity") for note in notes)


def test_premia_in_usd_are_discounted(chain_rows, write_chain):
    rate = 0.05
    header, rows = chain_rows(days=(100,))
    for row in rows:
        row[4:7] = [repr(float(x) * float(np.exp(-rate * 100 / 365))) for x in row[4:7]]
    cleaned = clean(read_chain(write_chain((header, rows))), Rules(price="mark", rate=rate))
    assert np.max(np.abs(cleaned.quotes.volatility - 0.6)) < 1e-10
    assert cleaned.quotes.discount == pytest.approx(np.exp(-rate * 100 / 365))


def test_every_rule_counts_what_it_drops(chain_rows, write_chain):
    header, rows = chain_rows(days=(0.5, 10, 40, 90))
    ten = [row for row in rows if row[1].startswith("2026-02-09")]
    out = [row for row in ten if (row[3] == "call") == (float(row[2]) >= 80_000)]
    out[0][4] = ""  # one-sided
    out[1][4], out[1][5] = "1", "1000"  # wide
    kept_of_ninety = [row for row in rows if row[1].startswith("2026-04-30")][:6]  # three strikes: too few
    rows = [row for row in rows if not row[1].startswith("2026-04-30")] + kept_of_ninety
    cleaned = clean(read_chain(write_chain((header, rows))), Rules(deviations=1.5))
    dropped = cleaned.dropped
    assert dropped["expiry too near"] == 26
    assert dropped["one-sided"] == 1
    assert dropped["wide spread"] == 1
    assert dropped["too few quotes"] > 0
    assert dropped["outside the band"] > 0
    assert sum(dropped.values()) + len(cleaned.quotes) == cleaned.rows == len(rows)


def test_the_band_is_deviations_of_the_quotes_own_volatility(chain_rows, write_chain):
    quotes = clean(read_chain(write_chain(chain_rows(0.6))), Rules(price="mark", deviations=1.0)).quotes
    assert np.max(np.abs(quotes.log_moneyness) / (quotes.volatility * np.sqrt(quotes.years))) <= 1.0


def test_nothing_left_is_said_with_the_counts(chain_rows, write_chain):
    chain = read_chain(write_chain(chain_rows(days=(0.5,))))
    with pytest.raises(FitError) as caught:
        clean(chain, Rules())
    assert caught.value.problems == [("quotes", "none of 26 rows is left (26 expiry too near); needs at least 6 of one expiry")]


def test_rules_that_make_no_sense_are_refused(chain_rows, write_chain):
    with pytest.raises(FitError) as caught:
        clean(read_chain(write_chain(chain_rows())), Rules(price="last", deviations=0.0, min_quotes=3, max_spread=float("nan")))
    assert [key for key, _ in caught.value.problems] == ["--quote", "--max-spread", "--deviations", "--min-quotes"]


def test_snapshots_are_chosen_by_moment_and_currency(chain_rows, write_chain):
    header, rows = chain_rows()
    later = [["2026-01-31T16:00:00Z", *row[1:]] for row in rows]
    other = [[*row[:-1], "ETH"] for row in rows]
    chain = read_chain(write_chain((header, rows + later + other)))
    with pytest.raises(PriceFileError, match="holds BTC, ETH; choose one"):
        chain.of(None)
    with pytest.raises(PriceFileError, match="there is no SOL; there are BTC, ETH"):
        chain.of("SOL")
    with pytest.raises(PriceFileError, match="2 snapshots from 2026-01-30T16:00:00Z to 2026-01-31T16:00:00Z; choose one"):
        chain.of("BTC").at(None)
    with pytest.raises(PriceFileError, match="the first snapshot is of 2026-01-30T16:00:00Z, after"):
        chain.at(datetime(2026, 1, 1, tzinfo=UTC))
    noon = chain.of("BTC").at(datetime(2026, 2, 1, tzinfo=UTC))
    assert len(noon) == len(rows)
    assert noon.moments() == [datetime(2026, 1, 31, 16, tzinfo=UTC)]


def test_arbitrage_in_the_quotes_themselves_is_found(chain_rows, write_chain):
    header, rows = chain_rows(days=(40,))
    chain = read_chain(write_chain((header, rows)))
    assert violations(chain, chain.forward, np.ones(len(chain))) == []
    calls = [row for row in rows if row[3] == "call"]
    calls[6][4] = repr(float(calls[5][5]) + 50)  # bid above the ask of the strike below
    calls[6][5] = repr(float(calls[6][4]) + 100)
    chain = read_chain(write_chain((header, rows)))
    found = violations(chain, chain.forward, np.ones(len(chain)))
    kinds = {violation.kind for violation in found}
    assert {"call spread below zero", "call butterfly below zero", "put-call parity"} <= kinds
    spread = next(v for v in found if v.kind == "call spread below zero")
    assert spread.profit == pytest.approx(50)
    assert spread.strike == float(calls[5][2])


def test_weights_are_named(chain_rows, write_chain):
    quotes = clean(read_chain(write_chain(chain_rows())), Rules()).quotes
    for name in ("uniform", "vega", "spread"):
        assert np.sum(weigh(quotes, name).weight) == pytest.approx(len(quotes))
    assert np.corrcoef(weigh(quotes, "vega").weight, quotes.vega**2)[0, 1] == pytest.approx(1)
    with pytest.raises(ValueError, match="weights must be one of"):
        weigh(quotes, "open-interest")


def deribit_table(**columns):
    ts = datetime(2026, 1, 30, 16, tzinfo=UTC)
    good = {
        "ts": pa.array([ts] * 2, pa.timestamp("ms", "UTC")),
        "currency": pa.array(["BTC", "BTC"]).dictionary_encode(),
        "is_call": [True, False],
        "strike": [80_000.0, 80_000.0],
        "expiry": pa.array([ts + timedelta(days=30)] * 2, pa.timestamp("ms", "UTC")),
        "bid_price": [0.05, None],
        "ask_price": [0.06, 0.06],
        "forward": [80_000.0, 80_000.0],
    }
    return pa.table({**good, **columns})


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({"strike": ["a", "b"]}, "column strike: is string; it must be numbers"),
        ({"is_call": [1, 0]}, "column is_call: is int64; it must be true for a call or false for a put"),
        ({"strike": [80_000.0, -1.0]}, "row 2, column strike: -1 must be above 0"),
        ({"strike": [80_000.0, None]}, "row 2, column strike: nan is not a finite number"),
        ({"bid_price": [-0.05, None]}, "row 1, column bid_price: -0.05 must be 0 or more"),
        ({"ask_price": [float("inf"), 0.06]}, "row 1, column ask_price: inf is not a finite number"),
        ({"ask_price": [0.04, 0.06]}, "row 1, column ask: 0.04 is below the bid, 0.05; the quote is crossed"),
        ({"is_call": [True, True]}, "there is twice, first in row 1"),
        (
            {"ts": pa.array([datetime(2026, 1, 30)] * 2, pa.timestamp("ms"))},
            "is timestamp[ms]; it must be a timestamp with an offset",
        ),
        ({"is_call": [True, None]}, "row 2, column is_call: is blank"),
    ],
)
def test_parquet_is_read_as_strictly(columns, line, tmp_path):
    file = tmp_path / "chain.parquet"
    pq.write_table(deribit_table(**columns), file)
    assert any(line in found or (line.startswith("there is twice") and "is there twice" in found) for found in problems_of(file))


def test_parquet_without_a_column_names_it(tmp_path):
    file = tmp_path / "chain.parquet"
    pq.write_table(deribit_table().drop_columns(["strike"]).append_column("strikes", pa.array([1.0, 2.0])), file)
    assert problems_of(file) == ["there is no column strike; did you mean `strikes`?"]


@pytest.mark.shared_data
def test_a_real_chain(shared_data):
    file = shared_data / DERIBIT
    if not file.exists():
        pytest.skip(f"{DERIBIT} is not among the shared data")
    chain = read_chain(file)
    assert set(chain.currencies) == {"BTC", "ETH"}
    last = chain.moments()[-1]
    for currency in chain.currencies:
        snapshot = chain.of(currency).at(last)
        cleaned = clean(snapshot, Rules(price="mark"), currency)
        quotes = cleaned.quotes
        assert sum(cleaned.dropped.values()) + len(quotes) == cleaned.rows
        assert cleaned.dropped["no volatility"] == 0
        inverted = clean(snapshot, Rules(price="mid"), currency).quotes
        assert len(inverted) > 100
        marked = dict(zip(zip(quotes.expiry_index, quotes.strike, quotes.is_call, strict=True), quotes.volatility, strict=True))
        keys = list(zip(inverted.expiry_index, inverted.strike, inverted.is_call, strict=True))
        both = [(marked[key], i) for i, key in enumerate(keys) if key in marked]
        inside = [inverted.bid[i] - 0.01 <= mark <= inverted.ask[i] + 0.01 for mark, i in both]
        assert np.mean(inside) > 0.9
        stated = np.unique(snapshot.expiry)
        parity, _ = forwards(
            type(snapshot)(**{**vars(snapshot), "forward": np.full(len(snapshot), np.nan)}), np.ones(len(snapshot))
        )
        for day in stated:
            rows = snapshot.expiry == day
            assert np.nanmedian(parity[rows]) == pytest.approx(np.median(snapshot.forward[rows]), rel=5e-3)


def test_the_corpus_is_what_its_maker_writes(tmp_path):
    (tmp_path / "make.py").write_bytes((CORPUS / "make.py").read_bytes())
    subprocess.run([sys.executable, str(tmp_path / "make.py")], check=True, timeout=60)
    made = {file.name: file.read_bytes() for file in tmp_path.glob("*.csv")}
    assert made == {file.name: file.read_bytes() for file in CORPUS.glob("*.csv")}
