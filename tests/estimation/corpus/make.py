"""Writes the price files beside this file: `python make.py`. What `simulator fit` answers stands in `*.expected`."""

import gzip
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
HEADER = "timestamp,BTC,ETH"


def row(hour=0, btc="100", eth="10"):
    return f"2021-01-01T{hour:02d}:00:00Z,{btc},{eth}"


GOOD = [HEADER, row(0), row(1), row(2)]

CASES = {
    "empty": "",
    "header-only": HEADER + "\n",
    "no-timestamp": ["time,BTC", "2021-01-01T00:00:00Z,100"],
    "no-prices": ["timestamp", "2021-01-01T00:00:00Z"],
    "column-twice": ["timestamp,BTC,BTC", row()],
    "column-nameless": ["timestamp,,ETH", row()],
    "column-script": ["timestamp,<script>alert(1)</script>,ETH", row(0), row(1)],
    "column-formula": ["timestamp,=cmd|' /C calc'!A0,ETH", row(0), row(1)],
    "column-escape": ["timestamp,\x1b[31mBTC,ETH", row(0)],
    "column-backwards": ["timestamp,\u202eBTC,ETH", row(0)],
    "semicolons": [line.replace(",", ";") for line in GOOD],
    "tabs": [line.replace(",", "\t") for line in GOOD],
    "extra-field": [HEADER, row(0), row(1) + ",1", row(2)],
    "extra-field-everywhere": [HEADER, row(0) + ",1", row(1) + ",1", row(2) + ",1"],
    "field-missing": [HEADER, row(0), "2021-01-01T01:00:00Z,100"],
    "blank-row": [HEADER, row(0), "", row(1)],
    "blank-column": [HEADER, row(0, eth=""), row(1, eth=""), row(2, eth="")],
    "zero": [HEADER, row(0), row(1, btc="0")],
    "negative": [HEADER, row(0), row(1, eth="-10.5")],
    "infinite": [HEADER, row(0, btc="inf"), row(1, btc="nan"), row(2, btc="1e400")],
    "decimal-comma": [HEADER, row(0), row(1, btc='"1234,5"')],
    "decimal-comma-bare": [HEADER, row(0), row(1, btc="1234,5")],
    "no-number": [HEADER, row(0, btc="hundred"), row(1, btc="1_000"), row(2, btc="0x64")],
    "naive-timestamp": [HEADER, "2021-01-01T00:00:00,100,10"],
    "timestamp-twice": [HEADER, row(0), row(1), row(1)],
    "timestamp-backward": [HEADER, row(0), row(2), row(1)],
    "timestamp-impossible": [HEADER, "2021-02-30T00:00:00Z,100,10", "2021-01-01T25:00:00Z,100,10"],
    "timestamp-epoch": [HEADER, "1609459200000,100,10", "1609459200,100,10"],
    "timestamp-blank": [HEADER, ",100,10"],
    "one-row": [HEADER, row(0)],
    "few-rows": [HEADER, *(row(hour, btc=str(100 + hour % 3), eth=str(10 + hour % 2)) for hour in range(24))],
    "constant": [HEADER, *(row(hour) for hour in range(24))],
    "long-line": [HEADER, row(0, btc="9" * 5_000)],
    "many-problems": [HEADER, *(row(hour, btc="-1") for hour in range(24)), "x"],
    "no-utf-8": HEADER.encode() + b"\n\xff\n",
    "null-byte": HEADER.encode() + b"\n\0\n",
    "gzip": gzip.compress(HEADER.encode(), mtime=0),
    "zip": b"PK\x03\x04" + bytes(26),
    "bzip2": b"BZh91AY&SY",
    "xz": b"\xfd7zXZ\x00\x00",
    "parquet": b"PAR1" + bytes(8),
}

if __name__ == "__main__":
    for name, lines in CASES.items():
        text = lines if isinstance(lines, (str, bytes)) else "\n".join(lines) + "\n"
        (FOLDER / f"{name}.csv").write_bytes(text.encode() if isinstance(text, str) else text)
