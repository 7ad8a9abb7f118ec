"""Plan of a run: which months to search and make, from the configuration and the existing files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from s1monthly.config.root import Config
from s1monthly.cube.status import COMPLETE, Slots
from s1monthly.errors import ConfigError, SourceGoneError
from s1monthly.grid.crs import metres_a_unit
from s1monthly.layout import Layout
from s1monthly.model import Direction, Month, Tile, TileDirection
from s1monthly.records.recipe import as_held, canonical, difference, digest, recipe, refuse_mixture
from s1monthly.records.search_log import Answer, read_answers, set_aside_of
from s1monthly.sources import listing
from s1monthly.versions import PRODUCTS
from s1monthly.workflow import estimate
from s1monthly.workflow.job_settings import JobSettings
from s1monthly.workflow.ledger import Ledger
from s1monthly.workflow.work_folder import refuse_shared_work

SEARCH_RULES = 1
"""Raise it when the archive's answer is judged differently: which granules meet a tile, and which are set aside."""


def layout_of(config: Config) -> Layout:
    """Return the paths of a configuration's files."""
    return Layout(os.path.normpath(config.output.base_dir), os.path.normpath(config.work_dir))


def question_of(config: Config) -> dict[str, Any]:
    """Return the question to the source, without tile, direction and month. Another question voids earlier answers."""
    source: dict[str, Any] = {"kind": config.source.kind}
    if config.source.kind == "asf":
        source |= {"host": config.source.hosts.cmr, "rules": SEARCH_RULES}
    else:
        source |= {"path": str(config.source_path)}
    if config.source.kind == "simulated":
        source |= config.source.simulation.model_dump()
    else:
        source |= {"mask": config.processing.mask != "none"}
    return {"source": source, "polarization": str(config.roi.polarization), "tracks": config.roi.tracks}


def listings_of(config: Config) -> tuple[dict[Month, str], tuple[str, ...]]:
    """Read the source's folder; return empty results for a source that is not a folder.

    Returns
    -------
    listings : dict of Month to str
        Result of `listing.digests`.
    warnings : tuple of str
        Files in the folder that are not used.
    """
    if config.source.kind != "local":
        return {}, ()
    content = listing.list_folder(str(config.source_path), **config.run_folders)
    return listing.digests(content.files), content.warnings


def spans(months: Sequence[Month]) -> str:
    """Format months as text and join consecutive ones: ``2021-11 ... 2022-02, 2022-05``."""
    runs: list[list[Month]] = []
    for month in months:
        if runs and month.ordinal == runs[-1][-1].ordinal + 1:
            runs[-1].append(month)
        else:
            runs.append([month])
    return ", ".join(
        str(run[0]) if len(run) == 1 else f"{run[0]}{' ... ' if len(run) > 2 else ', '}{run[-1]}" for run in runs
    )


