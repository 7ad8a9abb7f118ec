"""Methods and options of the kernels: names, defaults and limits. Without numpy, so that `config` can import it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, get_args

from s1monthly.errors import S1MonthlyError
from s1monthly.kernels.pixel_pairs import duplicate_angles, out_of_reach

MosaicStrategy = Literal["mean", "first", "last"]
CompositeMethod = Literal["median", "mean", "trimmed_mean", "local_resolution"]
SpreadStatistic = Literal["min", "max", "std", "p10", "p90"]
Radiometry = Literal["gamma0_terrain", "sigma0_terrain", "beta0", "gamma0_ellipsoid", "sigma0_ellipsoid"]
MaskChoice = Literal["shadow", "layover", "both", "none"]
DespeckleMethod = Literal[
    "tv_bregman", "boxcar", "lee", "refined_lee", "lee_sigma", "frost", "kuan", "gamma_map", "quegan_yu", "rabasar"
]
BiasCorrection = Literal["none", "mean_power"]
TextureMetric = Literal["contrast", "homogeneity", "entropy", "correlation"]

DbBand = Literal["VV_dB", "VH_dB", "HH_dB", "HV_dB"]
IndexBand = Literal["Ratio", "RVI"]

MOSAIC_STRATEGIES: tuple[MosaicStrategy, ...] = get_args(MosaicStrategy)
COMPOSITE_METHODS: tuple[CompositeMethod, ...] = get_args(CompositeMethod)
SPREAD_STATISTICS: tuple[SpreadStatistic, ...] = get_args(SpreadStatistic)
"""Statistics of the spread of the passes, in the order of their bands."""
TEXTURE_METRICS: tuple[TextureMetric, ...] = get_args(TextureMetric)
"""Texture metrics, in the order of the kernel and of their bands."""

INDEX_BANDS: tuple[IndexBand, ...] = get_args(IndexBand)
"""Bands that are functions of the two in dB, in the order of products; a recipe may leave them out."""

MANTISSA_BITS = 23
"""Bits of the mantissa of float32."""
FEWEST_BITS, MOST_BITS = 10, MANTISSA_BITS - 1
"""Limits of the bits of the mantissa that are kept."""

RADIOMETRY: Radiometry = "gamma0_terrain"
RADIOMETRY_LAYERS: dict[Radiometry, tuple[str, ...]] = {
    "gamma0_terrain": (),
    "sigma0_terrain": ("rtc_anf_gamma0_to_sigma0",),
    "beta0": ("rtc_anf_gamma0_to_beta0",),
    "gamma0_ellipsoid": ("rtc_anf_gamma0_to_beta0", "incidence_angle"),
    "sigma0_ellipsoid": ("rtc_anf_gamma0_to_beta0", "incidence_angle"),
}
"""Quantities of backscatter, and the static layers that each is converted with."""

RADIOMETRY_TITLES: dict[str, str] = {
    "gamma0_terrain": "gamma0 backscatter",
    "sigma0_terrain": "sigma0 backscatter of the terrain",
    "beta0": "beta0 backscatter",
    "gamma0_ellipsoid": "gamma0 backscatter on the ellipsoid",
    "sigma0_ellipsoid": "sigma0 backscatter on the ellipsoid",
}
"""What descriptions call each quantity."""


def product_type(radiometry: str) -> str:
    """Return the type of product of a quantity: ``RTC`` if radiometry is corrected for terrain, else ``GTC``."""
    return "RTC" if radiometry.endswith("_terrain") else "GTC"


MOSAIC_STRATEGY: MosaicStrategy = "mean"
COMPOSITE_METHOD: CompositeMethod = "median"
MASK: MaskChoice = "shadow"
DESPECKLE_METHOD: DespeckleMethod = "tv_bregman"
TRIM_FRACTION = 0.15
LARGEST_TRIM = 0.5  # itself not allowed: nothing would be left
REG_PARAM = 5.0
BIAS_CORRECTION: BiasCorrection = "none"
WINDOW_SIZE = 7
AUTO: Literal["auto"] = "auto"
DAMPING = 2.0
SIGMA = 0.9

_WINDOW: dict[str, Any] = {"window_size": WINDOW_SIZE}
_LOOKS: dict[str, Any] = {"looks": AUTO}
DESPECKLE_OPTIONS: dict[DespeckleMethod, dict[str, Any]] = {
    "tv_bregman": {"reg_param": REG_PARAM},
    "boxcar": _WINDOW,
    "lee": _WINDOW | _LOOKS,
    "refined_lee": {},
    "lee_sigma": _WINDOW | _LOOKS | {"sigma": SIGMA},
    "frost": _WINDOW | {"damping": DAMPING},
    "kuan": _WINDOW | _LOOKS,
    "gamma_map": _WINDOW | _LOOKS,
    "quegan_yu": _WINDOW,
    "rabasar": {"reference": None} | _WINDOW | _LOOKS,
}
"""Options of each despeckling method, with their defaults.

