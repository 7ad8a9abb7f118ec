"""Read from a static granule what converts its burst to another quantity of backscatter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s1monthly.errors import GridError, ProductError
from s1monthly.granules import StaticGranule
from s1monthly.grid.lattice import GeoBox, overlap
from s1monthly.kernels.options import RADIOMETRY_LAYERS, Radiometry
from s1monthly.kernels.radiometry import conversion_factor
from s1monthly.sources.layers import REMEDY, LayerFile, open_layer


@dataclass(frozen=True)
class Converter:
    """The open layers of a static granule that convert its burst; made by `open_converter`.

    Do not share it between threads.
    """

    radiometry: Radiometry
    granule: StaticGranule
    layers: Mapping[str, LayerFile]

    def factor(self, box: GeoBox) -> NDArray[np.float32]:
        """Return the factor from gamma0 of the terrain on a window of the burst's grid; NaN where there is none.

        Raises
        ------
        ProductError
            If the static granule lies on another grid (CRS, pixel size or lattice), or a value cannot be true.
        """
        values = {}
        for name, raster in self.layers.items():
            try:
                common = overlap(box, raster.geobox)
            except GridError as error:
                raise ProductError(
                    f"static granule {self.granule.id}, {name}: on another grid than its burst ({error.problem})",
                    REMEDY,
                ) from error
            whole = np.full(box.shape, np.nan, np.float32)
            if common is not None:
                whole[common.target] = raster.read(*common.source)
            values[name] = whole
        return conversion_factor(self.radiometry, values)


@contextmanager
def open_converter(granule: StaticGranule, radiometry: Radiometry) -> Iterator[Converter]:
    """Open the layers of a static granule that convert to a quantity.

    Raises
    ------
    SourceError, ProductError
        As for `sources.layers.open_layer`.
    """
    with ExitStack() as stack:
        names = RADIOMETRY_LAYERS[radiometry]
        yield Converter(radiometry, granule, {name: stack.enter_context(open_layer(granule, name)) for name in names})
