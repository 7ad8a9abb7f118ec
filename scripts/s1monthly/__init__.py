"""Monthly Sentinel-1 composites on the Sentinel-2 tile grid: the library behind the rules.

``scripts/README.md`` has the map of the packages and the rule of imports; ``tests/test_structure.py`` keeps it.
"""

from __future__ import annotations

VERSION = "0.1.0"
"""Version of the software, as in pyproject.toml and in every record."""
