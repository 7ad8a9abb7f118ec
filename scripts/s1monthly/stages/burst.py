"""Read one burst: mask its layers and bring them onto the tile's grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from s1monthly.errors import GridError, ProductError, SourceError
from s1monthly.granules import Granule, StaticGranule
from s1monthly.grid.lattice import GeoBox, geobox_outline
from s1monthly.kernels.masking import EXCLUDED_CLASSES, valid_power
from s1monthly.kernels.options import MASK, RADIOMETRY, Radiometry
from s1monthly.kernels.quality import seen
from s1monthly.raster.geotiff import crop
from s1monthly.records.source_facts import facts_of
from s1monthly.sources.layers import REMEDY, LayerFile, open_layer
from s1monthly.stages.converting import Converter, open_converter
from s1monthly.stages.placing import Placing, placing

MOST_POWER = 1e8
"""Power above which a granule is damaged.

A saturated Sentinel-1 pixel has a beta0 of 4e4, and OPERA divides it by area factors of 1e-3 at least: 4e7.
"""

Power = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a burst saw of the pixels of a window of the tile's grid: bits of `kernels.quality`, (rows, columns)."""

    geobox: GeoBox
    bits: NDArray[np.uint8]

    @classmethod
    def on(cls, target: GeoBox, place: Placing, bits: NDArray[np.uint8]) -> Seen | None:
        """Bring bits onto a grid, by the nearest pixel; None if nothing was seen there."""
        placed = place.nearest(bits, 0)
        if not placed.any():
            return None
        height, width = placed.shape
        return cls(crop(target, slice(place.row, place.row + height), slice(place.col, place.col + width)), placed)


@dataclass(frozen=True)
class NoPixels:
    """Result for a granule without a valid pixel on the tile, with the reason."""

    reason: str
    seen: Seen | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class BurstWindow:
    """The part of a burst that shows a tile.

    Attributes
    ----------
    geobox : GeoBox
        Smallest window of the tile's grid that includes all valid pixels.
    row, col : int
        Place of its upper-left pixel on the tile's grid.
    power : dict
        Layer name -> linear power of the quantity that was asked for, (rows, columns), float32; NaN for no data, at the
        same pixels in all layers.
    masked : bool
        True if the granule's mask layer was applied; False if it has none or masking is off.
    seen : Seen, optional
        What the burst saw, also of pixels without a value, if asked for.
    facts : mapping of str to str
        What the co-polarized file says of its making, see `records.source_facts`.
    """

    geobox: GeoBox
    row: int
    col: int
    power: dict[str, Power]
    masked: bool
    seen: Seen | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


def read_burst(
    granule: Granule,
    layers: tuple[str, str],
    geobox: GeoBox,
    min_valid_power: float,
    mask_excludes: str = MASK,
    radiometry: Radiometry = RADIOMETRY,
    static: StaticGranule | None = None,
    with_seen: bool = False,
) -> BurstWindow | NoPixels:
    """Read the part of a granule that lies on a grid.

    Pixels are masked on the granule's own grid (`masking.valid_power`) before any resampling. Then they are brought
    onto the grid by the rules of `placing.placing`.

    Layers may lie in files or in GDAL's ``/vsimem/``. Thread-safe.

    Parameters
    ----------
    granule : Granule
        Granule whose layers can be read now.
    layers : tuple of str
        Co- and cross-polarized layer.
    geobox : GeoBox
        The tile's grid.
    min_valid_power : float
        Power at or below this is no measurement.
    mask_excludes : str
        Key of `masking.EXCLUDED_CLASSES`: ``shadow``, ``layover``, ``both`` or ``none``. With ``none`` the mask layer
        is not read.
    radiometry : str
        Quantity to which gamma0 is converted, on the granule's own grid (`kernels.radiometry`).
    static : StaticGranule, optional
        Static granule of the burst, whose layers can be read now; needed for all quantities but ``gamma0_terrain``.
        Pixels without a conversion factor are no data.
    with_seen : bool
        Whether to return what the burst saw, also of pixels without a value.

    Returns
    -------
    BurstWindow or NoPixels
        NoPixels if the granule has no valid pixel on the grid.

    Raises
    ------
    SourceError
        If a layer is missing or damaged, differs from OPERA's format, lies on another grid than the other layers or off
        the granule's footprint, or holds power that no radar measures; or if a granule of the grid's CRS and pixel size
        lies off its lattice. The message names granule and file. If the co-polarized layer has no value on the grid,
        the pixels of the other layers are not read or checked. Or if the burst has no static granule and needs one, or
        one whose grid is not the granule's.
    """
    excluded = EXCLUDED_CLASSES[mask_excludes]
    with ExitStack() as stack:
        stack.enter_context(_naming(granule))
        co, cross = (stack.enter_context(open_layer(granule, name)) for name in layers)
        mask = stack.enter_context(open_layer(granule, "mask")) if excluded and granule.layer("mask") else None
        refuse_elsewhere(granule, co)
        _refuse_other_grids(granule, co, cross, mask)
        converter = stack.enter_context(_converter(granule, radiometry, static))
        burst = _Burst(co, cross, mask, min_valid_power, excluded, converter, {} if with_seen else None)
        seen = burst.seen_on(geobox) if with_seen else None
        facts = facts_of(co.tags)
        try:
            placed = burst.on(geobox)
        except _NothingValid as nothing:
            return NoPixels(str(nothing), seen, facts)
        power = dict(zip(layers, (placed.co, placed.cross), strict=True))
        return trimmed(placed.row, placed.col, power, geobox, mask is not None, seen, facts)


