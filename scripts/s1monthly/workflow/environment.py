"""Folder of the workflow, and environment variables of other software that would change how GDAL and PROJ work."""

from __future__ import annotations

import os
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[1]
"""Folder of the package `s1monthly`."""

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


def workflow_folder() -> Path:
    """Return the folder of Snakefile, rules and scripts: the checkout, or their copy in the installed package."""
    installed = LIBRARY / "_workflow"
    return installed if installed.is_dir() else LIBRARY.parents[1]


def prepare() -> None:
    """Prepare the environment of a run's jobs."""
    forget_foreign_settings()
    os.environ.pop("PYTHONSAFEPATH", None)
    if not os.access(LIBRARY, os.W_OK):
        # compiled kernels are kept beside their source, or here if that is read-only
        os.environ.setdefault("NUMBA_CACHE_DIR", os.path.abspath(".snakemake/numba"))
