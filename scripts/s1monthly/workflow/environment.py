"""Environment variables that other software left, and that would change what GDAL and PROJ do here."""

from __future__ import annotations

import os

FOREIGN = ("GDAL_", "GTIFF_", "OGR_", "OSR_", "PROJ_")
"""Beginnings of names of variables that GDAL and PROJ heed.

Conda, QGIS and OTB set PROJ_LIB, PROJ_DATA, GDAL_DATA and GDAL_DRIVER_PATH for their own copies, with which ours cannot
tell a CRS; and any option of GDAL can be set so: with GTIFF_IGNORE_READ_ERRORS damaged blocks are read as zeros.
"""


def forget_foreign_settings() -> None:
    """Remove them from this process, before GDAL and PROJ look: rasterio and pyproj find their own data."""
    for name in [name for name in os.environ if name.upper().startswith(FOREIGN)]:
        del os.environ[name]
