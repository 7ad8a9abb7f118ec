"""The cube as others open it: xarray, rioxarray, odc-geo, GDAL, zarr, plain JSON; CF and GeoZarr kept."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import zarr
from rasterio.errors import RasterioIOError

from s1monthly.cube.attributes import LICENSE, description_attributes, with_plain_attributes
from s1monthly.cube.axis import prepare
from s1monthly.cube.header import Status, cached_header
from s1monthly.cube.write import write_month
from s1monthly.grid.lattice import GeoBox
from s1monthly.model import Month
from support.cube_readers import READERS, fingerprint, look
from support.cube_samples import BANDS, BOX, RECIPE, core_of, months, spec_of, started, tree

xr = pytest.importorskip("xarray")

GDAL = tuple(int(part) for part in rasterio.__gdal_version__.split(".")[:2])


@pytest.fixture
def held(tmp_path: Path) -> Path:
    return started(tmp_path / "S1_monthly.zarr")


@pytest.mark.parametrize("consolidated", [True, False])
def test_xarray_and_rioxarray_find_everything(held: Path, consolidated: bool) -> None:
    pytest.importorskip("rioxarray")
    with xr.open_zarr(held, consolidated=consolidated) as ds:
        assert set(ds.data_vars) == {*BANDS, "count", "status", "time_bnds"}
        starts = np.array(["2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01"], "datetime64[ns]")
        assert (ds.time.values == starts).all()
        ends = np.array(["2020-02-01", "2020-03-01", "2020-04-01", "2020-05-01"], "datetime64[ns]")
        assert (ds.time_bnds.values.astype("datetime64[ns]") == np.stack([starts, ends], 1)).all()
        assert ds.rio.crs.to_epsg() == 32610
        for name, units in zip(BANDS, ["dB", "dB", "1", "1"], strict=True):
            band = ds[name]
            assert band.dtype == np.float32 and band.dims == ("time", "y", "x")
            assert band.attrs["units"] == units and band.attrs["long_name"]
            assert band.rio.crs.to_epsg() == 32610
            assert band.rio.transform() == rasterio.Affine(*BOX.transform)
            assert band.rio.transform(recalc=True) == rasterio.Affine(*BOX.transform)
            assert np.isnan(band.rio.encoded_nodata)
            assert band.chunks == ((1,) * 4, (32, 32), (32, 16))
            expected, count = core_of("2020-03")
            np.testing.assert_array_equal(band.sel(time="2020-03-01").values, expected[name])
            assert np.isnan(band.sel(time="2020-02-01").values).all()
        assert ds["count"].dtype == np.uint8
        np.testing.assert_array_equal(ds["count"].sel(time="2020-03-01").values, count)
        assert ds.status.values.tolist() == [2, 0, 2, 0] and ds.status.dtype == np.uint8
        assert ds.status.attrs["flag_values"] == [0, 1, 2]
        assert ds.status.attrs["flag_meanings"].split() == ["empty", "being_written", "complete"]
        assert (ds.x.values[[0, -1]] == [600015.0, 601425.0]).all() and ds.x.attrs["units"] == "metre"
        assert (ds.y.values[[0, -1]] == [4199985.0, 4198095.0]).all()
        assert ds.x.attrs["standard_name"] == "projection_x_coordinate"
        assert ds.attrs["Conventions"] == "CF-1.11, ACDD-1.3" and "10SGD" in ds.attrs["title"]


def test_every_reader_reads_the_same_complete_months(held: Path) -> None:
    known = {text: [fingerprint({**values, "count": count})] for text in ("2020-01", "2020-03")
             for values, count in [core_of(text)]}  # fmt: skip
    assert look(held, known) == {"2020-01", "2020-03"} and len(READERS) == 5


def test_odc_geo_finds_the_grid(held: Path) -> None:
    pytest.importorskip("odc.geo.xr")
    with xr.open_zarr(held) as ds:
        geobox = ds.VV_dB.odc.geobox
        assert geobox.crs.epsg == 32610 and geobox.shape == (64, 48)
        assert geobox.affine == rasterio.Affine(*BOX.transform)


def _readable(store: Path, copy: Path) -> Path:
    """Return the store; before GDAL 3.11 a copy whose codec "bytes" has the name that a draft of Zarr gave it."""
    if GDAL >= (3, 11):
        return store
    shutil.copytree(store, copy)
    for file in copy.glob("*/zarr.json"):
        metadata = json.loads(file.read_text())
        if metadata["node_type"] == "group":
            continue
        metadata["codecs"][0] = {"name": "endian", "configuration": {"endian": "little"}}
        file.write_text(json.dumps(metadata))
    return copy


def test_gdal_reads_a_month(held: Path, tmp_path: Path) -> None:
    store = _readable(held, tmp_path / "copy.zarr")
    try:
        dataset = rasterio.open(f'ZARR:"{store}":/VH_dB:2')
    except RasterioIOError as error:
        pytest.skip(f"GDAL {rasterio.__gdal_version__} of this rasterio cannot open Zarr v3: {error}")
    with dataset:
        assert dataset.crs.to_epsg() == 32610
        assert dataset.transform == rasterio.Affine(*BOX.transform)
        assert np.isnan(dataset.nodata) and dataset.units == ("dB",)
        np.testing.assert_array_equal(dataset.read(1), core_of("2020-03")[0]["VH_dB"])


def test_root_is_read_by_plain_json(held: Path) -> None:
    attributes = json.loads((held / "zarr.json").read_text())["attributes"]["s1monthly"]
    assert attributes["tile"] == "10SGD" and attributes["direction"] == "ASCENDING"
    assert attributes["first"] == "2020-01" and attributes["last"] == "2020-04"
    assert attributes["recipe"] == RECIPE and attributes["bands"] == BANDS


def test_slots_are_read_without_zarr(held: Path) -> None:
    for first in ("2020-01", "2019-06"):
        prepare(held, spec_of(), *months(first, "2020-04"))
        found = cached_header(held)
        assert found is not None and (found.first, found.last) == months(first, "2020-04")
        assert found.complete_months() == [Month(2020, 1), Month(2020, 3)] and found.recipe == RECIPE
        assert found.status(Month(2020, 2)) == Status.EMPTY and found.chunks == (32, 32)


def test_geographic_grid_has_latitude_and_longitude(tmp_path: Path) -> None:
    path = tmp_path / "S1_monthly.zarr"
    box = GeoBox(4326, 0.25, 10.0, 50.0, 48, 64)
    prepare(path, spec_of(box=box), *months("2020-01", "2020-01"))
    group = zarr.open_group(path, mode="r")
    assert group["x"].attrs["units"] == "degrees_east" and group["y"].attrs["units"] == "degrees_north"
    assert group["x"][0] == 10.125 and group["y"][0] == 49.875
    assert group["spatial_ref"].attrs["grid_mapping_name"] == "latitude_longitude"
    assert group["spatial_ref"].attrs["GeoTransform"] == "10.0 0.25 0.0 50.0 0.0 -0.25"
    assert group.attrs["proj:code"] == "EPSG:4326" and group.attrs["spatial:bbox"] == [10.0, 34.0, 22.0, 50.0]


# conventions


def test_geozarr_conventions_tell_the_same_grid(held: Path) -> None:
    """As the schemas of zarr-conventions/proj, spatial and multiscales ask, version 0.1 (uuids are theirs)."""
    root = json.loads((held / "zarr.json").read_text())
    found = root["attributes"]
    declared = {entry["name"]: entry for entry in found["zarr_conventions"]}
    assert {name: entry["uuid"] for name, entry in declared.items()} == {
        "proj": "f17cb550-5864-4468-aeb7-f3180cfb622f",
        "spatial": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
        "multiscales": "d35379db-88df-4056-af3a-620245f8e347",
    }
    for name, entry in declared.items():
        assert set(entry) == {"schema_url", "spec_url", "uuid", "name", "description"}
        assert f"zarr-conventions/{name}/" in entry["schema_url"] and "v0.1" in entry["schema_url"]
    assert found["proj:code"] == "EPSG:32610" and pyproj.CRS.from_wkt(found["proj:wkt2"]).to_epsg() == 32610
    assert found["spatial:transform"] == [30.0, 0.0, 600000.0, 0.0, -30.0, 4200000.0]
    assert found["spatial:bbox"] == [600000.0, 4198080.0, 601440.0, 4200000.0]
    assert found["spatial:shape"] == [64, 48] and found["spatial:registration"] == "pixel"
    for name in (*BANDS, "count"):
        array = root["consolidated_metadata"]["metadata"][name]
        assert array["dimension_names"][-2:] == found["spatial:dimensions"] == ["y", "x"]
        assert array == json.loads((held / name / "zarr.json").read_text()), "consolidated is what the array says"


TOLERATED = ('"dB" are not recognized by UDUNITS',)
"""UDUNITS has no symbol for the decibel; its `0.1 lg(re 1)` would be read by nobody."""


CREDITS = {"creator_name": "A. Person", "institution": "Example Institute", "publisher_name": "Example Data Centre",
           "creator_url": "https://example.org/a", "publisher_url": "https://example.org",
           "creator_email": "a@example.org", "project": "Monthly radar", "license": "CC-BY-4.0"}  # fmt: skip


def test_checkers_of_cf_and_acdd_find_nothing(tmp_path: Path) -> None:
    runner = pytest.importorskip("compliance_checker.runner")
    store, file, report = tmp_path / "S1_monthly.zarr", tmp_path / "cube.nc", tmp_path / "report.json"
    spec = replace(spec_of(RECIPE | {"composite": {"method": "mean"}}), credits=CREDITS)
    prepare(store, spec, *months("2020-01", "2020-02"))
    values, count = core_of("2020-01")
    write_month(store, Month(2020, 1), values, count)
    for name in BANDS:
        cell_methods = json.loads((store / name / "zarr.json").read_text())["attributes"]["cell_methods"]
        assert cell_methods == "time: mean (of the power of the passes)"
    with xr.open_zarr(store) as ds:
        with_plain_attributes(ds).to_netcdf(file, engine="netcdf4")
    runner.CheckSuite.load_all_available_checkers()
    runner.ComplianceChecker.run_checker(
        str(file),
        ["cf:1.11", "acdd:1.3"],
        verbose=1,
        criteria="strict",
        output_filename=str(report),
        output_format="json",
    )
    found = json.loads(report.read_text())

    def said(checker: str, *priorities: str) -> list[str]:
        messages = [m for name in priorities for check in found[checker][f"{name}_priorities"] for m in check["msgs"]]
        return [message for message in messages if not any(known in message for known in TOLERATED)]

    assert said("cf:1.11", "high", "medium", "low") == [] and len(found["cf:1.11"]["high_priorities"]) > 10
    assert said("acdd:1.3", "high") == ["standard_name"] * len(BANDS), "CF has none for gamma0"


def test_a_catalog_of_data_sets_learns_what_where_and_when(held: Path) -> None:
    """ACDD 1.3; longitudes and latitudes by PROJ's corners, to 100 m."""
    with xr.open_zarr(held) as ds:
        found = ds.attrs
    assert found["time_coverage_start"] == "2020-01-01T00:00:00Z" and found["time_coverage_duration"] == "P4M"
    assert found["time_coverage_end"] == "2020-04-30T23:59:59Z" and found["license"] == LICENSE
    to_lonlat = pyproj.Transformer.from_crs(32610, 4326, always_xy=True)
    west, south, east, north = to_lonlat.transform_bounds(600000.0, 4198080.0, 601440.0, 4200000.0)
    names = [f"geospatial_{axis}_{end}" for end in ("min", "max") for axis in ("lon", "lat")]
    assert [found[name] for name in names] == pytest.approx([west, south, east, north], abs=1e-3)
    assert found["geospatial_bounds_crs"] == "EPSG:32610" and "601440.0 4200000.0" in found["geospatial_bounds"]
    assert "creator_name" not in found, "nobody is named who was not given"


