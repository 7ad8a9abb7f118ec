"""The record of a month: a JSON file with the inputs and results of a month in the cube."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from s1monthly.cube.header import how_to_mend
from s1monthly.errors import NameFormatError, ProductError
from s1monthly.files import write_text
from s1monthly.granule_names import parse_granule_id
from s1monthly.granules import Granule, GranuleList, Layer, Pass, SetAside, passes_of
from s1monthly.grid.lattice import GeoBox, geobox_outline
from s1monthly.kernels.statistics import BandStatistics, CountStatistics, band_statistics
from s1monthly.model import CompositeKey, Level, Polarization
from s1monthly.records.account import Account
from s1monthly.records.footprint import tidy
from s1monthly.records.granule_list import list_digest
from s1monthly.records.recipe import OPERA
from s1monthly.records.recipe import digest as digest_of
from s1monthly.records.seal import seal, seal_is_whole
from s1monthly.records.source_facts import IN_PART, values_of

SCHEMA = 1
"""Version of the record's layout; raised if older readers would misread it."""

COMPLETE, EMPTY = "complete", "empty"
"""Status of a month that was made: with valid pixels, or from granules without a valid pixel on the tile."""

NEW_PLATFORMS = frozenset({"S1C", "S1D"})
"""Satellites whose calibration may differ from that of S1A and S1B."""

T = TypeVar("T")
V = TypeVar("V")

PACKAGES = ("numba", "numpy", "pyproj", "rasterio", "shapely", "zarr")
"""Packages whose versions a record names."""


@dataclass(frozen=True)
class Origin:
    """What a month was made from.

    All but the recipe is None if the record was lost and rebuilt from the cube.

    Attributes
    ----------
    granules : tuple of Granule, or None
        Granules used, without URLs and footprints; without layers if only their ids are known.
    set_aside : tuple of SetAside, or None
        Granules found but not used, with the reason.
    unread : tuple of str, or None
        Ids of listed granules that could not be read; the next run tries them again.
    granules_digest : str or None
        `granule_list.list_digest` of the granule list that was used.
    recipe : mapping
        See `recipe.recipe`.
    software : mapping of str to str, or None
        Package -> version.
    """

    granules: tuple[Granule, ...] | None
    set_aside: tuple[SetAside, ...] | None
    unread: tuple[str, ...] | None
    granules_digest: str | None
    recipe: Mapping[str, Any]
    recipe_digest: str
    software: Mapping[str, str] | None

    @classmethod
    def of(
        cls, listed: GranuleList, account: Account, recipe: Mapping[str, Any], software: Mapping[str, str]
    ) -> Origin:
        """Combine the granule list and recipe of a month with the account of its granules.

        Raises
        ------
        ProductError
            If the account belongs to other granules or another recipe.
        """
        granules_digest, recipe_digest = list_digest(listed), digest_of(recipe)
        account.check(granules_digest, recipe_digest)
        lost = (SetAside(*unread, lost=True) for unread in sorted(account.unread.items()))
        return cls(
            granules=account.of_read(listed.granules),
            set_aside=(*listed.set_aside, *lost),
            unread=tuple(sorted(account.unread)),
            granules_digest=granules_digest,
            recipe=recipe,
            recipe_digest=recipe_digest,
            software=software,
        )

    def without(self, left_out: Mapping[str, str]) -> Origin:
        """Return the origin without granules that were read but could not be used: id -> reason."""
        if not left_out or self.granules is None or self.set_aside is None:
            return self
        granules = tuple(granule for granule in self.granules if granule.id not in left_out)
        lost = (SetAside(name, reason, lost=True) for name, reason in sorted(left_out.items()))
        return replace(self, granules=granules, set_aside=(*self.set_aside, *lost))

    @property
    def unknown(self) -> list[str]:
        """Names of unknown inputs; empty unless the record was rebuilt."""
        unknown = [field.name for field in fields(Origin) if getattr(self, field.name) is None]
        return unknown + ["layers"] * any(not granule.layers for granule in self.granules or ())


