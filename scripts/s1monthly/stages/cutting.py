"""Cut a granule to the tile, and write what it shows there: one GeoTIFF a layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from s1monthly.granule_names import layer_file, seen_file
from s1monthly.granules import Burst, BurstGranule, Granule, StaticGranule
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.options import RADIOMETRY, RADIOMETRY_LAYERS, Radiometry
from s1monthly.raster.writing import write_raster
from s1monthly.records.source_facts import IN_PART, MARK
from s1monthly.records.static_list import read_static_list
from s1monthly.records.statics_used import STATIC
from s1monthly.sources.contract import Source
from s1monthly.stages.burst import BurstWindow, NoPixels, read_burst
from s1monthly.workflow.resume import Piece


@dataclass(frozen=True)
class Cutter(ABC):
    """Cuts the granules of a month to the tile, and writes their files.

    Attributes
    ----------
    source : Source
        Where granules come from.
    layers : tuple of str
        Co- and cross-polarized layer.
    geobox : GeoBox
        The tile's grid.
    recipe : mapping
        Recipe of the cube.
    folder : Path
        Folder of the files.
    """

    source: Source
    layers: tuple[str, str]
    geobox: GeoBox
    recipe: Mapping[str, Any]
    folder: Path

    @abstractmethod
    def read(self, granule: Granule, static: StaticGranule | None) -> BurstWindow | NoPixels:
        """Read the part of a granule that lies on the tile; its layers can be read now, those of `static` too."""

    @contextmanager
    def prepared(self, granule: Granule) -> Iterator[tuple[Granule, StaticGranule | None]]:
        """Let a granule be read, and the static granule that converts it, if one does."""
        with self.source.prepared(granule) as ready:
            yield ready, None

    def cut(self, granule: Granule, computing: AbstractContextManager[Any] = nullcontext()) -> Piece:  # noqa: B008
        """Cut a granule, and write its layers; also what it saw, if the recipe keeps classes of pixels.

        Parameters
        ----------
        computing : context manager
            Entered when the granule is fetched: others are fetched meanwhile, but only so many are read at once.

        Raises
        ------
        SourceError
            If the source cannot deliver it, or it is damaged.
        ProductError
            If a file cannot be written.
        """
        with self.prepared(granule) as (ready, static), computing:
            piece = self._written(ready, static)
        listed = {layer.name: layer.md5 for layer in granule.layers}
        in_part = [layer.name for layer in ready.layers if not layer.md5 and listed.get(layer.name)]
        return replace(piece, facts={**piece.facts, f"{MARK}{IN_PART}": " ".join(in_part)}) if in_part else piece

    def _written(self, granule: Granule, static: StaticGranule | None) -> Piece:
        window = self.read(granule, static)
        facts = {layer.name: layer.md5 for layer in granule.layers}
        facts |= {f"{MARK}{name}": text for name, text in window.facts.items()}
        seen: tuple[str, ...] = ()
        if window.seen:
            seen = (seen_file(granule.id),)
            write_raster(self.folder / seen[0], [window.seen.bits], window.seen.geobox, ["seen"])
        if isinstance(window, NoPixels):
            return Piece(window.reason, seen, facts)
        files = {layer: layer_file(granule.id, layer) for layer in window.power}
        for layer, file in files.items():
            write_raster(self.folder / file, [window.power[layer]], window.geobox, [layer])
        return Piece("read" if window.masked else "read, unmasked", (*files.values(), *seen), facts)


@dataclass(frozen=True)
class BurstCutter(Cutter):
    """Cuts OPERA bursts.

    Attributes
    ----------
    statics : mapping of Burst to StaticGranule
        Static granules that convert to the recipe's quantity, see `converting_granules`; empty for gamma0.
    """

    statics: Mapping[Burst, StaticGranule]

    @contextmanager
    def prepared(self, granule: Granule) -> Iterator[tuple[Granule, StaticGranule | None]]:
        """Let a burst be read, and its static granule."""
        static = self.statics.get(granule.burst) if isinstance(granule, BurstGranule) else None
        with (
            self.source.prepared(granule) as ready,
            self.source.prepared(static) if static else nullcontext() as factors,
        ):
            yield ready, factors

    def read(self, granule: Granule, static: StaticGranule | None) -> BurstWindow | NoPixels:
        """Read a burst on the tile, see `read_burst`; its facts name the static granule that converted it."""
        recipe = self.recipe
        window = read_burst(
            granule,
            self.layers,
            self.geobox,
            recipe["min_valid_power"],
            recipe["mask"],
            recipe.get("radiometry", RADIOMETRY),
            static,
            with_seen=bool(recipe.get("quality")),
        )
        return replace(window, facts={**window.facts, STATIC: static.id}) if static else window


def converting_granules(path: str | Path, radiometry: Radiometry) -> dict[Burst, StaticGranule]:
    """Read the static granule of each burst, with only the layers that convert to a quantity; none for gamma0.

    Parameters
    ----------
    path : path
        List of the static granules of the tile and direction.
    radiometry : str
        Key of `RADIOMETRY_LAYERS`.

    Raises
    ------
    ProductError
        If the list cannot be read.
    """
    if radiometry == RADIOMETRY:
        return {}
    names = RADIOMETRY_LAYERS[radiometry]
    return {
        granule.burst: replace(granule, layers=tuple(layer for layer in granule.layers if layer.name in names))
        for granule in read_static_list(path)
    }
