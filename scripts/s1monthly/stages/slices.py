"""Read one GRD slice: correct it for the terrain onto the tile's grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from s1monthly.errors import S1MonthlyError, SourceError
from s1monthly.granules import Granule
from s1monthly.grid.lattice import GeoBox
from s1monthly.grid.outlines import LONLAT, transformer
from s1monthly.kernels.masking import EXCLUDED_CLASSES, valid_power
from s1monthly.kernels.options import RADIOMETRY, Radiometry
from s1monthly.kernels.quality import seen
from s1monthly.kernels.static_layers import LAYERS
from s1monthly.raster.geotiff import crop
from s1monthly.sources.grd.annotation import StateVectors
from s1monthly.sources.grd.dem import TileHeights, grown
from s1monthly.sources.grd.facts import facts_of_product
from s1monthly.sources.grd.image import image_geometry
from s1monthly.sources.grd.orbit_file import read_orbit_file
from s1monthly.sources.grd.product import Product, open_product
from s1monthly.sources.grd.source import ORBIT
from s1monthly.sources.grd.terrain_correction import terrain_corrected
from s1monthly.sources.grd.view import reaching, static_layers, view_tile
from s1monthly.stages.burst import BurstWindow, NoPixels, Power, Seen, trimmed
from s1monthly.stages.cutting import Cutter
from s1monthly.stages.heights import read_heights
from s1monthly.stages.placing import placing

BESIDE = "it lies beside the tile"
FOOTPRINT_MARGIN = 12_000.0
"""Metres by which ground in the image may lie outside its footprint, which is that of its edges at height 0."""

REMOVE_BORDER = {"auto": None, "always": True, "never": False}


@dataclass(frozen=True)
class SliceCutter(Cutter):
    """Cuts GRD slices to the tile.

    Attributes
    ----------
    heights : TileHeights
        Heights of the tile.
    dem : str
        Name of the DEM, for the record.
    threads : int
        Threads that work at once.
    """

    heights: TileHeights
    dem: str
    threads: int = 1

    def read(self, granule: Granule, static: object = None) -> BurstWindow | NoPixels:
        """Read a slice on the tile, see `read_slice`."""
        return read_slice(
            granule,
            self.layers,
            self.geobox,
            self.heights,
            self.recipe["min_valid_power"],
            self.recipe["mask"],
            self.recipe["grd"],
            self.dem,
            self.recipe.get("radiometry", RADIOMETRY),
            with_seen=bool(self.recipe.get("quality")),
            threads=self.threads,
        )


def read_slice(
    granule: Granule,
    layers: tuple[str, str],
    geobox: GeoBox,
    heights: TileHeights,
    min_valid_power: float,
    mask_excludes: str,
    options: Mapping[str, Any],
    dem: str = "",
    radiometry: Radiometry = RADIOMETRY,
    with_seen: bool = False,
    threads: int = 1,
) -> BurstWindow | NoPixels:
    """Correct a slice for the terrain on a tile, and leave out what is not valid.

    Power that noise removal left at or below the least valid one is raised just above it: dropped, dark ground would
    become too bright.

    Parameters
    ----------
    granule : Granule
        A slice, whose layers have the path of its product, and perhaps an orbit file.
    layers : tuple of str
        Co- and cross-polarized layer.
    geobox : GeoBox
        The tile's grid.
    heights : TileHeights
        Heights on `fine_grid` of it, with a margin: power is averaged to the tile's pixels.
    min_valid_power, mask_excludes, with_seen
        As for `stages.burst.read_burst`.
    options : mapping
        Options of `recipe["grd"]`.
    dem : str
        Name of the DEM, for the record.
    radiometry : str
        Quantity of backscatter.
    threads : int
        Threads that work at once.

    Returns
    -------
    BurstWindow or NoPixels
        NoPixels if the slice has no valid pixel on the tile. The power of all pixels in shadow is NaN.

    Raises
    ------
    SourceError
        If the product is damaged; the message names granule and file.
    """
    part = part_near(heights, granule.footprint)
    if part is None:
        return NoPixels(BESIDE)
    try:
        product = open_product(next(layer.url for layer in granule.layers if layer.name in layers))
        orbit = granule.layer(ORBIT)
        facts = facts_of_product(product, layers, orbit.url if orbit else None, dem, options["thermal_noise"])
        found = terrain_corrected(
            product,
            layers,
            part,
            radiometry=radiometry,
            orbit=_states(product, granule),
            remove_noise=options["thermal_noise"],
            remove_border=REMOVE_BORDER[options["border_noise"]],
            tropospheric_delay=options["tropospheric_delay"],
            threads=threads,
        )
    except S1MonthlyError as error:
        raise SourceError(f"granule {granule.id}: {error.problem}", error.remedy) from error
    if found is None:
        return NoPixels(BESIDE, facts=facts)
    power, mask = found[0], found[1].mask
    del found  # places and heights of every pixel
    co, cross = (_raised(power[layer], min_valid_power) for layer in layers)
    place = placing(part.tile_box, geobox, granule.id)
    if place is None:
        return NoPixels(BESIDE, facts=facts)
    saw = Seen.on(geobox, place, seen(co, cross, min_valid_power, mask)) if with_seen else None
    valid = valid_power(co, cross, min_valid_power, mask, EXCLUDED_CLASSES[mask_excludes])
    of_tile = {layer: place.resample(values) for layer, values in zip(layers, valid, strict=True)}
    return trimmed(place.row, place.col, of_tile, geobox, True, saw, facts)


def static_of_slice(
    granule: Granule, geobox: GeoBox, heights: str | Path, tropospheric_delay: bool, threads: int = 1
) -> Iterator[NDArray[Any]]:
    """Yield the static layers of a track on a tile, in the order of `STATIC_LAYERS`, by the geometry of one slice.

    The slice is taken to go on over the whole tile.

    Parameters
    ----------
    granule : Granule
        A slice, as for `read_slice`.
    geobox : GeoBox
        The tile's grid.
    heights : path
        File of the tile's heights.
    tropospheric_delay : bool
        Option of the terrain correction.
    threads : int
        Threads that work at once.

    Yields
    ------
    array (rows, columns)
        float32, NaN beside the swath; the mask uint8, 255 there.

    Raises
    ------
    SourceError
        If the product is damaged; the message names granule and file.
    """
    tile = read_heights(heights, geobox)
    try:
        product = open_product(next(layer.url for layer in granule.layers if layer.name != ORBIT))
        annotation = product.annotation(next(iter(product.layers)))
        geometry = image_geometry(annotation, _states(product, granule), tropospheric_delay=tropospheric_delay)
    except S1MonthlyError as error:
        raise SourceError(f"granule {granule.id}: {error.problem}", error.remedy) from error
    view = view_tile(reaching(geometry, tile), tile, threads)
    layers = static_layers(view, threads) if view else {}
    place = placing(tile.tile_box, geobox, granule.id)
    for name, facts in LAYERS.items():
        if place is None or name not in layers:
            yield np.full(geobox.shape, facts.nodata, facts.dtype)
        else:
            values = layers.pop(name)
            yield place.nearest(values, int(facts.nodata)) if name == "mask" else place.resample(values)


def _states(product: Product, granule: Granule) -> StateVectors | None:
    """Read the state vectors of a slice's orbit file; None without one."""
    orbit, manifest = granule.layer(ORBIT), product.manifest
    return read_orbit_file(orbit.url, manifest.mission, manifest.start, manifest.stop) if orbit else None


