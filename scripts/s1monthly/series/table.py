"""Read the series of features into a table, and write it as CSV or Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube.header import COUNT, Header
from s1monthly.cube.series import read_pixels
from s1monthly.errors import CubeError, ProductError
from s1monthly.files import replacing
from s1monthly.kernels.bands import Band, bands_of
from s1monthly.kernels.series import group_counts, group_means
from s1monthly.model import Month
from s1monthly.series.features import Features
from s1monthly.series.placing import Placed, place

if TYPE_CHECKING:
    import pyarrow as pa

WRITERS = (".csv", ".parquet")
Arrays = dict[str, NDArray[Any]]


def read_table(
    features: Features,
    headers: Sequence[Header],
    bands: Sequence[str] = (),
    first: Month | None = None,
    last: Month | None = None,
    *,
    other_tiles: bool = False,
    threads: int | None = None,
) -> pa.Table:
    """Read the series of features from cubes.

    Parameters
    ----------
    features : Features
        Points or polygons.
    headers : sequence of Header
        Cubes, from `placing.find_cubes`.
    bands : sequence of str
        Bands; by default the backscatter of both polarizations.
    first, last : Month, optional
        First and last month; by default those of each cube.
    other_tiles : bool
        True for a column with the other tiles that hold a feature.
    threads : int, optional
        Months that are read at a time; by default one for each processor.

    Returns
    -------
    pyarrow.Table
        A row for each feature, direction and calendar month; units and long names are in the fields' metadata. Columns:
        feature, tile, direction, track (or null), month (date of its first day), complete, the bands (NaN for no data),
        count (mean passes of the valid pixels), valid_share (of the feature's pixels), pixels, tile_share (of the
        polygon's area inside the tile).

    Raises
    ------
    GridError
        As `placing.place`.
    CubeError
        If no cube has a band of that name, or a cube is damaged.
    """
    import pyarrow as pa

    known = {band.name: band for header in headers for band in bands_of(header.recipe) if band.name in header.bands}
    wanted = tuple(bands) or tuple(name for name, band in known.items() if band.role == "backscatter")
    for name in wanted:
        if name not in known:
            raise CubeError(f"no cube has a band {name}", f"bands: {', '.join(known)}")
    of_bands = {name: known[name] for name in wanted}
    number = threads or len(os.sched_getaffinity(0))
    places = place(features, headers)
    parts = [_columns(placed, of_bands, first, last, number) for placed in places]
    columns: Arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(columns["feature"], kind="stable")
    columns = {name: values[order] for name, values in columns.items()}

    def texts(codes: NDArray[Any], words: Iterable[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(codes.astype(np.int32), pa.array(list(words), pa.string()))

    def coded(name: str) -> pa.Array:
        words, codes = np.unique(columns[name], return_inverse=True)
        return texts(codes, map(str, words))

    arrays: dict[str, Any] = {
        "feature": texts(columns["feature"], features.names),
        "tile": coded("tile"),
        "direction": coded("direction"),
        "track": pa.array(columns["track"], pa.int16(), mask=columns["track"] == 0),
        "month": pa.array(columns["month"].astype("datetime64[D]")),
        **{name: columns[name] for name in ("complete", *wanted, COUNT, "valid_share", "pixels", "tile_share")},
        **({"other_tiles": coded("others")} if other_tiles else {}),
    }
    table = pa.table(arrays)
    fields = [field.with_metadata(_metadata(of_bands.get(field.name))) for field in table.schema]
    simulated = all(placed.header.simulated for placed in places)
    return table.cast(pa.schema(fields, {"simulated": "true"} if simulated else None))


def columns_of(table: pa.Table) -> Arrays:
    """Return the columns of a table as arrays; a track that is null becomes NaN."""
    import pyarrow as pa

    plain = {name: table[name] for name in table.column_names}
    return {
        name: (column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column).to_numpy()
        for name, column in plain.items()
    }


def labels_of(table: pa.Table) -> dict[str, tuple[str, str]]:
    """Return long name and units of each band of a table."""
    told = {field.name: field.metadata for field in table.schema if field.metadata}
    return {name: (texts[b"long_name"].decode(), texts[b"units"].decode()) for name, texts in told.items()}


def is_simulated(table: pa.Table) -> bool:
    """Return True if all values of a table are of simulated granules."""
    return b"simulated" in (table.schema.metadata or {})


def _metadata(band: Band | None) -> dict[str, str] | None:
    return None if band is None else {"units": band.units, "long_name": band.description}


def _columns(
    placed: Placed, bands: dict[str, Band], first: Month | None, last: Month | None, threads: int
) -> dict[str, NDArray[Any]]:
    """Return the columns of the features of one cube, feature after feature, month by month."""
    header = placed.header
    begin, end = max(header.first, first or header.first), min(header.last, last or header.last)
    months = list(begin.until(end))
    own = {name: band for name, band in bands.items() if name in header.bands}
    reduce = partial(_reduced, placed.starts, own)
    found = read_pixels(header.path, [*own, COUNT], placed.rows, placed.columns, reduce, months, threads)
    features = len(placed.features)
    lacking = {name: np.full(features, np.nan, np.float32) for name in bands}
    lacking |= {name: np.zeros(features, np.float32) for name in (COUNT, "valid_share")}
    rows = [lacking | (one or {}) for one in found]
    size = features * len(months)
    pixels = np.diff(np.append(placed.starts, len(placed.rows)))
    ordinals = [month.ordinal - 1970 * 12 for month in months]
    repeated = {"feature": placed.features, "pixels": pixels, "tile_share": placed.share.astype(np.float32)}
    repeated |= {"others": np.array(placed.others)}
    return {
        "tile": np.full(size, str(header.tile)),
        "direction": np.full(size, str(header.direction.pooled)),
        "track": np.full(size, header.direction.track or 0),
        "month": np.tile(np.array(ordinals, "datetime64[M]"), features),
        "complete": np.tile(np.array([one is not None for one in found], bool), features),
        **{name: np.repeat(values, len(months)) for name, values in repeated.items()},
        **{name: np.array([row[name] for row in rows], np.float32).reshape(-1, features).T.ravel() for name in lacking},
    }


def _reduced(starts: NDArray[np.intp], bands: dict[str, Band], values: Arrays) -> Arrays:
    means = {name: group_means(values[name], starts, decibels=band.units == "dB") for name, band in bands.items()}
    share, count = group_counts(values[COUNT], starts)
    return {**means, COUNT: count, "valid_share": share}


def write_table(table: pa.Table, path: str | Path) -> None:
    """Write a table as CSV (NaN are empty) or Parquet, by the suffix of the path, completely or not at all.

    Raises
    ------
    ProductError
        If the suffix is another, or the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv, parquet

    if Path(path).suffix not in WRITERS:
        raise ProductError(f"{path}: not a table that can be written", f"end its name in {' or '.join(WRITERS)}")
    try:
        with replacing(path) as temporary:
            if Path(path).suffix == ".parquet":
                parquet.write_table(table, temporary)
                return
            for place, name in enumerate(table.column_names):
                column = table[name]
                if pa.types.is_dictionary(column.type):
                    table = table.set_column(place, name, column.cast(pa.string()))
                elif pa.types.is_floating(column.type):
                    table = table.set_column(place, name, pc.if_else(pc.is_nan(column), None, column))
            csv.write_csv(table, temporary, csv.WriteOptions(quoting_style="needed"))
    except (OSError, pa.ArrowException) as error:
        raise ProductError(f"{path}: cannot be written ({error})", "check its folder and the free space") from error
