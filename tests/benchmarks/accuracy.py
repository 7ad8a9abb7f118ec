"""How near the products come to the simulator's known truth, by land cover, beside no data, and in fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, maximum_filter, minimum_filter

from benchmarks.pipeline import DIRECTION, TILE, Progress
from benchmarks.recipes import scikit_image_recipe
from benchmarks.report import table
from s1monthly.config.processing import Processing
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.kernels.compositing import PassMosaic, composite
from s1monthly.kernels.speckle.despeckling import despeckle
from s1monthly.model import Burst, Granule, Polarization, passes_of
from s1monthly.raster.geotiff import crop
from s1monthly.sources.simulated.scene import LandCover, Scene
from s1monthly.stages.burst import BurstWindow, read_burst

WINDOW = slice(2460, 3660), slice(615, 1815)
"""Rows and columns of the tile that are looked at: all kinds of land, and radar shadow."""
LEFT_OUT = Burst.parse("T091-193597-IW1")
"""Burst whose granules are left out, so that the data end within the window, on every kind of land."""
NEAR = 3
"""Pixels from no data that count as near it, diagonals included."""
LEVEL_DB, STEP_DB = 0.5, 2.0
"""Range of the truth in 7 x 7 pixels up to which a field is level; in 3 x 3 pixels, from which it is a border."""
FEWEST = 100
"""Pixels below which a figure says nothing, and is left out."""

ESTIMATORS = ("single pass", "median", "despeckled", "scikit-image")
Power = NDArray[np.float32]
Where = NDArray[np.bool_]


@dataclass(frozen=True)
class Score:
    """Error in dB: root mean square, mean, and over how many pixels."""

    rmse: float
    bias: float
    pixels: int


@dataclass(frozen=True)
class Fields:
    """An estimate in fields; None where there is not enough of them."""

    looks: float | None  # where fields are level: mean squared over variance of estimate / truth, in power
    power_bias: float | None  # 10 log10 of the mean of estimate / truth there, dB
    border_rmse: float | None  # root mean square error at borders between fields, dB


def score(estimate: Power, truth: Power, where: Where) -> Score | None:
    """Error of an estimate of power, in dB, over pixels where it and the truth are valid; None below `FEWEST`."""
    ratio = _ratio(estimate, truth, where)
    if ratio.size < FEWEST:
        return None
    error = 10.0 * np.log10(ratio)
    return Score(float(np.sqrt(np.mean(error**2))), float(error.mean()), ratio.size)


def looks(estimate: Power, truth: Power, where: Where) -> tuple[float | None, float | None]:
    """Equivalent number of looks, and 10 log10 of the mean, of estimate / truth; None below `FEWEST` pixels."""
    ratio = _ratio(estimate, truth, where)
    if ratio.size < FEWEST:
        return None, None
    spread = float(ratio.var())
    return float(ratio.mean() ** 2 / spread) if spread else None, float(10.0 * np.log10(ratio.mean()))


def _ratio(estimate: Power, truth: Power, where: Where) -> NDArray[np.float64]:
    ratio = estimate[where].astype(np.float64) / truth[where]
    return ratio[np.isfinite(ratio)]


def near_no_data(power: Power, distance: int = NEAR) -> Where:
    """Valid pixels at most so many pixels from no data, diagonals included; the array's own edge is not no data."""
    empty = np.isnan(power)
    near: Where = binary_dilation(empty, np.ones((3, 3), bool), iterations=distance) & ~empty
    return near


def near_coast(water: Where, distance: int = NEAR) -> Where:
    """Pixels of land and water at most so many pixels from each other, diagonals included."""
    around = np.ones((3, 3), bool)
    near: Where = binary_dilation(water, around, distance) & binary_dilation(~water, around, distance)
    return near


@dataclass(frozen=True)
class Estimates:
    """One layer of the window: estimates of the power, each with its truth, and the power that was despeckled."""

    power: Mapping[str, Power]
    truth: Mapping[str, Power]


def estimates(granules: Sequence[Granule], scene: Scene, geobox: GeoBox, layer: str) -> Estimates:
    """Estimate one layer of a window from its granules, and paint the truth.

    The truth of the composite is the median of the truths of its passes, as crops grow within a month.
    """
    options = Processing()
    passes, truths = [], []
    for overflight in passes_of(granules):
        mosaic = PassMosaic(geobox.shape, options.mosaic_strategy)
        for granule in overflight.granules:
            burst = read_burst(granule, Polarization.VV_VH.layers, geobox, options.min_valid_lin, options.mask)
            if isinstance(burst, BurstWindow):
                mosaic.add(burst.power[layer], burst.row, burst.col)
        passes.append(mosaic.result())
        truths.append(scene.truth(geobox, overflight.start, DIRECTION, layer))
    median, _ = composite(passes, options.composite_method, options.trim_fraction)
    settled = np.median(truths, axis=0)
    despeckling = options.despeckle
    despeckled = despeckle(median, despeckling.method, **despeckling.kwargs.model_dump())
    made = (passes[0], median, despeckled, scikit_image_recipe(median, despeckling.kwargs.reg_param))
    return Estimates(
        dict(zip(ESTIMATORS, made, strict=True)),
        {name: truths[0] if name == "single pass" else settled for name in ESTIMATORS},
    )


