"""SVG as a tree: every text and attribute is escaped when it is written out, and every coordinate has one decimal."""

from __future__ import annotations

from html import escape

from simulator.report.numbers import visible


class Element:
    """One element. Keywords are attributes: `class_` is `class`, `stroke_width` is `stroke-width`; None is left out."""

    __slots__ = ("attributes", "children", "tag")

    def __init__(self, tag: str, *children: Element | str | None, **attributes: str | float | None) -> None:
        self.tag = tag
        self.children = [child for child in children if child is not None]
        self.attributes = attributes

    def add(self, *children: Element | str | None) -> Element:
        """Append children; return self."""
        self.children += [child for child in children if child is not None]
        return self

    def __html__(self) -> str:
        """What a template writes without escaping it again."""
        return str(self)

    def __str__(self) -> str:
        attributes = "".join(
            f' {_name(key)}="{escape(_value(value))}"' for key, value in self.attributes.items() if value is not None
        )
        if not self.children:
            return f"<{self.tag}{attributes}/>"
        inside = "".join(str(child) if isinstance(child, Element) else escape(visible(child)) for child in self.children)
        return f"<{self.tag}{attributes}>{inside}</{self.tag}>"


def picture(width: float, height: float, label: str, *children: Element | None) -> Element:
    """A drawing of `width` x `height` that scales with its column; `label` is read to those who cannot see it."""
    root = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_value(width)} {_value(height)}", role="img")
    root.attributes |= {"aria-label": label}
    return root.add(*children)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Element:
    """A straight line."""
    return Element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def text(x: float, y: float, content: str, class_: str = "", anchor: str | None = None) -> Element:
    """One line of text; `anchor`: start, middle, end."""
    return Element("text", content, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def circle(x: float, y: float, r: float, class_: str, hover: str | None = None) -> Element:
    """A disc, with what it says when pointed at."""
    return Element("circle", _title(hover), cx=x, cy=y, r=r, class_=class_)


def rectangle(x: float, y: float, width: float, height: float, class_: str, hover: str | None = None) -> Element:
    """A rectangle of non-negative size."""
    return Element("rect", _title(hover), x=x, y=y, width=max(0.0, width), height=max(0.0, height), class_=class_)


def path(points: list[tuple[float, float]], class_: str, *, closed: bool = False) -> Element:
    """A line through points."""
    d = "M" + "L".join(f"{_value(x)} {_value(y)}" for x, y in points) + ("Z" if closed else "")
    return Element("path", d=d, class_=class_)


def group(*children: Element | None, class_: str | None = None, hover: str | None = None) -> Element:
    """Elements that belong together."""
    return Element("g", _title(hover), *children, class_=class_)


def fitted(words: str, room: float, size: float = 12.0) -> str:
    """`words`, cut with an ellipsis where a line of `room` pixels at `size` cannot hold them."""
    words = visible(words)
    most = max(4, int(room / (0.56 * size)))
    return words if len(words) <= most else words[: most - 1] + "…"


def _title(hover: str | None) -> Element | None:
    return None if hover is None else Element("title", hover)


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float | None) -> str:
    if isinstance(value, str):
        return visible(value)
    return "0" if (rounded := f"{value:.1f}".removesuffix(".0")) == "-0" else rounded