@dataclass(frozen=True)
class Plan:
    """Everything that a run must know before its first job.

    Attributes
    ----------
    recipe : dict
        Processing recipe of the configuration.
    ledgers : tuple of Ledger
        One for each tile and direction.
    warnings : tuple of str
        Skipped months, and unused files in the source's folder.
    stamps : dict
        Stamp of the open question for each tile and direction that has one.
    """

    config: Config
    layout: Layout
    recipe: dict[str, Any]
    ledgers: tuple[Ledger, ...]
    warnings: tuple[str, ...] = ()
    stamps: dict[TileDirection, str] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        config: Config,
        today: date,
        tiles_of_polygon: Callable[[str], list[Tile]],
        deciding: bool = True,
        for_tools: bool = False,
    ) -> Plan:
        """Make the plan.

        Parameters
        ----------
        today : date
            The current date, UTC.
        tiles_of_polygon : callable
            Returns the tiles that a WKT polygon meets; called only if the configuration names no tiles.
        deciding : bool
            True in the process that decides what to do. False in a cluster job, which takes the earlier answers as
            valid.
        for_tools : bool
            True for tools: neither the source nor the cubes are read. Tools need no source and must run on a damaged
            tree.

        Raises
        ------
        SourceError
            If the source's folder cannot be used, or is missing while some months are not made.
        ConfigError
            If no month or no tile is left to process.
        CubeError
            If a cube is damaged or was made with another recipe, or its path holds something else.
        """
        months, warnings = config.time.wanted(today)
        if not months:
            raise ConfigError(
                "time: no whole past month is left to process", "; ".join(warnings) or "give earlier months"
            )
        if config.roi.manual_mgrs_tiles:
            tiles = [Tile(name) for name in config.roi.manual_mgrs_tiles]
        else:
            tiles = tiles_of_polygon(config.roi.wkt or "")
        layout, how = layout_of(config), recipe(config)
        refuse_shared_work(layout)
        asked, listings, gone = question_of(config) if deciding else None, None, None
        if deciding and not for_tools:
            try:
                listings, unused = listings_of(config)
                warnings = [*warnings, *unused]
            except SourceGoneError as error:
                gone = error
        ledgers = []
        for tile in tiles:
            for direction in config.roi.flight_direction:
                key = TileDirection(tile, Direction(direction))
                path = layout.search.format(tile=tile, direction=direction)
                store = layout.cube.format(tile=tile, direction=direction)
                held = None if for_tools else Slots.read(store)
                question = asked if deciding else read_answers(path)[0]
                ledgers.append(
                    Ledger(
                        key,
                        layout,
                        question,
                        months,
                        config.time.full is not None,
                        as_held(held.recipe if held else None, how, tile),
                        listings,
                        refresh=deciding and config.search.refresh,
                        settle_days=config.search.settle_days if config.source.kind == "asf" else None,
                        source_gone=gone is not None,
                    )
                )
        if gone:
            warnings = [*warnings, _all_made_without(gone, ledgers)]
        stamps = {}
        if deciding and not for_tools:
            stamps = {book.key: stamp for book in ledgers if (stamp := book.asked_stamp())}
        plan = cls(config, layout, how, tuple(ledgers), tuple(warnings), stamps)
        if deciding and not for_tools:
            plan.refuse_mixtures()
        return plan

    @property
    def job_settings(self) -> JobSettings:
        """Settings that jobs need."""
        config = self.config
        options = config.source_options
        return JobSettings(
            base_dir=self.layout.base_dir,
            work_dir=self.layout.work_dir,
            logging={
                "file_level": config.logging.file_level,
                "suppress_third_party": config.logging.suppress_third_party,
            },
            recipe=self.recipe,
            source_kind=config.source.kind,
            source_options={key: value for key, value in options.items() if key != "polarization"},
            question=question_of(config),
            months=[str(month) for month in self.ledgers[0].asked_months],
            from_earliest=config.time.full is not None,
            read_workers=config.read_workers,
            max_failed_ratio=config.memory.max_failed_ratio,
            overwrite=config.output.overwrite,
            chunks=config.processing.chunks,
        )

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], Ledger]:
        return {(str(book.key.tile), str(book.key.direction)): book for book in self.ledgers}

    def ledger(self, tile: str, direction: str) -> Ledger:
        """Return the ledger of a tile and direction, given as text."""
        return self._by_name[tile, direction]

    @cached_property
    def _places(self) -> dict[TileDirection, int]:
        return {book.key: place for place, book in enumerate(self.ledgers)}

    def place(self, book: Ledger) -> int:
        """Return the index of a ledger."""
        return self._places[book.key]

    def open_question(self, book: Ledger) -> str | None:
        """Return the stamp of the question that this run must still ask; None if there is none."""
        stamp = self.stamps.get(book.key)
        return stamp if stamp and not os.path.exists(stamp) else None

    def may_fetch(self) -> bool:
        """Return True if this run may download granules: some month is unknown, missing or out of step."""
        needed = (bool(self.open_question(book) or book.missing() or book.out_of_step) for book in self.ledgers)
        return self.config.source.kind == "asf" and any(needed)

    def months_to_make(self) -> int:
        """Count the months of all tiles that may have to be made: missing, out of step, or unknown."""
        number = 0
        for book in self.ledgers:
            answers = book.answers
            number += sum(month not in answers and not book.kept(month) for month in book.asked_months)
            number += len(book.missing()) + len(book.out_of_step)
        return number

    def slots(self, book: Ledger) -> Slots | None:
        """Return axis and recipe of the existing cube."""
        return Slots.read(book.path(self.layout.cube))

    def refuse_mixtures(self) -> None:
        """Raise an error if a cube has another recipe and this run may not or would not remake all its months."""
        for book in self.ledgers:
            held = self.slots(book)
            if held:
                held.refuse_damage()
                left = [month for month in held.complete() if month not in book.asked_months]
                before, now = (canonical(recipe, book.key.tile) for recipe in (held.recipe, book.recipe))
                refuse_mixture(book.key, before, now, left, self.config.output.overwrite)

    def axis(self, book: Ledger) -> tuple[Month, Month]:
        """Return the first and last month that need a slot in the cube: months it holds, and months with granules.

        Where there are none, the months asked for.
        """
        held = self.slots(book)
        months = [*book.with_granules, *([held.first, held.last] if held else [])] or book.asked_months
        return min(months), max(months)

    def slots_stamp(self, book: Ledger) -> str:
        """Return the stamp of axis and recipe; no file if the cube is missing, too short or of another recipe."""
        first, last = self.axis(book)
        name = f"{first}_{last}_{book.recipe_digest}"
        return book.path(self.layout.slots.replace("{slots}", name))

    @property
    def settings_of_products(self) -> dict[str, Any]:
        """Recipe and all options that can change the products of a month; not the lists of months and tiles."""
        held = self.config.model_dump(
            mode="json",
            include={"roi": {"polarization", "tracks"}, "source": True, "output": {"formats"}, "processing": True},
        )
        return {"recipe": self.recipe, **held}

    def records_out_of_step(self) -> set[str]:
        """Return the records of months that must be made again, whatever the file times say."""
        return {book.path(self.layout.record, month) for book in self.ledgers for month in book.out_of_step}

    @property
    def published(self) -> dict[str, str]:
        """Patterns of the products read back from the cube: COG and preview, if configured, and Item."""
        formats, layout = self.config.output.formats, self.layout
        every = (
            ("cog", layout.cog, formats.cog),
            ("preview", layout.preview, formats.preview),
            ("item", layout.item, True),
        )
        return {name: pattern for name, pattern, wanted in every if wanted}

    @property
    def product_versions(self) -> list[int]:
        """Versions of a month's products; if one changes, the products are made again."""
        versions = [PRODUCTS[name] for name in ("cog", "previews", "stac")]
        epsg = self.config.processing.epsg
        # Earlier versions took every CRS unit for a metre; products that were right remain valid.
        return versions if epsg is None or metres_a_unit(epsg) == 1 else [*versions, 1]

    @property
    def month_products(self) -> tuple[str, ...]:
        """Patterns of the permanent files of every month."""
        return (self.layout.record, *self.published.values())

    def _gone(self, book: Ledger, made: Sequence[Month]) -> Iterator[str]:
        """Yield the missing products of finished months: deleted, or never written because the run was killed."""
        for name, pattern in (("COG", self.layout.cog), ("preview", self.layout.preview), ("Item", self.layout.item)):
            if pattern in self.month_products:
                gone = [month for month in made if not os.path.exists(book.path(pattern, month))]
                if gone:
                    yield f"{len(gone)} {name}{'s' if len(gone) > 1 else ''} to be made again: {spans(gone)}"

    def report(self, pixels: Callable[[Tile], float] | None = None) -> Iterator[str]:
        """Yield lines for the user: skipped months, options without effect, low disk space, missing months, cost.

        Parameters
        ----------
        pixels : callable, optional
            Returns the pixels of a tile's grid; default: those of a usual tile.
        """
        yield from (f"WARNING {line}" for line in self.warnings)
        yield from self.config.notes()
        place = Path(self.config.output.base_dir).resolve()
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free / 1e9
        least = self.config.output.disk_warn_gb
        if free < least:
            yield f"WARNING {free:.0f} GB free under {place}, less than output.disk_warn_gb ({least:g})"
        to_make: list[Answer] = []
        unsearched = 0
        for book in self.ledgers:
            answers, missing, again = book.answers, book.missing(), book.out_of_step
            yield f"{book.key.tile} {book.key.direction}: {self._missing(book, missing, again)}"
            held = self.slots(book)
            if held and held.recipe == book.recipe and self.config.processing.chunks_held(held.chunks):
                yield f"cube of {book.key}: keeps its chunks {held.chunks}; zarr_chunks is for new cubes"
            to_make += [answers[month] for month in (*missing, *again)]
            unsearched += sum(month not in answers for month in book.asked_months)
        if to_make or unsearched:
            tiles = {book.key.tile for book in self.ledgers}
            mean = sum(map(pixels, tiles)) / len(tiles) if pixels else None
            yield estimate.told(estimate.cost(self.config, to_make, unsearched, mean), unsearched)

    def outcome(self) -> Iterator[str]:
        """Yield lines for the user after a run: the state of each tile, and a warning if nothing was found."""
        for book in self.ledgers:
            found = self._missing(book, book.missing(), book.out_of_step)
            yield f"{book.key.tile} {book.key.direction}: {found} -> {book.path(self.layout.folder)}"
            searched = all(month in book.answers for month in book.asked_months)
            if searched and not book.to_publish:
                aside = set_aside_of(book.answers.values())
                why = f"no granule of these months is used: {aside}"
                why = why if aside else "the source has no granule for any of these months"
                yield f"WARNING {book.key.tile} {book.key.direction}: {why}"

    def _missing(self, book: Ledger, missing: Sequence[Month], again: Sequence[Month]) -> str:
        kept = book.kept_months
        unknown = [month for month in book.asked_months if month not in book.answers and month not in kept]
        parts = []
        if missing:
            parts.append(f"{len(missing)} missing: {spans(missing)}")
        if unknown:
            label = "since the earliest granule" if book.from_earliest else spans(unknown)
            parts.append(f"{len(unknown)} not searched yet: {label}")
        settling = book.settling
        if settling:
            parts.append(f"{len(settling)} to be asked about again, late granules may come: {spans(settling)}")
        if again:
            held = self.slots(book)
            changes = "; ".join(difference(held.recipe, book.recipe)) if held else ""
            reason = f"recipe changed ({changes})" if changes else "granules, record or cube changed"
            parts.append(f"{len(again)} to make again, {reason}: {spans(again)}")
        made = [month for month in book.with_granules if month not in {*missing, *again}]
        if made:
            parts.append(f"{len(made)} made")
        hollow = [month for month in made if book.is_empty(month)]
        if hollow:
            parts.append(
                f"{len(hollow)} of these EMPTY, without a valid pixel (see the log of composite): {spans(hollow)}"
            )
        parts += self._gone(book, sorted({*made, *kept}))
        empty, answers = book.without_granules, book.answers
        unusable = [month for month in empty if answers[month].lost]
        if unusable:
            reasons = set_aside_of(answers[month] for month in unusable)
            parts.append(f"{len(unusable)} WITHOUT USABLE granules: {spans(unusable)} ({reasons})")
        left = [month for month in unusable if book.made(month)]
        if left:
            parts.append(f"{len(left)} of these made earlier, left as they are: {spans(left)}")
        gone = [month for month in kept if month not in unusable]
        if gone:
            parts.append(f"{len(gone)} made earlier, of granules that the source no longer has: {spans(gone)}")
        held = self.slots(book)
        in_cube = [m for m in empty if book.made(m) or (held and held.status(m) == COMPLETE)]
        otherwise = [m for m in in_cube if m not in unusable and book.made_otherwise(m)]
        if otherwise:
            parts.append(
                f"{len(otherwise)} made earlier with another recipe, whose granules are gone: {spans(otherwise)}"
            )
        torn = [m for m in in_cube if m not in {*unusable, *gone, *otherwise}]
        if torn:
            parts.append(
                f"{len(torn)} whose granules are gone, and whose record and cube do not go together"
                f" (catalog_rebuild makes a record from the cube): {spans(torn)}"
            )
        silent = [month for month in empty if month not in {*unusable, *gone, *otherwise, *torn}]
        if silent or not parts:
            reasons = set_aside_of(answers[month] for month in silent or answers)
            parts.append(f"{len(silent or book.asked_months)} without granules" + (f" ({reasons})" if reasons else ""))
        return "; ".join(parts)


def _all_made_without(gone: SourceGoneError, ledgers: Sequence[Ledger]) -> str:
    """Return a warning that the source's folder is missing although all months are made.

    Raises
    ------
    SourceGoneError
        If some months are not made.
    """
    needing = {book.key: months for book in ledgers if (months := book.needing_source)}
    if not needing:
        return f"{gone.problem}: nothing can be made anew; months that are made stay as they are"
    if not any(book.kept_months for book in ledgers):
        raise gone
    key, months = next(iter(needing.items()))
    others = f" and for {len(needing) - 1} more tiles and directions" if len(needing) > 1 else ""
    raise SourceGoneError(
        f"{gone.problem}, which is needed for {key.tile} {key.direction} {spans(months)}{others}",
        f"{gone.remedy}; or ask for made months alone (time); catalog_rebuild makes lost records from the cube",
    )


def recipe_part(book: Ledger, *keys: str) -> str:
    """Return the digest of parts of the recipe. Rules pass it to their jobs, which then run again when it changes."""
    return digest({key: book.recipe[key] for key in keys})
