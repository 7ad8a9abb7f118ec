"""Check what GRD products need besides themselves: DEM, geoid and orbit files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from s1monthly.config.root import Config
from s1monthly.errors import GridError, S1MonthlyError
from s1monthly.granule_names import is_product_name
from s1monthly.grid.lattice import tile_geobox
from s1monthly.model import Tile
from s1monthly.sources.grd.copernicus import Cell, open_tiles
from s1monthly.sources.grd.dem import HeightsAbove, check_raster
from s1monthly.sources.grd.dem_fetching import cells_under
from s1monthly.sources.grd.geoid import open_geoid
from s1monthly.sources.grd.listing import list_products
from s1monthly.sources.grd.orbit_file import list_orbit_files
from s1monthly.workflow.asking import dem_of
from s1monthly.workflow.findings import Finding, State, well
from s1monthly.workflow.grids import tiles_of_polygon


def check_inputs(config: Config) -> Iterator[Finding]:
    """Check the products, and the DEM, geoid and orbit files that are not fetched, by reading them."""
    grd = config.grd
    yield _tried("GRD products", lambda: _count_products(str(config.source_path)))
    if not grd.fetches_dem:
        yield _tried("grd.dem", lambda: _read_dem(config))
    if grd.geoid and not grd.fetched_geoid:
        yield _tried("grd.geoid", lambda: f"{open_geoid(str(grd.geoid)).file} can be read")
    if grd.orbits_folder is not None:
        yield _tried("grd.orbits", lambda: f"{len(list_orbit_files(str(grd.orbits_folder)))} files in the folder")


def missing_files(config: Config) -> dict[str, str]:
    """Return what a run will fetch, by host. Of orbit files, any will do: which are needed, the search will tell."""
    grd, dem = config.grd, dem_of(config)
    found: dict[str, str] = {}
    if grd.fetches_dem:
        lacking = _lacking(dem["path"], _cells(config))
        if lacking:
            found |= dict.fromkeys((grd.hosts.glo_30, grd.hosts.glo_90), f"DEM tiles of {len(lacking)} square degrees")
    if grd.fetched_geoid and not os.path.exists(dem["geoid"]):
        found[grd.hosts.geoid] = f"geoid {grd.fetched_geoid}"
    orbits = str(config.orbits_folder)
    if grd.fetches_orbits and not (os.path.isdir(orbits) and list_orbit_files(orbits)):
        found[grd.hosts.orbits] = "orbit files"
    return found


def _tried(about: str, check: Callable[[], str]) -> Finding:
    try:
        return well(about, check())
    except S1MonthlyError as error:
        return Finding(State.BAD, about, error.problem, error.remedy)


def _count_products(folder: str) -> str:
    named = [is_product_name(os.path.basename(path)) for path in list_products(folder)]
    others = named.count(False)
    return f"{named.count(True)} in the folder" + (f", and {others} with other names, not used" if others else "")


def _read_dem(config: Config) -> str:
    dem = dem_of(config)
    if not os.path.isdir(dem["path"]):
        check_raster(dem["path"], HeightsAbove(dem["above"]))
        return f"{dem['path']} can be read"
    tiles = open_tiles(dem["path"], dem["ocean"])
    for cell in _cells(config):
        tiles.path(cell)
    return f"{len(tiles.files)} tiles in the folder; none that is needed is missing"


def _lacking(folder: str, cells: set[Cell]) -> set[Cell]:
    """Return the squares whose tile a folder of fetched tiles lacks."""
    try:
        tiles = open_tiles(folder)
    except GridError:  # nothing is there yet
        return cells
    return {cell for cell in cells if tiles.lacks(cell)}


def _cells(config: Config) -> set[Cell]:
    """Return the squares of one degree that the configured tiles need."""
    names = config.roi.manual_mgrs_tiles or tiles_of_polygon(config.roi.polygon or "", config.roi.cover)
    resolution, epsg = config.processing.target_resolution, config.processing.epsg
    return {cell for name in names for cell in cells_under(tile_geobox(Tile(str(name)), resolution, epsg))}
