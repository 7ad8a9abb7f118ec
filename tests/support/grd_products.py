"""Small GRD products: everything that a search reads is there, and a few pixels."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from s1monthly.model import Direction
from s1monthly.sources.grd.annotation import Annotation
from s1monthly.sources.grd.product import Product
from s1monthly.sources.grd.simulation.model import model_annotation, model_manifest, model_name
from s1monthly.sources.grd.simulation.write import tables_for, write_product

PLACE = (13.25, 41.95)
"""Longitude and latitude in the middle of tile 33TUG."""

MOMENT = np.datetime64("2024-05-03T05:11:30")
"""When the middle of a whole image passes the place."""


@cache
def annotation(direction: Direction = Direction.DESCENDING, place: tuple[float, float] = PLACE) -> Annotation:
    """Annotation of a whole image over a place, of 25 seconds."""
    return model_annotation(*place, MOMENT, direction, "VV")


def write_small(
    folder: Path,
    *,
    later: float = 0,
    direction: Direction = Direction.DESCENDING,
    track: int = 22,
    datatake: int = 300,
    layers: tuple[str, ...] = ("VV", "VH"),
    place: tuple[float, float] = PLACE,
    orbit_source: str = "Auxiliary",
    name: str = "",
    **manifest: Any,
) -> Path:
    """Write a product of four pixels a layer that says it is a whole image, so many seconds later.

    Other values are those of the manifest, such as ``ipf``.
    """
    whole = annotation(direction, place)
    start = whole.first_line + np.timedelta64(round(later * 1e6), "us")
    of_layers = {
        layer: replace(whole, polarization=layer, first_line=start, datatake=datatake, orbit_source=orbit_source)
        for layer in layers
    }
    says = replace(model_manifest(next(iter(of_layers.values())), layers, track), **manifest)
    tables = {layer: tables_for(one, 474.0, 1500.0) for layer, one in of_layers.items()}
    return write_product(
        folder,
        name or model_name(says),
        says,
        of_layers,
        {layer: table[0] for layer, table in tables.items()},
        {layer: table[1] for layer, table in tables.items()},
        dict.fromkeys(layers, np.ones((2, 2), np.uint16)),
    )


def with_pixels(product: Product, folder: Path) -> Path:
    """Write a product as a folder, with measurement files of the sizes that its manifest lists."""
    target = folder / f"{product.name.id}.SAFE"
    for name in product.files.sizes:
        if name.endswith((".xml", "manifest.safe")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(product.files.read(name))
    for item in product.manifest.objects:
        if item.name.startswith("measurement/"):
            (target / item.name).parent.mkdir(parents=True, exist_ok=True)
            with open(target / item.name, "wb") as file:
                file.truncate(item.size)
    return target


def zipped(product: Path, folder: Path | None = None) -> Path:
    """Pack a product into a folder, by default its own, and remove its files."""
    target = (folder or product.parent) / f"{product.stem}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(product.rglob("*")):
            archive.write(file, file.relative_to(product.parent))
    shutil.rmtree(product)
    return target
