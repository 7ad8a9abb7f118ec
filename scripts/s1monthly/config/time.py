"""Section time: which months."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

from pydantic import model_validator

from s1monthly.config.fields import MonthNumber, MonthText, OneOrMore, Section, Year, option, refusal
from s1monthly.model import Month

SENTINEL1_FIRST_MONTH = Month(2014, 4)
"""Sentinel-1A was launched on 3 April 2014: no granule can be older."""


class Time(Section):
    """When: whole past months, by years (and months), by first and last month, or the full archive."""

    years: OneOrMore[Year] | None = option(None, "Years to process", example=[2024, 2025])
    months: OneOrMore[MonthNumber] | None = option(
        None, "Months of these years, 1 to 12; all where not given", example=[6, 7, 8]
    )
    full: int | None = option(
        None, "Instead of years: from the earliest granule to the end of this year", example=2026, ge=2014, le=2100
    )
    start: MonthText | None = option(None, "Instead of years: first month, YYYY-MM", example="2021-11")
    end: MonthText | None = option(None, "Last month, YYYY-MM, with start", example="2023-12")
    mode: Literal["years", "full"] | None = option(
        None, "Of S1-GRiTS's older time_range section", no_effect="the mode follows from the keys given"
    )

    @model_validator(mode="after")
    def _one_mode(self) -> Time:
        given = [k for k, v in (("years", self.years), ("full", self.full), ("start/end", self.start or self.end)) if v]
        if len(given) != 1:
            found = " and ".join(given) if given else "none of them"
            raise refusal("give exactly one of years, full, or start and end; found {found}", found=found)
        if self.months and not self.years:
            raise refusal("months goes with years only; use start and end for a span of months")
        if bool(self.start) != bool(self.end):
            raise refusal("start and end go together; give both")
        if self.start and self.end and self.start > self.end:
            raise refusal("start {start} is after end {end}; swap them", start=self.start, end=self.end)
        return self

    def wanted(self, today: date) -> tuple[list[Month], list[str]]:
        """List the requested months that are over, in order, with a warning for each month (or end) that is skipped.

        With `full` these are all months since Sentinel-1's launch; the search then drops those before the earliest
        granule.

        Parameters
        ----------
        today : date
            Current date, UTC. Its month and all later ones are skipped.
        """
        current = Month.of(today)
        if self.full is not None:
            last = min(Month(self.full, 12), current.shift(-1))
            warnings = []
            if last < Month(self.full, 12):
                last_day = last.end.date() - timedelta(days=1)
                warnings.append(
                    f"Clipping end date from {self.full}-12-31 to {last_day}"
                    f" (last fully completed month; today is {today})"
                )
            return list(SENTINEL1_FIRST_MONTH.until(last)), warnings
        if self.start and self.end:
            requested = list(Month.parse(self.start).until(Month.parse(self.end)))
        else:
            requested = [Month(y, m) for y in sorted(self.years or []) for m in sorted(self.months or range(1, 13))]
        skipped = [
            f"Skipping {month}: month is current (incomplete) or future (today is {today})"
            for month in requested
            if month >= current
        ]
        return [month for month in requested if month < current], skipped
