"""Monthly Sentinel-1 composites on the Sentinel-2 tile grid: the library behind the rules.

In a notebook: `open_cube`, `find_months`, `read_series`, `plot_series`, `read_change` and `load_config`. They load
their libraries when they are first used.

``scripts/README.md`` has the map of the packages and the rule of imports; ``tests/test_structure.py`` keeps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s1monthly.reading import find_months, load_config, open_cube, plot_series, read_change, read_series

VERSION = "0.1.0"
"""Version of the software, as in pyproject.toml and in every record."""

__version__ = VERSION

__all__ = ["VERSION", "find_months", "load_config", "open_cube", "plot_series", "read_change", "read_series"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from s1monthly import reading

    return getattr(reading, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
