"""Read XML that others wrote: small, without entities, each value checked; an error names the file and the element."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import SourceError

Floats = NDArray[np.float64]

MOST_BYTES = 64 * 1024 * 1024
"""Largest XML file that is read. The largest of a real product has 3 MB; an orbit file of a day has 5 MB."""

MOST_ELEMENTS = 2_000_000

REMEDY = "get the product again, or remove it"

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_IN_NUMBERS = re.compile(r"[\s\d.eE+-]*", re.ASCII)


@dataclass(frozen=True)
class Element:
    """An element of an XML file, which knows its place for messages.

    Names are given without namespace. Every reader raises `SourceError` on what it does not expect.

    Attributes
    ----------
    file : str
        File, for messages.
    path : str
        Names from the root down to this element, joined by ``/``.
    node : Element of ElementTree
        The element itself; tags have no namespace.
    remedy : str
        Remedy of the errors.
    """

    file: str
    path: str
    node: ElementTree.Element
    remedy: str = REMEDY

    def fail(self, problem: str, name: str = "") -> NoReturn:
        """Raise an error that names the file and this element, or its child `name`."""
        raise SourceError(f"{self.file}: {self.path}{'/' if name else ''}{name} {problem}", self.remedy)

    def child(self, path: str) -> Element:
        """Return the only element at a path of names below this one."""
        found = self.optional(path)
        if found is None:
            self.fail("is missing", path)
        return found

    def optional(self, path: str) -> Element | None:
        """Return the only element at a path of names, or None."""
        here = self
        for name in path.split("/"):
            nodes = here.node.findall(name)
            if not nodes:
                return None
            if len(nodes) > 1:
                here.fail(f"exists {len(nodes)} times", name)
            here = Element(self.file, f"{here.path}/{name}", nodes[0], self.remedy)
        return here

    def every(self, name: str) -> list[Element]:
        """Return all children of a name."""
        return [
            Element(self.file, f"{self.path}/{name}[{number}]", node, self.remedy)
            for number, node in enumerate(self.node.findall(name), 1)
        ]

    def counted(self, path: str, name: str, least: int = 1) -> list[Element]:
        """Return the items of a list, whose attribute ``count``, if it has one, must be their number.

        Parameters
        ----------
        path : str
            The list, below this element.
        name : str
            Name of its items.
        least : int
            Fewest items that make sense.
        """
        parent = self.child(path)
        items = parent.every(name)
        parent._check_count(len(items))
        if len(items) < least:
            parent.fail(f"has {len(items)} elements {name}, fewer than {least}")
        return items

    def text(self, path: str = "") -> str:
        """Return the text of an element below this one, or of this one; never empty."""
        element = self.child(path) if path else self
        value = (element.node.text or "").strip()
        if not value:
            element.fail("is empty")
        return value

    def choice(self, path: str, allowed: Sequence[str]) -> str:
        """Return a text that must be one of some."""
        value = self.text(path)
        if value not in allowed:
            self.child(path).fail(f"is {quoted(value)}, not one of {', '.join(allowed)}")
        return value

    def flag(self, path: str) -> bool:
        """Return a text ``true`` or ``false``."""
        return self.choice(path, ("true", "false")) == "true"

    def number(self, path: str, low: float, high: float, unit: str | None = None) -> float:
        """Return a number that lies in a range; a number in another unit does not.

        Parameters
        ----------
        path : str
            Place of the number below this element; empty for this element.
        low, high : float
            Least and greatest value that make sense.
        unit : str, optional
            What an attribute ``unit`` must say, if there is one.
        """
        element = self.child(path) if path else self
        value = element.text()
        stated = element.node.get("unit")
        if unit is not None and stated not in (None, unit):
            element.fail(f"is in {quoted(str(stated))}, not in {unit}")
        try:
            number = parse_number(value)
        except ValueError:
            element.fail(f"is {quoted(value)}, not a number")
        if not low <= number <= high:
            element.fail(f"is {quoted(value)}, not between {low:g} and {high:g}")
        return number

    def whole(self, path: str, low: int, high: int) -> int:
        """Return a whole number that lies in a range."""
        element = self.child(path) if path else self
        number = element.number("", low, high)
        if number != int(number):
            element.fail(f"is {quoted(element.text())}, not a whole number")
        return int(number)

    def numbers(self, path: str, low: float, high: float, length: int | None = None) -> Floats:
        """Return a list of numbers that lie in a range.

        Parameters
        ----------
        length : int, optional
            How many there must be. The attribute ``count``, if there is one, is checked in any case.
        """
        element = self.child(path)
        text = element.text()
        words = text.split()
        element._check_count(len(words))
        if length is not None and len(words) != length:
            element.fail(f"has {len(words)} numbers, not {length}")
        try:
            values = np.array(words if _IN_NUMBERS.fullmatch(text) else ["no"], dtype=np.float64)
        except ValueError:
            element.fail(f"is not a list of numbers: {quoted(' '.join(words))}")
        if not ((values >= low) & (values <= high)).all():
            wrong = words[int(np.argmin((values >= low) & (values <= high)))]
            element.fail(f"holds {quoted(wrong)}, not between {low:g} and {high:g}")
        return values

    def time(self, path: str = "", prefix: str = "UTC=") -> np.datetime64:
        """Return a time, in microseconds; it may have the prefix."""
        element = self.child(path) if path else self
        value = element.text()
        time = parse_time(value.removeprefix(prefix))
        if not np.datetime64("2014-01-01") <= time < np.datetime64("2100-01-01"):
            element.fail(f"is {quoted(value)}, not a time since 2014")
        return time

    def _check_count(self, found: int) -> None:
        count = self.node.get("count")
        if count is not None and count.strip() != str(found):
            self.fail(f"says count={quoted(count)}, but has {found}")


def parse_number(text: str) -> float:
    """Return a number in decimal digits, with an exponent or without; raise ValueError on any other text."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def parse_time(text: str) -> np.datetime64:
    """Return a time such as 2021-08-09T17:39:53.153776Z in microseconds; NaT if it is none."""
    text = text.removesuffix("Z")
    try:
        return np.datetime64(text if _TIME.fullmatch(text) else "NaT", "us")
    except ValueError:
        return np.datetime64("NaT", "us")


