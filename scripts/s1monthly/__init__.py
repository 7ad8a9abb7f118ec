"""Monthly Sentinel-1 composites on the Sentinel-2 tile grid: the library behind the rules.

The floors. A module imports from its own floor or a lower one, never from a higher one; on floor 3 from its own room
(those between two bars) or below. ``tests/test_00_floors.py`` walks the syntax trees and fails on any other import.

0. Words, names, options, what is known before any work; no arrays. The Snakefile imports this floor alone.
   errors, files, vocabulary, versions, naming, listing, pixel_pairs, regions, crs; refusals, options, source_config,
   processing_config, config, config_file, documentation, logs; recipe, granule_list, ledger, slots, estimate, planning,
   finished, job_settings, work_folder, account, kept, failures, run_lock, file_systems, future; environment, commands,
   jobs.
1. Arrays in, arrays out: no path, config or logger.
   bands, masking, resampling (resampling_kernels), compositing, despeckling (bregman, bregman_kernels); statistics,
   previews, texture (texture_kernels); halving, float_predictor.
2. Tiles, lattices, and the place of bursts on them.
   utm, outlines, tiles, grid, polygon_mask, orbit.
3. Readers and writers, no science; no room imports its neighbour, but sources may use geotiff and geotiff_header.
   sources | geotiff (geotiff_header, geotiff_rows, raster_header), rasters, cog (cog_blocks, tiff_header), mosaicking
   (mosaic_vrt, mosaic_cog) | cube (cube_axis, cube_creation, cube_digest, cube_files, cube_layout, chunk_files) |
   records, measuring, footprints, assets, stac, collection, catalog, cataloguing.
4. What works with several of them: how a month is put together and published; what an output tree holds, whether it is
   whole, and how it is mended.
   composing, publishing | findings, survey, origins, products, overviews, chunks, cube_checks, search_checks,
   restoring, remains, doubts; month_mends, month_checks, validation, rebuilding | inspection, inspection_report.
5. The scripts beside this package: one thin shell per rule, imported by tests alone.
"""

from __future__ import annotations

VERSION = "0.1.0"
"""Version of the software, as in pyproject.toml and in every record."""
