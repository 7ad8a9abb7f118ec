"""Section grd: how GRD products are corrected for the terrain."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from s1monthly.config.fields import FolderPath, Section, checked_by, option, refusal
from s1monthly.config.source import Host
from s1monthly.layout import folder_path

COPERNICUS, FETCH, NO_ORBITS = "copernicus", "fetch", "none"


def _path_or(*words: str) -> AfterValidator:
    """Return a validator of a path; these words are none."""
    return AfterValidator(checked_by(lambda text: text if text in words else folder_path(text)))


Text = Annotated[str, Field(min_length=1)]


class GrdHosts(Section):
    """Where DEM, geoid and orbit files are fetched; others than the real ones serve mirrors and trials."""

    glo_30: Host = option("copernicus-dem-30m.s3.amazonaws.com", "Bucket of the tiles of GLO-30")
    glo_90: Host = option("copernicus-dem-90m.s3.amazonaws.com", "Bucket of the tiles of GLO-90")
    geoid: Host = option("cdn.proj.org", "Server of geoid grids")
    orbits: Host = option("s1-orbits.s3.amazonaws.com", "Bucket of orbit files")


class Grd(Section):
    """DEM, orbits and corrections of source grd; see Sentinel-1 GRD products."""

    dem: Annotated[Text, _path_or(COPERNICUS)] | None = option(
        None,
        "copernicus: tiles of GLO-30 are fetched, of GLO-90 where it has none; or a GeoTIFF, a VRT, or a folder of "
        "such tiles under their own names",
        example="copernicus",
    )
    dem_heights: Literal["egm2008", "egm96", "ellipsoid"] = option(
        "egm2008", "What the DEM's heights are measured from; Copernicus DEM: egm2008"
    )
    geoid: Annotated[Text, _path_or(FETCH)] | None = option(
        None,
        "Grid of that geoid; fetch: us_nga_egm08_25.tif (EGM2008, 80 MB) of cdn.proj.org, as with dem: copernicus",
        example="./us_nga_egm08_25.tif",
    )
    ocean: list[str] = option(
        [], "Copernicus tiles that do not exist because they are all ocean; not needed beside tileList.txt"
    )
    orbits: Annotated[Text, _path_or(FETCH, NO_ORBITS)] = option(
        NO_ORBITS, "none: the orbits in the products; fetch: orbit files are fetched; or a folder of such files"
    )
    cache_dir: FolderPath | None = option(
        None, "Keep what is fetched here; in the work folder where not given", example="./cache"
    )
    thermal_noise: bool = option(True, "Subtract thermal noise")
    border_noise: Literal["auto", "always", "never"] = option(
        "auto", "Cut the noise at the borders of the swath; auto: of products from before IPF 2.90"
    )
    tropospheric_delay: bool = option(True, "Correct the delay of the radar's pulse in the troposphere")
    hosts: GrdHosts = GrdHosts()

    def refuse_unusable(self) -> None:
        """Raise an error of the configuration if source grd cannot work with these options."""
        if self.dem is None:
            raise refusal("source.kind grd needs grd.dem: copernicus, a GeoTIFF, a VRT, or a folder of tiles")
        if (self.fetches_dem or self.fetched_geoid) and self.dem_heights != "egm2008":
            raise refusal(
                "grd.dem_heights {above}: fetched DEM and geoid are egm2008; give files of your own, or leave it out",
                above=self.dem_heights,
            )
        if os.path.isdir(self.dem) and self.dem_heights != "egm2008":
            raise refusal(
                "grd.dem_heights {above}: the tiles in grd.dem have heights above egm2008", above=self.dem_heights
            )
        if self.ocean and not os.path.isdir(self.dem):
            raise refusal(
                "grd.ocean names tiles, but grd.dem {path} is no folder of tiles; leave it out", path=self.dem
            )
        if self.dem_heights == "ellipsoid":
            if self.geoid is not None:
                raise refusal("grd.geoid: heights above the ellipsoid need no geoid; leave it out")
        elif self.geoid is None and not self.fetched_geoid:
            raise refusal(
                "grd.dem_heights {above} needs grd.geoid, {grid}; without it pixels move by up to 85 m",
                above=self.dem_heights,
                grid="fetch or a grid of it" if self.dem_heights == "egm2008" else "a grid of that geoid",
            )
        for name, path in (("dem", self.dem), ("geoid", self.geoid)):
            if path not in (None, COPERNICUS, FETCH) and not os.path.exists(path):
                raise refusal("grd.{name}: {path} does not exist", name=name, path=path)

    @property
    def fetches_dem(self) -> bool:
        """True if the tiles of the DEM are fetched."""
        return self.dem == COPERNICUS

    @property
    def fetched_geoid(self) -> str | None:
        """Name of the geoid grid that is fetched: EGM2008 at 2.5 minutes; None if none is."""
        fetched = self.geoid == FETCH or (self.geoid is None and self.fetches_dem)
        return "us_nga_egm08_25.tif" if fetched else None

    @property
    def fetches_orbits(self) -> bool:
        """True if orbit files are fetched."""
        return self.orbits == FETCH

    @property
    def orbits_folder(self) -> str | None:
        """The user's folder of orbit files; None without."""
        return None if self.orbits in (NO_ORBITS, FETCH) else self.orbits
