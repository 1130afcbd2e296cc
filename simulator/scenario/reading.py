"""From bytes to a tree of tables: size, text, syntax and depth are judged here, before anything looks at what the file says."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.scenario.problems import Problem, ScenarioError

MOST_BYTES = 1_048_576
MOST_LEVELS = 20
# tomllib takes quadratic time over one dotted key of thousands of parts, so such keys are refused before parsing.
LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}""", re.ASCII)


def read(path: Path) -> str:
    """The text of a scenario file. Raises ScenarioError for anything that is not a small UTF-8 text in a plain file."""
    try:
        status = path.stat()
        wrong = _not_readable(status)
        content = b"" if wrong else path.read_bytes()
    except FileNotFoundError:
        raise ScenarioError(path, [Problem((), "no such file; `simulator new NAME` writes a starter")]) from None
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the name
        reason = getattr(problem, "strerror", None) or str(problem)
        raise ScenarioError(path, [Problem((), f"cannot be read ({reason}); check its name and permissions")]) from None
    if wrong:
        raise ScenarioError(path, [Problem((), wrong)])
    return decode(content, path)


def _not_readable(status: os.stat_result) -> str:
    if stat.S_ISDIR(status.st_mode):
        return "is a folder; name a scenario file"
    if not stat.S_ISREG(status.st_mode):
        return "is not a plain file; name a scenario file"
    if status.st_size > MOST_BYTES:
        return f"has {status.st_size:,} bytes; a scenario has at most {MOST_BYTES:,}"
    return ""


def decode(content: bytes, path: Path | str) -> str:
    """UTF-8, with or without a byte order mark. Raises ScenarioError with the place of the first byte that is not."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        message = f"not UTF-8 (byte 0x{content[problem.start]:02x}); save the file as UTF-8"
        raise ScenarioError(path, [Problem((), message, line)]) from None
    return text


def parse(text: str, path: Path | str) -> dict[str, Any]:
    """The tree of a TOML text, lists as tuples. Raises ScenarioError with line and column of what is not TOML."""
    if len(text) > MOST_BYTES:
        raise ScenarioError(path, [Problem((), f"has {len(text):,} characters; a scenario has at most {MOST_BYTES:,}")])
    if not text.strip():
        raise ScenarioError(path, [Problem((), "is empty; `simulator new NAME` writes a starter")])
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ScenarioError(path, [Problem((), "has a NUL byte; a scenario is plain text", line)])
    long_key = LONG_KEY.search(text)
    if long_key:
        line = text.count("\n", 0, long_key.start()) + 1
        raise ScenarioError(path, [Problem((), f"a key of 64 parts or more; at most {MOST_LEVELS} levels are allowed", line)])
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise ScenarioError(path, [_too_deep()]) from None
    except ValueError as problem:  # TOMLDecodeError, and int() of a number with thousands of digits
        raise ScenarioError(path, [_syntax(str(problem))]) from None
    if _depth(tree) > MOST_LEVELS:
        raise ScenarioError(path, [_too_deep()])
    return {key: tupled(value) for key, value in tree.items()}


def override(text: str, values: Mapping[str, int]) -> str:
    """The same TOML with other whole numbers under some top-level keys. Raises ValueError where that cannot be done."""
    wanted = {**tomllib.loads(text), **values}
    first_table = re.search(r"^[ \t]*\[", text, re.MULTILINE)
    head, rest = (text[: first_table.start()], text[first_table.start() :]) if first_table else (text, "")
    for key, value in values.items():
        head, found = re.subn(rf"^[ \t]*{key}[ \t]*=[^\n#]*", f"{key} = {value} ", head, count=1, flags=re.MULTILINE)
        head = head if found else f"{key} = {value}\n{head}"
    if tomllib.loads(head + rest) != wanted:
        raise ValueError(f"{', '.join(values)}: cannot be set from outside in this file; write them in it, one a line at its top")
    return head + rest


def tupled(value: Any) -> Any:
    """Lists, at any depth, as tuples, which is what frozen records hold."""
    if isinstance(value, list):
        return tuple(tupled(item) for item in value)
    if isinstance(value, dict):
        return {key: tupled(item) for key, item in value.items()}
    return value


def _syntax(message: str) -> Problem:
    if "integer string conversion" in message:
        return Problem((), "not TOML: a whole number of more than 4,300 digits")
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    if place is None:
        return Problem((), f"not TOML: {_lowered(message)}")
    said = _lowered(message[: place.start()])
    if place[1] is None:
        return Problem((), f"not TOML at the end of the file: {said}")
    return Problem((), f"not TOML: {said}", int(place[1]), int(place[2]))


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _too_deep() -> Problem:
    return Problem((), f"is nested too deeply; at most {MOST_LEVELS} levels are allowed")


def _depth(tree: Any) -> int:
    """Levels of tables and lists, counted level by level so that no depth of nesting can exhaust the stack."""
    depth, level = 0, [tree]
    while level:
        inner = [list(node.values()) if isinstance(node, dict) else node for node in level]
        level = [child for children in inner for child in children if isinstance(child, (dict, list))]
        depth += 1
    return depth
