"""Maps of changes: from a cube with a planted step to COG and Item."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

import change
import s1monthly
from s1monthly.audit.tree_files import list_tree
from s1monthly.cube.axis import prepare
from s1monthly.cube.write import write_month
from s1monthly.errors import CubeError, ProductError
from s1monthly.files import file_state
from s1monthly.model import Month
from s1monthly.series.placing import find_cubes
from s1monthly.stages import change as stage
from support import stac_rules
from support.cube_samples import BOX, CORE, spec_of

FIRST, CHANGED = Month(2020, 1), Month(2021, 8)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 months; the left half loses 3 dB of VV in August 2021, and a corner has no data. One month is missing."""
    base = tmp_path_factory.mktemp("change") / "output"
    path, chance = base / "10SGD_ASCENDING/zarr/S1_monthly.zarr", np.random.default_rng(1)
    prepare(path, spec_of(), FIRST, FIRST.shift(31))
    for month in FIRST.until(FIRST.shift(31)):
        if month == Month(2020, 5):
            continue
        co = (0.2 * chance.gamma(100, 1 / 100, BOX.shape)).astype(np.float32)
        co[:, : BOX.width // 2] *= 0.5 if month >= CHANGED else 1.0
        co[:10, :10] = np.nan
        cross = (0.2 * co).astype(np.float32)
        write_month(path, month, {band.name: band.formula(co, cross) for band in CORE}, np.isfinite(co).astype("uint8"))
    return base


@pytest.mark.parametrize("method", ["cusum", "pelt"])
def test_the_map_shows_month_step_confidence_and_months(tree: Path, method: str) -> None:
    change.main(["--output-dir", str(tree), "--method", method, "--tile", "10sgd"])
    with rasterio.open(tree / "change" / "10SGD_ASCENDING_VV_dB_change.tif") as cog:
        assert cog.descriptions[:4] == ("month", "magnitude", "confidence", "valid_months")
        assert cog.units[1] == "dB" and np.isnan(cog.nodata) and cog.transform == rasterio.Affine(*BOX.transform)
        assert cog.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        month, step, sure, valid = cog.read([1, 2, 3, 4])
        tags = cog.tags()
    assert tags["METHOD"] == method and json.loads(tags["OPTIONS"])["smallest"] == 6
    assert len(tags["MONTHS"].split()) == 31 and "2020-05" not in tags["MONTHS"]
    empty, left = np.zeros(BOX.shape, bool), np.zeros(BOX.shape, bool)
    empty[:10, :10] = True
    left[:, : BOX.width // 2] = ~empty[:, : BOX.width // 2]
    assert np.isnan(month[empty]).all() and np.isnan(valid[empty]).all()
    assert (abs(month[left] - 202108) <= 1).mean() > 0.97 and np.nanmean(step[left]) == pytest.approx(-3, abs=0.2)
    assert np.isfinite(month[~left & ~empty]).mean() < 0.05 and set(valid[~empty]) == {31}
    assert (sure[left] > 0.95).mean() > 0.97
    item = json.loads((tree / "change" / "10SGD_ASCENDING_VV_dB_change.json").read_text())
    stac_rules.validate(item)
    assert item["properties"]["s1monthly:method"] == method and item["properties"]["end_datetime"][:7] == "2022-08"
    cog_path = tree / "change" / item["assets"]["change"]["href"]
    assert cog_path.stat().st_size == item["assets"]["change"]["file:size"]
    assert not [path for path in (tree / "change").iterdir() if path.name.startswith(".")]
    found = list_tree(tree)
    assert [folder.path.name for folder in found.folders] == ["10SGD_ASCENDING"] and not found.strays


def test_a_notebook_reads_the_map_with_real_months_on_the_grid_of_the_cube(tree: Path) -> None:
    change.main(["--output-dir", str(tree), "--method", "pelt"])
    found = s1monthly.read_change(tree, "10sgd", "asc")
    with rasterio.open(tree / "change" / "10SGD_ASCENDING_VV_dB_change.tif") as cog:
        numbers, steps = cog.read([1, 2])
        assert list(found.data_vars) == list(cog.descriptions) and found.attrs["METHOD"] == "pelt"
    months = found.month.values
    np.testing.assert_array_equal(np.isnat(months), np.isnan(numbers))
    there = ~np.isnat(months)
    years, rest = months.astype("datetime64[Y]").astype(int) + 1970, months.astype("datetime64[M]").astype(int) % 12 + 1
    np.testing.assert_array_equal((years * 100 + rest)[there], numbers[there])
    assert (months[there] == months[there].astype("datetime64[M]")).all() and found.magnitude.attrs["units"] == "dB"
    np.testing.assert_array_equal(found.magnitude.values, steps)
    lost = s1monthly.open_cube(tree, "10SGD", "asc", chunks=None).VV_dB.where(found.magnitude < -2)
    assert lost.shape == (31, *BOX.shape) and np.isfinite(lost.values[0]).any()
    with pytest.raises(ProductError, match="no such map of changes -> make it with the tool change --tile 10SGD"):
        s1monthly.read_change(tree, "10SGD", "asc", "RVI")


def test_errors_name_what_is_wrong(tree: Path) -> None:
    base = ["--output-dir", str(tree)]
    for given, message in (
        (["--band", "HH_dB"], "no band HH_dB -> its bands are VV_dB, VH_dB, Ratio, RVI"),
        (["--tile", "10SFD"], "no cube of tile 10SFD -> there are cubes of 10SGD"),
        (["--end", "2021-08"], "19 complete months -> changes are sought in 24 months or more"),
        (["--penalty", "3"], "penalty: not an option of cusum"),
    ):
        with pytest.raises(SystemExit, match=message):
            change.main([*base, *given])


def test_a_month_that_is_replaced_meanwhile_leaves_the_map_as_it_was(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (header,) = find_cubes(tree, ["ASCENDING"])
    path = stage.make_change(tree, header, "VH_dB")
    before, calls = file_state(path), iter(range(10_000))
    monkeypatch.setattr(stage, "status_file", lambda header, month: next(calls))
    with pytest.raises(CubeError, match="months were replaced meanwhile"):
        stage.make_change(tree, header, "VH_dB", "pelt")
    assert file_state(path) == before and len(list(path.parent.glob("*VH*"))) == 2