def measure(granules: Sequence[Granule], progress: Progress) -> dict[str, Any]:
    """Measure the accuracy in a window of the tile.

    Returns layer -> ``near`` and ``elsewhere`` -> land cover -> estimator -> `Score` as dict, or None; and ``fields``
    -> estimator -> `Fields` as dict.
    """
    geobox, scene = crop(tile_geobox(TILE), *WINDOW), Scene(1)
    cover = scene.landcover(geobox)
    granules = [granule for granule in granules if granule.burst != LEFT_OUT]
    found: dict[str, Any] = {}
    for layer in Polarization.VV_VH.layers:
        progress(f"accuracy of {layer} in a window of {geobox.width} x {geobox.height} pixels")
        made = estimates(granules, scene, geobox, layer)
        near = near_no_data(made.power["median"])
        classes = {"all": np.ones_like(near)} | {kind.name.lower(): cover == kind for kind in LandCover}
        classes["coast"] = near_coast(cover == LandCover.WATER)
        level, border = field_parts(cover == LandCover.FIELD, made.truth["median"])
        found[layer] = {
            place: {name: _scores(made, kind & inside) for name, kind in classes.items()}
            for place, inside in (("near", near), ("elsewhere", ~near))
        }
        found[layer]["fields"] = {
            name: asdict(_fields(made, name, level & ~near, border & ~near)) for name in ESTIMATORS
        }
    return found


def _scores(made: Estimates, where: Where) -> dict[str, dict[str, Any] | None]:
    scores = {name: score(made.power[name], made.truth[name], where) for name in ESTIMATORS}
    return {name: asdict(one) if one else None for name, one in scores.items()}


def field_parts(fields: Where, truth: Power) -> tuple[Where, Where]:
    """Divide fields by their truth: level ground, three pixels from anything else; and both sides of a border."""
    with np.errstate(divide="ignore", invalid="ignore"):
        decibel = 10.0 * np.log10(np.where(np.isnan(truth), 1.0, truth))
    inner = binary_erosion(fields, np.ones((7, 7), bool))
    level = inner & (maximum_filter(decibel, 7) - minimum_filter(decibel, 7) <= LEVEL_DB)
    beside = binary_erosion(fields, np.ones((3, 3), bool))
    return level, beside & (maximum_filter(decibel, 3) - minimum_filter(decibel, 3) >= STEP_DB)


def _fields(made: Estimates, name: str, level: Where, border: Where) -> Fields:
    number, power_bias = looks(made.power[name], made.truth[name], level)
    at_borders = score(made.power[name], made.truth[name], border)
    return Fields(number, power_bias, at_borders.rmse if at_borders else None)


def accuracy_tables(found: Mapping[str, Any]) -> str:
    """Lay out what `measure` found: a table of errors a layer, and one for fields."""
    text = []
    header = ["land", "pixels"] + [title for name in ESTIMATORS for title in (_SHORT[name], "bias")]
    for layer, places in found.items():
        for place, title in (("near", f"within {NEAR} px of no data"), ("elsewhere", "elsewhere")):
            rows = [_row(name, scores) for name, scores in places[place].items() if scores["median"]]
            text += [f"{layer}, {title}:", table(header, rows), ""]
    fields_header = ("in fields", "equivalent looks", "mean power, dB", "RMSE at borders, dB")
    rows = [
        (f"{layer}, {name}", fields["looks"], fields["power_bias"], fields["border_rmse"])
        for layer, places in found.items()
        for name, fields in places["fields"].items()
    ]
    return "\n".join([*text, table(fields_header, rows)])


_SHORT = {"single pass": "pass", "median": "median", "despeckled": "despeckled", "scikit-image": "scikit"}


def _row(name: str, scores: Mapping[str, Mapping[str, Any] | None]) -> Sequence[Any]:
    cells: list[Any] = [name, (scores["median"] or {}).get("pixels")]
    for one in scores.values():
        cells += [one["rmse"], one["bias"]] if one else [None, None]
    return cells
