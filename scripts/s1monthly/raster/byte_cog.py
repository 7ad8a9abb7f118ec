"""Write 8-bit COGs, with GDAL's COG driver: pictures, and maps of classes or counts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from s1monthly.errors import GridError
from s1monthly.grid.lattice import GeoBox
from s1monthly.model import COG_BLOCK_SIZE, COG_COMPRESSION, CogCompression
from s1monthly.raster.writing import grid_profile, refuse_unwritten, writing


def write_byte_cog(
    path: str | Path,
    bands: Mapping[str, NDArray[np.uint8]],
    geobox: GeoBox,
    descriptions: Sequence[str],
    tags: Mapping[str, str],
    *,
    averaged: bool,
    nodata: int = 0,
    block_size: int = COG_BLOCK_SIZE,
    threads: int = 1,
    compression: CogCompression = COG_COMPRESSION,
) -> str:
    """Write an 8-bit COG completely or not at all; return its SHA-256.

    Parameters
    ----------
    path : path
        File to write; its folder is created if needed.
    bands : mapping of str to array
        Name of each band -> (rows, columns) on `geobox`.
    descriptions : sequence of str
        What each band is, in one line.
    tags : mapping
        Tags of the file.
    averaged : bool
        True for pictures: overviews average the valid pixels. False for classes: they take the nearest pixel.
    nodata : int
        Value of pixels without data.
    block_size, threads, compression
        As for `raster.cog.write_cog`.

    Raises
    ------
    GridError
        If a band does not have the grid's shape.
    ProductError
        If the file cannot be written.
    """
    for name, values in bands.items():
        if values.shape != geobox.shape:
            raise GridError(f"raster {path}, band {name}: {values.shape} pixels", f"its grid has {geobox.shape}")
    profile = {"driver": "GTiff", "dtype": "uint8", "nodata": nodata, "count": len(bands), **grid_profile(geobox)}
    profile |= {
        "tiled": True,
        "blockxsize": block_size,
        "blockysize": block_size,
    }  # as the COG: copied in half the time
    options = {"compress": compression.upper(), "level": 1, "predictor": "YES"}
    options |= {"blocksize": block_size, "num_threads": threads}
    resampling = Resampling.average if averaged else Resampling.nearest
    with writing(path) as temporary, MemoryFile() as memory:
        with memory.open(interleave="band", photometric="MINISBLACK", **profile) as dataset:
            dataset.update_tags(**tags)
            for number, ((name, values), text) in enumerate(zip(bands.items(), descriptions, strict=True), 1):
                dataset.write(values, number)
                dataset.set_band_description(number, name)
                dataset.update_tags(number, long_name=text)
        with memory.open() as dataset:
            rasterio.shutil.copy(
                dataset, temporary, driver="COG", overview_resampling=resampling.name, bigtiff="IF_SAFER", **options
            )
        refuse_unwritten(temporary)
        with open(temporary, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
