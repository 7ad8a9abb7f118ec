"""The configuration sections on where granules come from, and how they are searched and fetched."""

from __future__ import annotations

import os
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from s1monthly.config.fields import FolderPath, Section, option, refusal


def _host(name: str) -> str:
    if not re.fullmatch(r"[\w.-]+(:\d+)?", name):
        raise refusal("give a host's name alone, without https:// and path")
    return name


def _address(text: str) -> str:
    if not text.startswith("https://"):
        raise refusal("give an address that begins with https://")
    return text


def _refuse_file(path: str) -> None:
    """Refuse a path that is not a folder. A missing or unreadable one passes: only jobs that read it must stop."""
    try:
        os.scandir(path).close()
    except (FileNotFoundError, PermissionError):
        return
    except OSError as error:
        raise refusal(
            "folder {path} cannot be read ({reason}); give an existing folder, relative to where snakemake runs",
            path=path,
            reason=error.strerror or str(error),
        ) from error


Host = Annotated[str, AfterValidator(_host)]


class Simulation(Section):
    """What the simulated source makes."""

    seed: int = option(1, "Seed of scene and speckle; same seed, same granules", ge=0)
    tracks: int = option(2, "Tracks over a tile", ge=1, le=4)
    passes_per_track: int | None = option(
        None, "Passes of a track a month; one every 12 days where not given", example=1, ge=1, le=3
    )


class Hosts(Section):
    """Where source asf asks; others than the real ones serve NASA's test system, mirrors and trials."""

    cmr: Host = option("cmr.earthdata.nasa.gov", "Host of the Common Metadata Repository, which is searched")
    login: Host = option("urs.earthdata.nasa.gov", "Host of Earthdata Login; the entry looked up in netrc")
    s3_credentials: Annotated[str, AfterValidator(_address)] = option(
        "https://cumulus.asf.alaska.edu/s3credentials", "Address that gives temporary keys for direct access by S3"
    )
    s3_endpoint: str | None = option(
        None, "Address of the S3 service; Amazon's where not given", example="http://localhost:9000"
    )
    trusted: Annotated[list[Host], Field(min_length=1)] = option(
        ["earthdata.nasa.gov", "earthdatacloud.nasa.gov", "asf.alaska.edu"],
        "Domains to which the login may be shown; no other host ever sees it",
    )


class SourceSection(Section):
    """Where granules come from."""

    kind: Literal["asf", "local", "grd", "simulated"] = option(
        "asf",
        "asf: NASA's archive, found by CMR and served by ASF; local: a folder of OPERA granules; grd: a folder of"
        " Sentinel-1 GRD products; simulated: made up, for trials",
    )
    path: FolderPath | None = option(
        None,
        "local, grd: the folder that holds the granules, in any depth; simulated: where they are made",
        example="./granules",
    )
    simulation: Simulation = Simulation()
    hosts: Hosts = Hosts()

    @model_validator(mode="after")
    def _path_given(self) -> SourceSection:
        if self.kind in ("local", "grd"):
            if not self.path:
                raise refusal("source.kind {kind} needs source.path, the folder of granules", kind=self.kind)
            _refuse_file(self.path)
        return self


class Search(Section):
    """When the source is asked again."""

    refresh: bool = option(False, "Ask the source again for every month, whatever is known")
    settle_days: int = option(
        60, "asf: ask again about a month that had ended less than so many days before it was last asked about", ge=0
    )
    retry_timeout_seconds: float = option(600, "asf: time for all tries of one query", gt=0)


class Download(Section):
    """How source asf fetches granules."""

    access: Literal["auto", "https", "s3"] = option(
        "auto", "https; s3: direct access, inside AWS us-west-2 alone; auto: s3 there, with https to fall back on"
    )
    max_workers: int | None = option(
        None,
        "Granules, and requests, at once in one job; memory.max_download_workers where not given; without both, all"
        " jobs share as many connections as the link takes",
        example=8,
        ge=1,
        le=64,
    )
    window: bool = option(
        False,
        "Fetch only the blocks of a file that show the tile, by HTTPS ranges: the files cannot be checked then, and the"
        " record says so",
    )
    cache_dir: FolderPath | None = option(
        None,
        "Keep fetched layers here; where not given, a run of several tiles keeps them until the last has read them",
        example="./cache",
    )
    cache_max_gb: float = option(100, "Size of this cache, GB; what was not used for longest goes first", gt=0)
