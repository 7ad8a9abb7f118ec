"""Write classes (uint8) as a cloud-optimised GeoTIFF: overviews show the nearest pixel, never a mean of classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from s1monthly.grid.lattice import GeoBox
from s1monthly.model import COG_BLOCK_SIZE
from s1monthly.raster.writing import grid_profile, writing


def write_class_cog(
    path: str | Path,
    classes: NDArray[np.uint8],
    geobox: GeoBox,
    name: str,
    description: str,
    nodata: int,
    tags: Mapping[str, str] | None = None,
    block_size: int = COG_BLOCK_SIZE,
    compression: str = "deflate",
) -> None:
    """Write a band of classes completely or not at all, as a cloud-optimised GeoTIFF.

    Parameters
    ----------
    path : path
        File to write; its folder is created if needed.
    classes : array (rows, columns) of uint8
        On `geobox`.
    name, description : str
        Of the band.
    nodata : int
        Class that is no data.
    block_size : int
        Side of the blocks in pixels.
    compression : {'deflate', 'zstd'}
        Compression of the blocks.

    Raises
    ------
    ProductError
        If the file cannot be written.
    """
    options = {"blocksize": block_size, "compress": compression.upper(), "overview_resampling": "NEAREST"}
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "nodata": nodata, **grid_profile(geobox)}
    with writing(path) as temporary, MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(classes, 1)
            dataset.set_band_description(1, name)
            dataset.update_tags(**(tags or {}))
            dataset.update_tags(1, long_name=description)
        rasterio.shutil.copy(memory.name, temporary, driver="COG", **options)
