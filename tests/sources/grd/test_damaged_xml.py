"""Damaged XML of every kind, drawn from real products: whatever is wrong ends in an error that names the file."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from s1monthly.errors import SourceError
from s1monthly.sources.grd.annotation import parse_annotation
from s1monthly.sources.grd.image import image_geometry
from s1monthly.sources.grd.manifest import parse_manifest
from s1monthly.sources.grd.orbit_file import parse_orbit_file
from s1monthly.sources.grd.product import Product
from s1monthly.sources.grd.radiometry import above_noise_table, gain_table, noise_table
from s1monthly.sources.grd.tables import parse_calibration, parse_noise
from support.xml_faults import IN_BYTES, IN_TREES, damaged, shortened

SEED = 20261201
SAMPLES = 25_000

START = np.datetime64("2022-09-18T07:49:21", "us")
"""Of the product to which the orbit file belongs."""


def read_annotation(content: bytes, file: str) -> None:
    image_geometry(parse_annotation(content, file))


def read_calibration(content: bytes, file: str) -> None:
    calibration = parse_calibration(content, file)
    for vectors in (calibration.sigma, calibration.beta, calibration.gamma):
        gain_table(vectors, SAMPLES)


def read_noise(content: bytes, file: str) -> None:
    above_noise_table(noise_table(parse_noise(content, file), SAMPLES))


def read_orbit(content: bytes, file: str) -> None:
    parse_orbit_file(content, file, "S1A", START, START + np.timedelta64(25, "s"))


READERS: dict[str, Callable[[bytes, str], object]] = {
    "annotation": read_annotation,
    "calibration": read_calibration,
    "noise": read_noise,
    "manifest": parse_manifest,
    "orbit": read_orbit,
}


@pytest.fixture(scope="module")
def files(products: dict[str, Product], sentinel1: Path) -> dict[str, list[bytes]]:
    """Real files by kind, without most of what is not read, their lists cut to a few items."""
    found: dict[str, list[bytes]] = {kind: [] for kind in READERS}
    for product in products.values():
        layer = next(iter(product.layers.values()))
        for kind in ("annotation", "calibration", "noise"):
            found[kind].append(shortened(product.files.read(layer[kind])))
        found["manifest"].append(shortened(product.files.read("manifest.safe")))
    orbit = next((sentinel1 / "orbit").glob("*20220918T093241*")).read_bytes()
    found["orbit"].append(shortened(orbit, slice(819, 834)))
    return found


def outcomes(read: Callable[[bytes, str], object], contents: list[bytes], count: int) -> Iterator[tuple[str, bool]]:
    """Damage files; yield the kind of damage, and whether it was refused. Any error but SourceError fails the test."""
    for number, content in enumerate(contents):
        read(content, "x.xml")  # it is whole
        for damage, wrong in damaged(content, SEED + number, count):
            try:
                read(wrong, "x.xml")
            except SourceError as error:
                assert str(error).startswith("x.xml: "), (damage, str(error))
                assert len(str(error)) < 400, (damage, str(error))
                yield damage, True
            else:
                yield damage, False


@pytest.mark.parametrize(("kind", "count"), [("annotation", 60), ("calibration", 80), ("noise", 80), ("manifest", 80),
                                             ("orbit", 300)])  # fmt: skip
def test_damage_ends_in_a_clear_error(files: dict[str, list[bytes]], kind: str, count: int) -> None:
    found = list(outcomes(READERS[kind], files[kind], count))
    refused = {damage for damage, is_refused in found if is_refused}
    passed = {damage for damage, is_refused in found if not is_refused}
    # what no reader may miss, whatever the element
    assert not {"cut", "bomb", "other_encoding"} & passed
    assert {"cut", "bomb", "other_encoding", "missing", "doubled", "scaled"} <= refused
    assert sum(is_refused for _, is_refused in found) > 0.35 * len(found)


def test_every_kind_of_damage_changes_a_file(files: dict[str, list[bytes]]) -> None:
    content, rng = files["calibration"][0], random.Random(SEED)
    assert all(any(change(rng, content) != content for _ in range(9)) for change in IN_BYTES)
    for change in IN_TREES:
        changed = set()
        for _ in range(9):
            root = ElementTree.fromstring(content)
            parent = root.find("calibrationVectorList/calibrationVector")
            assert parent is not None
            change(rng, parent, rng.choice(list(parent)))
            changed.add(ElementTree.tostring(root))
        assert changed != {content}