def quoted(value: str) -> str:
    """Return a value in quotes for a message, cut if it is long."""
    return repr(value if len(value) <= 40 else value[:37] + "...")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in content  # in UTF-16 and UTF-32 without a mark at the start


def parse_xml(content: bytes, file: str, root: str, remedy: str = REMEDY) -> Element:
    """Parse an XML file; entities are refused, so that no file grows while it is read, and none reads another.

    Parameters
    ----------
    content : bytes
        The whole file; UTF-8, as in all products.
    file : str
        Name for messages.
    root : str
        Expected name of the root element.
    remedy : str
        Remedy of the errors.

    Raises
    ------
    SourceError
        If it is too large, no XML, holds a document type or an entity, or has another root.
    """
    if len(content) > MOST_BYTES:
        raise SourceError(f"{file}: {len(content):,} bytes of XML, more than {MOST_BYTES:,}", remedy)
    if not _is_utf8(content):
        raise SourceError(f"{file}: not UTF-8, as all XML of products is", remedy)
    # In UTF-8 these words cannot hide; in UTF-16, which the parser would recognize by itself, they could.
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise SourceError(f"{file}: it declares a document type or an entity, as no product does", remedy)
    try:
        node = ElementTree.fromstring(content, ElementTree.XMLParser(encoding="utf-8"))
    except (ElementTree.ParseError, ValueError) as error:
        raise SourceError(f"{file}: no well-formed XML: {error}", remedy) from error
    for number, element in enumerate(node.iter(), 1):
        if number > MOST_ELEMENTS:
            raise SourceError(f"{file}: more than {MOST_ELEMENTS:,} elements", remedy)
        element.tag = element.tag.rpartition("}")[2]
    if node.tag != root:
        raise SourceError(f"{file}: its root is {quoted(node.tag)}, not {root!r}", remedy)
    return Element(file, root, node, remedy)
