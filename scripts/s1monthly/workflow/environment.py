"""Environment variables set by other software that would change how GDAL and PROJ work here."""

from __future__ import annotations

import os

FOREIGN = ("CPL_", "GDAL_", "GTIFF_", "OGR_", "OSR_", "PROJ_", "TIFF_", "USE_RRD", "VSI_")
"""Prefixes of variables that GDAL and PROJ read.

Conda, QGIS and OTB set PROJ_LIB, PROJ_DATA, GDAL_DATA and GDAL_DRIVER_PATH for their own copies; ours cannot identify a
CRS with these. GDAL options can be set, too: with GTIFF_IGNORE_READ_ERRORS, damaged blocks are read as zeros; with
TIFF_USE_OVR or USE_RRD, overviews are written beside the file. Variables with exactly these prefixes are removed, in
any case; the few GDAL options with other names are kept. We fetch nothing with GDAL, and the variables for S3 and
proxies have other names.
"""


def forget_foreign_settings() -> None:
    """Remove these variables from this process before GDAL and PROJ start; rasterio and pyproj find their own data."""
    for name in [name for name in os.environ if name.upper().startswith(FOREIGN)]:
        del os.environ[name]


def prepare(scripts: str) -> None:
    """Prepare the environment of a run's jobs.

    Parameters
    ----------
    scripts : str
        Folder of the scripts, which find the library beside them.
    """
    forget_foreign_settings()
    os.environ.pop("PYTHONSAFEPATH", None)
    if not os.access(f"{scripts}/s1monthly", os.W_OK):
        # compiled kernels are kept beside their source, or here if that is read-only
        os.environ.setdefault("NUMBA_CACHE_DIR", os.path.abspath(".snakemake/numba"))
