"""How loops over accounts and paths are compiled, and the only source of randomness.

`@kernel` is `numba.njit` with a compile cache keyed by a hash of every source that the kernel's file reaches by imports:
numba's own key covers only the file that holds a function, so a helper changed in another file would leave stale machine
code behind. A kernel calls what its file imports, never a function handed to it. Never `parallel=True`.

Randomness is a pure function of its coordinates (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"):
`uniform(stream, step, entity, path, n)`. No generator exists, so no order of evaluation, number of workers, block size or
added account can shift anybody's draws.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np

from simulator.kernel_calls import lay_into_callers

F = TypeVar("F", bound=Callable[..., Any])


IMPORT = re.compile(r"^\s*(?:from|import)\s+simulator((?:\.\w+)*)(?:\s+import\s+(\([^)]*\)|.*))?", re.MULTILINE)
ROOT = Path(__file__).parent


@cache
def _imports(file: Path) -> frozenset[Path]:
    """The source files of the package that `file` names in an import, wherever it stands."""
    found = set()
    for dotted, names in IMPORT.findall(file.read_text(encoding="utf-8")):
        place = ROOT.joinpath(*dotted.split(".")[1:])
        inside = [place / name for name in re.findall(r"\w+", names)]
        found |= {p for base in (place, *inside) for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()}
    return frozenset(found)


def source_files(file: Path) -> frozenset[Path]:
    """`file` and every source file of the package that it reaches by imports: all that can change what its kernels do."""
    seen, new = set[Path](), {file}
    while new:
        seen |= new
        new = {p for reached in new for p in _imports(reached)} - seen
    return frozenset(seen)


@cache
def _cache_folder(file: Path) -> str:
    """Where machine code of `file` is kept: in the user's cache folder, or in a temporary one where that cannot be written."""
    digest = hashlib.blake2b(digest_size=12)
    for source in sorted(source_files(file)):
        digest.update(source.relative_to(ROOT).as_posix().encode())
        digest.update(source.read_bytes())
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.path.expanduser("~")) / ".cache")
    folder = base / "simulator" / "kernels" / digest.hexdigest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return str(folder)
    except OSError:
        pass
    return tempfile.mkdtemp(prefix="simulator-kernels-")


def _compile(function: F, **options: Any) -> F:
    """`numba.njit` with our cache folder, set only while numba looks where to keep the machine code. Nobody calls our kernels
    from C: no wrapper for that is made."""
    before, file = numba.config.CACHE_DIR, Path(function.__code__.co_filename)
    numba.config.CACHE_DIR = _cache_folder(file) if file.is_relative_to(ROOT) else tempfile.mkdtemp(prefix="simulator-kernels-")
    try:
        compiled = numba.njit(cache=True, error_model="numpy", no_cfunc_wrapper=True, **options)(function)
    finally:
        numba.config.CACHE_DIR = before
    if not numba.config.DISABLE_JIT:
        lay_into_callers(compiled)
    return compiled


def kernel(function: F) -> F:
    """Compile `function` to serial machine code, cached under a hash of its sources. `NUMBA_DISABLE_JIT=1` leaves it Python."""
    return _compile(function)


def rule(function: F) -> F:
    """A `kernel` that allocates nothing: compiled without reference counts.

    A rule is handed records of many arrays; counting references to each of them at each call is atomic work that made one
    margin computation 484 ns instead of 8.
    """
    return _compile(function, _nrt=False)


def small_rule(function: F) -> F:
    """A `rule` laid into its callers: for the few that every trade passes through, where handing over records would cost more
    than the rule itself."""
    return _compile(function, _nrt=False, forceinline=True)


def entry(compiled: F, *arguments: Any) -> F:
    """The machine code of `compiled` for arguments of these types, without numba's look at each of them at each call: a step of
    a block takes 5 us of it instead of 18.

    Nothing checks what it is then called with: it must be of the same types.
    """
    if numba.config.DISABLE_JIT:
        return compiled
    types = tuple(numba.typeof(argument) for argument in arguments)
    compiled.compile(types)  # type: ignore[attr-defined]
    return compiled.overloads[types].entry_point  # type: ignore[attr-defined]


def stream(seed: int, *purpose: str) -> np.uint64:
    """The key of one purpose's draws under `seed`: a hash, never arithmetic on seeds.

    `stream(7, "search", "traders", "activity")` and any other purpose share nothing. `seed` is any non-negative integer.
    """
    text = "\x1f".join((str(int(seed)), *purpose)).encode()
    return np.uint64(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))


