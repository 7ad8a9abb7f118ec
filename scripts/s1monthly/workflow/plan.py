"""Plan of a run: which months to search and make, from the configuration and the existing files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

from s1monthly.config.root import Config
from s1monthly.cube.header import Header, cached_header
from s1monthly.errors import ConfigError, SourceGoneError
from s1monthly.layout import Layout
from s1monthly.model import Month, Tile, TileDirection, month_ranges
from s1monthly.records.recipe import (
    canonical,
    digest,
    match_spelling,
    polygon_digest,
    recipe,
    refuse_mixture,
    static_options,
)
from s1monthly.records.reference import period_of
from s1monthly.records.search_log import read_answers
from s1monthly.sources.grd import listing as grd_listing
from s1monthly.workflow import grids
from s1monthly.workflow.asking import Listed, dem_of, listings_of, question_of
from s1monthly.workflow.job_settings import JobSettings
from s1monthly.workflow.month_state import Step
from s1monthly.workflow.notes import Notes
from s1monthly.workflow.tile_months import TileMonths, stamp_to_ask
from s1monthly.workflow.tile_statics import TileStatics
from s1monthly.workflow.wanted import layout_of, product_options, product_versions, products_of, settings_of_products
from s1monthly.workflow.work_folder import refuse_shared_work


@dataclass(frozen=True)
class Plan:
    """Everything that a run must know before its first job.

    Attributes
    ----------
    recipe : dict
        Processing recipe of the configuration.
    tiles : tuple of TileMonths
        One for each tile and direction or, with processing.by_track, for each track of it.
    warnings : tuple of str
        Skipped months, and unused files in the source's folder.
    stamps : dict
        Stamp of the open question for each tile and direction that has one.
    """

    config: Config
    layout: Layout
    recipe: dict[str, Any]
    tiles: tuple[TileMonths, ...]
    warnings: tuple[str, ...] = ()
    stamps: dict[TileDirection, str] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        config: Config,
        today: date,
        tiles_of_polygon: Callable[[str, str], list[Tile]],
        deciding: bool = True,
        for_tools: bool = False,
        notes: str | None = None,
        software: Any = None,
    ) -> Plan:
        """Make the plan.

        Parameters
        ----------
        today : date
            The current date, UTC.
        tiles_of_polygon : callable
            Returns the tiles of a WKT polygon by `roi.cover`; called only if the configuration names no tiles.
        deciding : bool
            True in the process that decides what to do. False in a cluster job, which takes the earlier answers as
            valid.
        for_tools : bool
            True for tools: neither the source nor the cubes are read. Tools need no source and must run on a damaged
            tree.
        notes : str, optional
            File with the notes of finished months.
        software : object, optional
            Software in which jobs run; the notes do not count if it changes.

        Raises
        ------
        SourceError
            If the source's folder cannot be used, or is missing while some months are not made.
        ConfigError
            If no month or no tile is left to process.
        CubeError
            If a cube is damaged or was made with another recipe, or its path holds something else.
        ProductError
            If a search log is damaged.
        """
        months, warnings = config.time.wanted(today)
        if not months:
            raise ConfigError(
                "time: no whole past month is left to process", "; ".join(warnings) or "give earlier months"
            )
        if config.roi.manual_mgrs_tiles:
            tiles = [Tile(name) for name in config.roi.manual_mgrs_tiles]
        else:
            tiles = tiles_of_polygon(config.roi.polygon or "", config.roi.cover)
        layout, how = layout_of(config), recipe(config)
        refuse_shared_work(layout)
        _refuse_future_period(how, today)
        judging = deciding and not for_tools
        listed, gone = None, None
        if judging:
            try:
                listed = listings_of(config)
                warnings = [*warnings, *listed.warnings]
            except SourceGoneError as error:
                gone = error
        noted = Notes(notes, [settings_of_products(config, how), product_versions(config), software])
        every = []
        for tile in tiles:
            stacks = grids.stacks_over(config, tile)
            if not stacks:
                warnings = [*warnings, f"tile {tile}: no track of roi.tracks sees it"]
            for direction in stacks:
                key = TileDirection(tile, direction)
                place = {"tile": tile, "direction": direction}
                header = None if for_tools else cached_header(layout.cube.format(**place))
                months_of_tile = tile_months(config, layout, key, months, header, listed)
                earlier = None if for_tools else read_answers(layout.search.format(**place))[0]
                if not deciding:
                    statics = months_of_tile.statics and replace(months_of_tile.statics, question=earlier)
                    months_of_tile = replace(months_of_tile, question=earlier, refresh=False, statics=statics)
                every.append(replace(months_of_tile, source_gone=gone is not None, notes=noted))
        if not every:
            raise ConfigError("roi.tracks: none of these tracks sees a tile in that direction", "name others, or tiles")
        plan = cls(config, layout, how, tuple(every), tuple(warnings))
        return plan._checked(gone) if judging else plan

    def _checked(self, gone: SourceGoneError | None) -> Plan:
        """Refuse what cannot be done, and find the open questions."""
        self._refuse_mixtures()
        self._refuse_open_periods()
        warnings = [*self.warnings, _all_made_without(gone, self.tiles)] if gone else self.warnings
        searches = self._searches.values()
        stamps = {tile.key: stamp for tracks in searches if (stamp := stamp_to_ask(tracks)) for tile in tracks}
        return replace(self, warnings=tuple(warnings), stamps=stamps)

    def _refuse_mixtures(self) -> None:
        """Raise an error if a cube has another recipe and this run may not or would not remake all its months."""
        for tile in self.tiles:
            header = self.header(tile)
            if header:
                header.refuse_damage()
                left = [month for month in header.complete_months() if month not in tile.months]
                before, now = (canonical(recipe, tile.key.tile) for recipe in (header.recipe, tile.recipe))
                refuse_mixture(tile.key, before, now, left, self.config.output.overwrite)

    def _refuse_open_periods(self) -> None:
        """Raise an error if a reference must be made and the time range leaves out months of its period."""
        for tile in self.tiles:
            left_out = [month for month in tile.period if month not in tile.months]
            if left_out and tile.reference is None:
                raise ConfigError(
                    f"{tile.key.tile} {tile.key.direction}: its reference (processing.despeckle.kwargs.reference) is"
                    f" not made yet, and the time range leaves out {month_ranges(left_out)}",
                    "widen the time range to the whole reference period; later runs may leave it out",
                )

    @property
    def job_settings(self) -> JobSettings:
        """Settings that jobs need."""
        config = self.config
        options = config.source_options
        if self.shares_granules:
            options["cache_dir"] = self.layout.run_cache
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
            months=[str(month) for month in self.tiles[0].months],
            from_earliest=config.time.full is not None,
            read_workers=config.read_workers,
            held_granules=config.held_granules,
            max_failed_ratio=config.memory.max_failed_ratio,
            overwrite=config.output.overwrite,
            chunks=config.processing.chunks,
            statics=config.makes_statics,
            shares_granules=self.shares_granules,
            window=config.download.window and config.source.kind == "asf",
            dem=dem_of(config),
            cog_compression=config.output.cog_compression,
            products=products_of(config),
            overviews=config.output.multiscales,
            credits=config.output.credits.model_dump(exclude_none=True),
        )

    @cached_property
    def shares_granules(self) -> bool:
        """True if several tiles may need the same granules of the archive, which are then fetched once."""
        config = self.config
        both = any(len(tile.key.direction.directions) > 1 for tile in self.tiles)
        several = len({tile.key.tile for tile in self.tiles}) > 1 or (both and len(self.tiles) > 1)
        return config.source.kind == "asf" and config.download.cache_dir is None and several

    @property
    def granules_to_read(self) -> int:
        """Number of granules of the months that this run reads, as far as they are searched."""
        states = (state for tile in self.tiles for state in tile.states if state.step is Step.READ)
        return sum(state.answer.granules for state in states if state.answer)

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], TileMonths]:
        return {(str(tile.key.tile), str(tile.key.direction)): tile for tile in self.tiles}

    def tile(self, tile: str, direction: str) -> TileMonths:
        """Return the months of a tile and direction, given as text."""
        return self._by_name[tile, direction]

    @cached_property
    def _searches(self) -> dict[tuple[str, str], list[TileMonths]]:
        searches: dict[tuple[str, str], list[TileMonths]] = {}
        for tile in self.tiles:
            searches.setdefault((str(tile.key.tile), str(tile.key.direction.pooled)), []).append(tile)
        return searches

    def asked_together(self, tile: str, direction: str) -> list[TileMonths]:
        """Return the months of all tracks for which one search asks, or of the only cube of a tile and direction."""
        return self._searches[tile, direction]

    def share_of_granules(self, tile: TileMonths) -> float:
        """Return about how many granules a month has, compared with one of a whole direction."""
        tracks = self.asked_together(str(tile.key.tile), str(tile.key.direction.pooled))
        return len(tile.key.direction.directions) / len(tracks)

    @cached_property
    def _places(self) -> dict[TileDirection, int]:
        return {tile.key: place for place, tile in enumerate(self.tiles)}

    def place(self, tile: TileMonths) -> int:
        """Return the index of a tile and direction."""
        return self._places[tile.key]

    def open_question(self, tile: TileMonths) -> str | None:
        """Return the stamp of the question that this run must still ask; None if there is none."""
        stamp = self.stamps.get(tile.key)
        return stamp if stamp and not os.path.exists(stamp) else None

    def months_to_make(self) -> int:
        """Count the months of all tiles that may have to be made."""
        return sum(state.to_make or state.step is Step.SEARCH for tile in self.tiles for state in tile.states)

    def may_fetch(self) -> bool:
        """Return True if this run may download granules."""
        asks = any(map(self.open_question, self.tiles))
        return self.config.source.kind == "asf" and (asks or self.months_to_make() > 0)

    def header(self, tile: TileMonths) -> Header | None:
        """Return axis and recipe of the existing cube."""
        return cached_header(tile.paths().cube)

    def axis(self, tile: TileMonths) -> tuple[Month, Month]:
        """Return the first and last month that need a slot in the cube: months it holds, and months with granules.

        If there are none, the months of the configuration.
        """
        header = self.header(tile)
        months = [*tile.with_granules, *([header.first, header.last] if header else [])] or tile.months
        return min(months), max(months)

    def slots_stamp(self, tile: TileMonths) -> str:
        """Return the stamp of axis and recipe; no file if the cube is missing, too short or of another recipe."""
        first, last = self.axis(tile)
        name = f"{first}_{last}_{tile.recipe_digest}"
        return tile.paths().slots.replace("{slots}", name)

    def heights(self, tile: str) -> str | None:
        """Return the file of a tile's heights, named by what they are made of; None without GRD products."""
        if self.config.source.kind != "grd":
            return None
        return self.layout.heights.format(tile=tile, made_of=self._heights_made_of)

    @cached_property
    def _heights_made_of(self) -> str:
        recipe = self.recipe
        dem = "" if self.config.grd.fetches_dem else grd_listing.dem_files(self.config.grd.dem or "")
        return digest([recipe["grd"], recipe["grid"], recipe["algorithms"]["sources.grd"], dem])

    @property
    def published(self) -> dict[str, str]:
        """Name and path pattern of the products that are made from the cube."""
        return {name: self.layout.product(name) for name in products_of(self.config)}

    @property
    def product_options(self) -> dict[str, Any]:
        """Options that change a month's products; if one changes, the products are made again."""
        return product_options(self.config)

    @property
    def product_versions(self) -> list[int]:
        """Versions of a month's products; if one changes, the products are made again."""
        return product_versions(self.config)

    def look_again(self) -> None:
        """Compute the states of all months anew, from what lies on disk now."""
        for tile in self.tiles:
            tile.forget()

    @property
    def root_documents(self) -> list[str]:
        """STAC documents at the root of the output tree that this run needs: those of its own directions."""
        collections = sorted({tile.paths().direction_collection for tile in self.tiles})
        return [self.layout.stac_root, self.layout.collection, *collections]

    def note_finished(self, months: Iterable[tuple[str, str, str]]) -> None:
        """Note the months, by tile, direction and month, whose products are all up to date.

        Raises
        ------
        OSError
            If the notes cannot be written; the older notes are then intact.
        """
        notes = {}
        for name, direction, month in months:
            tile = self.tile(name, direction)
            notes[tile.paths(Month.parse(month)).record] = tile.note(Month.parse(month))
        self.tiles[0].notes.write(notes)
        self.look_again()


