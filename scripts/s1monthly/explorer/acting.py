"""What a page does: callbacks that say in the page what went wrong, and work that waits until nothing else is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bokeh.document import Document
from bokeh.model import Model

from s1monthly.errors import FileError, S1MonthlyError

Work = Callable[[], None]


class Actor:
    """Runs the work of a visit.

    Attributes
    ----------
    document : Document
    say : callable
        Shows a message; an empty one ends the last.
    """

    def __init__(self, document: Document, say: Callable[[str], None]) -> None:
        self.document, self.say = document, say
        self._asked: dict[str, int] = {}

    def do(self, work: Work) -> None:
        """Do some work; say what went wrong in the page."""
        try:
            work()
        except S1MonthlyError as error:
            self.say(str(error))
        except OSError as error:
            self.say(str(FileError.of(error, "the output tree")))

    def on(self, model: Model, name: str, work: Work) -> None:
        """Do some work whenever a property of a model changes."""

        def changed(attr: str, old: Any, new: Any) -> None:
            self.do(work)

        model.on_change(name, changed)

    def soon(self, name: str, work: Work, delay: int = 0) -> None:
        """Do some work once it was not asked for again for `delay` milliseconds: once for many calls."""
        self._asked[name] = number = self._asked.get(name, 0) + 1

        def now() -> None:
            if self._asked[name] == number:
                self.do(work)

        self.document.add_timeout_callback(now, delay)
