"""Keep our scripts from loading libraries that others load where they can, but do without: 0.1 to 0.3 s of every job.

Import it before anything of `s1monthly`. The library itself hides nothing: other programs may need what is hidden here.
"""

import sys
from pathlib import Path

_UNNEEDED = {"boto3": ("rasterio", "open"), "scipy.linalg": ("numba.np.arraymath", "_HAVE_BLAS")}
"""Module, who loads it without need (for S3 sessions, for matrix products), and a name that is there once they did."""

_IS_PROGRAM = Path(getattr(sys.modules["__main__"], "__file__", "")).parent == Path(__file__).parent


class _Hiding:
    """Hide modules from rasterio and numba while these are imported, and pandas from pyarrow in a script of ours."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        importer, last = _UNNEEDED.get(name, ("", ""))
        loading = sys.modules.get(importer)
        if (loading is not None and not hasattr(loading, last)) or (name == "pandas" and _IS_PROGRAM):
            raise ModuleNotFoundError(f"{name} is not needed here", name=name)


sys.meta_path.insert(0, _Hiding)
