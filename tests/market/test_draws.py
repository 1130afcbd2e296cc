"""Draws and elementary functions: published known answers, and the same values as the scalar kernel."""

import numpy as np
import pytest
from scipy import special, stats

from simulator.kernel import philox, stream, uniform_pair
from simulator.market import draws, tables
from simulator.market.path_kernel import compensate, innovate

LAWS = [(2.1, 3.0), (2.1, 50.0), (3.3, 10.0), (3.3, 50.0), (4.0, 200.0), (30.0, 50.0), (1000.0, 50.0)]
ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("key", "counter", "answer"),
    [
        (0, (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (2**64 - 1, (ONES,) * 4, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            0x299F31D0_A4093822,
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers_of_random123(key, counter, answer):
    assert tuple(int(word) for word in philox(np.uint64(key), *(np.uint64(c) for c in counter))) == answer


def test_many_uniforms_at_once_are_the_scalar_ones():
    key, u, v = stream(3, "a"), np.empty(37), np.empty(37)
    draws.uniforms(key, 11, 5, 2**32 - 20, 7, u, v)
    for i in range(37):
        assert (u[i], v[i]) == uniform_pair(key, 11, 5, 2**32 - 20 + i, 7)


def _quantiles(u, table):
    z, scratch = np.empty_like(u), np.empty((2, len(u)))
    draws.quantiles(u, z, scratch[0], scratch[1], np.zeros(len(u), np.int64), table)
    return z


def _uniforms():
    tails = 10 ** -np.linspace(0.31, 15.9, 3001)
    return np.concatenate([np.linspace(1e-4, 1 - 1e-4, 3001), tails, 1 - tails[:1500]])


def test_the_normal_quantile_is_scipys():
    u = _uniforms()
    assert np.abs(_quantiles(u, draws.NORMAL_TABLE) - special.ndtri(u)).max() < 1e-11


def test_every_uniform_that_can_occur_has_a_quantile():
    u = np.array([2.0**-54, 0.5, 1 - 2.0**-53, 1.0])
    assert np.isfinite(_quantiles(u, draws.NORMAL_TABLE)).all()


def test_the_exponential_is_exact_to_two_units_of_the_last_digit():
    x, out = np.concatenate([np.linspace(-700, 700, 20_001), np.linspace(-1, 1, 20_001)]), np.empty(40_002)
    draws.exponential(x, 1.0, np.empty_like(x), np.empty_like(x), out)
    assert np.abs(out / np.exp(x) - 1).max() < 5e-16


def _truncated_t(tail, nu, cut):
    """Quantiles of the truncated, re-standardised t, by scipy."""
    scale = np.sqrt(nu / (nu - 2))
    beyond = stats.t.sf(cut * scale, nu)
    raw = stats.t.isf(beyond + (1 - 2 * beyond) * tail, nu) / scale
    return raw / np.sqrt(_variance(nu, cut))


def _variance(nu, cut):
    scale = np.sqrt(nu / (nu - 2))
    x, weight = _nodes(cut)
    mass = weight * stats.t.pdf(x * scale, nu) * scale
    return (x * x * mass).sum() / mass.sum()


def _nodes(cut):
    """Gauss-Legendre on pieces that grow away from zero."""
    x, w = np.polynomial.legendre.leggauss(40)
    edges = np.concatenate([[0], np.geomspace(0.05, cut, 60)])
    half = np.diff(edges) / 2
    return (edges[:-1, None] + half[:, None] * (x + 1)).ravel(), (half[:, None] * w).ravel()


@pytest.mark.parametrize(("nu", "cut"), LAWS)
def test_the_truncated_t_of_a_uniform_is_scipys(nu, cut):
    table = np.empty(draws.TAIL_SIZE)
    tables.tail_table(nu, cut, table)
    tail = 10 ** -np.linspace(0.302, 15.9, 4001)
    truth = _truncated_t(tail, nu, cut)
    assert (np.abs(-_quantiles(tail, table) - truth) / np.maximum(1, truth)).max() < 1e-9


def _innovations(w, nu, cut):
    table, out, scratch = np.empty(tables.INNOVATION_SIZE), np.empty_like(w), np.empty((2, len(w)))
    tables.innovation_table(nu, cut, table)
    innovate(w, np.zeros(len(w), np.int64), table, scratch[0], scratch[1], out)
    return out


@pytest.mark.parametrize(("nu", "cut"), LAWS)
def test_the_truncated_t_of_a_normal_is_scipys(nu, cut):
    w = np.linspace(0, 8.2, 8001)
    truth = _truncated_t(stats.norm.sf(w), nu, cut)
    assert (np.abs(_innovations(w, nu, cut) - truth) / np.maximum(1, truth)).max() < 1e-9
    assert np.allclose(_innovations(-w, nu, cut), -_innovations(w, nu, cut), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("nu", "cut"), LAWS)
def test_the_cumulant_is_the_logarithm_of_the_mean_exponential(nu, cut):
    innovations, cumulants = np.empty(tables.INNOVATION_SIZE), np.empty(tables.CUMULANT_SIZE)
    tables.innovation_table(nu, cut, innovations)
    tables.cumulant_table(innovations, cumulants)
    h = np.geomspace(1e-8, 0.25, 41)
    out, scratch, zero = np.empty_like(h), np.empty((2, len(h))), np.zeros(len(h))
    compensate(h, zero, zero.astype(np.int64), cumulants, scratch[0], scratch[1], out)
    x, weight = _nodes(cut)
    scale = np.sqrt(nu / (nu - 2))
    mass = weight * stats.t.pdf(x * scale, nu)
    s = np.sqrt(h)[:, None] * x / np.sqrt(_variance(nu, cut))
    truth = np.log1p((2 * np.sinh(s / 2) ** 2 * mass).sum(axis=1) / mass.sum())
    assert np.abs(-out / truth - 1).max() < 1e-6
