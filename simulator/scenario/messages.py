"""Pydantic's errors in the words of a person who writes scenario files."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from simulator.scenario.problems import Place, Problem
from simulator.wording import did_you_mean, quoted

EXPECTED = {
    "float_type": "a finite number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "tuple_type": "a list",
}
RELATION = {
    "greater_than": (">", "gt"),
    "greater_than_equal": (">=", "ge"),
    "less_than": ("<", "lt"),
    "less_than_equal": ("<=", "le"),
}
# what the literature has a name for and a scenario says with two parts
KNOWN_AS = {
    "bates": 'write process = { kind = "heston", ... } and jumps = { kind = "merton", ... }: together they are Bates',
    "gjr": 'write process = { kind = "garch", gamma = ... }: GARCH with gamma is GJR',
    "jump-diffusion": 'write process = { kind = "geometric-brownian", ... } and jumps = { kind = "merton" or "kou", ... }',
}
PATTERNS = {
    r"^[a-z0-9][a-z0-9-]{0,63}$": "1 to 64 lower-case letters, digits and hyphens, the first no hyphen",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$": "1 to 32 letters, digits, dots, hyphens and underscores, the first a letter or digit",
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$": "1 to 32 letters, digits, dots, hyphens and underscores, the first a letter or digit",
    r"^\d{4}-\d{2}-\d{2}$": "a day such as 2026-06-30",
    r"^[a-z_]+$": "lower-case letters and underscores",
}

UNION_LABEL = re.compile(r"literal\[|constrained-|tuple\[|dict\[|\[key\]|(float|int|str|bool)$")  # as pydantic writes them

ABSENT = object()
FEW_NAMES = 6  # that are listed in the middle of a sentence
Errors = list[dict[str, Any]]


def problems_of(error: ValidationError, model: type[BaseModel], tree: dict[str, Any]) -> list[Problem]:
    """Every problem that `error` found in `tree`, in the order of the file's sections, one for each place and rule."""
    by_place: dict[Place, Errors] = {}
    for item in error.errors(include_url=False):
        by_place.setdefault(_place(item["loc"], tree, item["type"]), []).append(dict(item))
    problems: list[Problem] = []
    for place, errors in by_place.items():
        problems += _of_one_place(place, errors, model)
    return _without_suggested(problems)


def _place(loc: Place, tree: Any, error: str) -> Place:
    """The key path of a person: pydantic's location without the names of union members that it puts in between.

    Only an error of a missing key ends in a name that is not in `tree`; what else is not there is a member of a union, named
    by a `kind` or standing for the one that it has by default.
    """
    place: list[str | int] = []
    node = tree
    tagged = True  # the kind of `node` was already named
    for i, part in enumerate(loc):
        child = _child(node, part)
        if not tagged and isinstance(node, dict) and node.get("kind") == part:
            tagged = True
            continue
        if child is not ABSENT:
            node, tagged = child, False
        elif error != "missing" or i < len(loc) - 1 or not _is_missing_key(part, node):
            continue
        place.append(part)
    return tuple(place)


