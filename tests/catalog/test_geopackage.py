"""The catalog as a GeoPackage: what QGIS reads, kept in step with the table."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas
import pytest

from s1monthly.audit.validation import validate
from s1monthly.catalog.geopackage import geopackage_table, read_geopackage, write_geopackage
from s1monthly.catalog.table import read_catalog
from s1monthly.catalog.update import catalog_all, catalog_tile
from s1monthly.errors import ProductError
from support.month_samples import ANTIMERIDIAN, lay_down, month_record, publish


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for tile, month in (("10SGD", "2021-11"), ("10SGD", "2021-12"), (ANTIMERIDIAN, "2021-11")):
        lay_down(tmp_path, month_record(tile, month=month))
    publish(tmp_path)
    return tmp_path


def test_it_is_written_where_wanted_and_kept_in_step(base: Path) -> None:
    path = base / "catalog.gpkg"
    catalog_all(base)
    assert not path.exists()
    catalog_all(base, geopackage=True)
    found, rows = geopandas.read_file(path), read_catalog(base / "catalog.parquet")
    assert found.crs.to_epsg() == 4326 or found.crs.to_authority() == ("OGC", "CRS84")
    assert found["month"].tolist() == [row["month"] for row in rows] and set(found.geom_type) == {"MultiPolygon"}
    assert found["bands"][0] == "VV_dB, VH_dB, Ratio, RVI" and found["coverage"].tolist() == [
        r["coverage"] for r in rows
    ]
    table = geopandas.read_parquet(base / "catalog.parquet")
    assert found.geometry.normalize().geom_equals(table.geometry.normalize()).all()
    assert str(found["datetime"][0]) == str(table["datetime"][0])
    for left in (base / "10SGD_ASCENDING").glob("*2021-12*"):
        left.unlink()
    (base / "10SGD_ASCENDING" / "months" / "2021-12.json").unlink()
    catalog_tile(base / "10SGD_ASCENDING")
    catalog_all(base)
    assert len(read_geopackage(path)) == len(read_catalog(base / "catalog.parquet"))


def test_the_same_rows_give_the_same_bytes_and_none_a_whole_file(base: Path, tmp_path: Path) -> None:
    rows, path = read_catalog(base / "catalog.parquet"), tmp_path / "catalog.gpkg"
    assert write_geopackage(path, rows) and not write_geopackage(path, rows[::-1], only_if_changed=True)
    assert read_geopackage(path).equals(geopackage_table(rows))
    write_geopackage(path, [])
    assert len(read_geopackage(path)) == 0 and len(geopandas.read_file(path)) == 0
    path.write_bytes(b"none")
    with pytest.raises(ProductError, match=r"catalog\.gpkg: cannot be read .*-> delete it"):
        read_geopackage(path)


def test_validation_knows_it(base: Path) -> None:
    def problems() -> list[str]:
        return [one.problem for one in validate(base).problems if one.place.endswith("catalog.gpkg")]

    catalog_all(base, geopackage=True)
    assert problems() == []
    write_geopackage(base / "catalog.gpkg", read_catalog(base / "catalog.parquet")[1:])
    assert problems() == ["out of step with catalog.parquet"]
    (base / "catalog.gpkg").write_bytes(b"none")
    assert "cannot be read" in json.dumps(problems())
