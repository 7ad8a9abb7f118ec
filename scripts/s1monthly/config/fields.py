"""Building blocks of the configuration's sections: options, checked types, the base class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, LiteralString, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from s1monthly.errors import S1MonthlyError
from s1monthly.layout import folder_path
from s1monthly.model import TRACKS, Month, Tile

T = TypeVar("T")
V = TypeVar("V")


def option(default: Any, description: str, *, example: Any = None, no_effect: str = "", **limits: Any) -> Any:
    """Declare an option with its default, a one-line description and, without a default, an example.

    Parameters
    ----------
    default : object
        Default value; ``...`` if the option is required.
    description : str
        One line for config.yaml and the documentation.
    example : object
        Shown, commented out, if the default is None.
    no_effect : str
        For an option of S1-GRiTS that has no effect here: the reason.
    **limits
        Passed on to `pydantic.Field` (``gt``, ``ge``, ``le``, ``min_length`` ...).
    """
    return Field(
        default, description=description, json_schema_extra={"example": example, "no_effect": no_effect}, **limits
    )


def refusal(template: LiteralString, /, **values: Any) -> PydanticCustomError:
    """Return an error for a validator to raise; ``{name}`` in the template is replaced by the value of that name."""
    return PydanticCustomError("refused", template, values)


def checked_by(check: Callable[[T], V]) -> Callable[[T], V]:
    """Turn a function that raises an S1MonthlyError into a validator."""

    def validate(value: T) -> V:
        try:
            return check(value)
        except S1MonthlyError as error:
            raise refusal("{message}", message=str(error)) from error

    return validate


def unique(values: list[T]) -> list[T]:
    if len(set(values)) < len(values):
        twice = sorted({v for v in values if values.count(v) > 1})  # type: ignore[type-var]
        raise refusal("{twice} given twice", twice=", ".join(map(str, twice)))
    return values


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


class _OrOne:
    """Marks a list instead of which a single value may be given."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        (one,) = get_args(source)
        return BeforeValidator(_listed, json_schema_input_type=source | one).__get_pydantic_core_schema__(
            source, handler
        )


SomeOf = Annotated[list[T], Field(min_length=1), AfterValidator(unique)]
"""A list with at least one value, each once."""

OneOrMore = Annotated[list[T], _OrOne(), Field(min_length=1), AfterValidator(unique)]
"""The same, or a single value instead of the list."""

ChunkSide = Annotated[int, Field(ge=16, le=16384)]
Track = Annotated[int, Field(ge=1, le=TRACKS)]
Year = Annotated[int, Field(ge=2014, le=2100)]
MonthNumber = Annotated[int, Field(ge=1, le=12)]
TileName = Annotated[str, AfterValidator(checked_by(lambda name: Tile(name).name))]
MonthText = Annotated[str, BeforeValidator(checked_by(lambda text: str(Month.parse(str(text)))))]
FolderPath = Annotated[str, Field(min_length=1), AfterValidator(checked_by(folder_path))]


class Section(BaseModel):
    """A section of the configuration: it refuses unknown keys, and its values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _empty_section(cls, values: Any) -> Any:
        return {} if values is None else values