MASK = np.uint64(0xFFFFFFFF)
SHIFT = np.uint64(32)
MULTIPLIER_0 = np.uint64(0xD2511F53)
MULTIPLIER_1 = np.uint64(0xCD9E8D57)
WEYL_0 = np.uint64(0x9E3779B9)
WEYL_1 = np.uint64(0xBB67AE85)
SPARE = np.uint64(12)  # of 64 bits: with 52 kept, k + 1/2 is exact and no uniform is 0 or 1
TWO_TO_MINUS_52 = 1.0 / 4503599627370496.0


@rule
def philox_round(c0, c1, c2, c3, k0, k1):
    """One round of Philox4x32 and the key of the next."""
    p0 = MULTIPLIER_0 * c0
    p1 = MULTIPLIER_1 * c2
    return (
        (p1 >> SHIFT) ^ c1 ^ k0,
        p1 & MASK,
        (p0 >> SHIFT) ^ c3 ^ k1,
        p0 & MASK,
        (k0 + WEYL_0) & MASK,
        (k1 + WEYL_1) & MASK,
    )


@rule
def philox(key, c0, c1, c2, c3):
    """Philox4x32-10 (Salmon et al. 2011): four 32-bit words, each in a uint64, from a 64-bit key and four 32-bit counters.

    The rounds are written out: as a loop no compiler makes vector code of many of them.
    """
    k0, k1 = key & MASK, key >> SHIFT
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    return c0, c1, c2, c3


@rule
def uniform_pair(key, step, entity, path, n):
    """Two independent uniforms in (0, 1), never 0 or 1, for the coordinates (step, entity, path, n) of stream `key`."""
    a, b, c, d = philox(key, np.uint64(step) & MASK, np.uint64(entity) & MASK, np.uint64(path) & MASK, np.uint64(n) & MASK)
    u = (np.float64(((a << SHIFT) | b) >> SPARE) + 0.5) * TWO_TO_MINUS_52
    v = (np.float64(((c << SHIFT) | d) >> SPARE) + 0.5) * TWO_TO_MINUS_52
    return u, v


@rule
def uniform(key, step, entity, path, n):
    """One uniform in (0, 1) for the coordinates (step, entity, path, n) of stream `key`."""
    return uniform_pair(key, step, entity, path, n)[0]


@rule
def normal(u):
    """The standard normal quantile of `u` in (0, 1), relative error about 1e-16 (Wichura 1988, AS 241)."""
    q = u - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return (
            q
            * (
                (
                    (
                        (
                            (
                                ((2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r + 6.7265770927008700853e4) * r
                                + 4.5921953931549871457e4
                            )
                            * r
                            + 1.3731693765509461125e4
                        )
                        * r
                        + 1.9715909503065514427e3
                    )
                    * r
                    + 1.3314166789178437745e2
                )
                * r
                + 3.3871328727963666080e0
            )
            / (
                (
                    (
                        (
                            (
                                ((5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r + 3.9307895800092710610e4) * r
                                + 2.1213794301586595867e4
                            )
                            * r
                            + 5.3941960214247511077e3
                        )
                        * r
                        + 6.8718700749205790830e2
                    )
                    * r
                    + 4.2313330701600911252e1
                )
                * r
                + 1.0
            )
        )
    r = u if q < 0.0 else 1.0 - u
    r = np.sqrt(-np.log(r))
    if r <= 5.0:
        r -= 1.6
        z = (
            (
                (
                    (
                        (
                            ((7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r + 2.41780725177450611770e-1) * r
                            + 1.27045825245236838258e0
                        )
                        * r
                        + 3.64784832476320460504e0
                    )
                    * r
                    + 5.76949722146069140550e0
                )
                * r
                + 4.63033784615654529590e0
            )
            * r
            + 1.42343711074968357734e0
        ) / (
            (
                (
                    (
                        (
                            ((1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r + 1.51986665636164571966e-2) * r
                            + 1.48103976427480074590e-1
                        )
                        * r
                        + 6.89767334985100004550e-1
                    )
                    * r
                    + 1.67638483018380384940e0
                )
                * r
                + 2.05319162663775882187e0
            )
            * r
            + 1.0
        )
    else:
        r -= 5.0
        z = (
            (
                (
                    (
                        (
                            ((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 1.24266094738807843860e-3) * r
                            + 2.65321895265761230930e-2
                        )
                        * r
                        + 2.96560571828504891230e-1
                    )
                    * r
                    + 1.78482653991729133580e0
                )
                * r
                + 5.46378491116411436990e0
            )
            * r
            + 6.65790464350110377720e0
        ) / (
            (
                (
                    (
                        (
                            ((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r + 1.84631831751005468180e-5) * r
                            + 7.86869131145613259100e-4
                        )
                        * r
                        + 1.48753612908506148525e-2
                    )
                    * r
                    + 1.36929880922735805310e-1
                )
                * r
                + 5.99832206555887937690e-1
            )
            * r
            + 1.0
        )
    return -z if q < 0.0 else z
