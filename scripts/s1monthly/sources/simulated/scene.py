"""The simulated world: a seamless ground truth that depends only on position, date, direction and layer.

Every quantity is computed from a point's position on the Earth, never from the raster, so a point looks the same in
every burst, tile and UTM zone. Smooth fields (coast, hills, woods) are noise on lattices in Earth-centred space, which
has neither seams nor poles. Parcels lie on sections of about 1.6 km in bands of half a degree of latitude. In each band
a whole number of sections runs around the Earth, so that they keep their size up to high latitudes and close at the
antimeridian. They start anew at each band's edge, like land surveys at their correction lines.

Levels and seasons are typical of C-band at mid latitudes, chosen to look plausible, not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum

import numpy as np
import pyproj

from s1monthly.errors import SourceError
from s1monthly.grid.lattice import GeoBox
from s1monthly.model import Direction, Polarization
from s1monthly.sources.simulated import ground
from s1monthly.sources.simulated.ground import Codes, Floats, Integers, Power


class LandCover(IntEnum):
    """Classes of the simulated ground."""

    WATER = ground.WATER  # sea, lakes, rivers: dark
    FIELD = ground.FIELD  # parcels of five crops, each with its season
    GRASS = ground.GRASS  # pasture
    FOREST = ground.FOREST  # woods that stay
    CLEARING = ground.CLEARING  # woods until the day of the clearing, bare from then on
    CITY = ground.CITY  # houses, streets, parks; farmyards and roads in the country
    HILL = ground.HILL  # slopes: bright towards the radar, dark away from it


CLEARING_DAY = date(2024, 7, 1)
"""Default day from which clearings are bare."""

_EARTH = 6_371_000.0
_TURN = np.linalg.qr(np.array([[0.71, -0.36, 0.23], [0.28, 0.83, 0.41], [-0.52, 0.19, 0.77]]))[0]
"""Rotation of the noise lattices against the Earth's axis and meridians: none is parallel to a coast or a tile."""
_HEADING_SINE = np.cos(np.radians(98.18))
_NODE_METRES = 120.0
"""Spacing of the nodes of smooth fields. Fields are linear between nodes, with outlines off by less than 2 m."""
_RATIO = 8
"""Nodes from knot to knot: positions are computed every 960 m. Between knots they are linear, off by 2 cm."""

# columns: co- and cross-polarized dB of bare ground, change of both at full growth, day of the peak, width in days
_CROPS = {
    "winter wheat": (-9.6, -17.2, -4.6, -1.2, 140.0, 32.0),
    "maize": (-10.6, -19.0, 2.6, 5.6, 218.0, 38.0),
    "rapeseed": (-10.4, -17.6, 1.8, 5.8, 150.0, 28.0),
    "rice": (-10.8, -18.2, -7.5, -5.5, 142.0, 20.0),
    "late crops": (-10.9, -17.4, 2.0, 3.8, 248.0, 30.0),
    "pasture": (-12.2, -18.6, 0.9, 1.6, 165.0, 60.0),
}
_SURFACES = {
    "water": (-22.0, -28.0),
    "forest": (-7.8, -13.2),
    "cleared": (-11.6, -19.2),
    "street": (-14.5, -21.5),
    "park": (-10.5, -16.5),
    "building": (-5.5, -12.5),
    "rock": (-11.8, -19.5),
    "wooded slope": (-9.0, -14.8),
}
_HORIZONTAL = (0.4, -0.3)
"""HH relative to VV and HV relative to VH, in dB, over land."""
_HORIZONTAL_WATER = (-1.5, -0.5)


def _tables(polarization: Polarization) -> tuple[Floats, Floats]:
    """Return crops and surfaces in the kernel's order, for a pair of layers."""
    crops = np.array([_CROPS[name] for name in ground.CROPS])
    surfaces = np.array([_SURFACES[name] for name in ground.SURFACES])
    if polarization is Polarization.HH_HV:
        crops[:, :2] += _HORIZONTAL
        water = np.array(ground.SURFACES) == "water"
        surfaces += np.where(water[:, None], _HORIZONTAL_WATER, _HORIZONTAL)
    return crops, surfaces


