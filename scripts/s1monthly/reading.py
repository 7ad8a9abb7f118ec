"""For notebooks: open a cube, find months, load a configuration. `s1monthly` itself has these names too.

They only read, also while a run writes the tree.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s1monthly.config.file import read_config_file
from s1monthly.config.root import Config
from s1monthly.config.root import load_config as check_config
from s1monthly.cube.header import Status
from s1monthly.errors import CubeError, NameFormatError, ProductError
from s1monthly.layout import Layout, parse_folder
from s1monthly.model import COMBINED, Direction, Month, Stack, Tile, TileDirection

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure


def open_cube(
    base_dir: str | Path, tile: str, direction: str, track: int | None = None, *, complete: bool = True, **options: Any
) -> xr.Dataset:
    """Open the cube of a tile and direction with xarray; values are read when they are used.

    Parameters
    ----------
    base_dir : path
        Root of the output tree (``output.base_dir``).
    tile : str
        Sentinel-2 tile, such as 10SGD.
    direction : str
        ASCENDING, DESCENDING or COMBINED, in any case, or its beginning.
    track : int, optional
        Track of a cube made with ``processing.by_track``.
    complete : bool
        True for the months that are complete. False for every calendar month of the axis; its `status` then says what
        the month holds (0 empty, 1 being written, 2 complete).
    **options
        Passed on to `xarray.open_zarr`; ``chunks=None`` is faster for a few pixels, and does without dask.

    Returns
    -------
    xarray.Dataset
        Each band has the dimensions (time, y, x) and is float32: VV_dB and VH_dB in dB, NaN where no pass has a value.
        ``count`` is the number of passes with a value, uint8. x and y are metres in the tile's UTM zone; time is the
        first day of the month. Attributes are texts and numbers: ``to_netcdf`` writes them as they are.

    Raises
    ------
    CubeError
        If there is no such cube; the error lists those that there are.
    NameFormatError
        If tile or direction is misspelled.

    Examples
    --------
    import s1monthly

    cube = s1monthly.open_cube("output/demo", "10SGD", "ASCENDING")
    series = cube.VV_dB.sel(x=760000, y=3840000, method="nearest")
    series.plot(marker="o")
    cube.sel(time="2024-05-01").to_netcdf("may.nc")
    """
    import xarray

    from s1monthly.cube.attributes import with_plain_attributes

    key = TileDirection(Tile(tile.upper()), Stack.of(_direction(direction), track))
    path = Layout(os.fspath(base_dir)).of(key).cube
    if not Path(path).is_dir():
        names = (parse_folder(folder.parent.parent.name) for folder in Path(base_dir).glob("*/zarr/S1_monthly.zarr"))
        there = ", ".join(sorted(" ".join(name) for name in names if name))
        raise CubeError(
            f"{key.tile} {key.direction}: there is no cube in {base_dir}",
            f"there are cubes of {there}" if there else "give the folder that output.base_dir names",
        )
    cube = with_plain_attributes(xarray.open_zarr(path, **options))
    return cube.isel(time=cube["status"].values == Status.COMPLETE) if complete else cube


def find_months(
    base_dir: str | Path,
    *,
    tile: str | None = None,
    direction: str | None = None,
    track: int | None = None,
    start: str | None = None,
    end: str | None = None,
    point: tuple[float, float] | None = None,
    status: str | None = "complete",
) -> pd.DataFrame:
    """Find months in the catalog of an output tree.

    Parameters
    ----------
    base_dir : path
        Root of the output tree (``output.base_dir``).
    tile : str, optional
        Sentinel-2 tile, such as 10SGD.
    direction : str, optional
        ASCENDING, DESCENDING or COMBINED, in any case, or its beginning.
    track : int, optional
        Only months of cubes of this track (``processing.by_track``).
    start, end : str, optional
        First and last month, YYYY-MM.
    point : tuple of float, optional
        Longitude and latitude in degrees: months with data there.
    status : str, optional
        complete, empty, no data or unusable; None for all.

    Returns
    -------
    pandas.DataFrame
        A row for each month, by tile, direction and month. The columns are those of ``catalog.parquet``: cog_path,
        zarr_path and the other paths start with `base_dir`; coverage is a fraction, 0 to 1; geometry is a shapely
        geometry in longitude and latitude, so that ``geopandas.GeoDataFrame(months, crs="OGC:CRS84")`` draws a map.

    Raises
    ------
    ProductError
        If there is no catalog, or it cannot be read.
    NameFormatError
        If a tile, direction or month is misspelled.

    Examples
    --------
    import rasterio
    import s1monthly

    months = s1monthly.find_months("output/demo", direction="ASCENDING", start="2024-05", point=(-120.2, 34.6))
    print(months[["mgrs_tile_id", "month", "granules", "coverage"]])
    with rasterio.open(months.cog_path.iloc[0]) as cog:
        vv_db = cog.read(1, masked=True)
    """
    import pandas as pd
    import shapely

    from s1monthly.catalog.table import PATHS, SCHEMA, read_catalog

    first, last = (None if text is None else Month.parse(text) for text in (start, end))
    wanted = {
        "mgrs_tile_id": None if tile is None else str(Tile(tile.upper())),
        "flight_direction": None if direction is None else str(_direction(direction)),
        "track": track,
        "status": status,
    }
    if point is not None and not (abs(point[0]) <= 180 and abs(point[1]) <= 90):
        raise NameFormatError(f"no such point: {point}", "give longitude and latitude in degrees, in this order")
    path = Path(Layout(os.fspath(base_dir)).catalog)
    if not path.exists():
        raise ProductError(f"{path}: there is no catalog", "give the folder that output.base_dir names")
    rows = [
        row
        for row in read_catalog(path)
        if all(value is None or row[name] == value for name, value in wanted.items())
        and (first is None or first <= Month.parse(row["month"]))
        and (last is None or Month.parse(row["month"]) <= last)
    ]
    for row in rows:
        row["geometry"] = shapely.from_wkb(row["geometry"])
        row |= {name: os.path.join(base_dir, row[name]) for name in PATHS if row[name] is not None}
    if point is not None:
        rows = [row for row in rows if shapely.intersects_xy(row["geometry"], *point)]
    return pd.DataFrame(rows, columns=SCHEMA.names)


def read_series(
    base_dir: str | Path,
    points: str | Path | Sequence[Any] | None = None,
    polygons: str | Path | Sequence[Any] | None = None,
    *,
    crs: int | str | None = None,
    bands: Sequence[str] = (),
    direction: str | None = None,
    track: int | None = None,
    start: str | None = None,
    end: str | None = None,
    other_tiles: bool = False,
) -> pd.DataFrame:
    """Read the values of points or polygons in every month of all tiles and directions.

    Parameters
    ----------
    base_dir : path
        Root of the output tree (``output.base_dir``).
    points : path or sequence, optional
        A CSV file (columns lon and lat, or x and y; optionally name), a vector file, or a sequence of pairs or shapely
        points. A point has the value of the pixel that it lies in.
    polygons : path or sequence, optional
        Instead of points: a vector file or a sequence of shapely polygons. Pixels whose centre lies inside are
        averaged; decibels as power.
    crs : int or str, optional
        CRS of pairs, a CSV file or geometries; by default longitude and latitude. A vector file has its own.
    bands : sequence of str
        Bands; by default the backscatter of both polarizations.
    direction : str, optional
        ASCENDING, DESCENDING or COMBINED, in any case, or its beginning; by default all.
    track : int, optional
        Only cubes of this track (``processing.by_track``).
    start, end : str, optional
        First and last month, YYYY-MM.
    other_tiles : bool
        True for a column with the other tiles that hold a feature.

    Returns
    -------
    pandas.DataFrame
        A row for each feature, direction and calendar month of the cube: feature, tile, direction, track, month,
        complete, the bands (float32, NaN for no data), count (mean passes of the valid pixels), valid_share (of the
        pixels), pixels, tile_share (of the polygon's area inside the tile). A feature on two tiles is read from the one
        that holds more of it, or else whose centre is nearer. ``attrs["bands"]`` has long name and units of the bands,
        ``attrs["simulated"]`` is true if no value is measured.

    Raises
    ------
    GridError
        If a feature lies outside all tiles, is no point or polygon, or a polygon holds no centre of a pixel.
    CubeError
        If no cube has a band of that name, or a cube is damaged.
    ProductError
        If there is no cube.

    Examples
    --------
    import s1monthly

    series = s1monthly.read_series("output/demo", points=[(-120.2, 34.6)])
    series.pivot_table("VV_dB", "month", "direction").plot(marker="o")
    fields = s1monthly.read_series("output/demo", polygons="fields.geojson", bands=["VH_dB", "RVI"])
    s1monthly.plot_series(fields).savefig("fields.png")
    """
    from s1monthly.series.features import read_points, read_polygons
    from s1monthly.series.placing import find_cubes
    from s1monthly.series.table import is_simulated, labels_of, read_table

    if points is not None and polygons is None:
        features = read_points(points, crs)
    elif polygons is not None and points is None:
        features = read_polygons(polygons, crs)
    else:
        raise NameFormatError("series of what?", "give either points or polygons")
    span = (None if text is None else Month.parse(text) for text in (start, end))
    wanted = [*Direction, COMBINED] if direction is None else [_direction(direction)]
    headers = find_cubes(base_dir, wanted, () if track is None else (track,))
    table = read_table(features, headers, bands, *span, other_tiles=other_tiles)
    frame: pd.DataFrame = table.to_pandas()
    frame.attrs |= {"bands": labels_of(table), "simulated": is_simulated(table)}
    return frame


def plot_series(series: pd.DataFrame) -> Figure:
    """Draw series: a panel for each band, a line for each feature and direction, gaps where there is no data.

    Parameters
    ----------
    series : pandas.DataFrame
        From `read_series`, or some rows of it.

    Returns
    -------
    matplotlib.figure.Figure
        With axes, units and source; ``savefig`` writes it. A notebook shows it after ``%matplotlib inline``.

    Raises
    ------
    ProductError
        If there are more lines than can be told apart.
    """
    from s1monthly.series.figure import draw_series

    columns = {name: series[name].to_numpy() for name in series.columns}
    return draw_series(columns, series.attrs["bands"], series.attrs["simulated"])


def read_change(
    base_dir: str | Path, tile: str, direction: str, band: str = "VV_dB", track: int | None = None
) -> xr.Dataset:
    """Read the map of the changes of a band, which the tool `change` made.

    Parameters
    ----------
    base_dir : path
        Root of the output tree (``output.base_dir``).
    tile : str
        Sentinel-2 tile, such as 10SGD.
    direction : str
        ASCENDING, DESCENDING or COMBINED, in any case, or its beginning.
    band : str
        Band of the cube whose changes were sought.
    track : int, optional
        Track of a cube made with ``processing.by_track``.

    Returns
    -------
    xarray.Dataset
        (y, x), on the grid of the cube: ``month``, the first month after the change, as a date, NaT for no change;
        ``magnitude``, mean after minus mean before it, in units of the band; ``confidence``, 0 to 1; ``valid_months``.
        Of `pelt` also ``changes``, their number, and the second and third largest: ``month_2`` ... Attributes are the
        tags of the COG, such as METHOD, OPTIONS and MONTHS.

    Raises
    ------
    ProductError
        If there is no such map, or it cannot be read, or is of another grid than the cube.
    CubeError
        If there is no such cube.
    NameFormatError
        If tile or direction is misspelled.

    Examples
    --------
    import s1monthly

    change = s1monthly.read_change("output", "10SGD", "ASCENDING")
    lost = change.where(change.magnitude < -3)
    lost.month.dt.year.plot()
    """
    import numpy as np
    import xarray

    from s1monthly.raster.geotiff import open_dataset

    key = TileDirection(Tile(tile.upper()), Stack.of(_direction(direction), track))
    path = Layout(os.fspath(base_dir)).of(key).change(band)
    again = f"make it with the tool change --tile {key.tile} --direction {key.direction.pooled} --band {band}"
    if not os.path.exists(path):
        raise ProductError(f"{path}: there is no such map of changes", again)
    cube = open_cube(base_dir, tile, direction, track, complete=False, chunks=None)
    made = xarray.Dataset(coords=cube[["x", "y", "spatial_ref"]].coords)
    with open_dataset(path) as cog:
        if cog.shape != (cube.sizes["y"], cube.sizes["x"]):
            raise ProductError(f"{path}: a map of another grid than that of the cube", again)
        for number, (name, units) in enumerate(zip(cog.descriptions, cog.units, strict=True), 1):
            values, about = cog.read(number), {"long_name": cog.tags(number)["long_name"]}
            if name.startswith("month"):
                month = np.where(np.isfinite(values), values, 197001).astype("int32")
                dates = ((month // 100 - 1970) * 12 + month % 100 - 1).astype("datetime64[M]").astype("datetime64[ns]")
                values = np.where(np.isfinite(values), dates, np.datetime64("NaT"))
                about = {"long_name": about["long_name"].replace(", as year x 100 + month", "")}
            else:
                about["units"] = units
            made[name] = ("y", "x"), values, about | {"grid_mapping": "spatial_ref"}
        return made.assign_attrs(cog.tags())


def load_config(config: str | Path | Mapping[str, Any]) -> Config:
    """Read and check a configuration; every option that is not given has its default.

    Parameters
    ----------
    config : path or mapping
        YAML or JSON file, or its content.

    Raises
    ------
    ConfigError
        If the file cannot be read, or has unknown keys or bad values; the message names each.

    Examples
    --------
    import s1monthly

    config = s1monthly.load_config("config/demo.yaml")
    print(config.output.base_dir, config.processing.composite_method)
    """
    return check_config(config if isinstance(config, Mapping) else read_config_file(config))


def _direction(text: str) -> Stack:
    known = [*Direction, COMBINED]
    found = [direction for direction in known if text and direction.startswith(text.upper())]
    if len(found) != 1:
        raise NameFormatError(f"direction {text!r}", f"give {', '.join(known[:-1])} or {known[-1]}")
    return found[0]
