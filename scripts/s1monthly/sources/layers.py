"""Read a granule's layer files as their header describes them; refuse, by name, files unlike OPERA's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import ProductError, SourceError
from s1monthly.granules import Granule, StaticGranule
from s1monthly.kernels.masking import CLASSES, NO_DATA
from s1monthly.kernels.static_layers import LAYERS
from s1monthly.raster.geotiff import Raster, open_raster

MOST_PIXELS = 50_000_000
"""Largest number of pixels of a raster, and of one of its blocks; a burst has 5 million at 30 m.

A larger number means a wrong header.
"""

LONGEST_SIDE = 500_000.0
"""The same limit for its sides, in units of the CRS; a burst is 90 km long."""

REMEDY = "it is not as OPERA published it: fetch it again, or remove it"

FILL, LEAST_POWER = -100, -1
"""Values between these are no linear power: power lies hardly below zero where noise was subtracted.

At or below `FILL` lies what files without a declared no-data value hold instead, such as -9999.
"""


class LayerFile:
    """An open layer of a granule, made by `open_layer`. Do not share it between threads.

    Attributes
    ----------
    layer : str
        Name of the layer, such as ``VV`` or ``mask``.
    name : str
        Name of the file.
    """

    def __init__(self, raster: Raster, layer: str, static: bool = False) -> None:
        self._raster, self._static = raster, static
        self.layer, self.name, self.geobox = layer, raster.name, raster.header.geobox
        self._refuse_unlike_opera()

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the file, in which OPERA says how it was made."""
        return self._raster.tags

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Read a window: values with NaN, or classes with `NO_DATA`, where the header or a mask declares no data.

        Raises
        ------
        ProductError
            If a value is no linear power (between `FILL` and `LEAST_POWER`), no class, or none of the static layer; or
            as for `Raster.read`.
        """
        if self.layer == "mask":
            classes = self._raster.read(rows, cols, missing=NO_DATA)
            if (classes + np.uint8(1)).max() >= len(CLASSES):  # 255 becomes 0, the others 1 to 4
                raise self._refused(f"class {np.setdiff1d(classes, CLASSES)[0]}, which is none of the mask layer")
            return classes
        power = self._raster.read(rows, cols, missing=np.nan)
        if self._static:
            self._refuse_out_of_range(power)
            return power
        low = power[power < LEAST_POWER]
        if (low > FILL).any():
            raise self._refused(f"a value of {low[low > FILL].min():g}, as decibels have: no linear power")
        return power

    def _refuse_out_of_range(self, values: NDArray[Any]) -> None:
        low, high = LAYERS[self.layer].valid_range
        wrong = (values < low) | (values > high)
        if wrong.any():
            raise self._refused(f"a value of {values[wrong][0]:g}, which the layer {self.layer} cannot have")

    def _refuse_unlike_opera(self) -> None:
        header, (rows, cols) = self._raster.header, self._raster.block
        types = ("uint8",) if self.layer == "mask" else ("float32",) if self._static else ("float32", "float64")
        if header.count != 1:
            raise self._refused(f"{header.count} bands, not one")
        if header.dtype not in types:
            raise self._refused(f"pixels are {header.dtype}, not {types[0]}")
        if max(header.geobox.width * header.geobox.height, rows * cols) > MOST_PIXELS:
            size = f"{header.geobox.width} x {header.geobox.height} pixels in blocks of {cols} x {rows}"
            raise self._refused(f"{size}, too many for a burst")
        if max(header.geobox.shape) * header.geobox.resolution > LONGEST_SIDE:
            raise self._refused(f"pixels of {header.geobox.resolution:g}, too large for a burst")
        if self._raster.unlike_its_pixels:
            raise self._refused(f"the header declares {self._raster.unlike_its_pixels}")
        if self.layer == "mask" and header.nodata in CLASSES and header.nodata != NO_DATA:
            raise self._refused(f"the header declares class {header.nodata:g} as no data")

    def _refused(self, problem: str) -> ProductError:
        return ProductError(f"raster {self.name}: {problem}", REMEDY)


@contextmanager
def open_layer(granule: Granule | StaticGranule, layer: str) -> Iterator[LayerFile]:
    """Open a layer of a granule or static granule, from a file or from GDAL's ``/vsimem/``.

    Raises
    ------
    SourceError
        If the granule has no such layer.
    ProductError
        If its file is missing, cut short, no GeoTIFF, or unlike OPERA's: one band of power (floating-point), of a
        static layer (float32) or of classes (uint8), with matching pixel values and at most `MOST_PIXELS`.
    GridError
        As for `s1monthly.raster.geotiff.open_raster`.
    """
    found = granule.layer(layer)
    if found is None:
        raise SourceError(f"granule {granule.id}: no layer {layer}", REMEDY)
    with open_raster(found.url, side_files=True) as raster:
        yield LayerFile(raster, layer, isinstance(granule, StaticGranule))