A recipe holds only those of its own method, so methods may be added.
"""

DESPECKLE_DOI: dict[DespeckleMethod, str] = {
    "tv_bregman": "10.1137/080725891",
    "boxcar": "",
    "lee": "10.1109/TPAMI.1980.4766994",
    "refined_lee": "10.1016/S0146-664X(81)80018-4",
    "lee_sigma": "10.1109/TGRS.2008.2002881",
    "frost": "10.1109/TPAMI.1982.4767223",
    "kuan": "10.1109/TPAMI.1985.4767641",
    "gamma_map": "10.1109/IGARSS.1990.689026",
    "quegan_yu": "10.1109/36.964973",
    "rabasar": "10.1109/TGRS.2018.2885683",
}
"""Paper of each despeckling method; empty where there is none."""

COMPOSITE_DOI: dict[CompositeMethod, str] = {"local_resolution": "10.1109/IGARSS.2012.6350465"}
"""Paper of the composite methods that have one."""

BIASED: tuple[DespeckleMethod, ...] = ("tv_bregman", "gamma_map")
"""Methods that lower the mean power of a band; all others keep it."""

OF_SERIES: tuple[DespeckleMethod, ...] = ("quegan_yu", "rabasar")
"""Methods that need more than a band: the passes before they are composited, or the mean of other months."""

SMALLEST_WINDOW, LARGEST_WINDOW = 3, 63
FEWEST_LEVELS, MOST_LEVELS = 2, 64


@dataclass(frozen=True)
class TextureOptions:
    """Options of textures.

    Attributes
    ----------
    metrics : tuple of str
        Names from TEXTURE_METRICS, in the order of the output.
    window_size : int
        Side of the window in pixels: odd, 3 to 63.
    distance : int
        Distance between the two pixels of a pair, in pixels, at least 1.
    angles : tuple of float
        Directions from the first pixel of a pair to the second, in degrees: 0 along the row, 90 down the column.
    average_angles : bool
        True: one output per metric, the mean over the angles. False: one output per metric and angle.
    levels : int
        Number of grey levels, 2 to 64.

    Raises
    ------
    S1MonthlyError
        If an option is out of range or given twice, or the pairs of an angle do not fit into the window.
    """

    metrics: tuple[str, ...] = TEXTURE_METRICS
    window_size: int = 5
    distance: int = 1
    angles: tuple[float, ...] = (0, 90)
    average_angles: bool = True
    levels: int = 16

    def __post_init__(self) -> None:
        if not self.metrics or not set(self.metrics) <= set(TEXTURE_METRICS):
            raise S1MonthlyError(
                f"texture metrics {self.metrics} are not known", f"use some of: {', '.join(TEXTURE_METRICS)}"
            )
        if not (SMALLEST_WINDOW <= self.window_size <= LARGEST_WINDOW and self.window_size % 2):
            raise S1MonthlyError(
                f"a texture window of {self.window_size} pixels",
                f"use an odd number from {SMALLEST_WINDOW} to {LARGEST_WINDOW}",
            )
        if not FEWEST_LEVELS <= self.levels <= MOST_LEVELS:
            raise S1MonthlyError(f"textures of {self.levels} grey levels", f"use {FEWEST_LEVELS} to {MOST_LEVELS}")
        if self.distance < 1 or not self.angles or not all(math.isfinite(angle) for angle in self.angles):
            raise S1MonthlyError(
                f"texture pairs at distance {self.distance} and angles {self.angles}",
                "use a distance of at least 1 and at least one angle, in degrees",
            )
        if len(set(self.metrics)) < len(self.metrics):
            raise S1MonthlyError(f"textures twice: {self.metrics}", "name each metric once")
        same = duplicate_angles(self.distance, self.angles)
        if same:
            raise S1MonthlyError(
                f"texture angles {degrees(same[0])} and {degrees(same[1])} are the same pair of pixels"
                f" {self.distance} apart",
                "leave one out, or use a larger distance",
            )
        far = out_of_reach(self.window_size, self.distance, self.angles)
        if far is not None:
            limit = next(n for n in count(1) if out_of_reach(self.window_size, n, self.angles) is not None)
            raise S1MonthlyError(
                f"no two pixels of a texture window of {self.window_size} pixels lie {self.distance} apart at angle"
                f" {degrees(far)}",
                f"use a larger window, or a distance less than {limit}",
            )

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Names of the outputs, in order: ``{metric}``, or ``{metric}_{angle}``, angle by angle."""
        if self.average_angles:
            return self.metrics
        return tuple(f"{metric}_{degrees(angle)}" for angle in self.angles for metric in self.metrics)


SLICE_PIXEL = 30.0
"""Metres of the pixels on which GRD slices are corrected for the terrain: those of the means over 3 x 3 pixels."""


def slice_parts(metres: float) -> int:
    """Return into how many parts a side of a pixel is divided to correct GRD slices, for pixels of so many metres."""
    return max(1, round(metres / SLICE_PIXEL))


def degrees(angle: float) -> str:
    """Write an angle without a needless ``.0``."""
    return str(int(angle) if angle == int(angle) else angle)
