"""The configuration section on how granules become composites and textures."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from s1monthly.config import messages as refusals
from s1monthly.config.fields import ChunkSide, Section, option, rows_columns, unique
from s1monthly.kernels.pixel_pairs import out_of_reach, same_pair
from s1monthly.model import TILE_SIDE, Level


class DespeckleOptions(Section):
    """Options of the despeckle method."""

    reg_param: float = option(5.0, "Regularisation of tv_bregman; higher is smoother", gt=0)


class Despeckle(Section):
    """Despeckling of the monthly composite."""

    monthly_despeckle: bool = option(True, "Despeckle the composite (with post_processing)")
    method: Literal["tv_bregman"] = option("tv_bregman", "Method")
    kwargs: DespeckleOptions = DespeckleOptions()


class TextureFeatures(Section):
    """GLCM texture bands, behind the core bands; {pol}_glcm_{metric}."""

    enabled: bool = option(False, "Add texture bands")
    inputs: Annotated[list[Literal["VV_dB", "VH_dB", "HH_dB", "HV_dB"]], Field(min_length=1)] | None = option(
        None, "Bands to take textures of; both dB bands where not given", example=["VV_dB", "VH_dB"]
    )
    metrics: Annotated[list[Literal["contrast", "homogeneity", "entropy", "correlation"]], Field(min_length=1)] = (
        option(["contrast", "homogeneity", "entropy", "correlation"], "Metrics")
    )
    window_size: int = option(5, "Window, an odd number of pixels", ge=3, le=63)
    distance: int = option(1, "Distance of the pixels of a pair, which must fit into the window", ge=1)
    angles: Annotated[list[float], Field(min_length=1)] = option([0, 90], "Directions of a pair, degrees")
    average_angles: bool = option(True, "Average over the directions; false: one band a direction")
    levels: int = option(16, "Grey levels", ge=2, le=64)
    vv_db_range: tuple[float, float] = option((-25, 5), "Range of co-polarized dB that the levels divide")
    vh_db_range: tuple[float, float] = option((-32, -5), "Range of cross-polarized dB that the levels divide")

    @field_validator("inputs", "metrics", "angles")
    @classmethod
    def _no_doubles(cls, values: list[Any] | None) -> list[Any] | None:
        return unique(values)

    @field_validator("window_size")
    @classmethod
    def _odd(cls, size: int) -> int:
        if size % 2 == 0:
            raise PydanticCustomError("texture", "a window has an odd number of pixels a side")
        return size

    @field_validator("vv_db_range", "vh_db_range")
    @classmethod
    def _range(cls, ends: tuple[float, float]) -> tuple[float, float]:
        if not ends[0] < ends[1]:
            raise PydanticCustomError("texture", "give a lower and an upper end, in dB, in this order")
        return ends

    @model_validator(mode="after")
    def _pairs_fit(self) -> TextureFeatures:
        same = same_pair(self.distance, self.angles)
        if same:
            raise PydanticCustomError(
                "texture",
                "angles {one} and {other} are the same pair of pixels {distance} apart; leave one out,"
                " or use a larger distance",
                {"one": f"{same[0]:g}", "other": f"{same[1]:g}", "distance": self.distance},
            )
        window = self.window_size
        far = out_of_reach(window, self.distance, self.angles)
        if far is not None:
            limit = next(far for far in count(1) if out_of_reach(window, far, self.angles) is not None)
            raise PydanticCustomError(
                "texture",
                "distance {distance}: at angle {angle} no two pixels of a window of {window} lie so far apart;"
                " give less than {limit}",
                {"distance": self.distance, "angle": f"{far:g}", "window": window, "limit": limit},
            )
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
        options = self.model_dump(exclude={"enabled", "inputs", "vv_db_range", "vh_db_range"})
        return options | {"angles": _shortest(self.angles), "inputs": inputs}


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
    target_crs: str | int | None = option(
        None, "EPSG code of the output grid; the tile's own UTM zone where not given", example="EPSG:32610"
    )
    target_resolution: float = option(30.0, "Pixel size in units of the CRS (metres); must divide 109800 m", gt=0)
    use_roi_mask: bool = option(False, "Leave pixels outside roi.wkt empty (their centre decides)")
    mosaic_strategy: Literal["mean", "first", "last"] = option("mean", "How overlapping bursts of a pass are merged")
    composite_method: Literal["median", "mean", "trimmed_mean"] = option(
        "median", "How the passes of a month are merged"
    )
    trim_fraction: float = option(0.15, "Fraction cut at each end by trimmed_mean", ge=0, lt=0.5)
    min_valid_lin: float = option(1e-6, "Power at or below this is no measurement", ge=0, lt=1)
    mask: Literal["shadow", "layover", "both", "none"] = option(
        "shadow", "What the granules' mask layer excludes; none: no granule needs one"
    )
    despeckle: Despeckle = Despeckle()
    texture_features: TextureFeatures = TextureFeatures()
    zarr_chunks: Annotated[
        list[ChunkSide],
        BeforeValidator(rows_columns, json_schema_input_type=list[ChunkSide] | dict[str, int]),
        Field(min_length=2, max_length=2),
    ] = option([1024, 1024], "Chunk of the cube, rows and columns")
    cog_block_size: Literal[128, 256, 512, 1024, 2048] = option(512, "Block of the COG, pixels")
    zarr_time_fix: ZarrTimeFix = ZarrTimeFix()
    group_mode: str = option("minute", "How a pass is found", no_effect="passes are grouped by track and gaps in time")
    eps_lin: float = option(
        1e-7, "Floor of power before dB", no_effect="power at or below min_valid_lin is no data", ge=0
    )
    on_time_conflict: str = option(
        "skip", "A month that exists already", no_effect="a month is remade when its granules change"
    )

    @field_validator("target_crs")
    @classmethod
    def _epsg(cls, crs: str | int | None) -> str | None:
        if crs is None:
            return None
        code = str(crs).upper().removeprefix("EPSG:")
        if not code.isdecimal():
            raise PydanticCustomError("crs", "give an EPSG code such as EPSG:32610")
        refusals.check_epsg(int(code))
        return f"EPSG:{int(code)}"

    @model_validator(mode="after")
    def _whole_pixels(self) -> Processing:
        resolution = self.target_resolution
        if self.target_crs is None and TILE_SIDE % resolution:
            sides = (side for side in range(1, TILE_SIDE) if TILE_SIDE % side == 0)
            near = sorted(sorted(sides, key=lambda side: abs(side - resolution))[:4])
            raise PydanticCustomError(
                "resolution",
                "target_resolution: {resolution} m does not divide a tile's side of {side} m; give {near}, for example",
                {"resolution": f"{resolution:g}", "side": TILE_SIDE, "near": ", ".join(map(str, near))},
            )
        return self

    @property
    def epsg(self) -> int | None:
        """EPSG code of `target_crs`, or None."""
        return int(str(self.target_crs).removeprefix("EPSG:")) if self.target_crs else None

    @property
    def chunks(self) -> tuple[int, int]:
        """Rows and columns of a chunk of the cube."""
        return self.zarr_chunks[0], self.zarr_chunks[1]

    def chunks_held(self, held: tuple[int, int]) -> bool:
        """Tell whether a cube's chunks differ from those of a new cube."""
        side = TILE_SIDE / self.target_resolution
        return self.target_crs is None and held != tuple(min(chunk, side) for chunk in self.chunks)

    @property
    def level(self) -> Level:
        """hARDCp if the composite is despeckled, else ARDC."""
        return Level.HARDCP if self.post_processing and self.despeckle.monthly_despeckle else Level.ARDC


def _shortest(numbers: Iterable[float]) -> list[float]:
    return [int(number) if number == int(number) else number for number in numbers]
