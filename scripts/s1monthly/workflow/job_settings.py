"""Settings of a run that jobs need: plain values, derived when the configuration is checked.

If jobs checked the configuration again, each would have to build its model, which takes 0.2 s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from s1monthly.cube.header import cached_header
from s1monthly.errors import ConfigError
from s1monthly.files import write_text
from s1monthly.layout import Layout
from s1monthly.model import CogCompression, Level, Month, Polarization, Tile
from s1monthly.records.recipe import digest, match_spelling


@dataclass(frozen=True)
class JobSettings:
    """The part of a checked configuration that jobs use; JSON-able.

    Attributes
    ----------
    base_dir, work_dir : str
        Output tree and work folder.
    logging : mapping
        Arguments of `logs.start`, except the file.
    recipe : mapping
        Result of `recipe.recipe`.
    source_kind : str
        Kind of source: asf, local or simulated.
    source_options : mapping
        Options of the source, except the polarization.
    question : mapping
        Result of `asking.question_of`.
    months : sequence of str
        All months of the configuration.
    from_earliest : bool
        True if they start with the earliest granule (time.full).
    read_workers : int
        Granules read at the same time.
    held_granules : int
        Granules that a job fetches, or has fetched, and reads at the same time.
    max_failed_ratio : float
        Largest accepted share of a month's granules that fail, 0 to 1.
    overwrite : bool
        True if a cube with another recipe may be replaced.
    chunks : sequence of int
        Rows and columns of a chunk of a new cube.
    statics : bool
        True if static layers are made.
    window : bool
        True if only the blocks of a granule are fetched that show the tile.
    shares_granules : bool
        True if fetched granules are kept until the last tile of the run has read them.
    dem : mapping
        DEM of GRD products, see `stages.heights.make_heights`; empty otherwise.
    cog_compression : str
        Compression of COGs.
    products : sequence of str
        Products of a month, see `wanted.products_of`.
    overviews : bool
        True if a new cube has overviews.
    credits : mapping of str to str
        Attributes of cubes that name maker, publisher and terms.
    """

    base_dir: str
    work_dir: str
    logging: Mapping[str, Any]
    recipe: Mapping[str, Any]
    source_kind: str
    source_options: Mapping[str, Any]
    question: Mapping[str, Any]
    months: Sequence[str]
    from_earliest: bool
    read_workers: int
    held_granules: int
    max_failed_ratio: float
    overwrite: bool
    chunks: Sequence[int]
    cog_compression: CogCompression
    products: Sequence[str]
    overviews: bool
    credits: Mapping[str, str]
    statics: bool = False
    shares_granules: bool = False
    window: bool = False
    dem: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> JobSettings:
        """Read settings from a file written by `write`.

        Raises
        ------
        ConfigError
            If the file cannot be read, or is from another version.
        """
        try:
            return cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                f"settings of the run, {path}: cannot be read ({error})", "run Snakemake again: it writes them"
            ) from error

    def write(self, folder: str | Path) -> str:
        """Write the settings to a file and return its path; runs with equal settings share the file.

        Files in this folder are never removed here. While no run is active, all of them may be deleted.
        """
        plain = asdict(self)
        path = Path(folder) / f"{digest(plain)}.json"
        write_text(path, json.dumps(plain, indent=1), only_if_changed=True)
        return str(path)

    def of(self, tile: str, direction: str) -> JobSettings:
        """Return the settings with the recipe as the cube of a tile and direction writes it."""
        header = cached_header(self.layout.cube.format(tile=tile, direction=direction))
        return replace(self, recipe=match_spelling(header.recipe if header else None, self.recipe, Tile(tile)))

    @property
    def layout(self) -> Layout:
        """Paths of the output tree and work folder."""
        return Layout(self.base_dir, self.work_dir)

    @property
    def polarization(self) -> Polarization:
        """Pair of polarizations."""
        return Polarization(self.recipe["polarization"])

    @property
    def level(self) -> Level:
        """Product level: hARDCp if the composite is despeckled, else ARDC."""
        return Level(self.recipe["level"])

    @property
    def resolution(self) -> float:
        """Pixel size, in units of the CRS."""
        return float(self.recipe["grid"]["resolution"])

    @property
    def epsg(self) -> int | None:
        """EPSG code of the output grid; None for each tile's own UTM zone."""
        crs = self.recipe["grid"]["crs"]
        return None if crs is None else int(crs.removeprefix("EPSG:"))

    @property
    def month_list(self) -> list[Month]:
        """`months`, parsed and in order."""
        return [Month.parse(month) for month in self.months]