class _NothingValid(Exception):  # noqa: N818, no error: its text is the reason of `NoPixels`
    """The granule has no valid pixel on the grid."""


@dataclass(frozen=True)
class _Placed:
    """Power of both polarizations on a window of the target, and the place of its upper-left pixel."""

    row: int
    col: int
    co: Power
    cross: Power


@dataclass(frozen=True)
class _Burst:
    """The open layers of a granule, and which of their pixels are valid.

    Attributes
    ----------
    kept : dict or None
        Pixels that were read, by layer, if `seen_on` is called too: both need the same window.
    """

    co: LayerFile
    cross: LayerFile
    mask: LayerFile | None
    min_valid_power: float
    excluded: tuple[int, ...]
    converter: Converter | None = None
    kept: dict[str, NDArray[Any]] | None = None

    def on(self, target: GeoBox) -> _Placed:
        """Bring the valid power onto a grid."""
        place = placing(self.co.geobox, target, self.co.name)
        if place is None:
            raise _NothingValid("it lies beside the tile")
        co, cross = (place.resample(power) for power in self._valid(place.rows, place.cols))
        return _Placed(place.row, place.col, co, cross)

    def seen_on(self, target: GeoBox) -> Seen | None:
        """Bring what the burst saw onto a grid, by the nearest pixel; None if it saw nothing there."""
        place = placing(self.co.geobox, target, self.co.name)
        if place is None:
            return None
        window = place.rows, place.cols
        mask = self._read(self.mask, *window) if self.mask else None
        co, cross = (self._read(layer, *window) for layer in (self.co, self.cross))
        return Seen.on(target, place, seen(co, cross, self.min_valid_power, mask))

    def _read(self, layer: LayerFile, rows: slice, cols: slice) -> NDArray[Any]:
        if self.kept is None:
            return layer.read(rows, cols)
        if layer.name not in self.kept:
            self.kept[layer.name] = layer.read(rows, cols)
        return self.kept[layer.name]

    def _valid(self, rows: slice, cols: slice) -> tuple[Power, Power]:
        """Read the power that is valid in both polarizations; read the other layers only if the first has any."""
        co, least = self._read(self.co, rows, cols), self.min_valid_power
        if not (co > least).any():
            raise _NothingValid(f"{self.co.layer} has no power above {least:g} on the tile")
        cross = self._read(self.cross, rows, cols)
        mask = self._read(self.mask, rows, cols) if self.mask else None
        with np.errstate(over="ignore"):  # values too large for float32 become infinite, and are refused below
            valid = valid_power(co, cross, least, mask, self.excluded)
        most = [float(np.fmax.reduce(power, axis=None)) for power in valid]
        for layer, power in zip((self.co, self.cross), most, strict=True):
            if power > MOST_POWER:
                raise ProductError(f"raster {layer.name}: power of {power:g}, which no radar measures", REMEDY)
        if math.isnan(most[0]):
            together = np.isfinite(valid_power(co, cross, least)[0]).any()
            lacking = f"{self.co.layer} and {self.cross.layer} have no measurement in common"
            raise _NothingValid(f"{'the mask excludes all measurements' if together else lacking} on the tile")
        return self._converted(valid, rows, cols) if self.converter else valid

    def _converted(self, valid: tuple[Power, Power], rows: slice, cols: slice) -> tuple[Power, Power]:
        """Convert valid power to another quantity; pixels without a factor become no data."""
        assert self.converter
        factor = self.converter.factor(crop(self.co.geobox, rows, cols))
        co, cross = (power * factor for power in valid)
        if np.isnan(co).all():
            raise _NothingValid("no measurement has area factors in its static granule on the tile")
        return co, cross


