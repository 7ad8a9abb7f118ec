"""Regions from files: one region from every format, layer and CRS; what cannot be used is named with its remedy."""

from __future__ import annotations

import os
import re
from pathlib import Path

import geopandas as gpd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from shapely.geometry import LineString, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from s1monthly.errors import GridError
from s1monthly.grid.region_file import read_region_file
from s1monthly.grid.regions import canonical_wkt, read_region

RING = shapely.box(-121, 36.5, -120.5, 37) - shapely.box(-120.9, 36.6, -120.8, 36.7)
BOX = shapely.box(-119, 36, -118.9, 36.1)
TOUCHING = shapely.box(-118.9, 36, -118.8, 36.1)
WHOLE = shapely.union_all([RING, BOX, TOUCHING])
KRYGOWSKI = "+proj=laea +lat_0=37 +lon_0=-120 +datum=NAD83 +units=us-ft"
"""A CRS without a code, in feet."""


@pytest.fixture
def frame() -> gpd.GeoDataFrame:
    columns = {"NAME": ["ring", "box", "touching", "none"], "AREA": [12.5, 3.0, 3.0, 0.0]}
    return gpd.GeoDataFrame(columns, geometry=[RING, BOX, TOUCHING, None], crs=4326)


def read(path: Path, layer: str | None = None, where: str | None = None) -> BaseGeometry:
    return shapely.from_wkt(read_region_file(str(path), layer, where))


def same(one: BaseGeometry, other: BaseGeometry, tolerance: float = 1e-9) -> bool:
    """Compare areas; densified edges are the same area."""
    return bool(one.symmetric_difference(other).area <= tolerance * other.area)


def write(frame: gpd.GeoDataFrame, path: Path, **options: str) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.shp", "a.kml", "a.parquet", "a.fgb", "a.shp.zip"])
def test_every_format_gives_the_same_region(frame: gpd.GeoDataFrame, tmp_path: Path, name: str) -> None:
    options = {"driver": "ESRI Shapefile"} if name.endswith(".zip") else {}
    path = write(frame.dropna() if name == "a.fgb" else frame, tmp_path / name, **options)
    region = read(path)
    assert same(region, WHOLE)
    assert len(region.geoms) == 2, "polygons that touch are one"
    assert sum(len(part.interiors) for part in region.geoms) == 1


@pytest.mark.parametrize("name", ["a.gpkg", "a.shp", "a.parquet"])
@pytest.mark.parametrize("crs", [32610, 3310, 3857, 4269, 4267, KRYGOWSKI])
def test_any_crs_is_read(frame: gpd.GeoDataFrame, tmp_path: Path, name: str, crs: int | str) -> None:
    """Against geopandas, with so many vertices that curved edges do not matter."""
    dense = frame.dropna().assign(geometry=lambda f: f.geometry.segmentize(0.001))
    there = dense.to_crs(crs)
    region = read(write(there, tmp_path / name))
    assert same(region, there.to_crs(4326).union_all(), 1e-6)
    assert same(region, WHOLE, 1e-4)


def test_edges_are_straight_in_the_crs_of_the_file(tmp_path: Path) -> None:
    box = shapely.box(600_000, 6_000_000, 700_000, 6_100_000)
    path = write(gpd.GeoDataFrame(geometry=[box], crs=32631), tmp_path / "a.gpkg")
    dense = gpd.GeoSeries([box.segmentize(100)], crs=32631).to_crs(4326).union_all()
    assert same(read(path), dense, 1e-4)
    assert not same(gpd.GeoSeries([box], crs=32631).to_crs(4326).union_all(), dense, 1e-3)


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.shp", "a.kml", "a.parquet"])
@pytest.mark.parametrize(
    ("where", "expected"),
    [("NAME = 'box'", BOX), ("NAME IN ('box', 'touching') AND AREA < 5", BOX | TOUCHING), ("AREA > 5", RING)],
)
def test_a_filter_means_the_same_in_every_format(
    frame: gpd.GeoDataFrame, tmp_path: Path, name: str, where: str, expected: Polygon
) -> None:
    path = write(frame.assign(nested=[{"a": [1]}] * 4) if name == "a.parquet" else frame, tmp_path / name)
    assert same(read(path, where=where), expected)


