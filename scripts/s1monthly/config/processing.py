"""The configuration section on how granules become composites and textures."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from s1monthly.config.fields import ChunkSide, Section, SomeOf, checked_by, option, refusal, unique
from s1monthly.grid.crs import map_crs
from s1monthly.kernels import options
from s1monthly.kernels.options import TextureOptions
from s1monthly.model import COG_BLOCK_SIZE, TILE_SIDE, Level, Month


def _code(crs: str | int) -> str:
    code = str(crs).upper().removeprefix("EPSG:")
    if not code.isdecimal():
        raise refusal("give an EPSG code such as EPSG:32610")
    map_crs(int(code))
    return f"EPSG:{int(code)}"


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise refusal("a window has an odd number of pixels a side")
    return size


def _range(ends: tuple[float, float]) -> tuple[float, float]:
    if not ends[0] < ends[1]:
        raise refusal("give a lower and an upper end, in dB, in this order")
    return ends


def _looks(value: Any) -> Any:
    try:
        fits = value in (None, options.AUTO) or (not isinstance(value, bool) and 0 < float(value) < math.inf)
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise refusal("give a positive number of looks, or auto")
    return value


def _reference(period: str) -> str:
    match = re.fullmatch(r"(\d{4}-\d{2})\s*\.\.\.\s*(\d{4}-\d{2})", period.strip())
    if not match:
        raise refusal("give the first and the last month, such as 2021-01 ... 2021-12")
    first, last = (Month.parse(text) for text in match.groups())
    if not first < last:
        raise refusal("give two months or more, the first one first")
    if first < FIRST_MONTH:
        raise refusal("Sentinel-1 acquired nothing before {month}; begin later", month=FIRST_MONTH)
    return f"{first} ... {last}"


def _rows_columns(value: Any) -> Any:
    """Turn chunks in S1-GRiTS's other form, {time: 1, y: 1024, x: 1024}, into rows and columns."""
    return [value.get("y"), value.get("x")] if isinstance(value, dict) else value


FIRST_MONTH = Month(2014, 10)
"""First month with granules: the routine acquisitions of Sentinel-1A began on 3 October 2014."""

Looks = Annotated[float | Literal["auto"], BeforeValidator(_looks)]
Range = Annotated[tuple[float, float], AfterValidator(_range)]


class DespeckleOptions(Section):
    """Options of the despeckle method; only those that it takes may be given."""

    reg_param: float | None = option(
        None,
        f"Regularisation of tv_bregman; higher is smoother ({options.REG_PARAM:g})",
        example=options.REG_PARAM,
        gt=0,
    )
    window_size: Annotated[int, AfterValidator(_odd)] | None = option(
        None,
        f"Window of all methods but tv_bregman and refined_lee, an odd number of pixels ({options.WINDOW_SIZE})",
        example=options.WINDOW_SIZE,
        ge=options.SMALLEST_WINDOW,
        le=options.LARGEST_WINDOW,
    )
    looks: Looks | None = option(
        None,
        "Equivalent number of looks, for lee, kuan, lee_sigma, gamma_map and rabasar; auto: estimated for each band and"
        f" month in homogeneous areas, and recorded ({options.AUTO})",
        example=options.AUTO,
    )
    damping: float | None = option(
        None, f"Damping of frost; higher keeps more detail ({options.DAMPING:g})", example=options.DAMPING, ge=0
    )
    sigma: float | None = option(
        None,
        f"Fraction of the speckle that lee_sigma takes for the same ground ({options.SIGMA})",
        example=options.SIGMA,
        gt=0,
        lt=1,
    )
    reference: Annotated[str, AfterValidator(checked_by(_reference))] | None = option(
        None,
        "First and last month of rabasar's reference period, which every month of a cube is compared with",
        example="2021-01 ... 2021-12",
    )


class Despeckle(Section):
    """Despeckling of the monthly composite."""

    monthly_despeckle: bool = option(True, "Despeckle the composite (with post_processing)")
    method: options.DespeckleMethod = option(options.DESPECKLE_METHOD, "Method")
    bias_correction: options.BiasCorrection = option(
        options.BIAS_CORRECTION, "mean_power: give back the local mean power that a method in decibels takes away"
    )
    kwargs: DespeckleOptions = DespeckleOptions()

    @model_validator(mode="after")
    def _options_fit(self) -> Despeckle:
        taken = options.DESPECKLE_OPTIONS[self.method]
        for name, value in self.kwargs:
            if name not in taken and value is not None:
                raise refusal(
                    "kwargs.{name} is no option of method {method}; {taken}",
                    name=name,
                    method=self.method,
                    taken=f"it takes {', '.join(taken)}" if taken else "it takes none",
                )
        for name, value in taken.items():
            if value is None and getattr(self.kwargs, name) is None:
                raise refusal("method {method} needs kwargs.{name}", method=self.method, name=name)
        if self.bias_correction != "none" and self.method not in options.BIASED:
            raise refusal("bias_correction: {method} keeps the mean power; leave it out", method=self.method)
        return self

    def recipe(self) -> dict[str, Any]:
        """Return the method and all its options as plain JSON; a bias correction only if there is one."""
        defaults = options.DESPECKLE_OPTIONS[self.method]
        given = {name: getattr(self.kwargs, name) for name in defaults}
        chosen = {name: defaults[name] if value is None else value for name, value in given.items()}
        corrected = {} if self.bias_correction == "none" else {"bias_correction": self.bias_correction}
        return {"method": self.method, **chosen, **corrected}


