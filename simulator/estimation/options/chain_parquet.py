"""A chain in Parquet with the columns of a Deribit snapshot, checked like the rows of a CSV."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.estimation.options.chain_rows import ChainReading, why_no_value
from simulator.market.price_rows import MOST_ROWS, PriceFileError
from simulator.wording import did_you_mean

if TYPE_CHECKING:
    import pyarrow

COLUMNS = {  # of the file: ours
    "ts": "timestamp",
    "expiry": "expiry",
    "strike": "strike",
    "is_call": "type",
    "bid_price": "bid",
    "ask_price": "ask",
    "mark_price": "mark",
    "forward": "forward",
    "index_price": "underlying",
    "mark_iv": "mark_volatility",
    "currency": "currency",
}
NEEDED = ("ts", "expiry", "strike", "is_call", "bid_price", "ask_price")


def read_parquet(content: bytes) -> ChainReading:
    """Every row. Raises PriceFileError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        names = file.schema_arrow.names
        if missing := [name for name in NEEDED if name not in names]:
            raise PriceFileError([f"there is no column {name}; {did_you_mean(name, names)}" for name in missing])
        if file.metadata.num_rows > MOST_ROWS:
            raise PriceFileError([f"the file has {file.metadata.num_rows:,} rows; at most {MOST_ROWS:,} are read"])
        table = file.read(columns=[name for name in COLUMNS if name in names])
    except (pa.ArrowException, OSError) as problem:
        raise PriceFileError([f"the Parquet file cannot be read: {str(problem).splitlines()[0][:200]}"]) from None
    if not table.num_rows:
        raise PriceFileError(["the file has no rows"])
    reading = ChainReading({}, np.arange(1, table.num_rows + 1))
    for name in table.column_names:
        reading.columns[COLUMNS[name]] = _column(name, table.column(name), reading)
    reading.stop_if_wrong()
    return reading


def _column(name: str, values: pyarrow.ChunkedArray, reading: ChainReading) -> Any:
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    ours = COLUMNS[name]
    if ours in ("timestamp", "expiry"):
        if not pa.types.is_timestamp(kind) or kind.tz is None:
            reading.report(f"column {name}: is {kind}; it must be a timestamp with an offset")
            return None
        return _whole(name, values.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64()), reading)
    if ours == "type":
        wanted, fine = "true for a call or false for a put", pa.types.is_boolean(kind)
    elif ours == "currency":
        wanted, fine = "text", pa.types.is_string(kind) or pa.types.is_large_string(kind)
    else:
        wanted, fine = "numbers", pa.types.is_floating(kind) or pa.types.is_integer(kind)
    if not fine:
        reading.report(f"column {name}: is {kind}; it must be {wanted}")
        return None
    if ours in ("type", "currency"):
        return _whole(name, values, reading)
    numbers = values.cast(pa.float64()).to_numpy()
    wrong = ~np.isnan(numbers) & ~((numbers > 0) & (numbers < 20))  # few are looked at closely
    for i in np.flatnonzero(wrong | (np.isnan(numbers) & (name == "strike"))):
        if problem := why_no_value(ours, float(numbers[i])):
            reading.report(f"row {i + 1}, column {name}: {problem}")
    return numbers


def _whole(name: str, values: pyarrow.ChunkedArray, reading: ChainReading) -> np.ndarray | None:
    if values.null_count:
        row = int(np.flatnonzero(values.is_null().to_numpy())[0]) + 1
        reading.report(f"row {row}, column {name}: is blank")
        return None
    return values.to_numpy()
