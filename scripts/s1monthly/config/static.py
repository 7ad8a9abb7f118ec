"""Section static: the layers that describe the viewing geometry of each track."""

from __future__ import annotations

from s1monthly.config.fields import Section, option


class Static(Section):
    """Static layers: incidence angles, area factors, looks, shadow and layover of each track."""

    enabled: bool = option(False, "Make the static layers of each track over a tile, once; see Static layers")
