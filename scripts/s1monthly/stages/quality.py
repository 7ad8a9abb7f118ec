"""The classes of a month's pixels, from what its bursts saw (output.formats.quality)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s1monthly.granule_names import seen_file
from s1monthly.grid.lattice import GeoBox, overlap
from s1monthly.kernels.quality import classes_of
from s1monthly.raster.fast_geotiff import row_reader


def month_classes(
    folder: str | Path,
    granules: Iterable[str],
    geobox: GeoBox,
    count: NDArray[np.uint8],
    outside: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Return the class of each pixel of a month, (rows, columns); see `kernels.quality.classes_of`.

    Parameters
    ----------
    folder : path
        Folder of the burst files.
    granules : iterable of str
        Ids of granules with a value on the tile; each must have its file. Files of other granules, of which every pixel
        on the tile is masked, count too.
    geobox : GeoBox
        The tile's grid.
    count : array (rows, columns)
        Number of passes with a value.
    outside : array of bool, optional
        Pixels outside the polygon.

    Raises
    ------
    ProductError
        If a file is missing or cannot be read.
    """
    bits = np.zeros(geobox.shape, np.uint8)
    folder = Path(folder)
    for path in sorted({*(folder / seen_file(name) for name in granules), *folder.glob(seen_file("*"))}):
        reader = row_reader(path)
        common = overlap(geobox, reader.header.geobox)
        if common:
            rows, columns = common.source
            bits[common.target] |= reader.read(rows)[:, columns]
    return classes_of(bits, count, outside)
