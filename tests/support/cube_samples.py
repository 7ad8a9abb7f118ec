"""Small cubes to try things on: their specification, made-up months, and all their bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube import months as cube
from s1monthly.cube.axis import prepare
from s1monthly.cube.header import Status
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.write import write_month
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.bands import Band, bands
from s1monthly.model import Direction, Month, Tile

BOX = GeoBox(32610, 30.0, 600000.0, 4200000.0, 48, 64)
RECIPE = {"level": "hARDCp", "polarization": "VV+VH", "despeckle": {"method": "tv_bregman", "reg_param": 5.0}}
OTHER_RECIPE = RECIPE | {"level": "ARDC"}
TEXTURE_RECIPE = RECIPE | {"textures": {"window_size": 5, "metrics": ["contrast"]}, "algorithms": {"texture": 1}}

CORE = bands("VV", "VH")
TEXTURES = tuple(
    replace(CORE[place], name=f"{layer}_glcm_contrast", units="1", role="texture", description=f"made up, {layer}")
    for place, layer in enumerate(("VV", "VH"))
)
"""Bands beyond the core ones, as a later version will have them."""
EVERY: tuple[Band, ...] = (*CORE, *TEXTURES)
BANDS = [band.name for band in CORE]

Values = dict[str, NDArray[np.float32]]
Count = NDArray[np.uint8]


def spec_of(
    recipe: dict[str, object] | None = None,
    box: GeoBox = BOX,
    chunk: int = 32,
    of: tuple[Band, ...] = CORE,
    overviews: tuple[int, ...] = (2, 4),
) -> CubeSpec:
    """Return a small cube's specification: 4 bands, 2 x 2 chunks, two overviews."""
    return CubeSpec(Tile("10SGD"), Direction.ASCENDING, box, of, (chunk, chunk), dict(recipe or RECIPE), overviews)


def textured(of: tuple[Band, ...] = EVERY, overviews: tuple[int, ...] = (2, 4)) -> CubeSpec:
    """Return the specification of the same cube with textures."""
    return spec_of(TEXTURE_RECIPE, of=of, overviews=overviews)


def month_of(text: str, version: int = 1) -> tuple[Values, Count]:
    """Make every band and the count of a month: noise, some NaN, some zeros, in half the bands a chunk without data."""
    values = {}
    for place, band in enumerate(EVERY):
        chance = np.random.default_rng([Month.parse(text).ordinal, version, place])
        array = chance.normal(-12, 3, BOX.shape).astype("float32")
        array[chance.random(BOX.shape) < 0.1] = np.nan
        array[chance.random(BOX.shape) < 0.1] = 0.0
        if (place + version) % 2:
            array[:32, :32] = np.nan
        values[band.name] = array
    return values, chance.integers(0, 5, BOX.shape, dtype="uint8")


def core_of(text: str, version: int = 1) -> tuple[Values, Count]:
    """Return the core bands and the count of a made-up month."""
    values, count = month_of(text, version)
    return {name: values[name] for name in BANDS}, count


def write(path: Path, text: str, version: int = 1) -> str:
    """Write the made-up month into the cube, every band that it has; return its digest."""
    values, count = month_of(text, version)
    return write_month(path, Month.parse(text), {name: values[name] for name in cube.state(path).bands}, count)


def months(first: str, last: str) -> tuple[Month, Month]:
    """Return two months, to be given to `prepare`."""
    return Month.parse(first), Month.parse(last)


def started(path: Path) -> Path:
    """Make a cube from 2020-01 to 2020-04 with 2020-01 and 2020-03 written."""
    prepare(path, spec_of(), *months("2020-01", "2020-04"))
    write(path, "2020-01")
    write(path, "2020-03")
    return path


def statuses(path: Path) -> list[Status]:
    """Return the status of every slot, in order."""
    return list(cube.state(path).months.values())


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, by its relative path."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
