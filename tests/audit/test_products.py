"""COGs are checked by their headers, and with their overviews against every value of the cube."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from s1monthly.audit.month_validation import Depth
from s1monthly.audit.products import cog_difference, cog_faults
from s1monthly.audit.validation import validate
from s1monthly.catalog import item as stac
from s1monthly.catalog.assets import asset_file
from s1monthly.catalog.ceos_ard import ceos_ard
from s1monthly.catalog.document import read_document, write_document
from s1monthly.records.month import read_record
from support.audited_tree import NOVEMBER, VALID, rebuild
from support.short_commands import in_short
from support.small_tree import SmallTree


def test_each_check_of_a_cog(tree: SmallTree, tmp_path: Path) -> None:
    """Each property that is checked, wrong in turn."""
    record = read_record(tree.path("record", NOVEMBER))
    path, made = tree.path("cog", NOVEMBER), tmp_path / "made.tif"
    assert cog_faults(path, record) == []
    with rasterio.open(path) as dataset:
        bands, profile, tags, names = dataset.read(), dataset.profile, dataset.tags(), dataset.descriptions
    for name in ("blockxsize", "blockysize", "tiled"):
        del profile[name]

    def write(bands: np.ndarray = bands, names: tuple = names, tags: dict = tags, **changes: object) -> list[str]:
        with rasterio.open(made, "w", **{**profile, "driver": "COG", "blocksize": 128, **changes}) as out:
            out.write(bands)
            out.update_tags(**tags)
            for index, name in enumerate(names, start=1):
                out.set_band_description(index, name)
        return cog_faults(made, record)

    assert write() == []
    assert write(overviews="NONE") == ["overviews are missing: there are none"]
    assert write(crs="EPSG:32611") == ["in EPSG:32611, not EPSG:32610"]
    moved = rasterio.Affine(300, 0, 0, 0, -300, 0)
    assert write(transform=moved) == ["on another grid: its transform is not the record's"]
    assert write(nodata=-9999) == ["no data is not declared as NaN"]
    swapped = ("VH_dB", "VV_dB", "Ratio", "RVI")
    assert write(names=swapped) == ["bands VH_dB, VV_dB, Ratio, RVI, not VV_dB, VH_dB, Ratio, RVI"]
    assert write(dtype="float64", bands=bands.astype("float64"), predictor=1) == ["of type float64, not float32"]
    assert write(tags={}) == ["made of other values than the record's (tag DIGEST)"]
    others = {**tags, "GRANULES": tags["GRANULES"].replace("T137", "T042")}
    assert write(tags=others) == ["made of other granules than the record's (tag GRANULES)"]
    assert write(bands=bands[:, :150], height=150) == ["150 x 183 pixels, not 183 x 183"]
    fewer = write(bands=bands[:3], count=3, names=names[:3])
    assert fewer == ["bands VV_dB, VH_dB, Ratio, not VV_dB, VH_dB, Ratio, RVI"]


@pytest.fixture
def spoiled(tree: SmallTree) -> SmallTree:
    """A valid COG of which one pixel in an overview of the third band is wrong."""
    path = tree.path("cog", NOVEMBER)
    again = path.with_suffix(".again.tif")
    with rasterio.open(path, "r+", overview_level=1, IGNORE_COG_LAYOUT_BREAK="YES") as overview:
        values = overview.read(3)
        values[5, 5] += 1
        overview.write(values, 3)
    options = {"compress": "ZSTD", "blocksize": 128, "overviews": "FORCE_USE_EXISTING", "copy_src_overviews": True}
    rasterio.shutil.copy(path, again, driver="COG", **options)
    again.replace(path)
    return tree


def test_a_wrong_overview_gets_no_item(spoiled: SmallTree, capsys: pytest.CaptureFixture[str]) -> None:
    """The Item's checksum would make it look whole."""
    spoiled.path("item", NOVEMBER).unlink()
    assert rebuild(spoiled) == 1
    assert "band Ratio: overview 1:4 is not the average of its pixels" in " ".join(capsys.readouterr().out.split())
    assert not spoiled.path("item", NOVEMBER).exists()


def test_digests_find_a_wrong_overview_that_its_item_calls_whole(spoiled: SmallTree) -> None:
    tree, path = spoiled, spoiled.path("cog", NOVEMBER)
    tree.make(NOVEMBER, "item", "tile_catalog", "catalog", "collection")
    assert validate(tree.base).problems == []
    (found,) = validate(tree.base, Depth(digests=True)).problems
    assert found.place == str(path) and found.problem == "band Ratio: overview 1:4 is not the average of its pixels"
    assert in_short(found.commands) == (f"rm {path}", "snakemake --cores 4 --configfile my.yaml")
    path.unlink()
    tree.run()
    assert validate(tree.base, Depth(digests=True)).to_text() == VALID


def test_every_band_is_compared(tree: SmallTree) -> None:
    record = read_record(tree.path("record", NOVEMBER))
    values, _ = tree.values(NOVEMBER)
    for number, name in enumerate(record.bands, start=1):
        assert cog_difference(tree.path("cog", NOVEMBER), number, values[name], record.grid) is None
    shifted = values["RVI"] + np.float32(1)
    assert cog_difference(tree.path("cog", NOVEMBER), 4, shifted, record.grid) == "not what the cube holds"


def test_an_assessment_must_say_what_the_record_says(tree: SmallTree) -> None:
    """CEOS-ARD: edited, lost, or not named by the Item."""
    record, path = read_record(tree.path("record", NOVEMBER)), tree.path("ceos_ard", NOVEMBER)
    item = tree.path("item", NOVEMBER)
    write_document(path, ceos_ard(record, ("cog", "preview", "ceos_ard")))
    document = read_document(item)
    folder = tree.path("folder", NOVEMBER)
    document["assets"]["ceos_ard"] = stac.item(record, {"ceos_ard": asset_file(path, folder)})["assets"]["ceos_ard"]
    order = [kind for kind in stac.ASSETS if kind in document["assets"]]
    document["assets"] = {kind: document["assets"][kind] for kind in order}
    write_document(item, document)
    tree.make(NOVEMBER, "tile_catalog", "catalog", "collection")
    assert validate(tree.base).to_text() == VALID
    edited = read_document(path)
    edited["requirements"][-1]["status"] = "not met"
    write_document(path, edited)
    (found,) = validate(tree.base).problems
    assert "not what the record says: requirements[44].status" in found.problem
    path.unlink()
    (found,) = validate(tree.base).problems
    assert found.problem == "no assessment by CEOS-ARD, though the month's Item names it"
