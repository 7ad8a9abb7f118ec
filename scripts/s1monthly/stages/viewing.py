"""How the passes of a month saw the tile: what a composite reads from the static layers of their tracks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube.static import read_static
from s1monthly.cube.static_header import read_origins
from s1monthly.errors import CubeError
from s1monthly.granule_names import parse_granule_id, parse_static_source
from s1monthly.granules import BurstGranule, Granule, GranuleList, StaticGranule
from s1monthly.kernels.angle_normalisation import angle_factors
from s1monthly.layout import track_name
from s1monthly.model import CompositeKey
from s1monthly.raster.band_file import BandFile
from s1monthly.records.account import Account
from s1monthly.stages.bursts import refuse_failures

AREA, ANGLE = "rtc_anf_gamma0_to_beta0", "incidence_angle"
"""Static layers that composites need: the illuminated area, and the incidence angle on the ellipsoid."""

Power = NDArray[np.float32]


def granules_without_static(granules: Iterable[str], store: str | Path) -> dict[str, str]:
    """Return the granules whose burst has no static granule: id -> reason.

    Parameters
    ----------
    granules : iterable of str
        Ids.
    store : path
        Store of the static layers of the tile and direction.

    Raises
    ------
    CubeError
        If the static layers were not made yet, or not for one of the bursts: this says nothing of the source.
    """
    origins = read_origins(store).values()
    known = {_place(parse_static_source(name)) for origin in origins for name in origin.granules}
    without = {name for origin in origins for name in origin.without}
    bursts = {name: _place(parse_granule_id(name)) for name in granules}
    unknown = sorted({*bursts.values()} - known - without)
    if unknown:
        raise CubeError(
            f"static layers {store}: not made for {', '.join(unknown)}", "run again with search.refresh: true"
        )
    return {name: "its burst has no static granule" for name, burst in bursts.items() if burst in without}


def _place(granule: Granule | StaticGranule) -> str:
    """Return what static layers are made for: the burst of a granule or, of a slice, its track."""
    return str(granule.burst) if isinstance(granule, BurstGranule | StaticGranule) else track_name(granule.track)


def left_out_without_static(
    key: CompositeKey, listed: GranuleList, account: Account, store: str | Path, max_failed_ratio: float
) -> dict[str, str]:
    """Return the granules of a month that a composite must leave out, as `granules_without_static`.

    They count with the granules that cannot be read.

    Raises
    ------
    SourceError
        If all granules, or more than `max_failed_ratio`, are missing.
    CubeError
        As for `granules_without_static`.
    """
    left_out = granules_without_static(account.on_tile, store)
    if left_out:
        lost = {one.granule_id: one.reason for one in listed.set_aside if one.lost}
        failures = {name: f"granule {name}: {why}" for name, why in {**lost, **account.unread, **left_out}.items()}
        allowed = 0 if len(left_out) == len(account.on_tile) else max_failed_ratio
        refuse_failures(key, failures, len(listed.granules) + len(lost), allowed, "used")
    return left_out


class Viewing:
    """Area factors and angle factors of some tracks, in an unnamed temporary file: any rows are read fast.

    Parameters
    ----------
    store : path
        Store of the static layers.
    tracks : sequence of int
        Tracks to read.
    weigh : bool
        True if areas are needed.
    angle : mapping or None
        Options of `angle_factors`, if passes are normalised.
    folder : path
        Folder of the temporary file.
    shape : tuple of int
        Rows and columns of the tile's grid.

    Raises
    ------
    CubeError
        If the store lacks a track or layer, or is damaged.
    FileError
        If the temporary file cannot be written.
    """

    def __init__(
        self,
        store: str | Path,
        tracks: Sequence[int],
        weigh: bool,
        angle: Mapping[str, float] | None,
        folder: str | Path,
        shape: tuple[int, int],
    ) -> None:
        self._layers = [AREA] * weigh + [ANGLE] * bool(angle)
        self._places = {key: place for place, key in enumerate(product(sorted(set(tracks)), self._layers))}
        self._file = BandFile(folder, shape)
        for (track, layer), place in self._places.items():
            values = read_static(store, track, layer)
            self._file.write(place, 0, angle_factors(values, **angle) if angle and layer == ANGLE else values)

    def normalise(self, mosaics: Power, tracks: Sequence[int], rows: slice, columns: slice) -> Power | None:
        """Normalise mosaics in place, and return their areas.

        A pixel of a pass becomes no data where an area or angle that is needed is not there.

        Parameters
        ----------
        mosaics : array (pass, rows, columns) of float32
            Linear power; NaN for no data.
        tracks : sequence of int
            Track of each pass.
        rows, columns : slice
            Place of the mosaics on the tile's grid.

        Returns
        -------
        array (pass, rows, columns) of float32, or None
            Area factor of each pass; None if areas are not needed.
        """
        read = {key: self._file.read(place, rows)[:, columns] for key, place in self._places.items()}
        if ANGLE in self._layers:
            for mosaic, track in zip(mosaics, tracks, strict=True):
                mosaic *= read[track, ANGLE]
        if AREA not in self._layers:
            return None
        areas = np.array([read[track, AREA] for track in tracks])
        mosaics[~((areas > 0) & np.isfinite(areas))] = np.nan
        return areas
