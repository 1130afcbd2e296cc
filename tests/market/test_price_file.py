"""The strict reader of price files: what it accepts, and the one line that every kind of wrong file gets."""

import copy
import hashlib
import random
import struct
from datetime import UTC, datetime

import numpy as np
import pytest

from simulator.market.price_file import PriceFileError, file_inside, read_prices

HOUR = "2021-01-01T{:02d}:00:00Z"
GOOD = ["timestamp,BTC,ETH", *(f"{HOUR.format(h)},{100 + h},{10 + h / 8}" for h in range(6))]


def _write(tmp_path, content):
    file = tmp_path / "prices.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def _rows(**changes):
    """The good file with row N (as `row_N`) replaced."""
    rows = list(GOOD)
    for name, row in changes.items():
        rows[int(name.removeprefix("row_")) - 1] = row
    return "\n".join(rows) + "\n"


def _problems(tmp_path, content, **options):
    with pytest.raises(PriceFileError) as caught:
        read_prices(_write(tmp_path, content), **options)
    return caught.value.problems


def test_a_good_file_is_read_as_it_stands(tmp_path):
    file = _write(tmp_path, _rows())
    table = read_prices(file)
    assert table.assets == ("BTC", "ETH")
    assert table.prices.tolist() == [[100.0 + h, 10 + h / 8] for h in range(6)]
    assert table.timestamps[0] == int(datetime(2021, 1, 1, tzinfo=UTC).timestamp()) * 10**9
    assert table.step == 3600
    assert table.warnings == ()
    assert table.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("change", [lambda s: "\ufeff" + s, lambda s: s.replace("\n", "\r\n"), lambda s: s + "\n\n", str.strip])
def test_marks_and_line_ends_do_not_matter(change, tmp_path):
    plain, changed = (read_prices(_write(tmp_path, text)) for text in (_rows(), change(_rows())))
    assert np.array_equal(plain.prices, changed.prices)


def test_offsets_quotes_column_order_and_exponents_are_understood(tmp_path):
    text = 'ETH,timestamp,BTC\n1e3,2021-01-01T01:00:00+01:00,5\n 7 ,2021-01-01T01:00:00.000Z,"6"\n'
    table = read_prices(_write(tmp_path, text), ["BTC", "ETH"])
    assert table.prices.tolist() == [[5.0, 1000.0], [6.0, 7.0]]
    assert table.step == 3600


def test_every_double_is_read_back_to_the_last_bit(tmp_path):
    source = random.Random(5)
    values = [struct.unpack("d", struct.pack("Q", source.getrandbits(62)))[0] for _ in range(2_000)]
    values = [value for value in values if 0 < value < float("inf")]
    rows = [f"2021-01-01T00:{i // 60 % 60:02d}:{i % 60:02d}.{i // 3600:03d}Z,{value!r}" for i, value in enumerate(values)]
    table = read_prices(_write(tmp_path, "timestamp,A\n" + "\n".join(rows)))
    assert table.prices[:, 0].tolist() == values


def test_a_window_includes_both_ends(tmp_path):
    moments = {name: datetime(2021, 1, 1, hour, tzinfo=UTC) for name, hour in (("since", 1), ("until", 3))}
    assert read_prices(_write(tmp_path, _rows()), ["BTC"], **moments).prices[:, 0].tolist() == [101, 102, 103]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "row 1: the file is empty; the first row must name the columns: timestamp,BTC,ETH"),
        ("timestamp,BTC\n", "row 2: the file has a header and no rows"),
        ("timestamp,BTC,BTC\n", "row 1, column BTC: is there twice"),
        ("timestamp,,BTC\n", "row 1, column 2: has no name"),
        ("time,BTC\n", "row 1: there is no column timestamp; is the first column, 'time', the timestamp?"),
        ("timestamp\n", "row 1: there is no column of prices beside timestamp"),
        (
            "timestamp;BTC\n",
            "row 1: columns are separated by semicolons; separate them by commas and write decimals with a point",
        ),
        ("timestamp\tBTC\n", "row 1: columns are separated by tabs; separate them by commas and write decimals with a point"),
        ("timestamp,B\x1b[31m\n", "row 1, column 2: 'B\\x1b[31m' is no name of an asset"),
        ("timestamp,\u202eB\n", "row 1, column 2: '\\u202eB' is no name of an asset"),
        (b"\x1f\x8b\x08", "row 1: this is a gzip file, not text; unpack it to CSV"),
        (b"PK\x03\x04", "row 1: this is a zip file, not text; unpack it to CSV"),
        (b"PAR1", "row 1: this is a parquet file, not text; unpack it to CSV"),
        (b"timestamp,A\0", "row 1: this is a binary file, not text; write CSV in UTF-8"),
        (b"timestamp,A\n\n\xff", "row 3: byte 0xff is not UTF-8; save the file as UTF-8"),
    ],
)
def test_a_file_that_is_no_price_file(content, line, tmp_path):
    assert _problems(tmp_path, content) == [line]


