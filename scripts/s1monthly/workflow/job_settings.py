"""What a job must know of the configuration: plain values, worked out where the configuration is checked.

To check it again, every job would have to build its model, which takes 0.2 s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from s1monthly.errors import ConfigError
from s1monthly.files import write_text
from s1monthly.layout import Layout
from s1monthly.model import Level, Month, Polarization
from s1monthly.records.recipe import digest


@dataclass(frozen=True)
class JobSettings:
    """The part of a checked configuration that jobs use; JSON-able.

    Attributes
    ----------
    base_dir, work_dir : str
        Output tree and work folder.
    logging : mapping
        What `logs.start` takes besides the file.
    recipe : mapping
        `recipe.recipe`.
    source_kind : str
    source_options : mapping
        What the source is opened with, apart from the polarization.
    question : mapping
        `planning.question_of`.
    months : sequence of str
        Every month that is asked for.
    from_earliest : bool
        True where they begin with the earliest granule (time.full).
    read_workers : int
        Granules read at once.
    max_failed_ratio : float
        Most granules of a month that may fail, of all, 0 to 1.
    overwrite : bool
        Whether a cube of another recipe may be begun anew.
    chunks : sequence of int
        Rows and columns of a chunk of a new cube.
    recipes : mapping of str to mapping
        The recipe of a tile and direction, where its cube spells it otherwise or its own CRS is named.
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
    max_failed_ratio: float
    overwrite: bool
    chunks: Sequence[int]
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> JobSettings:
        """Read what `write` wrote.

        Raises
        ------
        ConfigError
            If the file cannot be read, or another version wrote it.
        """
        try:
            return cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                f"settings of the run, {path}: cannot be read ({error})", "run Snakemake again: it writes them"
            ) from error

    def write(self, folder: str | Path) -> str:
        """Write them to a file of their own, which runs with the same settings share; return its path.

        No file is ever removed from that folder; while nothing runs, all may be.
        """
        plain = asdict(self)
        path = Path(folder) / f"{digest(plain)}.json"
        write_text(path, json.dumps(plain, indent=1), only_if_changed=True)
        return str(path)

    def of(self, tile: str, direction: str) -> JobSettings:
        """Settings with the recipe of a tile and direction."""
        return replace(self, recipe=self.recipes.get(f"{tile}_{direction}", self.recipe))

    @property
    def layout(self) -> Layout:
        """Where files lie."""
        return Layout(self.base_dir, self.work_dir)

    @property
    def polarization(self) -> Polarization:
        """Pair of layers."""
        return Polarization(self.recipe["polarization"])

    @property
    def level(self) -> Level:
        """hARDCp where the composite is despeckled, else ARDC."""
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
    def asked_months(self) -> list[Month]:
        """`months`, in order."""
        return [Month.parse(month) for month in self.months]
