"""The tab "Run" of the explorer: edit a configuration, check and save it, preview and start its run, watch and stop it.

What the page sends is text for the configuration's own file, a number of cores and the name of a profile. Each is
judged here again, whatever the page shows. Nothing that was printed or typed reaches the page as HTML.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from bokeh.layouts import column, row
from bokeh.models.layouts import Row
from bokeh.models.ui import UIElement
from bokeh.models.widgets import Button, Div, NumericInput, Select, TextAreaInput

from s1monthly.errors import S1MonthlyError
from s1monthly.explorer.configuration import ConfigurationFile
from s1monthly.explorer.running import RunError, Runner, as_text, command, most_cores, profiles
from s1monthly.explorer.style import WIDGETS

MILLISECONDS = 500
"""Time between two looks at the run."""

SHOWN_LINES = 300
"""Lines of output that the page shows."""

THIS_MACHINE = ""

_TEXT = """
    :host > div { width: 100%; }
    p { max-width: 75ch; }
    pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.4 ui-monospace, monospace; }
    .box { border: 1px solid #767676; border-radius: 4px; padding: 6px 10px; background: #f6f6f6; }
    .bad { border-left: 6px solid #a4262c; }
    .good { border-left: 6px solid #0b6a0b; }
    .log { max-height: 24rem; overflow: auto; }
    .log pre { font-size: 11px; }
    .end { display: flex; flex-direction: column-reverse; }
    [tabindex]:focus-visible { outline: 3px solid #0b57a4; outline-offset: 1px; }
    progress { width: 100%; height: 18px; accent-color: #0b57a4; }
"""
_EDITOR = "textarea { font: 13px/1.4 ui-monospace, monospace; white-space: pre; }"
_BUTTON = ".bk-btn-primary:not([disabled]) { background: #0b57a4; border-color: #0b57a4; }"
_HALF = {"flex": "1 1 26rem", "min-width": "min(26rem, 100%)"}


class RunTab:
    """The tab as one page shows it. All pages share the configuration's file and the run.

    Parameters
    ----------
    configuration : ConfigurationFile
        File to edit.
    runner : Runner
        The explorer's run.
    on_finished : callable
        Called when a run has ended while the page was open, whether it succeeded or not.

    Attributes
    ----------
    layout : Row
        The content of the tab.
    """

    def __init__(
        self, configuration: ConfigurationFile, runner: Runner, on_finished: Callable[[], None] = lambda: None
    ) -> None:
        self._configuration, self._runner, self._on_finished = configuration, runner, on_finished
        self._watched = False
        self._refusal = ""
        self._text = TextAreaInput(
            title="Configuration (YAML)",
            rows=26,
            max_length=None,
            sizing_mode="stretch_width",
            stylesheets=[WIDGETS, _EDITOR],
            name="configuration",
        )
        self._about, self._verdict, self._command, self._state, self._log = (_text() for _ in range(5))
        look: Any = {"stylesheets": [WIDGETS]}
        places: Any = [(THIS_MACHINE, "this machine"), *((name, f"profile {name}") for name in profiles())]
        most, where = most_cores(), "Jobs run on"
        self._cores = NumericInput(title="Cores", low=1, high=most, value=most, width=90, **look)
        self._profile = Select(title=where, name="profile", options=places, value=THIS_MACHINE, width=180, **look)
        self._open = _button("Open again", self._open_file)
        self._save = _button("Save", self._save_text)
        self._check = _button("Check", self._show_verdict)
        self._preview = _button("Preview", lambda: self._start(preview=True))
        self._start_run = _button("Start run", self._start, "primary")
        self._stop = _button("Stop", self._runner.stop)
        self._text.on_change("value", lambda attr, old, new: self._show_verdict())
        self._cores.on_change("value", lambda attr, old, new: self._show_command())
        self._profile.on_change("value", lambda attr, old, new: self._show_command())
        self.layout = self._arrange()
        self._open_file()
        self.update()

    def _arrange(self) -> Row:
        editing = column(
            _text("<h2>Configuration</h2>"),
            self._about,
            self._text,
            _buttons(self._check, self._save, self._open),
            self._verdict,
            styles=_HALF,
        )
        note = (
            "<p>A run goes on if you close this page, and is shown when you open it again. Stop is Ctrl-C: press it"
            " again if the run does not hear. If the explorer itself is ended, its run is stopped too. A later run"
            " continues the work.</p>"
        )
        running = column(
            _text("<h2>Run</h2>"),
            _buttons(self._cores, self._profile),
            self._command,
            _buttons(self._preview, self._start_run, self._stop),
            _text(note),
            self._state,
            self._log,
            styles=_HALF,
        )
        for half in (editing, running):
            half.sizing_mode = "stretch_width"
        return row(editing, running, sizing_mode="stretch_width", styles={"flex-wrap": "wrap", "gap": "1.5rem"})

    def update(self) -> None:
        """Show what the run, and other programs that write the configuration, have done since the last call."""
        self._about.text = self._describe_file()
        self._runner.look()
        running, output = self._runner.running, self._runner.output
        self._preview.disabled = self._start_run.disabled = running
        self._stop.disabled = not running
        self._state.text = self._refusal or self._describe_run()
        lines = "\n".join(list(output.lines)[-SHOWN_LINES:]) or "Nothing was run yet."
        label = "role='log' tabindex='0' aria-label='Output of the run'"
        end = "" if self._runner.preview else "end"  # a preview says first what is missing
        self._log.text = f"<div class='box log {end}' {label}><pre>{escape(lines)}</pre></div>"
        if running and not self._runner.preview:
            self._watched = True
        elif self._watched:
            self._watched = False
            self._on_finished()

    def _describe_file(self) -> str:
        file = self._configuration.path
        try:
            if self._configuration.changed_on_disk():
                return _box(f"{file}: another program has changed it. Open it again.", "bad")
        except S1MonthlyError as error:
            return _box(str(error), "bad")
        return f"<p>File: {escape(str(file))}. A run reads what is saved there.</p>"

    def _describe_run(self) -> str:
        runner, output = self._runner, self._runner.output
        if not runner.words:
            return ""
        what = "Preview" if runner.preview else "Run"
        jobs = f"{output.done} of {output.total} jobs" if output.total else ""
        left = f"about {output.left} left" if output.left else ""
        if runner.running:
            state = f"{what} stops" if runner.stopped else f"{what} at work"
            amount = f" max='{output.total}' value='{output.done}'" if output.total else ""
            bar = f"<progress aria-label='Jobs done'{amount}></progress>"
            text = escape(": ".join(filter(None, [state, ", ".join(filter(None, [jobs, left]))])))
            return f"<div role='status'><p>{text}</p>{bar}</div>"
        if runner.returncode == 0:
            return _box(f"{what} finished.", "good")
        end = "was stopped" if runner.stopped else f"failed (exit code {runner.returncode})"
        more = list(output.failures) or ["" if runner.stopped else "The end of the output says why."]
        return _box("\n".join([f"{what} {end}{jobs and f', {jobs} done'}.", *more]).rstrip(), "bad")

    def _open_file(self) -> None:
        try:
            self._text.value = self._configuration.open()
        except S1MonthlyError as error:
            self._verdict.text = _box(str(error), "bad")
            return
        self._show_verdict()

    def _save_text(self) -> None:
        try:
            self._configuration.save(self._text.value)
        except S1MonthlyError as error:
            self._verdict.text = _box(str(error), "bad")
            return
        self._show_verdict()

    def _show_verdict(self) -> None:
        """Check the text, and show what is wrong with it and whether it is saved."""
        self._show_command()
        self._refusal = ""
        try:
            notes = self._configuration.check(self._text.value).notes()
            saved = self._configuration.holds(self._text.value)
        except S1MonthlyError as error:
            self._verdict.text = _box(str(error), "bad")
            return
        states = ["No problem found.", "Saved." if saved else "Not saved yet."]
        self._verdict.text = _box("\n".join([" ".join(states), *notes]), "good")

    def _words(self, *, preview: bool = False) -> list[str]:
        cores: Any = self._cores.value  # `command` judges it
        return command(self._configuration.path, cores, self._profile.value, preview=preview)

    def _show_command(self) -> None:
        self._cores.disabled = self._profile.value != THIS_MACHINE  # a profile decides that itself
        try:
            text = escape(as_text(self._words()))
        except S1MonthlyError as error:
            self._command.text = _box(str(error), "bad")
            return
        label = "tabindex='0' role='group' aria-label='Command'"
        self._command.text = f"<p>Command of the run:</p><div class='box' {label}><pre>{text}</pre></div>"

    def _start(self, *, preview: bool = False) -> None:
        self._refusal = ""
        try:
            self._configuration.check(self._text.value)
            if not self._configuration.holds(self._text.value):
                raise RunError(f"{self._configuration.path}: the text above is not what is saved there", "save it")
            self._runner.start(self._words(preview=preview), preview=preview)
        except S1MonthlyError as error:
            self._refusal = _box(str(error), "bad")
        self.update()


def _text(html: str = "") -> Div:
    return Div(text=html, disable_math=True, sizing_mode="stretch_width", stylesheets=[WIDGETS, _TEXT])


def _box(text: str, kind: str) -> str:
    return f"<div class='box {kind}' role='status'><pre>{escape(text)}</pre></div>"


def _button(label: str, action: Callable[[], None], kind: Any = "default") -> Button:
    button = Button(label=label, button_type=kind, width=110, stylesheets=[WIDGETS, _BUTTON])
    button.on_click(lambda _: action())
    return button


def _buttons(*widgets: UIElement) -> Row:
    return row(*widgets, styles={"flex-wrap": "wrap", "align-items": "end"})