MOMENT = "2021-01-01T02:00:00Z"


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (f"{MOMENT},1,2,3", "row 4: has 4 fields, the header names 3; a decimal comma? write decimals with a point"),
        (f"{MOMENT},1", "row 4: has 2 fields, the header names 3"),
        ("", "row 4: is blank or has one field; the header names 3"),
        (f"{MOMENT},,2", "row 4, column BTC: is blank; allow blanks, or leave the asset out"),
        (f"{MOMENT},0,2", "row 4, column BTC: 0 is not a positive price"),
        (f"{MOMENT},1,-2.5", "row 4, column ETH: -2.5 is not a positive price"),
        (f"{MOMENT},nan,2", "row 4, column BTC: 'nan' is not a finite price"),
        (f"{MOMENT},inf,2", "row 4, column BTC: 'inf' is not a finite price"),
        (f"{MOMENT},1e400,2", "row 4, column BTC: '1e400' is not a finite price"),
        (f'{MOMENT},"1234,5",2', "row 4, column BTC: '1234,5' has a decimal comma; write 1234.5"),
        (f"{MOMENT},1_000,2", "row 4, column BTC: '1_000' is no number"),
        (f"{MOMENT},\u0661,2", "row 4, column BTC: '\u0661' is no number"),
        (f"{MOMENT},=1+1,2", "row 4, column BTC: '=1+1' is no number"),
        (f"{MOMENT},\x1b[2J,2", "row 4, column BTC: '\\x1b[2J' is no number"),
        ("2021-01-01T02:00:00,1,2", "row 4, column timestamp: 2021-01-01T02:00:00 has no offset; write Z"),
        (
            "2021-01-01T01:00:00Z,1,2",
            "row 4, column timestamp: 2021-01-01T01:00:00Z is there twice; rows must go forward in time",
        ),
        (
            "2021-01-01T00:30:00Z,1,2",
            "row 4, column timestamp: 2021-01-01T00:30:00Z is earlier than the row before it; rows must go forward in time",
        ),
        (
            "2021-02-30T00:00:00Z,1,2",
            "row 4, column timestamp: '2021-02-30T00:00:00Z' is no moment; write it as 2021-01-01T00:00:00Z",
        ),
        (
            "1609466400000,1,2",
            "row 4, column timestamp: 1609466400000 is a number of seconds or milliseconds; "
            "write a moment such as 2021-01-01T00:00:00Z",
        ),
        (",1,2", "row 4, column timestamp: is blank; write a moment such as 2021-01-01T00:00:00Z"),
        ("2021-01-01T02:00:00Z,1," + "9" * 4_100, "row 4: has 4,123 characters; at most 4,096 are read"),
    ],
)
def test_a_row_that_is_wrong_is_named_with_its_column_and_value(row, line, tmp_path):
    assert _problems(tmp_path, _rows(row_4=row)) == [line]


def test_one_field_too_many_in_every_row_shifts_nothing(tmp_path):
    text = "timestamp,BTC,ETH\n" + "".join(f"{HOUR.format(h)},1,2,3\n" for h in range(3))
    assert len(_problems(tmp_path, text)) == 3


def test_all_problems_come_at_once_up_to_twenty(tmp_path):
    text = "timestamp,A\n" + "".join(f"2021-01-01T00:00:{i:02d}Z,-1\n" for i in range(40))
    problems = _problems(tmp_path, text)
    assert len(problems) == 21
    assert problems[-1] == "and 20 more problems"


def test_the_error_survives_the_way_between_processes():
    error = copy.copy(PriceFileError(["row 1: x", "row 2: y"]))
    assert error.problems == ["row 1: x", "row 2: y"]
    assert str(error) == "row 1: x\nrow 2: y"


def test_a_missing_column_names_those_there_are(tmp_path):
    assert _problems(tmp_path, _rows(), assets=["SOL"]) == ["row 1: there is no column SOL; there are timestamp, BTC, ETH"]


def test_an_allowed_blank_is_a_gap_with_a_warning_and_an_error_above_max_gap(tmp_path):
    text = _rows(row_4=f"{MOMENT},,2")
    table = read_prices(_write(tmp_path, text), blanks=True)
    assert len(table.prices) == 5
    assert table.warnings == ("1 gaps in the prices of BTC, ETH, the longest 2 h after row 3; no price is made up for them",)
    assert read_prices(_write(tmp_path, text), ["ETH"]).warnings == ()
    assert _problems(tmp_path, text, blanks=True, max_gap=3_600.0) == [
        "row 3: the next row with prices of BTC, ETH comes after 2 h; max_gap is 1 h"
    ]


def test_a_jump_of_a_thousandfold_and_a_constant_price_warn(tmp_path):
    rows = [f"{HOUR.format(h)},{1 if h < 3 else 1500},7" for h in range(6)]
    warnings = read_prices(_write(tmp_path, "\n".join(["timestamp,A,B", *rows]))).warnings
    assert warnings == ("row 5, column A: 1 becomes 1500; a decimals error?", "column B: the price never changes")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../prices.csv", "a/../../x.csv", "https://x.org/a.csv", "", "a\\b.csv", "none.csv"]
)
def test_a_file_outside_the_folder_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="scenario's folder"):
        file_inside(tmp_path, name)


def test_links_that_leave_folders_and_pipes_are_refused(tmp_path):
    import os

    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.csv").write_text("x")
    (inside / "link.csv").symlink_to(tmp_path / "secret.csv")
    (inside / "folder.csv").mkdir()
    os.mkfifo(inside / "pipe.csv")
    for name in ("link.csv", "folder.csv", "pipe.csv"):
        with pytest.raises(ValueError, match="scenario's folder"):
            file_inside(inside, name)


@pytest.mark.shared_data
def test_the_real_hourly_file_is_read(shared_data):
    file = shared_data / "data" / "market" / "crypto_1h_close.csv"
    if not file.is_file():
        pytest.skip(f"{file.name} is not among the shared data")
    table = read_prices(file, ["BTC", "ETH", "SOL"], blanks=True)
    assert table.prices.shape == (38_970, 3)
    assert table.step == 3600
    assert len(table.warnings) == 1
    with pytest.raises(PriceFileError, match="column USDC: is blank"):
        read_prices(file, ["USDC"])
