"""Build a month's record while it is written: check its bands against the count of passes, and measure them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import ProductError
from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.bands import fills_count
from s1monthly.kernels.compositing import disagreeing
from s1monthly.kernels.statistics import BandStatistics, band_statistics, count_statistics
from s1monthly.model import CompositeKey, Level, Polarization
from s1monthly.records.footprint import footprint
from s1monthly.records.month import Origin, Record

Values = NDArray[np.float32]


class RecordBuilder:
    """A context manager that measures a month in its own thread while the caller uses the same arrays.

    Parameters
    ----------
    key, polarization, grid
        Tile, direction and month; polarization pair of the bands; grid of the arrays.
    count : array (rows, columns), uint8
        Number of passes with a valid value; 0 exactly where the core bands are NaN. Must not be changed.
    """

    def __init__(self, key: CompositeKey, polarization: Polarization, grid: GeoBox, count: NDArray[np.uint8]) -> None:
        self._key, self._polarization, self._grid, self._count = key, polarization, grid, count
        self._bands: dict[str, Future[BandStatistics]] = {}
        self._thread = ThreadPoolExecutor(1)
        self._statistics = self._thread.submit(count_statistics, count)
        self._footprint = self._thread.submit(lambda: footprint(count > 0, grid))

    def __enter__(self) -> RecordBuilder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def measured(self, values: Iterable[tuple[str, Values]]) -> Iterator[tuple[str, Values]]:
        """Yield the bands unchanged and measure each in parallel, before the next one is yielded.

        Parameters
        ----------
        values : iterable of (band name, array)
            Every band, in the order of the product: float32, (rows, columns), NaN for no data.

        Raises
        ------
        ProductError
            If a band's valid pixels differ from those of the count, or a texture has more. The error can come
            after the last band was yielded, so mark a written month as complete only after the end of the iteration.
        """
        for name, band in values:
            for before in self._bands.values():
                before.result()
            self._bands[name] = self._thread.submit(self._measure, name, band)
            yield name, band
        for last in self._bands.values():
            last.result()

    def _measure(self, name: str, band: Values) -> BandStatistics:
        differing = disagreeing(band, self._count, exact=fills_count(name))
        if differing:
            raise ProductError(
                f"{self._key}: band {name} and the count of passes disagree at {differing} pixels",
                "report this with the month's configuration: it is a fault of the software",
            )
        return band_statistics(band)

    def build(
        self,
        level: Level,
        origin: Origin,
        digest: str,
        despeckled: Mapping[str, Any] | None = None,
        source: Mapping[str, Any] | None = None,
        statics: Mapping[str, Any] | None = None,
    ) -> Record:
        """Return the record of the month after all bands were measured.

        Parameters
        ----------
        origin : Origin
            What the month was made from.
        digest : str
            Digest of the values in the cube.
        despeckled : mapping, optional
            How the month was despeckled, see `Record`.
        source : mapping, optional
            What the granules' files say of their making, see `Record`.
        statics : mapping, optional
            Static granules that the values depend on, see `Record`.
        """
        count = self._statistics.result()
        return Record(
            key=self._key,
            level=level,
            polarization=self._polarization,
            grid=self._grid,
            valid=sum(count.histogram.values()),
            count=count,
            bands={name: band.result() for name, band in self._bands.items()},
            footprint=self._footprint.result(),
            digest=digest,
            despeckled=despeckled,
            source=source,
            statics=statics,
            **vars(origin),
        )


def build_record(
    key: CompositeKey,
    level: Level,
    polarization: Polarization,
    grid: GeoBox,
    values: Iterable[tuple[str, Values]],
    count: NDArray[np.uint8],
    origin: Origin,
    digest: str,
) -> Record:
    """Return the record of a month from its values, with one or two bands in memory at a time.

    Parameters and errors are those of `RecordBuilder` and its methods.
    """
    with RecordBuilder(key, polarization, grid, count) as builder:
        deque(builder.measured(values), maxlen=0)
        return builder.build(level, origin, digest)