def _child(node: Any, part: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(part, ABSENT)
    return node[part] if isinstance(node, tuple) and isinstance(part, int) and part < len(node) else ABSENT


def _is_missing_key(part: str | int, node: Any) -> bool:
    return isinstance(node, dict) and isinstance(part, str) and node.get("kind") != part and not UNION_LABEL.match(part)


def _of_one_place(place: Place, errors: Errors, model: type[BaseModel]) -> Iterator[Problem]:
    wrong_kind = [error for error in errors if error["type"] in EXPECTED or error["type"] == "literal_error"]
    others = [error for error in errors if error not in wrong_kind]
    for error in others:
        problem = _problem(place, error, model)
        if problem is not None:
            yield problem
    if wrong_kind and not others:
        yield Problem(place, _unexpected(wrong_kind, wrong_kind[0]["input"]))


def _unexpected(errors: Errors, value: Any) -> str:
    names = _names(errors)
    if len(names) > FEW_NAMES and isinstance(value, str):
        return f"unknown name {quoted(value)}; {did_you_mean(value, names)}"
    expected = " or ".join(dict.fromkeys(_expected(error) for error in errors))
    return f"expected {expected}, but got {described(value)}{_way_out(errors, value)}"


def _problem(place: Place, error: dict[str, Any], model: type[BaseModel]) -> Problem | None:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind in RELATION:
        return Problem(place, _bound(place, *RELATION[kind], value, context))
    if kind == "missing":
        return Problem(place, "is missing; it has no default")
    if kind == "extra_forbidden":
        allowed = _fields(model, error["loc"][:-1])
        return Problem(place, f"unknown key; {did_you_mean(str(place[-1]), allowed)}")
    if kind == "union_tag_invalid":
        allowed = re.findall(r"'([^']*)'", context["expected_tags"])
        given = value.get("kind") if isinstance(value, dict) else value
        if not isinstance(given, str):
            return Problem(
                (*place, "kind"), f"expected text in quotes, but got {described(given)}; there are {', '.join(allowed)}"
            )
        hint = KNOWN_AS.get(given) or did_you_mean(given, allowed)
        return Problem((*place, "kind"), f"unknown kind {quoted(given)}; {hint}")
    if kind == "union_tag_not_found":
        return Problem((*place, "kind"), f"is missing; there are {', '.join(_tags(model, error['loc']))}")
    if kind in ("too_short", "too_long"):
        return _length(place, kind, value, context)
    if kind == "string_pattern_mismatch":
        rule = PATTERNS.get(context["pattern"], f"text like {context['pattern']}")
        return Problem(place, f"expected {rule}, but got {quoted(value)}")
    if kind == "value_error":
        return Problem(place, str(context["error"]))
    return Problem(place, f"{error['msg'][:1].lower()}{error['msg'][1:]}, but got {described(value)}")


def _length(place: Place, kind: str, value: Any, context: dict[str, Any]) -> Problem | None:
    if kind == "too_short":
        if isinstance(value, (tuple, list)) and len(value) >= context["min_length"]:
            return None  # members are there, but wrong: they have problems of their own
        return Problem(place, f"needs at least {context['min_length']} entry, but has {len(value)}")
    return Problem(place, f"may have at most {context['max_length']} entries, but has {len(value)}")


def _bound(place: Place, sign: str, key: str, value: Any, context: dict[str, Any]) -> str:
    name = next((part for part in reversed(place) if isinstance(part, str)), "value")
    limit = context[key]
    rule = f"`{name} {sign} {_number(limit)}` must hold, but got {described(value)}"
    if sign in ("<", "<=") and limit == 1 and 1 < value <= 100:
        return f"{rule}; write {value / 100:.10g} for {value:.10g} percent"
    return rule


def _expected(error: dict[str, Any]) -> str:
    if error["type"] != "literal_error":
        return EXPECTED[error["type"]]
    names = [f'"{name}"' for name in _names([error])]
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


def _names(errors: Errors) -> list[str]:
    """The names that a choice allows."""
    choices = [error["ctx"]["expected"] for error in errors if error["type"] == "literal_error"]
    return [name for choice in choices for name in re.findall(r"'([^']*)'", choice)]


def _way_out(errors: Errors, value: Any) -> str:
    if not isinstance(value, str) or len(value) >= 40:
        return ""
    number = re.fullmatch(r"\s*([-+]?\d+(?:[.,]\d+)?)\s*(%?)\s*", value)
    if number and any(error["type"] in ("float_type", "int_type") for error in errors):
        plain = float(number[1].replace(",", "."))
        return f"; write {plain / 100:.10g} for {plain:.10g} percent" if number[2] else f"; write {plain:.10g} without quotes"
    near = difflib.get_close_matches(value, _names(errors), n=1, cutoff=0.6)
    return f'; did you mean "{near[0]}"?' if near else ""


def described(value: Any) -> str:
    """A value of a TOML file as it may be shown: short, escaped, and named by what it is where it is not a number or text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else "a whole number of more than 30 digits"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (tuple, list)):
        return "a list"
    return f"{type(value).__name__} {value}" if hasattr(value, "isoformat") else type(value).__name__


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.10g}"


def _without_suggested(problems: list[Problem]) -> list[Problem]:
    """A key that is missing only because it is misspelt is said once."""
    suggested = {
        (*problem.place[:-1], found[1])
        for problem in problems
        if (found := re.search(r"^unknown key; did you mean `([^`]*)`", problem.message))
    }
    return [p for p in problems if not (p.place in suggested and p.message.startswith("is missing"))]


def _fields(model: type[BaseModel], loc: Place) -> list[str]:
    parts = [part for part in _members(_annotation(model, loc)) if _is_part(part)]
    return [field.alias or name for part in parts for name, field in part.model_fields.items()]


def _tags(model: type[BaseModel], loc: Place) -> list[str]:
    return [tag for part in _members(_annotation(model, loc)) if _is_part(part) for tag in _kinds(part)]


def _annotation(model: Any, loc: Place) -> Any:
    """The type that stands at a location of pydantic's: field names, list numbers, table keys and kinds."""
    here = model
    for step in loc:
        here = _step(here, step)
    return here


def _step(annotation: Any, step: str | int) -> Any:
    members = list(_members(annotation))
    for part in members:
        if _is_part(part) and step in part.model_fields:
            return part.model_fields[step].annotation
        if _is_part(part) and step in _kinds(part):
            return part
    for part in members:
        if get_origin(part) is dict:
            return get_args(part)[1]
        if get_origin(part) is tuple and isinstance(step, int):
            return get_args(part)[0]
    return annotation


def _members(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _is_part(annotation: Any) -> typing.TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _kinds(part: type[BaseModel]) -> tuple[Any, ...]:
    field = part.model_fields.get("kind")
    return get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()
