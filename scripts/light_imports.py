"""Keep our scripts from loading optional libraries of other packages; this saves 0.1 to 0.3 s in every job.

Import it before any module of `s1monthly`. The library itself hides nothing, because other programs may need these
modules. It also finds the library where that is installed for another Python, as in a conda environment of the jobs.
"""

import importlib.util
import sys
from pathlib import Path

_WORKFLOW = Path(__file__).resolve().parents[1]
if _WORKFLOW.name == "_workflow" and "s1monthly" not in sys.modules:  # s1monthly/_workflow/scripts/light_imports.py
    _spec = importlib.util.spec_from_file_location("s1monthly", _WORKFLOW.parent / "__init__.py")
    sys.modules["s1monthly"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["s1monthly"])

from s1monthly.errors import WINDOWS  # noqa: E402

if sys.platform == "win32":
    sys.exit(WINDOWS)

_UNNEEDED = {"boto3": ("rasterio", "open"), "scipy.linalg": ("numba.np.arraymath", "_HAVE_BLAS")}
"""Hidden module -> its needless importer (for S3 sessions or matrix products), and a name set once that has loaded."""

_IS_PROGRAM = Path(getattr(sys.modules["__main__"], "__file__", "")).parent == Path(__file__).parent


class _Hiding:
    """Import hook: hides these modules while rasterio and numba load, and pandas from pyarrow in our scripts."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        importer, last = _UNNEEDED.get(name, ("", ""))
        loading = sys.modules.get(importer)
        if (loading is not None and not hasattr(loading, last)) or (name == "pandas" and _IS_PROGRAM):
            raise ModuleNotFoundError(f"{name} is not needed here", name=name)


sys.meta_path.insert(0, _Hiding)
