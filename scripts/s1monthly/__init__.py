"""Monthly Sentinel-1 composites on the Sentinel-2 tile grid: the library behind the rules.

The floors. A module imports from its own floor's left-hand neighbours in this table or from a lower floor, never from a
higher one; ``tests/test_00_floors.py`` walks the syntax trees and fails on any other import.

===== ========================================================= ====================================================
floor modules                                                   what lives there
===== ========================================================= ====================================================
0     errors, files, vocabulary, naming, config, recipe, ledger words, names, options; no arrays; the Snakefile's floor
1     bands, compositing, despeckling, texture, resampling      arrays in, arrays out: no path, config or logger
2     grid                                                      tiles, lattices, bursts' place on them
3     sources, rasters, cube, records, stac, catalog            readers and writers: no science
4     the scripts beside this package                           one thin shell per rule; imported by tests alone
===== ========================================================= ====================================================
"""

VERSION = "0.1.0"
"""Version of the software, as in pyproject.toml and in every record."""
