"""Write COGs of which blocks are made in any order, such as maps of values that must not be averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.windows import Window

from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.bands import Band
from s1monthly.model import COG_BLOCK_SIZE
from s1monthly.raster.writing import grid_profile, refuse_unwritten, writing

Write = Callable[[slice, slice, NDArray[np.float32]], None]
"""Rows and columns of a block, and its values: (band, rows, columns)."""


@contextmanager
def block_cog(
    path: str | Path, geobox: GeoBox, labels: Sequence[Band], tags: Mapping[str, str], threads: int = 1
) -> Iterator[Write]:
    """Yield a function that writes a block; at the end the file becomes a COG, completely or not at all.

    float32, NaN for no data, DEFLATE. Overviews take the nearest pixel: nothing is averaged. Blocks wait in a temporary
    file beside the COG.

    Parameters
    ----------
    path : path
        File to write; its folder is created if needed.
    labels : sequence of Band
        Name, units and description of each band.
    tags : mapping
        Tags of the file.
    threads : int
        Number of threads that compress.

    Raises
    ------
    ProductError
        If the file cannot be written.
    """
    profile = {"driver": "GTiff", "dtype": "float32", "nodata": np.nan, "count": len(labels), **grid_profile(geobox)}
    profile |= {"tiled": True, "blockxsize": COG_BLOCK_SIZE, "blockysize": COG_BLOCK_SIZE, "bigtiff": "IF_SAFER"}
    options = {"compress": "DEFLATE", "level": 6, "predictor": "YES", "blocksize": COG_BLOCK_SIZE}
    options |= {"num_threads": threads, "overview_resampling": "nearest", "bigtiff": "IF_SAFER"}
    with writing(path) as temporary, TemporaryDirectory(dir=temporary.parent, prefix=".blocks") as folder:
        blocks = Path(folder) / "blocks.tif"
        with rasterio.open(blocks, "w", interleave="band", **profile) as dataset:
            dataset.update_tags(**tags)
            for number, label in enumerate(labels, 1):
                dataset.set_band_description(number, label.name)
                dataset.set_band_unit(number, label.units)
                dataset.update_tags(number, long_name=label.description)

            def write(rows: slice, columns: slice, values: NDArray[np.float32]) -> None:
                dataset.write(values, window=Window.from_slices(rows, columns))

            yield write
        rasterio.shutil.copy(blocks, temporary, driver="COG", **options)
        refuse_unwritten(temporary)