def part_near(heights: TileHeights, footprint: str) -> TileHeights | None:
    """Return the part of a tile that an image may show, with the same margin; None if it shows nothing of it.

    Parameters
    ----------
    heights : TileHeights
        Heights of the tile.
    footprint : str
        Outline of the image at height 0, WKT in longitude and latitude; empty if unknown.
    """
    if not footprint:
        return heights
    box, margin = heights.tile_box, heights.margin
    change = transformer(LONLAT, box.epsg)
    outline = shapely.segmentize(shapely.from_wkt(footprint), 0.05)
    left, bottom, right, top = shapely.transform(outline, change.transform, interleaved=False).bounds
    if not np.isfinite([left, bottom, right, top]).all():
        return heights
    beyond = FOOTPRINT_MARGIN / box.metres_a_pixel
    rows, cols = (
        slice(max(math.floor(first - beyond), 0), min(math.ceil(last + beyond), count))
        for first, last, count in (
            ((box.top - top) / box.resolution, (box.top - bottom) / box.resolution, box.height),
            ((left - box.left) / box.resolution, (right - box.left) / box.resolution, box.width),
        )
    )
    if rows.stop - rows.start < 1 or cols.stop - cols.start < 1:
        return None
    values = heights.heights[rows.start : rows.stop + 2 * margin, cols.start : cols.stop + 2 * margin]
    return TileHeights(grown(crop(box, rows, cols), margin), margin, np.ascontiguousarray(values))


def _raised(power: Power, least: float) -> Power:
    """Raise values at or below the least valid one just above it, in place; NaN stays NaN."""
    return np.maximum(power, np.nextafter(np.float32(least), np.float32(np.inf)), out=power)