@dataclass(frozen=True)
class Painting:
    """A raster of the world.

    Attributes
    ----------
    co, cross : ndarray of float32, (rows, columns)
        Linear power of the co- and the cross-polarized layer without speckle; NaN in shadow and outside the spans.
    mask : ndarray of uint8, (rows, columns)
        0 valid, 1 shadow, 2 layover, 3 both, 255 outside the spans.
    landcover : ndarray of uint8, (rows, columns)
        `LandCover`; 255 outside the spans.
    """

    co: Power
    cross: Power
    mask: Codes
    landcover: Codes


@dataclass(frozen=True)
class Scene:
    """A simulated world.

    Attributes
    ----------
    seed : int
        The same seed gives the same world.
    clearing : date
        Day from which the clearings are bare.
    """

    seed: int = 1
    clearing: date = CLEARING_DAY

    def paint(
        self,
        geobox: GeoBox,
        moment: date,
        direction: Direction,
        polarization: Polarization,
        spans: Integers | None = None,
    ) -> Painting:
        """Paint everything visible in a raster.

        Parameters
        ----------
        geobox : GeoBox
            Grid in any CRS; values are those at pixel centres.
        moment : date or datetime
            Time of the acquisition; a datetime must be in UTC.
        direction : Direction
            Decides which slopes face the radar.
        spans : ndarray of int64, (rows, 2), optional
            First and past-the-last column to paint in each row; default all.
        """
        co, cross = (np.full(geobox.shape, np.nan, np.float32) for _ in range(2))
        mask, cover = (np.full(geobox.shape, 255, np.uint8) for _ in range(2))
        if spans is None:
            spans = np.tile(np.array([0, geobox.width]), (geobox.height, 1))
        day = moment.date() if isinstance(moment, datetime) else moment
        season = 0.5 + day.timetuple().tm_yday - 1
        lattice = _Lattice.under(geobox)
        knots, fields = self._smooth(lattice, geobox, direction, spans)
        crops, surfaces = _tables(polarization)
        ground.paint(
            knots, lattice.fine * _RATIO, fields, lattice.fine, lattice.phase, spans, np.uint64(self.seed), season,
            day >= self.clearing, crops, surfaces, co, cross, mask, cover,
        )  # fmt: skip
        return Painting(co, cross, mask, cover)

    def _smooth(self, lattice: _Lattice, geobox: GeoBox, direction: Direction, spans: Integers) -> tuple[Floats, Power]:
        """Return knots and smooth fields under a raster, as `ground.paint` needs them."""
        longitude, latitude = lattice.lonlat(geobox)
        knots = np.stack([*_places(longitude, latitude), latitude, longitude, *_sight(longitude, latitude, direction)])
        seed = np.uint64(self.seed)
        found = ground.cities(latitude.min(), latitude.max(), longitude.min(), longitude.max(), seed)
        sites = np.column_stack([*_places(found[:, 0], found[:, 1]), found[:, 2]])
        return knots, ground.smooth_fields(knots, _RATIO, lattice.node_spans(spans), sites, seed)

    def relief(self, geobox: GeoBox, direction: Direction, spans: Integers) -> tuple[Power, Codes]:
        """Return the relief that `paint` shows; parameters are those of `paint`.

        Returns
        -------
        slope : ndarray of float32, (rows, columns)
            Tangent of the slope towards the radar, negative away from it; NaN outside the spans.
        mask : ndarray of uint8, (rows, columns)
            As in `Painting`.
        """
        slope, mask = np.full(geobox.shape, np.nan, np.float32), np.full(geobox.shape, 255, np.uint8)
        lattice = _Lattice.under(geobox)
        _, fields = self._smooth(lattice, geobox, direction, spans)
        ground.relief(fields, lattice.fine, lattice.phase, spans, slope, mask)
        return slope, mask

    def truth(self, geobox: GeoBox, moment: date, direction: Direction, layer: str) -> Power:
        """Return the backscatter without speckle.

        Parameters
        ----------
        geobox, moment, direction
            As for `paint`.
        layer : str
            VV, VH, HH or HV.

        Returns
        -------
        ndarray of float32, (rows, columns)
            Linear power; NaN in radar shadow.

        Raises
        ------
        SourceError
            If there is no such layer.
        """
        for polarization in Polarization:
            if layer in polarization.layers:
                painting = self.paint(geobox, moment, direction, polarization)
                return painting.co if layer == polarization.co else painting.cross
        raise SourceError(f"layer {layer}: the scene has no such backscatter", "ask for VV, VH, HH or HV")

    def mask(self, geobox: GeoBox, direction: Direction) -> Codes:
        """Return shadow and layover of a direction, uint8 (rows, columns): 0 valid, 1 shadow, 2 layover, 3 both."""
        return self.paint(geobox, self.clearing, direction, Polarization.VV_VH).mask

    def landcover(self, geobox: GeoBox) -> Codes:
        """Return the `LandCover` at pixel centres, uint8 (rows, columns)."""
        return self.paint(geobox, self.clearing, Direction.ASCENDING, Polarization.VV_VH).landcover


