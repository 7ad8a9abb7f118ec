"""Reading a published tree over HTTP with the programs of others: the same values as in the tree, by ranges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr.storage
from obstore.store import HTTPStore

from s1monthly.cube import months as cube
from s1monthly.model import Month
from s1monthly.upload.publishing import Options, publish_tree
from s1monthly.upload.storage import open_storage
from support.ranged import Ranged, ranged

NAME = "10SGD_ASCENDING"
CUBE = f"{NAME}/zarr/S1_monthly.zarr"
COG = f"{NAME}/cog/10SGD_S1_Monthly_ASCENDING_2022-01.tif"
MONTH = Month(2022, 1)


@pytest.fixture(scope="module")
def server(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ranged]:
    """A server of the published tree, whose links are absolute."""
    folder = tmp_path_factory.mktemp("published")
    with ranged(folder) as server:
        publish_tree(made, open_storage(str(folder)), Options(base_url=server.url), print)
        yield server


@pytest.mark.parametrize("through", ["obstore", "fsspec"])
def test_xarray(through: str, made: Path, server: Ranged) -> None:
    store: object = f"{server.url}/{CUBE}"
    if through == "obstore":
        options = {"allow_http": True}
        store = zarr.storage.ObjectStore(HTTPStore.from_url(str(store), client_options=options), read_only=True)
    with server.counted() as opening:
        found = xr.open_zarr(store, chunks=None)
    assert opening.requests < 12
    values = cube.read_month(made / CUBE, MONTH, "VV_dB")
    with server.counted() as traffic:
        point = found.VV_dB.isel(y=100, x=30).values
    assert traffic.requests == 3, "a chunk a month"
    complete = found.status.values == 2
    assert complete.tolist() == [True, False, True] and point[2] == values[100, 30] and np.isnan(point[1])
    np.testing.assert_array_equal(found.VV_dB.sel(time="2022-01-01").values, values)


def test_gdal(made: Path, server: Ranged) -> None:
    values = cube.read_month(made / CUBE, MONTH, "VV_dB")
    alone = rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR")
    with server.counted() as traffic, alone, rasterio.open(f"/vsicurl/{server.url}/{COG}") as cog:
        np.testing.assert_array_equal(cog.read(1, window=((64, 128), (0, 64))), values[64:128, :64])
        assert cog.overviews(1) and cog.read(1, out_shape=(23, 23)).shape == (23, 23)
    assert 0 < traffic.requests < 6 and traffic.bytes < (made / COG).stat().st_size


def test_odc_stac_from_the_root(made: Path, server: Ranged) -> None:
    """From the root Catalog to pixels, by absolute links alone."""
    import pystac
    from odc.stac import load

    root = pystac.Catalog.from_file(f"{server.url}/catalog.json")
    items = [item for item in root.get_items(recursive=True) if item.datetime and item.datetime.year == 2022]
    assert [item.id for item in items] == [f"{NAME}_2022-01"]
    loaded = load(items, bands=["VV_dB"], crs="EPSG:32610", resolution=600).VV_dB.isel(time=0)
    values = cube.read_month(made / CUBE, MONTH, "VV_dB")
    np.testing.assert_array_equal(loaded.values[np.isfinite(loaded.values)], values[np.isfinite(values)])


def test_rustac_and_duckdb_read_the_table_of_items(server: Ranged, tmp_path: Path) -> None:
    """DuckDB's extensions for HTTP and geometries, which rustac's search loads, cannot be fetched in a test."""
    import duckdb
    import rustac
    from rustac.store import HTTPStore as RustacStore

    place = RustacStore.from_url(server.url, client_options={"allow_http": True})
    found = rustac.read_sync("items.parquet", store=place)["features"]
    assert [item["id"] for item in found] == [f"{NAME}_2021-11", f"{NAME}_2022-01"]
    with rasterio.open(found[1]["assets"]["cog"]["href"]) as cog:
        assert cog.count == 4
    assert {link["rel"]: link["href"] for link in found[1]["links"]}["root"] == f"{server.url}/catalog.json"
    assert rustac.read_sync("catalog.json", store=place)["id"] == "s1monthly"
    with urlopen(f"{server.url}/items.parquet") as answer:
        (tmp_path / "items.parquet").write_bytes(answer.read())
    query = f"SELECT id FROM '{tmp_path}/items.parquet' WHERE datetime >= '2022-01-01' AND \"grid:code\" = 'MGRS-10SGD'"
    assert duckdb.sql(query).fetchall() == [(f"{NAME}_2022-01",)]