def tile_months(
    config: Config,
    layout: Layout,
    key: TileDirection,
    months: Sequence[Month],
    header: Header | None,
    listed: Listed | None,
) -> TileMonths:
    """Return the months of a tile and direction as a configuration asks for them.

    Parameters
    ----------
    header : Header or None
        Axis and recipe of the existing cube.
    listed : Listed or None
        Result of `listings_of`; None if the source's folder was not read.
    """
    question, how = question_of(config), match_spelling(header.recipe if header else None, recipe(config), key.tile)
    statics = None
    if config.makes_statics:
        place, polygon = layout.of(key), polygon_digest(how)
        grid = {**how["grid"], **static_options(how)}
        statics = TileStatics(place, question, polygon, grid, listed.static if listed else None)
    return TileMonths(
        key,
        layout,
        question,
        months,
        config.time.full is not None,
        how,
        products_of(config),
        listed.months if listed else None,
        refresh=config.search.refresh,
        settle_days=config.search.settle_days if config.source.kind == "asf" else None,
        statics=statics,
    )


def _all_made_without(gone: SourceGoneError, tiles: Sequence[TileMonths]) -> str:
    """Return a warning that the source's folder is missing although all months are made.

    Raises
    ------
    SourceGoneError
        If some months are not made.
    """
    needing = {}
    for tile in tiles:
        silent = {month for month, answer in tile.answers.items() if not (answer.granules or answer.lost)}
        months = [state.month for state in tile.states if not state.is_made and state.month not in silent]
        if months:
            needing[tile.key] = months
    if not needing:
        return f"{gone.problem}: nothing can be made anew; months that are made stay as they are"
    if not any(state.is_made for tile in tiles for state in tile.states):
        raise gone
    key, months = next(iter(needing.items()))
    others = f" and for {len(needing) - 1} more tiles and directions" if len(needing) > 1 else ""
    raise SourceGoneError(
        f"{gone.problem}, which is needed for {key.tile} {key.direction} {month_ranges(months)}{others}",
        f"{gone.remedy}; or ask for made months alone (time); catalog_rebuild makes lost records from the cube",
    )


def recipe_part(tile: TileMonths, *keys: str) -> str:
    """Return the digest of parts of the recipe. Rules pass it to their jobs, which then run again when it changes.

    Options at their default have no part in a recipe, and none in the digest.
    """
    return digest({key: tile.recipe[key] for key in keys if key in tile.recipe})


def _refuse_future_period(recipe: Mapping[str, Any], today: date) -> None:
    """Raise a ConfigError if the reference period of a recipe is not over."""
    period = period_of(recipe)
    if period and period[-1] >= Month.of(today):
        raise ConfigError(
            f"processing.despeckle.kwargs.reference: {period[-1]} is not over (today is {today})",
            "give a period that is past",
        )