class TextureFeatures(Section):
    """GLCM texture bands, behind the core bands; {pol}_glcm_{metric}."""

    enabled: bool = option(False, "Add texture bands")
    inputs: SomeOf[Literal["VV_dB", "VH_dB", "HH_dB", "HV_dB"]] | None = option(
        None, "Bands to take textures of; both dB bands where not given", example=["VV_dB", "VH_dB"]
    )
    metrics: SomeOf[options.TextureMetric] = option(list(TextureOptions.metrics), "Metrics")
    window_size: Annotated[int, AfterValidator(_odd)] = option(
        TextureOptions.window_size,
        "Window, an odd number of pixels",
        ge=options.SMALLEST_WINDOW,
        le=options.LARGEST_WINDOW,
    )
    distance: int = option(
        TextureOptions.distance, "Distance of the pixels of a pair, which must fit into the window", ge=1
    )
    angles: SomeOf[float] = option(list(TextureOptions.angles), "Directions of a pair, degrees")
    average_angles: bool = option(
        TextureOptions.average_angles, "Average over the directions; false: one band a direction"
    )
    levels: int = option(TextureOptions.levels, "Grey levels", ge=options.FEWEST_LEVELS, le=options.MOST_LEVELS)
    vv_db_range: Range = option((-25, 5), "Range of co-polarized dB that the levels divide")
    vh_db_range: Range = option((-32, -5), "Range of cross-polarized dB that the levels divide")

    @model_validator(mode="after")
    def _pairs_fit(self) -> TextureFeatures:
        _check_pairs(self)
        return self

    def recipe(self, co: str, cross: str) -> dict[str, Any]:
        """Return the options that decide the texture bands as plain JSON, the same for every way of writing them.

        Parameters
        ----------
        co, cross : str
            Layers of the pair.

        Returns
        -------
        dict
            The options, and ``inputs``, which maps each band to its dB range, in the order of the bands. 5.0 becomes 5.
        """
        ranges = {f"{co}_dB": self.vv_db_range, f"{cross}_dB": self.vh_db_range}
        inputs = {name: _shortest(ends) for name, ends in ranges.items() if name in (self.inputs or ranges)}
        plain = self.model_dump(exclude={"enabled", "inputs", "vv_db_range", "vh_db_range"})
        return plain | {"angles": _shortest(self.angles), "inputs": inputs}


@checked_by
def _check_pairs(features: TextureFeatures) -> None:
    TextureOptions(window_size=features.window_size, distance=features.distance, angles=tuple(features.angles))


class AngleNormalisation(Section):
    """Normalisation of each pass to one incidence angle, by static layers."""

    reference: float = option(38.0, "Incidence angle to normalise to, degrees", ge=0, lt=90)
    exponent: float | None = option(
        None, "n of cos(reference)^n / cos(angle)^n; no normalisation where not given", example=2, gt=0, le=20
    )

    def recipe(self) -> dict[str, float] | None:
        """Return both options as plain JSON; None if nothing is normalised."""
        return None if self.exponent is None else {"reference": self.reference, "exponent": self.exponent}

    @property
    def lacks_exponent(self) -> bool:
        """True if another angle than the default is given, and no exponent, so that nothing is normalised."""
        return self.exponent is None and self.reference != AngleNormalisation.model_fields["reference"].default


class ZarrTimeFix(Section):
    """S1-GRiTS's repair of unordered cubes."""

    enabled: bool = option(
        True, "Repair the order of months", no_effect="every calendar month has its own slot, so the order cannot break"
    )
    create_backup: bool = option(True, "Copy the store first", no_effect="there is nothing to repair")
    backup_dir: str | None = option(
        None, "Place of the copy", example="./backup", no_effect="there is nothing to repair"
    )