def test_one_layer_is_read_and_several_must_be_named(frame: gpd.GeoDataFrame, tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    write(frame[1:2], path, layer="box")
    write(gpd.GeoDataFrame(geometry=[Point(0, 0)], crs=4326), path, layer="points")
    assert same(read(path), BOX), "a layer of points is none to choose from"
    write(frame[:1].to_crs(32610), path, layer="ring")
    assert same(read(path, "ring"), RING, 1e-3)
    with pytest.raises(GridError, match=r"several layers: box, ring -> name one of them in roi\.layer"):
        read(path)
    with pytest.raises(GridError, match=r"has no layer rung -> name one of: box, points, ring"):
        read(path, "rung")


def test_points_lines_height_and_broken_rings_do_no_harm(tmp_path: Path) -> None:
    bow_tie = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    nested = shapely.GeometryCollection(
        [Point(5, 5), MultiPolygon([shapely.box(2, 0, 3, 1)]), LineString([(0, 0), (9, 9)])]
    )
    parts = [Point(50, 50), LineString([(0, 0), (30, 30)]), bow_tie, shapely.force_3d(shapely.box(4, 0, 5, 1)), nested]
    region = read(write(gpd.GeoDataFrame(geometry=parts, crs=4326), tmp_path / "a.geojson"))
    assert same(
        region, shapely.union_all([shapely.make_valid(bow_tie), shapely.box(2, 0, 3, 1), shapely.box(4, 0, 5, 1)])
    )
    assert not region.has_z


@pytest.mark.parametrize(
    ("geometry", "crs"),
    [
        (shapely.box(179, -19, 182, -16), 4326),
        (MultiPolygon([shapely.box(179, -19, 180, -16), shapely.box(-180, -19, -178, -16)]), 4326),
        (shapely.box(179, -19, 182, -16), 4269),
        (gpd.GeoSeries([shapely.box(179, -19, 182, -16).segmentize(0.01)], crs=4326).to_crs(3832)[0], 3832),
    ],
)
def test_the_antimeridian_is_crossed(tmp_path: Path, geometry: BaseGeometry, crs: int) -> None:
    path = write(gpd.GeoDataFrame(geometry=[geometry], crs=crs), tmp_path / "a.gpkg")
    fiji = MultiPolygon([shapely.box(179, -19, 180, -16), shapely.box(-180, -19, -178, -16)])
    region = read(path)
    assert same(region, fiji, 1e-4)
    assert same(shapely.from_wkt(canonical_wkt(region.wkt)), fiji, 1e-4)


def test_a_world_of_parts_is_wider_than_one_part_may_be(tmp_path: Path) -> None:
    west, east = shapely.box(-170, 0, 0, 10), shapely.box(0, 0, 170, 10)
    path = write(gpd.GeoDataFrame(geometry=[west, east], crs=4326), tmp_path / "a.gpkg")
    assert len(read_region(read_region_file(str(path))).geoms) == 2
    one = write(gpd.GeoDataFrame(geometry=[west | east], crs=4326), tmp_path / "b.gpkg")
    with pytest.raises(GridError, match="spans 340 degrees"):
        read(one)


def test_parquet_without_a_crs_is_in_longitude_and_latitude(frame: gpd.GeoDataFrame, tmp_path: Path) -> None:
    path = write(frame, tmp_path / "a.parquet")
    table = pq.read_table(path)
    metadata = table.schema.metadata[b"geo"]
    absent = re.sub(rb'"crs": \{.*\}\}, ("encoding"|"geometry_types")', rb"\1", metadata)
    assert absent != metadata
    pq.write_table(table.replace_schema_metadata({b"geo": absent}), path)
    assert same(read(path), WHOLE)


def test_a_file_that_changed_is_read_again(frame: gpd.GeoDataFrame, tmp_path: Path) -> None:
    path = write(frame[1:2], tmp_path / "a.geojson")
    assert same(read(path), BOX)
    write(frame[:1], path)
    assert same(read(path), RING)


def broken(tmp_path: Path, frame: gpd.GeoDataFrame, name: str) -> Path:
    """Make a file that cannot be used."""
    path = tmp_path / name
    match name:
        case "missing.gpkg":
            return path
        case "text.gpkg":
            path.write_text("this is no GeoPackage")
        case "text.parquet":
            path.write_text("this is no Parquet")
        case "plain.parquet":
            pq.write_table(pa.table({"a": [1]}), path)
        case "points.geojson":
            write(gpd.GeoDataFrame(geometry=[Point(0, 0), Point(1, 1)], crs=4326), path)
        case "no_crs.shp":
            write(frame.set_crs(None, allow_override=True), path)
            path.with_suffix(".prj").unlink(missing_ok=True)
        case "metres.geojson":
            write(frame.to_crs(32610).set_crs(4326, allow_override=True), path)
        case "empty.gpkg":
            write(frame[:0], path)
    return path


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing.gpkg", "there is none -> give an existing file"),
        ("text.gpkg", "cannot be read"),
        ("text.parquet", "is no GeoParquet"),
        ("plain.parquet", "is no GeoParquet (it has no geometry column)"),
        ("points.geojson", "no polygon among its 2 features (Point)"),
        ("no_crs.shp", "names no CRS -> add it, for example as a .prj file"),
        ("metres.geojson", "are not longitudes and latitudes"),
        ("empty.gpkg", "no polygon among its 0 features"),
    ],
)
def test_what_cannot_be_used_is_named(frame: gpd.GeoDataFrame, tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(GridError) as refusal:
        read(broken(tmp_path, frame, name))
    assert says in str(refusal.value)
    assert name in str(refusal.value)


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.shp", "a.parquet"])
@pytest.mark.parametrize("where", ["NOME = 'box'", "this is no SQL"])
def test_a_filter_that_cannot_be_used_is_named(frame: gpd.GeoDataFrame, tmp_path: Path, name: str, where: str) -> None:
    with pytest.raises(GridError, match=r"roi\.filter .* cannot be used .*fields: NAME, AREA"):
        read(write(frame, tmp_path / name), where=where)


def test_a_filter_that_nothing_fits_is_named(frame: gpd.GeoDataFrame, tmp_path: Path) -> None:
    with pytest.raises(GridError, match="no polygon among its 0 features with AREA > 99"):
        read(write(frame, tmp_path / "a.shp"), where="AREA > 99")


def test_nothing_is_left_behind(frame: gpd.GeoDataFrame, tmp_path: Path) -> None:
    path = write(frame, tmp_path / "a.parquet")
    read(path, where="AREA > 5")
    assert os.listdir(tmp_path) == [path.name]
