"""How near the products come to the simulator's known truth, by land cover, beside no data, and in fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, maximum_filter, minimum_filter

from benchmarks.pipeline import DIRECTION, TILE, Progress
from benchmarks.recipes import scikit_image_recipe
from benchmarks.report import table
from s1monthly.config.processing import Processing
from s1monthly.granules import Burst, Granule, passes_of
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.kernels.compositing import PassMosaic, composite
from s1monthly.kernels.options import DESPECKLE_OPTIONS
from s1monthly.kernels.speckle.despeckling import despeckle
from s1monthly.kernels.speckle.looks import estimate_looks
from s1monthly.kernels.speckle.quegan_yu import quegan_yu
from s1monthly.kernels.speckle.rabasar import rabasar
from s1monthly.model import Polarization
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

OF_MEDIAN: dict[str, dict[str, Any]] = {
    "tv_bregman": {"method": "tv_bregman"},
    "  mean_power": {"method": "tv_bregman", "bias_correction": "mean_power"},
    "boxcar": {"method": "boxcar"},
    "lee, kuan": {"method": "lee"},
    "refined_lee": {"method": "refined_lee"},
    "lee_sigma": {"method": "lee_sigma"},
    "frost": {"method": "frost"},
    "gamma_map": {"method": "gamma_map"},
}
"""Filters of the median, with their defaults."""
ESTIMATORS = ("single pass", "median", "scikit-image", *OF_MEDIAN, "quegan_yu", "rabasar", "  of means")
"""The last is rabasar with composite_method: mean."""
PERIOD = 2023
"""Year of rabasar's reference."""
DAYS, PASS_LOOKS = (4, 16, 28), 4
"""Days of the passes in each month of the reference, and looks of their speckle, as of the simulator's granules."""
CHANGE_DB, PATCH, EVERY = 10 * np.log10(2.0), 20, 100
"""Planted change, side of a patch, and distance of patches, pixels."""
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
    """One layer of the window: estimates of the power, each with its truth."""

    power: Mapping[str, Power]
    truth: Mapping[str, Power]
    recovered: float  # of a change of one month, see `recovered`


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
    median, mean = (composite(passes, method)[0] for method in ("median", "mean"))
    made = {"single pass": passes[0], "median": median, "scikit-image": scikit_image_recipe(median)}
    for name, how in OF_MEDIAN.items():
        looked = {"looks": estimate_looks(median, 2).looks} if "looks" in DESPECKLE_OPTIONS[how["method"]] else {}
        made[name] = despeckle(median, threads=2, **how, **looked)
    tracks = [each.granules[0].burst.track for each in passes_of(granules)]
    made["quegan_yu"], _ = composite(quegan_yu(np.stack(passes), tracks), "median")
    references = reference(scene, geobox, layer, np.isnan(median))
    for name, power, method in (("rabasar", median, "median"), ("  of means", mean, "mean")):
        made[name] = power.copy()
        by_ratio(made[name], references[method])
    settled = np.median(truths, axis=0)
    truth = {name: truths[0] if name == "single pass" else settled for name in ESTIMATORS}
    return Estimates({name: made[name] for name in ESTIMATORS}, truth, recovered(median, references["median"]))


def reference(scene: Scene, geobox: GeoBox, layer: str, empty: Where) -> dict[str, Power]:
    """Return composite method -> mean of its composites of `PERIOD`, valid where the benchmark's month is."""
    random = np.random.default_rng(0)
    total = {method: np.zeros(geobox.shape) for method in ("median", "mean")}
    for month in range(1, 13):
        moments = [datetime(PERIOD, month, day, tzinfo=UTC) for day in DAYS]
        truths = [scene.truth(geobox, moment, DIRECTION, layer) for moment in moments]
        passes = [x * random.gamma(PASS_LOOKS, 1 / PASS_LOOKS, x.shape).astype(np.float32) for x in truths]
        for method, so_far in total.items():
            so_far += composite(passes, method)[0]
    return {method: np.where(empty, np.nan, so_far / 12).astype(np.float32) for method, so_far in total.items()}


def by_ratio(power: Power, mean: Power) -> None:
    """Despeckle a month in place by rabasar, with the looks of its ratio."""
    rabasar(power, mean, threads=2, looks=estimate_looks(power / mean, 2).looks)


def recovered(power: Power, mean: Power) -> float:
    """Return how many dB of a change of `CHANGE_DB` in square patches of one month rabasar leaves, on average."""
    rows, columns = (np.arange(size) % EVERY < PATCH for size in power.shape)
    changed, plain = np.where(rows[:, None] & columns, power * 2, power), power.copy()
    for month in (changed, plain):
        by_ratio(month, mean)
    return float(np.nanmean(10.0 * np.log10(changed / plain)[rows][:, columns]))


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
        found[layer]["recovered"] = made.recovered
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
    """Lay out what `measure` found: tables of errors and of bias for each layer, and one for fields."""
    text = []
    for layer, places in found.items():
        for place, title in (("near", f"within {NEAR} px of no data"), ("elsewhere", "elsewhere")):
            kinds = [kind for kind, scores in places[place].items() if scores["median"]]
            for figure, named in (("rmse", "RMSE"), ("bias", "mean error")):
                rows = [[name, *(_figure(places[place][kind][name], figure) for kind in kinds)] for name in ESTIMATORS]
                text += [f"{layer}, {title}, {named} in dB:", table(["", *kinds], rows), ""]
    fields_header = ("in fields", "equivalent looks", "mean power, dB", "RMSE at borders, dB")
    rows = [
        (f"{layer}, {name}", fields["looks"], fields["power_bias"], fields["border_rmse"])
        for layer, places in found.items()
        for name, fields in places["fields"].items()
    ]
    changes = ", ".join(f"{places['recovered']:.2f} dB in {layer}" for layer, places in found.items())
    planted = f"A change of {CHANGE_DB:.2f} dB of one month, planted in patches: rabasar leaves {changes}"
    return "\n".join([*text, table(fields_header, rows), "", planted])


def _figure(score: Mapping[str, Any] | None, figure: str) -> float | None:
    return score[figure] if score else None
