"""Classes of a month's pixels, from granules to the array, against plain numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from s1monthly.errors import ProductError
from s1monthly.granule_names import layer_file, seen_file
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.masking import EXCLUDED_CLASSES
from s1monthly.raster.writing import write_raster
from s1monthly.stages.burst import NoPixels, read_burst
from s1monthly.stages.composite import Merging, compose
from s1monthly.stages.quality import month_classes
from support.granules import ORIGIN, write_granule

GRID = GeoBox(32611, 30.0, *ORIGIN, 70, 60)
LEAST = 1e-6
SIDE = 50

Layers = dict[str, NDArray[np.generic]]


def made_up(seed: int) -> Layers:
    """Power with no data and too low values, and a mask layer of all classes."""
    rng = np.random.default_rng(seed)
    co = rng.uniform(0.01, 0.3, (SIDE, SIDE)).astype(np.float32)
    co[rng.random(co.shape) < 0.2] = np.nan
    co[rng.random(co.shape) < 0.2] = 1e-7
    mask = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), co.shape, p=[0.5, 0.15, 0.15, 0.1, 0.1])
    return {"VV": co, "VH": co / 5, "mask": mask}


PLACES = {  # rows and columns from the corner of the grid, and the granule's layers
    "20211110T015854Z": (-10, -5, made_up(1)),
    "20211122T015854Z": (20, 30, made_up(2)),
    "20211128T015854Z": (5, 10, {**made_up(3), "mask": np.full((SIDE, SIDE), 3, np.uint8)}),  # not a valid pixel
}


def expected(excluded: tuple[int, ...], count: NDArray[np.uint8], outside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    classes = np.zeros(GRID.shape, np.uint8)
    for row in range(GRID.height):
        for col in range(GRID.width):
            words = set()
            for top, left, layers in PLACES.values():
                r, c = row - top, col - left
                if not (0 <= r < SIDE and 0 <= c < SIDE):
                    continue
                power, kind = float(layers["VH"][r, c]), int(layers["mask"][r, c])
                if kind in (1, 3):
                    words.add("shadow")
                if kind in (2, 3):
                    words.add("layover")
                if kind in (0, 255) and np.isfinite(power):
                    words.add("valid" if power > LEAST else "low")
            if outside[row, col]:
                classes[row, col] = 5
            elif count[row, col]:
                classes[row, col] = 3 if "layover" in words and "valid" not in words else 1
            elif {"shadow", "layover"} <= words:
                classes[row, col] = 4
            else:
                classes[row, col] = 2 if "shadow" in words else 3 if "layover" in words else 6 if "low" in words else 0
    return classes


@pytest.mark.parametrize("excludes", ["shadow", "layover", "both", "none"])
def test_classes_are_those_of_all_bursts(tmp_path: Path, excludes: str) -> None:
    names, bursts = [], tmp_path / "bursts"
    bursts.mkdir()
    for acquired, (row, col, layers) in PLACES.items():
        corner = {"left": ORIGIN[0] + 30 * col, "top": ORIGIN[1] - 30 * row}
        granule = write_granule(tmp_path / "granules", layers, acquired=acquired, **corner)
        burst = read_burst(granule, ("VV", "VH"), GRID, LEAST, excludes, with_seen=True)
        plain = read_burst(granule, ("VV", "VH"), GRID, LEAST, excludes)
        assert isinstance(plain, NoPixels) == isinstance(burst, NoPixels) and plain.seen is None
        if burst.seen:
            write_raster(bursts / seen_file(granule.id), [burst.seen.bits], burst.seen.geobox, ["seen"])
        if isinstance(burst, NoPixels):
            continue
        names.append(granule.id)
        for layer, power in burst.power.items():
            np.testing.assert_array_equal(power, plain.power[layer])  # type: ignore[union-attr]
            write_raster(bursts / layer_file(granule.id, layer), [power], burst.geobox, [layer])
    assert len(names) == (3 if excludes == "none" else 2)
    outside = np.add.outer(np.arange(GRID.height), np.arange(GRID.width)) > 100
    count = compose(bursts, names, GRID, ("VV", "VH"), Merging(), outside).count
    found = month_classes(bursts, names, GRID, count, outside)
    if excludes != "none":  # then the mask layers are not read
        np.testing.assert_array_equal(found, expected(EXCLUDED_CLASSES[excludes], count, outside))
        assert set(found.flat) == {0, 1, 2, 3, 4, 5, 6}
    else:
        assert set(found.flat) == {0, 1, 5, 6}
    assert ((found == 1) | (found == 3))[count > 0].all() and not (found == 1)[count == 0].any()
    (bursts / seen_file(names[0])).unlink()
    with pytest.raises(ProductError, match="seen"):
        month_classes(bursts, names, GRID, count, outside)
