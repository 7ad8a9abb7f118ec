"""Classes of pixels in the cube and the quality COG: added to a finished tree, checked, mended."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from rio_cogeo.cogeo import cog_validate

from s1monthly.audit.month_validation import Depth
from s1monthly.audit.rebuilding import rebuild
from s1monthly.audit.validation import validate
from s1monthly.cube import months as cube
from s1monthly.model import Month
from s1monthly.records.month import read_record
from support.granules import write_granule
from support.runs import CATALOGS, CONFIG, FOLDER, config, product, store
from support.shelf import files_of
from support.workflow import run_snakemake

PLACE = {"url": "published"}
PUBLISHED = config(publish=PLACE)
QUALITY = config(output={"base_dir": "output", "disk_warn_gb": 0, "formats": {"quality": True}}, publish=PLACE)


@pytest.fixture
def granules(tmp_path: Path) -> Path:
    """Two passes over 120 x 120 pixels, with shadow, layover and a corner of no power."""
    for day, power in ((10, 0.1), (22, 0.3)):
        co, mask = np.full((120, 120), power, np.float32), np.zeros((120, 120), np.uint8)
        mask[:40, :40], mask[40:80, :40], mask[80:, :40] = 1, 2, 3
        co[:, 100:] = 1e-9
        layers = {"VV": co, "VH": co / 5, "mask": mask}
        write_granule(tmp_path / "granules", layers, acquired=f"202111{day}T015854Z")
    return tmp_path


def problems(folder: Path) -> list[str]:
    return [one.problem for one in validate(folder / "output", Depth(digests=True)).problems]


def published(folder: Path) -> dict[str, bytes]:
    """What a run has published, but for manifests."""
    found = files_of(folder / "published")
    return {path: content for path, content in found.items() if not path.startswith("_manifests")}


def test_quality_is_added_to_a_finished_tree(granules: Path) -> None:
    """Each run publishes the tree."""
    assert run_snakemake(granules, PUBLISHED).jobs["upload_tree"] == 1
    assert published(granules) == files_of(granules / "output")
    before = dict(cube.read_bands(store(granules), Month(2021, 11)))
    plain = read_record(product(granules, "record", "2021-11"))
    assert run_snakemake(granules, PUBLISHED, "-n").jobs == {}
    added = run_snakemake(granules, QUALITY)
    assert published(granules) == files_of(granules / "output")
    assert {rule: added.jobs[rule] for rule in ("bursts", "composite", "publish")} == dict.fromkeys(
        ("bursts", "composite", "publish"), 1
    )
    record = read_record(product(granules, "record", "2021-11"))
    assert (record.valid, record.bands, record.granules) == (plain.valid, plain.bands, plain.granules)
    assert record.digest != plain.digest, "it covers the classes"
    for name, values in cube.read_bands(store(granules), Month(2021, 11)):
        np.testing.assert_array_equal(values, before[name])
    opened = xr.open_zarr(store(granules)).sel(time="2021-11-01")
    mask, count = opened["mask"].values, opened["count"].values
    assert opened["mask"].attrs["flag_meanings"].split()[2] == "shadow"
    found = {name: int((mask == name).sum()) for name in (1, 2, 3, 4, 6)}
    assert found == {1: 71, 2: 16, 3: 16, 4: 16, 6: 24}, "a corner has fewer than half of its 30 m pixels"
    assert set(mask[count > 0]) == {1, 3} and not count[(mask == 2) | (mask == 4) | (mask == 6)].any()
    path = product(granules, "cog", "2021-11").with_name("11SLT_S1_Monthly_ASCENDING_2021-11_quality.tif")
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as dataset:
        assert dataset.descriptions == ("count", "mask") and dataset.dtypes == ("uint8", "uint8")
        np.testing.assert_array_equal(dataset.read(), [count, mask])
    item = json.loads(product(granules, "item", "2021-11").read_text())
    assert (
        item["assets"]["quality"]["roles"] == ["data-mask", "quality"]
        and "mask" in item["properties"]["cube:variables"]
    )
    assert problems(granules) == []
    refused = run_snakemake(granules, CONFIG, check=False)
    assert refused.returncode == 1 and "another recipe" in refused.output

    # damage: values come back from the COG, beside the classes that are still there; changed classes do not pass
    chunks = store(granules) / "VV_dB" / "c" / "0"
    for chunk in [path for path in chunks.rglob("*") if path.is_file()]:
        chunk.unlink()
    assert problems(granules) and rebuild(granules / "output").left == [] and problems(granules) == []
    (chunk,) = [path for path in (store(granules) / "mask" / "c").rglob("*") if path.is_file()]
    chunk.unlink()
    assert any("2021-11" in line for line in problems(granules)), "the digest covers the classes"
    path.unlink()
    assert FOLDER in str(path) and run_snakemake(granules, QUALITY, check=False).failed["publish"]
    assert CATALOGS
