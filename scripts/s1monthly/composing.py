"""A month put together from its burst files: the mosaic of every pass, and the composite of all passes.

It is done in blocks of rows, so that no pass mosaic is ever whole: memory does not grow with the number of granules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s1monthly.compositing import Counts, Mosaic, Power, composite, row_blocks
from s1monthly.geotiff import crop, open_header, open_raster
from s1monthly.grid import GeoBox, overlap
from s1monthly.naming import layer_file, parse_granule_id
from s1monthly.vocabulary import Pass, passes_of


@dataclass(frozen=True)
class Merging:
    """How bursts become passes, and passes a composite: as in `compositing`."""

    strategy: str = "mean"
    method: str = "median"
    trim_fraction: float = 0.15


@dataclass(frozen=True)
class Composed:
    """The composite of a month.

    Attributes
    ----------
    power : array (layer, rows, columns) of float32
        Linear power, one plane a layer in the order asked for; NaN for no data, alike in all layers.
    count : array (rows, columns) of uint8
        Passes with a valid value.
    passes : tuple of Pass
        With their granules, in the order of time.
    """

    power: NDArray[np.float32]
    count: Counts
    passes: tuple[Pass, ...]


def compose(
    folder: str | Path,
    granules: Iterable[str],
    geobox: GeoBox,
    layers: Sequence[str],
    how: Merging,
    outside: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> Composed:
    """Merge the bursts of each pass, then the passes of the month, pixel by pixel.

    Parameters
    ----------
    folder : path
        Where the files of bursts lie, one a granule and layer, each a window of `geobox`.
    granules : iterable of str
        Ids of the granules to be merged, each of which must have its files. Without any, all is no data.
    geobox : GeoBox
        The tile's grid.
    layers : sequence of str
        Layers of the pair, co-polarized first; every granule has all of them.
    how : Merging
    outside : array (rows, columns) of bool, optional
        Pixels that are left empty.
    threads : int
        Blocks of rows that are worked on at a time; the result does not depend on it.

    Raises
    ------
    ProductError
        If a file is missing or cannot be read.
    GridError
        If a burst lies on another lattice.
    """
    folder, names = Path(folder), list(granules)
    passes = tuple(passes_of(parse_granule_id(name) for name in names))
    windows = {name: open_header(folder / layer_file(name, layers[0])).geobox for name in names}
    power = np.full((len(layers), *geobox.shape), np.nan, np.float32)
    count = np.zeros(geobox.shape, np.uint8)

    def mosaic_of(overflight: Pass, layer: str, part: GeoBox) -> Power:
        mosaic = Mosaic(part.shape, how.strategy)
        for granule in overflight.granules:
            common = overlap(part, windows[granule.id])
            if common:
                with open_raster(folder / layer_file(granule.id, layer)) as raster:
                    window = raster.read(*common.source)
                mosaic.add(window, common.target[0].start, common.target[1].start)
        return mosaic.result()

    def merge(rows: slice) -> None:
        block = crop(geobox, rows, slice(0, geobox.width))
        touched = [common.target for window in windows.values() if (common := overlap(block, window))]
        if not touched:
            return
        down, across = (
            slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in zip(*touched, strict=True)
        )
        here = slice(rows.start + down.start, rows.start + down.stop), across
        part = crop(geobox, *here)
        for plane, layer in zip(power, layers, strict=True):
            mosaics = [mosaic_of(overflight, layer, part) for overflight in passes]
            plane[here], count[here] = composite(mosaics, how.method, how.trim_fraction)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(merge, row_blocks(geobox.shape, len(passes))))
    if outside is not None:
        power[:, outside], count[outside] = np.nan, 0
    return Composed(power, count, passes)
