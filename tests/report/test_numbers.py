"""Numbers as people read them, scales, and text in drawings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.report.numbers import between, certain, exact, in_unit, percent, plain, signed, step, visible
from simulator.report.scales import Linear, Logarithmic, padded
from simulator.report.svg import Element, fitted
from simulator.report.words import condition, pieces, short_condition

SPACE = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (exact(0.1), "0.1"),
        (exact(5e-05), "5e-05"),
        (exact(0.0), "0.0"),
        (exact(None), "–"),
        (plain(1234567.8), "1,234,568"),
        (plain(-0.25), "−0.25"),
        (plain(999.96), "1,000"),
        (plain(2.5e-22), "2.50e−22"),
        (plain(-4.4e53), "−4.4e+53"),
        (percent(0.00421), f"0.421{SPACE}%"),
        (percent(1.5), f"150{SPACE}%"),
        (percent(0.0), f"0{SPACE}%"),
        (certain(0.99995), f"> 99.9{SPACE}%"),
        (certain(1.0), f"100{SPACE}%"),
        (certain(1e-9), f"< 0.1{SPACE}%"),
        (certain(0.0), f"0{SPACE}%"),
        (in_unit(1e-13, "usd"), "0"),
        (in_unit(0.02, "open-interest"), f"2{SPACE}%"),
        (signed(0.5, "usd"), "+0.5"),
        (signed(1e-17), "0"),
        (step(0.009999999999999995), "+0.01"),
        (step(-0.02), "−0.02"),
        (step(0.0), "0"),
        (between(0.01, 0.02, "probability"), f"1 to 2{SPACE}%"),
        (between(1.0, None, "usd"), "from 1, no upper end"),
        (between(None, None, "usd"), "no interval"),
        (visible("a\x1b[31m\u202eb"), "a\\u001b[31m\\u202eb"),
        (condition("2:probability:loss.steady"), f"Limit{SPACE}2: probability of loss, steady state"),
        (condition("anything: else"), "anything: else"),
        (short_condition("3:mean:user_cost.whole"), f"Limit{SPACE}3, whole period"),
    ],
)
def test_numbers_and_names_are_written_so(written, wanted):
    assert written == wanted


@given(st.text(max_size=60))
def test_pieces_of_a_text_are_the_text(text):
    assert "".join(piece for piece, _ in pieces(text)) == text


def test_names_of_parameters_in_a_sentence_are_found_without_its_full_stop():
    found = list(pieces("Change perpetuals.ETH.initial_margin_ratio from 0.1 to fees.volatility_slope."))
    assert [piece for piece, is_name in found if is_name] == ["perpetuals.ETH.initial_margin_ratio", "fees.volatility_slope"]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_round_and_inside(low, width):
    scale = Linear(low, low + width, 0.0, 100.0)
    for tick in scale.ticks():
        assert low - 1e-6 * width <= tick <= low + width * (1 + 1e-6)
        assert -1e-6 <= scale(tick) <= 100 + 1e-6
    assert len(scale.ticks()) <= 7


@given(st.floats(1e-9, 1e3), st.floats(1.5, 1e9))
def test_logarithmic_ticks_are_inside(low, factor):
    scale = Logarithmic(low, low * factor, 0.0, 100.0)
    assert all(low * (1 - 1e-6) <= tick <= low * factor * (1 + 1e-6) for tick in scale.ticks())
    assert scale(0.0) == 0.0
    assert scale(low * factor * 10) == pytest.approx(100.0)


def test_a_range_of_one_value_has_a_width():
    assert padded([2.0]) == pytest.approx((1.84, 2.16))
    assert padded([0.0, 0.0])[0] < 0 < padded([0.0, 0.0])[1]


def test_text_and_attributes_of_a_drawing_are_escaped():
    drawn = str(Element("text", "a<b>&", class_='x" y="z', stroke_width=1.25, href=None))
    assert drawn == '<text class="x&quot; y=&quot;z" stroke-width="1.2">a&lt;b&gt;&amp;</text>'
    assert str(Element("line", x1=-0.01)) == '<line x1="0"/>'


def test_long_names_are_cut_to_their_room():
    assert fitted("short", 200) == "short"
    assert fitted("a" * 100, 100).endswith("…")
    assert len(fitted("a" * 100, 100)) < 20