class Processing(Section):
    """How values are made."""

    post_processing: bool = option(True, "true: hARDCp (despeckled); false: ARDC (composite only)")
    target_crs: Annotated[str | int, AfterValidator(checked_by(_code))] | None = option(
        None, "EPSG code of the output grid; the tile's own UTM zone where not given", example="EPSG:32610"
    )
    target_resolution: float = option(30.0, f"Pixel size in units of the CRS (metres); must divide {TILE_SIDE} m", gt=0)
    use_roi_mask: bool = option(
        False,
        "Leave pixels outside the polygon of roi empty (their centre decides), and use only granules that meet it",
    )
    radiometry: options.Radiometry = option(
        options.RADIOMETRY,
        "Quantity of backscatter, see Radiometry; from OPERA, all but gamma0_terrain need static granules",
    )
    mosaic_strategy: options.MosaicStrategy = option(
        options.MOSAIC_STRATEGY, "How overlapping bursts of a pass are merged"
    )
    composite_method: options.CompositeMethod = option(options.COMPOSITE_METHOD, "How the passes of a month are merged")
    by_track: bool = option(False, "true: a cube and products for each track; false: for each direction")
    trim_fraction: float = option(
        options.TRIM_FRACTION, "Fraction cut at each end by trimmed_mean", ge=0, lt=options.LARGEST_TRIM
    )
    spread: Annotated[list[options.SpreadStatistic], AfterValidator(unique)] = option(
        [], "Bands that show how much the passes of a month differ: {pol}_dB_{statistic}", example=["min", "max", "std"]
    )
    angle_normalisation: AngleNormalisation = AngleNormalisation()
    min_valid_lin: float = option(1e-6, "Power at or below this is no measurement", ge=0, lt=1)
    mask: options.MaskChoice = option(
        options.MASK, "What the granules' mask layer excludes; none: no granule needs one"
    )
    despeckle: Despeckle = Despeckle()
    texture_features: TextureFeatures = TextureFeatures()
    zarr_chunks: Annotated[
        list[ChunkSide],
        BeforeValidator(_rows_columns, json_schema_input_type=list[ChunkSide] | dict[str, int]),
        Field(min_length=2, max_length=2),
    ] = option([512, 512], "Chunk of a new cube, rows and columns")
    cog_block_size: Literal[128, 256, 512, 1024, 2048] = option(COG_BLOCK_SIZE, "Block of the COG, pixels")
    zarr_time_fix: ZarrTimeFix = ZarrTimeFix()
    group_mode: str = option("minute", "How a pass is found", no_effect="passes are grouped by track and gaps in time")
    eps_lin: float = option(
        1e-7, "Floor of power before dB", no_effect="power at or below min_valid_lin is no data", ge=0
    )
    on_time_conflict: str = option(
        "skip", "A month that exists already", no_effect="a month is remade when its granules change"
    )

    @model_validator(mode="after")
    def _whole_pixels(self) -> Processing:
        resolution = self.target_resolution
        if self.target_crs is None and TILE_SIDE % resolution:
            sides = (side for side in range(1, TILE_SIDE) if TILE_SIDE % side == 0)
            near = sorted(sorted(sides, key=lambda side: abs(side - resolution))[:4])
            raise refusal(
                "target_resolution: {resolution} m does not divide a tile's side of {side} m; give {near}, for example",
                resolution=f"{resolution:g}",
                side=TILE_SIDE,
                near=", ".join(map(str, near)),
            )
        return self

    @model_validator(mode="after")
    def _reference_is_used(self) -> Processing:
        if self.despeckle.kwargs.reference and self.level is Level.ARDC:
            raise refusal(
                "despeckle.method {method} needs post_processing and despeckle.monthly_despeckle: true; give another"
                " method for plain composites",
                method=self.despeckle.method,
            )
        return self

    @property
    def composite_needs_statics(self) -> bool:
        """True if composites are made with the static layers of the passes."""
        return self.composite_method == "local_resolution" or self.angle_normalisation.exponent is not None

    @property
    def epsg(self) -> int | None:
        """EPSG code of `target_crs`, or None."""
        return int(str(self.target_crs).removeprefix("EPSG:")) if self.target_crs else None

    @property
    def chunks(self) -> tuple[int, int]:
        """Rows and columns of a chunk of the cube."""
        return self.zarr_chunks[0], self.zarr_chunks[1]

    def keeps_other_chunks(self, chunks: tuple[int, int]) -> bool:
        """Return True if a cube with these chunks keeps them, although the configuration gives others."""
        side = TILE_SIDE / self.target_resolution
        given = "zarr_chunks" in self.model_fields_set
        return given and self.target_crs is None and chunks != tuple(min(chunk, side) for chunk in self.chunks)

    @property
    def level(self) -> Level:
        """hARDCp if the composite is despeckled, else ARDC."""
        return Level.HARDCP if self.post_processing and self.despeckle.monthly_despeckle else Level.ARDC


def _shortest(numbers: Iterable[float]) -> list[float]:
    return [int(number) if number == int(number) else number for number in numbers]
