"""Environment variables set by other software that would change how GDAL and PROJ work here."""

from __future__ import annotations

import os

FOREIGN = ("GDAL_", "GTIFF_", "OGR_", "OSR_", "PROJ_")
"""Prefixes of variables that GDAL and PROJ read.

Conda, QGIS and OTB set PROJ_LIB, PROJ_DATA, GDAL_DATA and GDAL_DRIVER_PATH for their own copies; ours cannot identify a
CRS with these. Any GDAL option can be set, too: with GTIFF_IGNORE_READ_ERRORS, damaged blocks are read as zeros.
"""


def forget_foreign_settings() -> None:
    """Remove these variables from this process before GDAL and PROJ start; rasterio and pyproj find their own data."""
    for name in [name for name in os.environ if name.upper().startswith(FOREIGN)]:
        del os.environ[name]