@dataclass(frozen=True)
class _Lattice:
    """Knots and nodes under a raster, at multiples of their spacing: rasters on one lattice share them.

    Attributes
    ----------
    fine : int
        Pixels between nodes, where smooth fields are computed; knots are `_RATIO` times as far apart.
    phase : tuple of int
        Row and column of the raster's first pixel, counted from the first knot.
    knots : tuple of int
        Rows and columns of knots: enough for a node below and to the right of the raster's last pixel.
    """

    fine: int
    phase: tuple[int, int]
    knots: tuple[int, int]

    @classmethod
    def under(cls, geobox: GeoBox) -> _Lattice:
        geographic = pyproj.CRS.from_epsg(geobox.epsg).is_geographic
        fine = max(1, int(_NODE_METRES / (geobox.resolution * (111_320.0 if geographic else 1.0))))
        step = fine * _RATIO
        origin = round(-geobox.top / geobox.resolution), round(geobox.left / geobox.resolution)
        phase = origin[0] % step, origin[1] % step
        rows, columns = ((first + size - 1) // step + 3 for first, size in zip(phase, geobox.shape, strict=True))
        return cls(fine, phase, (rows, columns))

    def lonlat(self, geobox: GeoBox) -> tuple[Floats, Floats]:
        """Return longitude and latitude of the knots; longitudes continue across the antimeridian without a jump."""
        step = self.fine * _RATIO
        row, column = (np.arange(size) * step - first for size, first in zip(self.knots, self.phase, strict=True))
        x = geobox.left + (column + 0.5) * geobox.resolution
        y = geobox.top - (row + 0.5) * geobox.resolution
        to_lonlat = pyproj.Transformer.from_crs(geobox.crs, "EPSG:4326", always_xy=True)
        longitude, latitude = to_lonlat.transform(*np.meshgrid(x, y))
        first = longitude[0, 0]
        return first + (longitude - first + 180.0) % 360.0 - 180.0, latitude

    def node_spans(self, spans: Integers) -> Integers:
        """Return the first and past-the-last node that each row of nodes needs to paint the pixels of `spans`."""
        rows, columns = (size * _RATIO for size in (self.knots[0] - 1, self.knots[1] - 1))
        painted = np.flatnonzero(spans[:, 0] < spans[:, 1])
        node = (painted + self.phase[0]) // self.fine
        first, last = (spans[painted] + self.phase[1] - [0, 1]).T // self.fine
        needed = np.tile(np.array([columns, 0]), (rows, 1))
        for below in (0, 1):
            np.minimum.at(needed[:, 0], node + below, first)
            np.maximum.at(needed[:, 1], node + below, last + 2)
        return needed


def _places(longitude: Floats, latitude: Floats) -> Floats:
    """Return positions in noise space in metres, (3, ...). A sphere is enough: they are labels, not measurements."""
    east, north = np.radians(longitude), np.radians(latitude)
    unit = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])
    return np.asarray(_EARTH * np.tensordot(_TURN, unit, axes=1))


def _sight(longitude: Floats, latitude: Floats, direction: Direction) -> Floats:
    """Return the horizontal unit vector from a right-looking radar to the ground, in noise space, (3, ...)."""
    heading = np.arcsin(np.clip(_HEADING_SINE / np.cos(np.radians(latitude)), -1.0, 1.0))
    if direction is Direction.DESCENDING:
        heading = np.pi - heading
    look = heading + np.pi / 2
    east, north = np.radians(longitude), np.radians(latitude)
    eastward = np.stack([-np.sin(east), np.cos(east), np.zeros_like(east)])
    northward = np.stack([-np.sin(north) * np.cos(east), -np.sin(north) * np.sin(east), np.cos(north)])
    return np.asarray(np.tensordot(_TURN, np.sin(look) * eastward + np.cos(look) * northward, axes=1))
