"""Terrain under a real image: a lattice, heights given by a formula, and what the geocoder makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pyproj import Transformer

from s1monthly.grid.lattice import GeoBox
from s1monthly.kernels.grd.geocoding import ImageGeometry, Places, locate
from s1monthly.sources.grd.dem import TileHeights
from s1monthly.sources.grd.view import TileView, view_tile

LIGHT_TIME = 2 / 299_792_458.0
"""Two-way time in seconds of one metre of slant range."""

Terrain = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Heights above the ellipsoid at x and y of the lattice's CRS."""


@dataclass(frozen=True)
class Scene:
    """A lattice with terrain, in an image."""

    geometry: ImageGeometry
    box: GeoBox
    terrain: Terrain
    margin: int = 10

    @cached_property
    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y of the pixel centres."""
        x = self.box.left + (np.arange(self.box.width) + 0.5) * self.box.resolution
        y = self.box.top - (np.arange(self.box.height) + 0.5) * self.box.resolution
        grid_x, grid_y = np.meshgrid(x, y)
        return grid_x, grid_y

    @cached_property
    def heights(self) -> np.ndarray:
        """Heights at the pixel centres."""
        return self.terrain(*self.centres).astype(np.float32)

    @cached_property
    def view(self) -> TileView:
        """How the image sees the lattice within `margin`."""
        view = view_tile(self.geometry, TileHeights(self.box, self.margin, self.heights))
        assert view is not None
        return view

    def lonlat(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return longitude and latitude of places on the lattice."""
        lon, lat = Transformer.from_crs(self.box.epsg, 4326, always_xy=True).transform(x, y)
        return np.asarray(lon), np.asarray(lat)

    def located(self, x: np.ndarray, y: np.ndarray) -> Places:
        """Find places on the terrain in the image, one by one."""
        return locate(self.geometry, *self.lonlat(x, y), self.terrain(x, y))


def scene_at(geometry: ImageGeometry, lon: float, lat: float, epsg: int, pixels: int, terrain: Terrain) -> Scene:
    """Return a scene of square pixels of 30 m; the terrain's x and y count from its centre."""
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    x, y = round(x / 30) * 30, round(y / 30) * 30
    box = GeoBox(epsg, 30.0, x - pixels * 15, y + pixels * 15, pixels, pixels)
    return Scene(geometry, box, lambda at_x, at_y: terrain(at_x - x, at_y - y))
