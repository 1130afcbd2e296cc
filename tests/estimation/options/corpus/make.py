"""Writes the bad chains beside this file: `python make.py`. The lines a person gets stand in `*.expected`."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
HEADER = "timestamp,expiry,strike,type,bid,ask,forward"
MOMENT, EXPIRY = "2026-01-30T16:00:00Z", "2026-02-27T08:00:00Z"


def row(timestamp=MOMENT, expiry=EXPIRY, strike="80000", type="call", bid="4000", ask="4100", forward="80000"):
    return ",".join((timestamp, expiry, strike, type, bid, ask, forward))


CASES = {
    "empty": "",
    "header-only": HEADER,
    "no-strike": [HEADER.replace("strike", "strikes"), row()],
    "no-premium": ["timestamp,expiry,strike,type,bid", f"{MOMENT},{EXPIRY},80000,call,4000"],
    "column-twice": [HEADER.replace("ask", "bid"), row()],
    "semicolons": [HEADER.replace(",", ";"), row().replace(",", ";")],
    "extra-field": [HEADER, row() + ",1", row() + ",2"],
    "decimal-comma": [HEADER, row(bid='"4000,5"')],
    "one-field": [HEADER, row(), "", row(type="put")],
    "naive-timestamp": [HEADER, row(timestamp="2026-01-30T16:00:00"), row(expiry="2026-02-27 08:00")],
    "epoch-timestamp": [HEADER, row(timestamp="1769788800")],
    "impossible-timestamp": [HEADER, row(expiry="2026-02-30T08:00:00Z"), row(timestamp="")],
    "expired": [HEADER, row(expiry=MOMENT), row(expiry="2026-01-01T08:00:00Z", type="put")],
    "negative": [HEADER, row(bid="-1"), row(strike="0"), row(forward="-80000")],
    "infinite": [HEADER, row(ask="inf"), row(bid="nan"), row(strike="1e400")],
    "huge": [HEADER, row(ask="4e18")],
    "no-number": [HEADER, row(bid="four"), row(strike=""), row(ask="4_000")],
    "crossed": [HEADER, row(bid="4100", ask="4000")],
    "twice": [HEADER, row(), row(type="put"), row(type="C")],
    "no-type": [HEADER, row(type="straddle"), row(type="")],
    "no-quotes": [HEADER, row(bid="", ask=""), row(bid="0", ask="", type="put")],
    "in-percent": [HEADER + ",mark_volatility", row() + ",62.5"],
    "blank-currency": [HEADER + ",currency", row() + ","],
    "escape-in-a-name": [HEADER + ",\x1b[31mred", row() + ",1"],
    "many": [HEADER, *(row(bid="-1") for _ in range(30))],
}

if __name__ == "__main__":
    for name, lines in CASES.items():
        text = lines if isinstance(lines, str) else "\n".join(lines) + "\n"
        (FOLDER / f"{name}.csv").write_bytes(text.encode())