def test_credits_describe_and_nothing_more(held: Path) -> None:
    """A cube with other credits is the same cube: its root gets them, its other files stay."""
    before = tree(held)
    prepare(
        held,
        replace(spec_of(), credits={"creator_name": "A. Person", "license": "CC-BY-4.0"}),
        *months("2020-01", "2020-04"),
    )
    after = tree(held)
    assert {name for name in after if after[name] != before.get(name)} == {
        "zarr.json"
    } and after.keys() == before.keys()
    found = json.loads(after["zarr.json"])["attributes"]
    assert (found["creator_name"], found["license"]) == ("A. Person", "CC-BY-4.0")


def test_attributes_name_the_quantity_where_it_is_not_the_usual_one() -> None:
    usual = description_attributes(spec_of(), Month(2021, 11), Month(2021, 12))
    assert usual["title"] == "Sentinel-1 monthly composites of tile 10SGD, ascending passes"
    assert "composites of radar backscatter on the grid" in usual["summary"] and ", RTC, " in usual["keywords"]
    of = {"radiometry": "beta0", "angle_normalisation": {"reference": 38, "exponent": 2}}
    other = description_attributes(spec_of({**RECIPE, **of}), Month(2021, 11), Month(2021, 12))
    assert other["title"] == f"{usual['title']}, beta0" and ", GTC, " in other["keywords"]
    assert "composites of beta0 backscatter, normalised to an incidence angle of 38 degrees" in other["summary"]
