"""What a run tells the user before and after: the state of each tile, warnings, and the cost."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from s1monthly.model import Tile, month_ranges
from s1monthly.records.search_log import Answer, no_data_months, set_aside_of
from s1monthly.workflow import estimate
from s1monthly.workflow.month_state import MonthState, Step, plural, product_name
from s1monthly.workflow.plan import Plan
from s1monthly.workflow.tile_months import TileMonths
from s1monthly.workflow.tile_statics import StaticStep


def before_run(
    plan: Plan,
    pixels: Callable[[Tile], float] | None = None,
    limits: Callable[[Tile], tuple[float, float]] | None = None,
) -> Iterator[str]:
    """Yield lines for the user: skipped months, options without effect, low disk space, missing months, cost.

    Parameters
    ----------
    pixels : callable, optional
        Returns the pixels of a tile's grid; default: those of a usual tile.
    limits : callable, optional
        Returns the shares of a tile's granules and pixels that the polygon of use_roi_mask leaves; default: all.
    """
    yield from (f"WARNING {line}" for line in plan.warnings)
    yield from plan.config.notes()
    yield from _low_disk_space(plan)
    to_make: list[Answer] = []
    unsearched = statics = 0
    shares: list[tuple[float, float]] = []
    for tile in plan.tiles:
        yield f"{tile.key.tile} {tile.key.direction}: {describe(tile)}"
        header = plan.header(tile)
        if header and header.recipe == tile.recipe and plan.config.processing.keeps_other_chunks(header.chunks):
            yield f"cube of {tile.key}: keeps its chunks {header.chunks}; zarr_chunks is for new cubes"
        to_make += [state.answer for state in tile.states if state.to_make and state.answer]
        months = sum(state.step is Step.SEARCH or state.to_make for state in tile.states)
        unsearched += sum(state.step is Step.SEARCH for state in tile.states)
        granules, covered = limits(tile.key.tile) if limits and months else (1.0, 1.0)
        share = granules * plan.share_of_granules(tile)
        if tile.period and not tile.reference:
            yield _reference_line(plan, tile, share, pixels(tile.key.tile) if pixels else None)
        shares += [(share, covered)] * months
        statics += _static_granules(tile)
    if to_make or unsearched:
        granules, covered = (sum(share) / len(shares) for share in zip(*shares, strict=True))
        tiles = {tile.key.tile for tile in plan.tiles}
        mean = sum(map(pixels, tiles)) / len(tiles) if pixels else None
        found = estimate.cost(plan.config, to_make, unsearched, mean, granules, covered, statics)
        yield estimate.as_text(found, unsearched)


def _reference_line(plan: Plan, tile: TileMonths, share: float, pixels: float | None) -> str:
    """Say that a reference is made first, and how much disk the bursts of its months need."""
    answers = [state.answer for state in tile.states if state.month in tile.period]
    usual = max(1, round(estimate.USUAL_GRANULES * share))
    granules = sum(answer.granules if answer else usual for answer in answers)
    size = estimate.size_text(1e6 * estimate.temporary_mb(plan.config, granules, pixels))
    return (
        f"{tile.key.tile} {tile.key.direction}: the reference of {month_ranges(tile.period)} is made before all months;"
        f" the bursts of its months stay on disk until then, about {size} of {granules} granules"
    )


def made_again(plan: Plan) -> list[str]:
    """Return lines on the months that this run had to make again, and why. Call it before `Plan.look_again`."""
    tiles = [(tile.key, _to_make_again(tile.states, "made again")) for tile in plan.tiles]
    return [f"{key.tile} {key.direction}: {line}" for key, lines in tiles for line in lines]


def after_run(plan: Plan) -> Iterator[str]:
    """Yield lines for the user: the state of each tile, and a warning if nothing was found."""
    for tile in plan.tiles:
        yield f"{tile.key.tile} {tile.key.direction}: {describe(tile)} -> {tile.paths().folder}"
        states = tile.states
        tracks = plan.asked_together(str(tile.key.tile), str(tile.key.direction.pooled))
        of_tracks = [state for track in tracks for state in track.states]  # often one of several is never acquired
        if all(state.answer for state in states) and not any(state.is_made or state.to_make for state in of_tracks):
            aside = set_aside_of(tile.answers.values())
            why = f"no granule of these months is used: {aside}"
            why = why if aside else "the source has no granule for any of these months"
            yield f"WARNING {tile.key.tile} {tile.key.direction}: {why}"


def _low_disk_space(plan: Plan) -> Iterator[str]:
    place = Path(plan.config.output.base_dir).resolve()
    while not place.exists():
        place = place.parent
    free, least = shutil.disk_usage(place).free / 1e9, plan.config.output.disk_warn_gb
    if free < least:
        yield f"WARNING {free:.0f} GB free under {place}, less than output.disk_warn_gb ({least:g})"


def describe(tile: TileMonths) -> str:
    """Describe the months of a tile and direction in one line."""
    states = tile.states
    made = [state for state in states if state.is_made]
    parts = [
        *tile.problems,
        _count(states, "missing", lambda state: state.to_make and not state.has_record),
        _unsearched(tile),
        _count(states, "to be asked about again, more granules may come", lambda state: state.settling),
        *_to_make_again(states),
        _made(made),
        *_products(made),
        *_without_granules(tile),
        _static_layers(tile),
    ]
    nothing = f"{len(states)} without granules{_why_set_aside(states)}"
    return "; ".join(filter(None, parts)) or nothing


def _count(states: Iterable[MonthState], what: str, chosen: Callable[[MonthState], object] = bool) -> str:
    """Return how many months these are, what is said of them, and which; empty for none."""
    months = [state.month for state in states if chosen(state)]
    return f"{len(months)} {what}: {month_ranges(months)}" if months else ""


def _unsearched(tile: TileMonths) -> str:
    unknown = [state for state in tile.states if state.step is Step.SEARCH]
    again = _count(unknown, "made, to be searched again", lambda state: state.has_record)
    months = [state.month for state in unknown if not state.has_record]
    label = "since the earliest granule" if tile.from_earliest else month_ranges(months)
    return "; ".join(filter(None, [f"{len(months)} not searched yet: {label}" if months else "", again]))


def _to_make_again(states: Iterable[MonthState], what: str = "to make again") -> list[str]:
    """Describe months to make again, with the reason."""
    by_reason: dict[str, list[MonthState]] = {}
    for state in states:
        if state.to_make_again:
            by_reason.setdefault(" and ".join(state.reasons), []).append(state)
    return [_count(alike, f"{what}, {reason}") for reason, alike in by_reason.items()]


def _made(made: Iterable[MonthState]) -> str:
    made = [state for state in made if not state.source_lost]
    empty = _count(
        made,
        "of these EMPTY, without a valid pixel (see the log of composite)",
        lambda state: state.record and state.record.status == "empty",
    )
    return "; ".join(filter(None, [f"{len(made)} made" if made else "", empty]))


def _products(made: Iterable[MonthState]) -> Iterator[str]:
    """Describe the products of finished months that were deleted, or never written because the run was killed."""
    further = sorted({product_name(kind) for state in made for kind in state.lacking})
    for product in dict.fromkeys(("COG", "preview", "Item", *further)):
        lacking = [state for state in made if product in map(product_name, state.lacking)]
        name = plural(product) if len(lacking) > 1 else product
        yield _count(lacking, f"{name} to be written")
    yield _count(
        made, "whose products are out of date, to be made again", lambda state: state.outdated and not state.lacking
    )


def _static_granules(tile: TileMonths) -> int:
    """Return how many static granules are to be read, as far as known."""
    if tile.statics is None:
        return 0
    answer = tile.statics.answer
    if answer is None:
        return estimate.USUAL_BURSTS * (1 if tile.key.direction.track else estimate.USUAL_TRACKS)
    to_read = [answer.tracks[track] for track, state in tile.statics.tracks.items() if state.step is StaticStep.READ]
    return sum(len(track.bursts) - len(track.without) for track in to_read)


def _static_layers(tile: TileMonths) -> str:
    """Describe the static layers that are not there yet; empty for none."""
    if tile.statics is None:
        return ""
    tracks = [str(track) for track, state in tile.statics.tracks.items() if state.step is not StaticStep.COMPLETE]
    of = f" of track{'s' if len(tracks) > 1 else ''} {', '.join(tracks)}"
    return f"static layers{of} to make" if tracks else "static layers not searched yet" * tile.statics.must_ask


def _without_granules(tile: TileMonths) -> Iterator[str]:
    """Describe months for which the source has no granule that can be used; some were made when it had."""
    lost = [state for state in tile.states if state.source_lost]
    unusable = [state for state in lost if state.unusable]
    yield _count(unusable, "WITHOUT USABLE granules") + _why_set_aside(unusable)
    yield _count(unusable, "of these made earlier, left as they are", lambda state: state.has_record)
    others = [state for state in lost if not state.unusable]
    yield _count(others, "made earlier, of granules that the source no longer has", lambda state: state.is_made)
    others = [state for state in others if not state.is_made]
    other_recipe = [state for state in others if state.record and state.record.recipe_digest != tile.recipe_digest]
    yield _count(other_recipe, "made earlier with another recipe, whose granules are gone")
    others = [state for state in others if state not in other_recipe]
    yield _count(
        others,
        "whose granules are gone, and whose record and cube do not go together"
        " (catalog_rebuild makes a record from the cube)",
        lambda state: state.has_record or state.in_cube,
    )
    never = set(no_data_months(tile.answers))
    empty = [s for s in others if s.month in never and not (s.has_record or s.in_cube)]
    if empty:
        yield f"{len(empty)} without granules{_why_set_aside(empty)}"


def _why_set_aside(states: Iterable[MonthState]) -> str:
    aside = set_aside_of(state.answer for state in states if state.answer)
    return f" ({aside})" if aside else ""