@contextmanager
def _converter(granule: Granule, radiometry: Radiometry, static: StaticGranule | None) -> Iterator[Converter | None]:
    """Open the layers that convert a granule to a quantity; None if gamma0 is asked for, which needs no conversion."""
    if radiometry == RADIOMETRY:
        yield None
        return
    if static is None:
        raise SourceError(
            f"granule {granule.id}: the source has no static granule of its burst, which radiometry {radiometry} needs",
            "allow some granules to be missing by memory.max_failed_ratio; or leave processing.radiometry at"
            f" {RADIOMETRY}",
        )
    with open_converter(static, radiometry) as converter:
        yield converter


@contextmanager
def _naming(granule: Granule) -> Iterator[None]:
    """Add the granule's name to errors that name only the file or grid."""
    try:
        yield
    except (ProductError, GridError) as error:
        raise SourceError(f"granule {granule.id}: {error.problem}", REMEDY) from error


def _refuse_other_grids(granule: Granule, co: LayerFile, cross: LayerFile, mask: LayerFile | None) -> None:
    for other in (cross, mask):
        if other and other.geobox != co.geobox:
            raise SourceError(
                f"granule {granule.id}: layers on different grids: {co.name} has {co.geobox}, "
                f"{other.name} has {other.geobox}",
                REMEDY,
            )


def refuse_elsewhere(granule: Granule | StaticGranule, raster: LayerFile) -> None:
    """Refuse a raster that lies off the granule's footprint, since it would pass for one without pixels on the tile."""
    if not granule.footprint:
        return
    try:
        footprint, outline = shapely.from_wkt(granule.footprint), geobox_outline(raster.geobox)
    except GridError as error:
        raise ProductError(f"raster {raster.name}: {error.problem}", REMEDY) from error
    if shapely.intersection(footprint, outline).area < footprint.area / 2:
        raise SourceError(
            f"granule {granule.id}: {raster.name} lies at {_place(outline)}, its footprint at {_place(footprint)}",
            REMEDY,
        )


def _place(geometry: shapely.Geometry) -> str:
    west, south, east, north = geometry.bounds
    return f"longitude {west:.2f} to {east:.2f}, latitude {south:.2f} to {north:.2f}"


def trimmed(
    row: int,
    col: int,
    power: dict[str, Power],
    geobox: GeoBox,
    masked: bool,
    seen: Seen | None,
    facts: Mapping[str, str],
) -> BurstWindow | NoPixels:
    """Cut off empty margins.

    Parameters
    ----------
    row, col : int
        Place of the power's upper-left pixel on the tile's grid.
    power : dict
        Layer name -> power, NaN at the same pixels of all.
    geobox : GeoBox
        The tile's grid.
    masked, seen, facts
        See `BurstWindow`.
    """
    valid = ~np.isnan(next(iter(power.values())))
    rows, cols = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    if not rows.size:
        return NoPixels("its few measurements on the tile fill no pixel of its grid", seen, facts)
    inner = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)
    row, col = row + inner[0].start, col + inner[1].start
    height, width = inner[0].stop - inner[0].start, inner[1].stop - inner[1].start
    box = crop(geobox, slice(row, row + height), slice(col, col + width))
    return BurstWindow(box, row, col, {layer: values[inner] for layer, values in power.items()}, masked, seen, facts)
