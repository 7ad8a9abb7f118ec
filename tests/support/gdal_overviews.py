"""Overviews as GDAL averages them."""

from __future__ import annotations

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

Values = NDArray[np.float32]


def by_gdal(values: Values, levels: int) -> list[Values]:
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "nodata": np.nan, "crs": "EPSG:32611"}
    profile |= {"height": values.shape[0], "width": values.shape[1], "transform": rasterio.Affine(30, 0, 0, 0, -30, 0)}
    with MemoryFile() as file:
        with file.open(**profile) as dataset:
            dataset.write(values, 1)
            dataset.build_overviews([2 ** (level + 1) for level in range(levels)], Resampling.average)
        averaged = []
        for level in range(levels):
            with file.open(overview_level=level) as overview:
                averaged.append(overview.read(1))
    return averaged
