"""The static stage: bring the static granules of a track onto the tile's grid, layer by layer."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube.static import StaticOrigin, new_group, read_static
from s1monthly.errors import GridError, ProductError, SourceError
from s1monthly.granule_names import STATIC_LAYERS
from s1monthly.granules import StaticGranule
from s1monthly.grid.lattice import LATTICE_TOLERANCE, GeoBox
from s1monthly.kernels.bands import Band
from s1monthly.kernels.static_layers import LAYERS
from s1monthly.model import COG_BLOCK_SIZE, COG_COMPRESSION, CogCompression
from s1monthly.raster.byte_cog import write_byte_cog
from s1monthly.raster.cog import write_cog
from s1monthly.sources.layers import REMEDY, LayerFile, open_layer
from s1monthly.stages.burst import refuse_elsewhere
from s1monthly.stages.placing import placing

LOGGER = logging.getLogger("s1monthly")

Prepared = Callable[[StaticGranule], AbstractContextManager[StaticGranule]]
"""`Source.prepared`."""


@dataclass(frozen=True)
class Placed:
    """A layer of a granule on the tile's grid: grid of its raster, values, and place of the upper-left pixel."""

    source: GeoBox
    row: int = 0
    col: int = 0
    values: NDArray[Any] | None = None


def refuse_incomplete(granules: Sequence[StaticGranule]) -> None:
    """Raise a SourceError that names every static granule without one of OPERA's layers."""
    lines = []
    for granule in granules:
        missing = [name for name in STATIC_LAYERS if granule.layer(name) is None]
        if missing:
            lines.append(f"static granule {granule.id}: no layer {' and '.join(missing)}")
    if lines:
        raise SourceError("\n  - ".join(lines), "fetch it again, or remove it: its burst then counts as one without")


def read_static_layer(granule: StaticGranule, layer: str, target: GeoBox) -> Placed:
    """Read the part of a static layer that lies on a grid.

    Whole pixels are cut where grids agree; otherwise angles, looks and factors are resampled as power is
    (`placing.placing`), and classes of the mask taken from the nearest pixel.

    Parameters
    ----------
    granule : StaticGranule
        Its layer can be read now.
    layer : str
        One of `layout.STATIC_LAYERS`.
    target : GeoBox
        The tile's grid.

    Raises
    ------
    SourceError
        If the layer is missing, damaged, of another type, or on a grid that is not its burst's. The message names
        granule and file.
    """
    with _naming(granule), open_layer(granule, layer) as raster:
        _refuse_other_grid(granule, raster)
        place = placing(raster.geobox, target, raster.name)
        if place is None:
            return Placed(raster.geobox)
        values = raster.read(place.rows, place.cols)
        missing = int(LAYERS["mask"].nodata)
        placed = place.nearest(values, missing) if layer == "mask" else place.resample(values)
        return Placed(raster.geobox, place.row, place.col, placed)


def compose_static(
    granules: Sequence[StaticGranule], layer: str, target: GeoBox, prepared: Prepared, workers: int = 1
) -> tuple[NDArray[Any], dict[str, GeoBox]]:
    """Compose a static layer of a track on the tile's grid. Where bursts overlap, the first valid pixel counts.

    Parameters
    ----------
    granules : sequence of StaticGranule
        Granules of one track, in burst order.
    layer : str
        One of `layout.STATIC_LAYERS`.
    target : GeoBox
        The tile's grid.
    prepared : callable
        `Source.prepared`; gets granules with this layer alone.
    workers : int
        Granules fetched and read at once. The result does not depend on it.

    Returns
    -------
    values : array (rows, columns)
        float32 with NaN for no data, or uint8 with 255 for the mask.
    grids : dict of str to GeoBox
        Granule id -> grid of its raster.

    Raises
    ------
    SourceError
        As for `read_static_layer`; or if the source cannot deliver a layer.
    """
    facts = LAYERS[layer]
    whole = np.full(target.shape, facts.nodata, facts.dtype)
    grids: dict[str, GeoBox] = {}

    def read(granule: StaticGranule) -> Placed:
        kept = replace(granule, layers=tuple(each for each in granule.layers if each.name == layer))
        with prepared(kept) as ready:
            return read_static_layer(ready, layer, target)

    for granule, placed in zip(granules, _ahead(read, granules, workers), strict=True):
        if placed.values is not None:
            _fill(whole, placed, facts.nodata)
        grids[granule.id] = placed.source
    return whole, grids


