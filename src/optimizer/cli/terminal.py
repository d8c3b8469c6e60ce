"""What every command shares: options, where output goes, and how errors become messages and exit codes."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from optimizer.errors import (
    ConfigurationError,
    Conflict,
    DocumentError,
    InvalidRequest,
    NotFound,
    OptimizerError,
    Unavailable,
)

NOT_FINE = 1
WRONG_USAGE = 2
CANNOT = 3
INTERRUPTED = 130

_EXIT_CODES: tuple[tuple[type[OptimizerError], int], ...] = (
    (DocumentError, NOT_FINE),
    (Conflict, NOT_FINE),
    (NotFound, WRONG_USAGE),
    (InvalidRequest, WRONG_USAGE),
    (ConfigurationError, CANNOT),
    (Unavailable, CANNOT),
)
_WIDTH_OF_A_PIPE = 120
_JSON = "optimizer.json"


def _remember_json(ctx: typer.Context, value: bool) -> bool:
    ctx.meta[_JSON] = value
    return value


WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace",
        "-w",
        metavar="DIR",
        envvar="OPTIMIZER_WORKSPACE",
        file_okay=False,
        help="Folder with strategy.yaml and campaigns/.",
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", callback=_remember_json, help="One JSON document on stdout; everything else on stderr."),
]
HERE = Path()


def out() -> Console:
    """Where results go."""
    return _console(stderr=False)


def err() -> Console:
    """Where everything else goes: progress, hints, errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    # A file or a pipe has no width; rich would squeeze tables into 80 columns.
    width = None if stream.isatty() or "COLUMNS" in os.environ else _WIDTH_OF_A_PIPE
    return Console(stderr=stderr, width=width, highlight=False, emoji=False)


def say(console: Console, text: str, style: str = "") -> None:
    """A line as it is: no markup, and no line breaks in the middle of a path."""
    console.print(Text(text, style=style), soft_wrap=True)


def emit(document: Any, *, one_line: bool = False) -> None:
    """The one JSON document of a command."""
    typer.echo(json.dumps(document, indent=None if one_line else 2, ensure_ascii=False, default=_decoded))


def _decoded(encoded: Any) -> Any:
    """What was encoded beforehand for callers in a hurry; a person gets it in lines."""
    import orjson

    return orjson.loads(orjson.dumps(encoded))


def _show_help(command: TyperCommand | TyperGroup, show: Callable[[], None]) -> None:
    """A command's help, then its epilog as it is: lines one can copy. typer would fill them into a paragraph."""
    lines, command.epilog = (command.epilog or "").splitlines(), None
    try:
        show()
    finally:
        command.epilog = "\n".join(lines)
    console = out()
    for line in lines:
        is_heading = not line.startswith(" ")
        say(console, f" {line}", "bold" if is_heading else "cyan")
    say(console, "")


def examples(*lines: str) -> str:
    """The epilog of a command's help."""
    return "\n".join(["Examples" if len(lines) > 1 else "Example", *(f"  {line}" for line in lines)])


class Command(TyperCommand):
    """A command whose help ends with examples."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        _show_help(self, lambda: super(Command, self).format_help(ctx, formatter))


class Group(TyperGroup):
    """A group of commands whose help ends with examples."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        _show_help(self, lambda: super(Group, self).format_help(ctx, formatter))


class Commands(Group):
    """All commands; every error that is raised on purpose becomes one message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except OptimizerError as error:
            if os.environ.get("OPTIMIZER_DEBUG") == "1":
                raise
            code = exit_code(error)
            if ctx.meta.get(_JSON):
                emit({"ok": False, "error": {"kind": type(error).__name__, "detail": str(error), "exit_code": code}})
            fail(str(error), code)
        except BrokenPipeError:
            raise  # whoever read us has seen enough
        except OSError as error:  # of a disk or a folder: a full one, or one that is not ours to write to
            if os.environ.get("OPTIMIZER_DEBUG") == "1":
                raise
            where = f" {error.filename}" if error.filename else ""
            detail = f"cannot read or write{where}: {error.strerror or error}"
            if ctx.meta.get(_JSON):
                with suppress(OSError):  # it may be our own output that cannot be written
                    emit({"ok": False, "error": {"kind": "OSError", "detail": detail, "exit_code": CANNOT}})
            fail(detail, CANNOT)
        except KeyboardInterrupt:
            fail("interrupted", INTERRUPTED)


def exit_code(error: OptimizerError) -> int:
    """What a process that met this error exits with."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), NOT_FINE)


def fail(message: str, code: int) -> NoReturn:
    """Say what is wrong and end."""
    console = err()
    console.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
    raise typer.Exit(code)


@contextmanager
def unwound_by_sigterm() -> Iterator[Callable[[], None]]:
    """Within, SIGTERM unwinds the stack, so that whatever was started is ended.

    Yields:
        What long work calls now and then: Python swallows what a signal raises while it collects garbage, and then
        the work would go on; this raises it once more.
    """
    came = False

    def end(_signal: int, _frame: FrameType | None) -> NoReturn:
        nonlocal came
        came = True
        raise SystemExit(128 + signal.SIGTERM)

    def end_if_told() -> None:
        if came:
            raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield end_if_told
    finally:
        signal.signal(signal.SIGTERM, before)
