"""Damage to XML files, drawn from a seed: of every kind that a transfer, an editor or an enemy may do."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from xml.etree import ElementTree

Node = ElementTree.Element

FORMS = [
    "", "   ", "?!", "nan", "inf", "-1", "0", "1e308", "-1e308", "1e400", "9" * 5000, "0x10", "1_000", "1,5", "1.5.2",
    "\u0661\u0662", "true", "1 2", "1 " * 3000, "1e-320", "2021-02-30T00:00:00", "now", "NaT", "2021-08-09",
    "9999-12-31T23:59:59.999999999", "../../etc/passwd",
]  # fmt: skip
"""Texts that are wrong nearly everywhere."""

SCALES = (1e-9, 1e-3, 1e3, 1e6, -1)
"""Factors of numbers in another unit, or of another sign."""

BOMB = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def missing(rng: random.Random, parent: Node, child: Node) -> None:
    """Remove an element."""
    parent.remove(child)


def doubled(rng: random.Random, parent: Node, child: Node) -> None:
    """Repeat an element."""
    parent.insert(rng.randrange(len(parent) + 1), deepcopy(child))


def renamed(rng: random.Random, parent: Node, child: Node) -> None:
    """Give an element another name."""
    child.tag = "other"


def emptied(rng: random.Random, parent: Node, child: Node) -> None:
    """Remove all of an element but its name."""
    child.clear()


def other_text(rng: random.Random, parent: Node, child: Node) -> None:
    """Replace a text, or one word of it."""
    words = (child.text or "").split() or [""]
    words[rng.randrange(len(words))] = rng.choice(FORMS)
    child.text = rng.choice([rng.choice(FORMS), " ".join(words)])


def scaled(rng: random.Random, parent: Node, child: Node) -> None:
    """Multiply numbers, as if they were in another unit."""
    factor = rng.choice(SCALES)
    try:
        child.text = " ".join(f"{float(word) * factor:.9e}" for word in (child.text or "").split())
    except ValueError:
        child.text = None


def other_attributes(rng: random.Random, parent: Node, child: Node) -> None:
    """Change every attribute."""
    child.attrib = {name: rng.choice([*FORMS, "km", str(10**12)]) for name in child.attrib}


def reversed_children(rng: random.Random, parent: Node, child: Node) -> None:
    """Turn the order of an element's children round."""
    parent[:] = list(parent)[::-1]


IN_TREES = (missing, doubled, renamed, emptied, other_text, other_text, scaled, other_attributes, reversed_children)


def cut(rng: random.Random, content: bytes) -> bytes:
    """Cut the end off."""
    return content[: rng.randrange(len(content))]


def bomb(rng: random.Random, content: bytes) -> bytes:
    """Declare entities."""
    return BOMB + content.replace(b">", b">&b;", 1)


def other_encoding(rng: random.Random, content: bytes) -> bytes:
    """Write it in another encoding, or with bytes that are none."""
    if rng.random() < 0.5:
        return content.decode().encode(rng.choice(["utf-16", "utf-16-le", "utf-32", "utf-7"]))[:-1]
    at = rng.randrange(len(content))
    return content[:at] + rng.choice([b"\xe9", b"\xff\xfe", b"\0", b"\xc3"]) + content[at:]


def splinter(rng: random.Random, content: bytes) -> bytes:
    """Overwrite some bytes."""
    at = rng.randrange(len(content))
    return content[:at] + rng.randbytes(rng.randrange(8)) + content[at + rng.randrange(40) :]


IN_BYTES: tuple[Callable[[random.Random, bytes], bytes], ...] = (cut, bomb, other_encoding, splinter)


KEPT = {"orbitList": slice(40), "geolocationGridPointList": slice(4), "coordinateConversionList": slice(2),
        "calibrationVectorList": slice(2), "noiseRangeVectorList": slice(2), "noiseVectorList": slice(2),
        "noiseAzimuthVectorList": slice(2)}  # fmt: skip
UNUSED = {"qualityInformation", "antennaPattern", "dopplerCentroid", "downlinkInformationList", "noiseList",
          "swathTiming", "replicaInformationList", "informationPackageMap", "azimuthFmRateList", "swathMerging",
          "attitudeList", "terrainHeightList", "rawDataAnalysisList", "slice", "dn"}  # fmt: skip
LONG = {"pixel", "sigmaNought", "betaNought", "gamma", "noiseLut", "noiseRangeLut", "noiseAzimuthLut"}


def shortened(content: bytes, vectors: slice = slice(0)) -> bytes:
    """Return a file of a product without most of what is not read, its lists cut to a few items.

    Of the state vectors of an orbit file, some are kept.
    """
    root = ElementTree.fromstring(content)
    kept = {**KEPT, "List_of_OSVs": vectors}
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in UNUSED]:
            parent.remove(child)
        if parent.tag in kept:
            parent[:] = list(parent)[kept[parent.tag]]
            parent.set("count", str(len(parent)))
        if parent.tag in LONG:
            words = (parent.text or "").split()[:6]
            parent.text = " ".join(words)
            parent.set("count", str(len(words)))
    for block in root.iter("noiseAzimuthVector"):
        line = block.find("line")
        if line is not None:
            line.text = " ".join((line.text or "").split()[:6])
            line.set("count", str(len(line.text.split())))
    return ElementTree.tostring(root)


def damaged(content: bytes, seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield damaged versions of a file, each with the name of its damage."""
    rng = random.Random(seed)
    for _ in range(count):
        if rng.random() < 0.25:
            in_bytes = rng.choice(IN_BYTES)
            yield in_bytes.__name__, in_bytes(rng, content)
            continue
        root = ElementTree.fromstring(content)
        parent = rng.choice([node for node in root.iter() if len(node)])
        child, in_tree = rng.choice(list(parent)), rng.choice(IN_TREES)
        in_tree(rng, parent, child)
        yield in_tree.__name__, ElementTree.tostring(root)