@dataclass(frozen=True)
class Record(Origin):
    """What a month was made from, and the results, which are always known.

    Attributes
    ----------
    key, level, polarization, grid
        Tile, direction and month; level; polarization pair; grid of the cube.
    valid : int
        Number of pixels with a value; 0 for an empty month.
    count : CountStatistics
        Statistics of the count of passes over valid pixels.
    bands : mapping of str to BandStatistics
        In the order of the product.
    footprint : dict or None
        GeoJSON geometry of the valid data in longitude and latitude; None for an empty month.
    digest : str
        SHA-256 of the values in the cube, 64 hexadecimal digits; see `cube.months.month_digest`.
    despeckled : mapping or None
        How the month was despeckled, see `stages.despeckle`; None for tv_bregman alone, for a month that was not
        despeckled, and in a record that was rebuilt.
    source : mapping or None
        What the granules' files say of their making, see `source_facts.combined`; None where they say nothing.
    statics : mapping or None
        Static granules that the values depend on, see `statics_used`; None if they depend on none, or in a record that
        was rebuilt or is older than this field.
    """

    key: CompositeKey
    level: Level
    polarization: Polarization
    grid: GeoBox
    valid: int
    count: CountStatistics
    bands: Mapping[str, BandStatistics]
    footprint: Mapping[str, Any] | None
    digest: str
    despeckled: Mapping[str, Any] | None = None
    source: Mapping[str, Any] | None = None
    statics: Mapping[str, Any] | None = None

    @property
    def status(self) -> str:
        """`COMPLETE` or `EMPTY`."""
        return COMPLETE if self.valid else EMPTY

    @property
    def total(self) -> int:
        """Number of pixels of the grid."""
        return self.grid.width * self.grid.height

    @property
    def coverage(self) -> float:
        """Fraction of the grid's pixels with a value, 0 to 1."""
        return self.valid / self.total

    @property
    def passes(self) -> list[Pass] | None:
        """The passes, by start; None if the granules are unknown."""
        return None if self.granules is None else passes_of(self.granules)

    @property
    def acquired(self) -> tuple[datetime, datetime] | tuple[None, None]:
        """Acquisition start of the first and the last granule, UTC; None without known granules."""
        passes = self.passes
        return (passes[0].start, max(one.end for one in passes)) if passes else (None, None)

    @property
    def data(self) -> str:
        """What the granules are: `recipe.OPERA` or `recipe.GRD`; simulated granules are like OPERA's."""
        data = self.recipe.get("data")
        return data if isinstance(data, str) else OPERA

    @property
    def simulated(self) -> bool:
        """True if the granules were made up."""
        return not isinstance(self.recipe.get("data"), str)

    @property
    def tracks(self) -> list[int] | None:
        """Tracks (relative orbits), ascending; None if the granules are unknown."""
        return None if self.granules is None else sorted({granule.track for granule in self.granules})

    @property
    def passes_by_track(self) -> dict[int, int] | None:
        """Number of passes of each track, by track; None if the granules are unknown."""
        passes = self.passes
        return None if passes is None else dict(sorted(Counter(one.track for one in passes).items()))

    @property
    def warnings(self) -> list[str]:
        """What a user of the month must know; empty if there is nothing, or the granules are unknown."""
        platforms = Counter(one.granules[0].platform for one in self.passes or ())
        found = []
        if platforms.keys() & NEW_PLATFORMS and platforms.keys() - NEW_PLATFORMS:
            mixed = " and ".join(f"{number} of {name}" for name, number in sorted(platforms.items()))
            found.append(f"passes of satellites that may be calibrated differently are mixed: {mixed}")
        despeckled = self.despeckled or {}
        if missing := despeckled.get("reference_missing"):
            found.append(f"the reference was made without granules, see reference.json: {missing}")
        single = [str(track) for track, number in (self.passes_by_track or {}).items() if number == 1]
        if despeckled.get("method") == "quegan_yu" and single:
            found.append(f"not despeckled, since quegan_yu needs two passes of a track: track {', '.join(single)}")
        if values_of(self.source, IN_PART):
            found.append("files were fetched in part (download.window): their sizes and checksums are not proven")
        unsure = despeckled.get("looks_unsure")
        if unsure and self.valid:
            found.append(
                f"no homogeneous area to estimate looks from in {unsure}: despeckled with the looks of the"
                " most homogeneous blocks; give processing.despeckle.kwargs.looks as a number"
            )
        return found

    @property
    def platforms(self) -> list[str] | None:
        """Platforms as STAC names them (``sentinel-1a``), sorted; None if the granules are unknown."""
        if self.granules is None:
            return None
        return sorted({f"sentinel-{granule.platform[1:].lower()}" for granule in self.granules})

    @property
    def missing_granules(self) -> list[str] | None:
        """Sorted ids of lost granules whose acquisition no other granule covers; None if unknown."""
        if self.granules is None or self.set_aside is None:
            return None
        missing = set()
        for left_out in self.set_aside:
            if not left_out.lost:
                continue
            try:
                granule = parse_granule_id(left_out.granule_id)
            except NameFormatError:
                continue
            if granule.shown_by(self.granules) is None:
                missing.add(granule.id)
        return sorted(missing)

    @property
    def geometry(self) -> BaseGeometry:
        """Footprint in longitude and latitude; the outline of the grid for an empty month."""
        return shape(self.footprint) if self.footprint else tidy(geobox_outline(self.grid))

    def to_json(self) -> str:
        """Return the record as JSON with sorted keys and null for what is unknown.

        It contains no time of writing, so the same month gives the same bytes. ``passes_by_track`` is there if the
        month has passes of several tracks, ``warnings`` if there are any: records from before these keys stay valid.
        """
        by_track = {str(track): number for track, number in (self.passes_by_track or {}).items()}
        set_aside = _each(self.set_aside, lambda s: {"id": s.granule_id, "reason": s.reason, "lost": s.lost})
        content = {
            "schema": SCHEMA,
            "tile": str(self.key.tile),
            "direction": str(self.key.direction),
            "month": str(self.key.month),
            "status": self.status,
            "level": str(self.level),
            "polarization": str(self.polarization),
            "granules": _each(self.granules, _granule_json),
            "set_aside": set_aside,
            "passes": _each(self.passes, _pass_json),
            "grid": asdict(self.grid),
            "pixels": {"total": self.total, "valid": self.valid},
            "count": {**asdict(self.count), "histogram": {str(n): k for n, k in self.count.histogram.items()}},
            "bands": {name: {"index": i, **asdict(s)} for i, (name, s) in enumerate(self.bands.items(), 1)},
            "footprint": self.footprint,
            "unread": _each(self.unread, str),
            "granules_digest": self.granules_digest,
            "recipe": self.recipe,
            "recipe_digest": self.recipe_digest,
            "software": None if self.software is None else dict(self.software),
            "digest": self.digest,
            **({"passes_by_track": by_track} if len(by_track) > 1 else {}),
            **({"warnings": self.warnings} if self.warnings else {}),
            **({"despeckled": dict(self.despeckled)} if self.despeckled else {}),
            **({"source": dict(self.source)} if self.source else {}),
            **({"statics": dict(self.statics)} if self.statics else {}),
        }
        return json.dumps(seal(content), indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read a record from the text of `to_json`.

        Raises
        ------
        ValueError, KeyError, TypeError, AttributeError, NameFormatError
            If the text is not a record of this schema, or was altered after writing. `read_record` turns these errors
            into a ProductError that names the file.
        """
        content = json.loads(text)
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']}, not {SCHEMA}")
        if not seal_is_whole(content):
            raise ValueError("altered since it was written: its seal does not fit")
        count = {**content["count"], "histogram": _histogram(content["count"]["histogram"])}
        bands = sorted(content["bands"].items(), key=lambda named: named[1]["index"])
        return cls(
            key=CompositeKey.parse(content["tile"], content["direction"], content["month"]),
            level=Level(content["level"]),
            polarization=Polarization(content["polarization"]),
            grid=GeoBox(**content["grid"]),
            granules=_tuple(_each(content["granules"], _granule)),
            set_aside=_tuple(_each(content["set_aside"], lambda s: SetAside(s["id"], s["reason"], s["lost"]))),
            valid=content["pixels"]["valid"],
            count=CountStatistics(**count),
            bands={name: BandStatistics(**{k: v for k, v in s.items() if k != "index"}) for name, s in bands},
            footprint=content["footprint"],
            unread=_tuple(content["unread"]),
            granules_digest=content["granules_digest"],
            recipe=content["recipe"],
            recipe_digest=content["recipe_digest"],
            software=content["software"],
            digest=content["digest"],
            despeckled=content.get("despeckled"),
            source=content.get("source"),
            statics=content.get("statics"),
        )


def verified(
    record: Record, bands: Iterable[tuple[str, NDArray[np.float32]]]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield bands read back from the cube after checking each against the record.

    Raises
    ------
    ProductError
        If a band's statistics differ from the record: chunks of the cube were lost or changed.
    """
    for name, values in bands:
        found, recorded = band_statistics(values), record.bands.get(name)
        if found != recorded:
            raise ProductError(
                f"{record.key}: band {name} in the cube is not what the record says"
                f" ({found.valid} valid pixels, {recorded.valid if recorded else 'none'} in the record)",
                "keep cube and record, and run scripts/catalog_rebuild.py",
            )
        yield name, values


def _each(values: Iterable[T] | None, change: Callable[[T], V]) -> list[V] | None:
    """Apply a function to each value; return None for None."""
    return None if values is None else [change(value) for value in values]


def _tuple(values: Iterable[T] | None) -> tuple[T, ...] | None:
    return None if values is None else tuple(values)


def _granule_json(granule: Granule) -> dict[str, Any]:
    if not granule.layers:
        return {"id": granule.id, "layers": None, "mask": None}
    layers = {
        layer.name: {"size": None if layer.size < 0 else layer.size, "md5": layer.md5 or None}
        for layer in granule.layers
    }
    return {"id": granule.id, "layers": layers, "mask": granule.masked}


def _granule(entry: Mapping[str, Any]) -> Granule:
    layers = tuple(
        Layer(name, "", -1 if facts["size"] is None else facts["size"], facts["md5"] or "")
        for name, facts in (entry["layers"] or {}).items()
    )
    return replace(parse_granule_id(entry["id"]), layers=layers)


def _pass_json(pass_: Pass) -> dict[str, Any]:
    return {
        "name": pass_.name,
        "track": pass_.track,
        "platforms": sorted({granule.platform for granule in pass_.granules}),
        "start": f"{pass_.start:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{pass_.end:%Y-%m-%dT%H:%M:%SZ}",
        "bursts": len(pass_.granules),
    }


def _histogram(entries: Mapping[str, int]) -> dict[int, int]:
    return {passes: entries[str(passes)] for passes in sorted(map(int, entries))}


def software_versions(**others: str) -> dict[str, str]:
    """Return the versions of Python, of `PACKAGES` and of anything else passed by name."""
    from importlib.metadata import version  # here: takes 0.01 s, and readers of records do not need it

    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}, **others}


def write_record(path: str | Path, record: Record) -> None:
    """Write a record atomically, even if unchanged, so that its modification time is that of the month."""
    write_text(path, record.to_json())


def read_record(path: str | Path) -> Record:
    """Read the record of a month.

    Raises
    ------
    ProductError
        If the file is missing, damaged, of another schema, or was altered after writing.

    Examples
    --------
    >>> record = read_record("output/10SGD_ASCENDING/months/2024-06.json")
    >>> print(record.coverage, record.tracks)
    """
    try:
        return Record.from_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, NameFormatError) as error:
        raise ProductError(
            f"{path}: record cannot be read ({type(error).__name__}: {error})",
            how_to_mend(path),
        ) from error
