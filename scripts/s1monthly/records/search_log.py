"""The search log ``search.json``: the question to the source, and time and number of granules of each month's answer.

It lies in the output tree and stays if the work folder with the granule lists is deleted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from s1monthly.errors import NameFormatError, ProductError
from s1monthly.files import FileState, file_state, write_text
from s1monthly.granule_names import SLICE_PATTERN
from s1monthly.granules import GranuleList, passes_of
from s1monthly.model import Month
from s1monthly.records.granule_list import list_digest
from s1monthly.records.static_list import StaticAnswer


@dataclass(frozen=True)
class Answer:
    """The source's answer for one month.

    Attributes
    ----------
    asked : str
        Time of the question, ISO 8601, UTC.
    granules, passes, set_aside : int
        Number of granules used, of their passes, and of granules set aside.
    size : int
        Bytes of the layers; -1 if the source does not know.
    digest : str
        `granule_list.list_digest`.
    listing : str
        Digest of the month's files in the source's folder; empty for a source without a folder.
    from_earliest : bool
        True if the month was searched only to find the earliest granule and what follows (time.full).
    lost : tuple of str
        Ids of granules that should be used but cannot.
    polygon : str
        Digest of the polygon that the granules meet; empty if they are all granules of the tile.
    tile_digest : str
        `digest` as it would be without the polygon; empty without one.
    reasons : mapping of str to int
        Reason for setting granules aside -> number; empty if an older version searched.
    """

    asked: str
    granules: int
    passes: int
    set_aside: int
    size: int
    digest: str
    listing: str
    from_earliest: bool
    lost: tuple[str, ...]
    reasons: Mapping[str, int] = field(default_factory=dict)
    polygon: str = ""
    tile_digest: str = ""

    def settled(self, month: Month, days: int) -> bool:
        """Return True if asked at least `days` after the month's end, when late granules are no longer expected."""
        return datetime.fromisoformat(self.asked) >= month.end + timedelta(days=days)

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Answer:
        """Read an entry of ``search.json``.

        Raises
        ------
        ValueError, TypeError
            If a value is missing or invalid.
        """
        entry = {"reasons": {}, "polygon": "", "tile_digest": "", **entry}
        for name, kind in _TYPES.items():
            if type(entry[name]) is not kind:
                raise ValueError(f"{name}: {entry[name]!r}")
        numbers = [*entry["reasons"].values(), *(entry[name] for name in ("granules", "passes", "set_aside"))]
        if min(*numbers, entry["size"] + 1) < 0 or not all(isinstance(name, str) for name in entry["lost"]):
            raise ValueError(f"negative numbers, or lost granules without names: {entry}")
        datetime.strptime(entry["asked"], _MOMENT)
        return cls(**{**entry, "lost": tuple(entry["lost"])})

    @classmethod
    def of(
        cls,
        found: GranuleList,
        asked: datetime,
        listing: str,
        from_earliest: bool = False,
        polygon: str = "",
        of_tile: GranuleList | None = None,
    ) -> Answer:
        """Summarise a granule list; `of_tile` is that of the whole tile, if a polygon limits the granules."""
        sizes = [layer.size for granule in found.granules for layer in granule.layers]
        return cls(
            asked=f"{asked.astimezone(UTC):{_MOMENT}}",
            granules=len(found.granules),
            passes=len(passes_of(found.granules)),
            set_aside=len(found.set_aside),
            size=-1 if any(size < 0 for size in sizes) else sum(sizes),
            digest=list_digest(found),
            listing=listing,
            from_earliest=from_earliest,
            lost=tuple(left_out.granule_id for left_out in found.set_aside if left_out.lost),
            polygon=polygon,
            tile_digest=list_digest(of_tile) if of_tile else "",
            reasons=dict(Counter(_ONE_GRANULE.sub(_any_granule, one.reason) for one in found.set_aside)),
        )


_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_TYPES = {"asked": str, "lost": list, "reasons": dict, "from_earliest": bool}
_TYPES |= dict.fromkeys(("digest", "listing", "polygon", "tile_digest"), str)
_TYPES |= dict.fromkeys(("granules", "passes", "set_aside", "size"), int)
"""Key of an entry of ``search.json`` -> type of its value."""

_ONE_GRANULE = re.compile(rf"(?:OPERA_L2_RTC-S1_[^\s;,]+?|{SLICE_PATTERN})(?:_([A-Z]+\.tif))?(?=[\s;,]|$)")


def _any_granule(name: re.Match[str]) -> str:
    """Replace the name of a granule or its file, so that equal reasons are counted together."""
    return f"its {name[1]}" if name[1] else "another granule"


def set_aside_of(answers: Iterable[Answer]) -> str:
    """Return a text with the number of granules set aside and the reasons; empty if there are none."""
    answers = list(answers)
    number = sum(answer.set_aside for answer in answers)
    reasons = sum((Counter(answer.reasons) for answer in answers), Counter[str]())
    if not number:
        return ""
    texts = (f"{reason} ({count})" if len(reasons) > 1 else reason for reason, count in reasons.most_common())
    listed = "; ".join(texts)
    return f"{number} set aside" + (f": {listed}" if listed else "")


def no_data_months(answers: Mapping[Month, Answer]) -> list[Month]:
    """Return the months without granules, in order.

    Months before the earliest granule do not count if they were searched only to find it.
    """
    first = min((month for month, answer in answers.items() if answer.granules), default=None)
    return sorted(
        month
        for month, answer in answers.items()
        if not answer.granules and not (answer.from_earliest and (first is None or month < first))
    )


@lru_cache(maxsize=4096)
def _load(path: str, _signature: FileState) -> tuple[Any, dict[Month, Answer], StaticAnswer | None]:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        months = {Month.parse(m): Answer.read(entry) for m, entry in content["months"].items()}
        return content["question"], months, StaticAnswer.read(content.get("static"))
    except OSError as error:
        remedy = "make it a file that you may read (chmod u+r), or delete it: the next run asks again"
        raise ProductError(f"{path}: search log cannot be read ({error})", remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError, NameFormatError) as error:
        remedy = "delete it; the next run asks again"
        raise ProductError(f"{path}: search log is damaged ({error})", remedy) from error


def read_answers(path: str | Path) -> tuple[Any, dict[Month, Answer]]:
    """Read the question and each month's answer from ``search.json``; return None and an empty dict without a file.

    Raises
    ------
    ProductError
        If the file is damaged or cannot be read.
    """
    signature = file_state(path)
    if signature is None:
        return None, {}
    question, months, _ = _load(str(path), signature)
    return question, dict(months)


def read_static_answer(path: str | Path, question: Any) -> StaticAnswer | None:
    """Read the answer about static granules from ``search.json``; None without one, or to another question.

    Raises
    ------
    ProductError
        As for `read_answers`.
    """
    signature = file_state(path)
    if signature is None:
        return None
    asked, _, static = _load(str(path), signature)
    return static if asked == question else None


def write_answers(
    path: str | Path, question: Any, answers: Mapping[Month, Answer], static: StaticAnswer | None = None
) -> None:
    """Write ``search.json``; keep earlier answers to the same question, also about static granules."""
    held_question, held = read_answers(path)
    months = {**(held if held_question == question else {}), **answers}
    content = {"schema": 1, "question": question, "months": {str(m): asdict(months[m]) for m in sorted(months)}}
    static = static or read_static_answer(path, question)
    if static:
        content["static"] = static.plain()
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
