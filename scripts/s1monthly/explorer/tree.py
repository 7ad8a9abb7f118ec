"""What an output tree holds that can be shown. No path that leads out of the tree is opened."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from s1monthly.cube.header import Header, Status, existing_header
from s1monthly.errors import FileError, ProductError, S1MonthlyError
from s1monthly.kernels.bands import bands_of
from s1monthly.layout import Layout, parse_folder
from s1monthly.model import Month, Stack, Tile, TileDirection


@dataclass(frozen=True)
class Shown:
    """A cube that can be shown.

    Attributes
    ----------
    header : Header
        Its root.
    months : dict of Month to Status
        Every calendar month of its axis.
    changes : dict of str to Path
        Band -> COG of its changes.
    """

    header: Header
    months: dict[Month, Status]
    changes: dict[str, Path]

    @property
    def complete(self) -> list[Month]:
        """Complete months, in order."""
        return [month for month, status in self.months.items() if status is Status.COMPLETE]

    @property
    def names(self) -> list[str]:
        """Bands, count and classes of pixels, in order."""
        known = [band.name for band in bands_of(self.header.recipe) if band.name in self.header.bands]
        return [*known, *self.header.data_arrays[len(self.header.bands) :]]


@dataclass(frozen=True)
class Contents:
    """Cubes of a tree by tile and direction; and why others were left out."""

    keys: list[TileDirection] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def refuse_outside(base_dir: str | Path, path: str | Path) -> None:
    """Raise FileError if a path, with its links followed, lies outside the tree."""
    base, real = Path(os.path.realpath(base_dir)), Path(os.path.realpath(path))
    if not real.is_relative_to(base):
        raise FileError(f"{path} leads out of the output tree, to {real}", "put what it names into the tree itself")


def contents(base_dir: str | Path) -> Contents:
    """List the cubes of a tree.

    Raises
    ------
    ProductError
        If there is none.
    """
    keys, left_out = [], []
    for folder in sorted(Path(base_dir).glob("*/zarr/S1_monthly.zarr")):
        named = parse_folder(folder.parent.parent.name)
        if named is None:
            continue
        try:
            key = TileDirection(Tile(named[0]), Stack.parse(named[1]))
            _header(base_dir, key)
            keys.append(key)
        except S1MonthlyError as error:
            left_out.append(str(error))
    if not keys:
        remedy = "run the workflow first, or give the --output-dir that holds what it made"
        raise ProductError(f"{base_dir}: no cube that can be shown", "; ".join([*left_out, remedy]))
    return Contents(keys, left_out)


def shown(base_dir: str | Path, key: TileDirection) -> Shown:
    """Read what can be shown of a tile and direction.

    Raises
    ------
    CubeError, FileError
        If the cube is gone or damaged, or leads out of the tree.
    """
    header, layout = _header(base_dir, key), Layout(str(base_dir)).of(key)
    months = {month: header.status(month) for month in header.first.until(header.last)}
    changes = {band: Path(layout.change(band)) for band in header.bands}
    return Shown(header, months, {band: path for band, path in changes.items() if path.exists()})


def _header(base_dir: str | Path, key: TileDirection) -> Header:
    path = Path(Layout(str(base_dir)).of(key).cube)
    refuse_outside(base_dir, path / "zarr.json")
    header = existing_header(path)
    for name in ("status", *header.slot_arrays):
        refuse_outside(base_dir, path / name / "zarr.json")
        refuse_outside(base_dir, path / name / "c")
    return header