def _ahead(
    read: Callable[[StaticGranule], Placed], granules: Sequence[StaticGranule], workers: int
) -> Iterator[Placed]:
    """Yield the results in order, with at most `workers` + 1 of them in memory or under way."""
    waiting: deque[Future[Placed]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for granule in granules:
            waiting.append(pool.submit(read, granule))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _fill(whole: NDArray[Any], placed: Placed, nodata: float) -> None:
    """Fill pixels without data from a window, as far as that lies on the grid."""
    values = placed.values
    assert values is not None
    height, width = values.shape
    rows = slice(max(placed.row, 0), min(placed.row + height, whole.shape[0]))
    cols = slice(max(placed.col, 0), min(placed.col + width, whole.shape[1]))
    part = values[rows.start - placed.row : rows.stop - placed.row, cols.start - placed.col : cols.stop - placed.col]
    window = whole[rows, cols]
    empty = np.isnan(window) if math.isnan(nodata) else window == nodata
    np.copyto(window, part, where=empty)


@contextmanager
def _naming(granule: StaticGranule) -> Iterator[None]:
    try:
        yield
    except (ProductError, GridError) as error:
        raise SourceError(f"static granule {granule.id}: {error.problem}", REMEDY) from error


def _refuse_other_grid(granule: StaticGranule, raster: LayerFile) -> None:
    """Refuse a raster off its burst's lattice (multiples of the spacing in its name) or off its burst's place."""
    box, spacing = raster.geobox, granule.spacing
    corner = [box.left / spacing, box.top / spacing]
    if box.resolution != spacing or any(abs(at - round(at)) > LATTICE_TOLERANCE for at in corner):
        raise ProductError(
            f"raster {raster.name}: pixels of {box.resolution:g} from {box.left:g}, {box.top:g}; its burst's grid has"
            f" {spacing} m, from multiples of it",
            REMEDY,
        )
    refuse_elsewhere(granule, raster)


def write_group(
    store: str | Path,
    origin: StaticOrigin,
    geobox: GeoBox,
    chunks: tuple[int, int],
    granules: Sequence[StaticGranule],
    prepared: Prepared,
    workers: int,
) -> None:
    """Compose all static layers of a track and write them to the store, with one layer in memory.

    Parameters are those of `compose_static` and `cube.static.new_group`.

    Raises
    ------
    SourceError
        As for `compose_static`; or if a granule lacks a layer, or has layers on different grids.
    CubeError
        If the disk reports an error.
    """
    refuse_incomplete(granules)

    def composed() -> Iterator[NDArray[Any]]:
        first: dict[str, GeoBox] = {}
        for name in LAYERS:
            values, grids = compose_static(granules, name, geobox, prepared, workers)
            first = first or grids
            for granule, grid in grids.items():
                if grid != first[granule]:
                    raise SourceError(
                        f"static granule {granule}: layers on different grids: {next(iter(LAYERS))} has"
                        f" {first[granule]}, {name} has {grid}",
                        REMEDY,
                    )
            LOGGER.info("%s: %s of %d granules", origin.name, name, len(granules))
            yield values

    write_layers(store, origin, geobox, chunks, composed())


def write_layers(
    store: str | Path, origin: StaticOrigin, geobox: GeoBox, chunks: tuple[int, int], layers: Iterable[NDArray[Any]]
) -> None:
    """Write the static layers of a track, in the order of `LAYERS`, to the store.

    Parameters are those of `cube.static.new_group`.

    Raises
    ------
    CubeError
        If the disk reports an error.
    """
    with new_group(store, origin, geobox, chunks) as group:
        for (name, facts), values in zip(LAYERS.items(), layers, strict=True):
            group.write(name, values, {"long_name": facts.description, "units": facts.units})


def write_static_cogs(
    store: str | Path,
    origin: StaticOrigin,
    geobox: GeoBox,
    files: Mapping[str, str],
    block_size: int = COG_BLOCK_SIZE,
    compression: CogCompression = COG_COMPRESSION,
    threads: int = 1,
) -> NDArray[np.bool_]:
    """Write a COG of each static layer of a track from the store; return where the mask has data, (rows, columns).

    Parameters
    ----------
    files : mapping of str to str
        Layer -> path of its COG, see `Layout.static_files`.
    block_size, compression, threads
        As for `raster.cog.write_cog`.

    Raises
    ------
    CubeError
        If the store cannot be read.
    ProductError
        If a file cannot be written.
    """
    tags = {
        "TITLE": f"Sentinel-1 static layers {origin.name}",
        "GRANULES": " ".join(origin.granules),
        "BURSTS_WITHOUT": " ".join(origin.without),
        "DIGEST": origin.made_of,
    }
    options: Any = {"block_size": block_size, "threads": threads, "compression": compression}
    for name, facts in LAYERS.items():
        path, values = files[name], read_static(store, origin.track, name)
        if facts.dtype == "uint8":
            nodata, texts = int(facts.nodata), [facts.description]
            write_byte_cog(path, {name: values}, geobox, texts, tags, averaged=False, nodata=nodata, **options)
            seen: NDArray[np.bool_] = values != nodata
        else:
            label = Band(name, facts.units, facts.description, facts.valid_range, "static", None)
            write_cog(path, [values], geobox, [label], tags, **options)
    return seen
