"""``optimizer serve``."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from optimizer.cli.opening import opened
from optimizer.cli.terminal import HERE, Command, JsonOption, WorkspaceOption, emit, err, examples, out, say
from optimizer.errors import Unavailable

if TYPE_CHECKING:
    from optimizer.deployment import Deployment

MOST_WORKERS = 64
AFTER_DRAIN_SECONDS = 4  # in which a worker that has drained gives its leases up and closes its ledger


class LogFormat(StrEnum):
    """How lines of the log are written."""

    LOGFMT = "logfmt"
    JSON = "json"


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command,
        epilog=examples(
            "optimizer serve",
            "optimizer serve --host 0.0.0.0 --port 9000 --workspace shop",
            "OPTIMIZER_DATABASE_URL=postgresql://… optimizer serve --workers 4 --drain-delay 5",
        ),
    )(serve)


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 is every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Port; 0 takes a free one.")] = 8080,
    workers: Annotated[
        int,
        typer.Option("--workers", min=1, max=MOST_WORKERS, help="Processes that serve; about one per core."),
    ] = 1,
    drain_delay: Annotated[
        float,
        typer.Option(
            "--drain-delay",
            min=0.0,
            max=60.0,
            metavar="SECONDS",
            help="After SIGTERM, go on serving for so long while /readyz already refuses: time for a load balancer.",
        ),
    ] = 0.0,
    log_format: Annotated[
        LogFormat,
        typer.Option("--log-format", envvar="OPTIMIZER_LOG_FORMAT", help="How lines of the log are written."),
    ] = LogFormat.LOGFMT,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
    inherited: Annotated[str, typer.Option("--inherited", hidden=True)] = "",
) -> None:
    """Serve decisions over HTTP until Ctrl-C or SIGTERM; what was accepted by then is finished first."""
    import structlog

    from optimizer.cli.listening import DRAIN_SECONDS, listeners, url_of
    from optimizer.cli.logs import write_logs

    write_logs(written=log_format.value)

    def tell(text: str, style: str = "") -> None:
        if log_format is LogFormat.JSON:  # whoever collects the log reads objects alone
            structlog.get_logger("optimizer").info(text)
        else:
            say(err(), text, style)

    if inherited:  # one of several workers
        own, *others = [socket.socket(fileno=int(each)) for each in inherited.split(",")]
        with opened(workspace) as deployment:
            _run(deployment, own, others, drain_delay, _tell_parent)
        return
    with opened(workspace) as deployment:
        sockets = listeners(host, port, workers)
        hints = _hints(deployment, workers)

        def announce() -> None:
            url = url_of(sockets[0])
            if json:
                emit({"url": url, "docs": f"{url}/docs"}, one_line=True)  # whoever reads it cannot wait for our end
            else:
                out().print(f"serving [bold]{url}[/bold]  (docs at /docs)", soft_wrap=True)
            for hint in hints:
                tell(f"hint: {hint}", "yellow")

        if workers == 1:
            _run(deployment, sockets[0], [], drain_delay, announce)
    if workers > 1:  # whose connections are their own; ours are closed, and the tables are up to date
        from optimizer.cli.workers import Workers

        commands = [_command(workspace, drain_delay, log_format, sockets, number) for number in range(workers)]
        patience_seconds = drain_delay + DRAIN_SECONDS + AFTER_DRAIN_SECONDS
        with TemporaryDirectory(prefix="optimizer-") as made:
            shared = {"OPTIMIZER_METRICS_FOLDER": str(deployment.settings.metrics_folder or made)}
            Workers(commands, sockets, announce, patience_seconds, shared).run()
    tell("stopped; everything that was acknowledged is in the ledger")


def _command(
    workspace: Path, drain_delay: float, log_format: LogFormat, sockets: list[socket.socket], number: int
) -> list[str]:
    """What starts one worker: the first of the sockets is its own, the others it looks after."""
    descriptors = [str(each.fileno()) for each in sockets]
    inherited = ",".join([descriptors[number], *descriptors[:number], *descriptors[number + 1 :]])
    options = ["--workspace", str(workspace), "--drain-delay", str(drain_delay), "--log-format", log_format.value]
    return [sys.executable, "-P", "-m", "optimizer", "serve", *options, "--inherited", inherited]


def _tell_parent() -> None:
    from optimizer.cli.workers import READY

    os.write(sys.stdout.fileno(), READY)  # should it be gone, nothing is left to be written when we end


def _run(
    deployment: Deployment,
    listener: socket.socket,
    neighbours: list[socket.socket],
    drain_delay: float,
    announce: Callable[[], None],
) -> None:
    import uvicorn

    from optimizer.cli.listening import BACKLOG, DRAIN_SECONDS, Server
    from optimizer.web.app import create_app
    from optimizer.web.fast.express import Express
    from optimizer.web.garbage import collect_seldom

    config = uvicorn.Config(
        create_app(deployment, reads_aside=True),
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        http=Express,
        ws="none",
        backlog=BACKLOG,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = Server(config, announce, deployment.drain, drain_delay_seconds=drain_delay, neighbours=neighbours)
    _end_quietly_on_signals()
    collect_seldom()
    try:
        server.run(sockets=[listener])
    except _Stopped:
        return
    if not server.started:
        raise Unavailable("the service could not start; the log above says why")


class _Stopped(BaseException):
    """A signal asked us to end."""


def _end_quietly_on_signals() -> None:
    # uvicorn drains on a signal, then raises it once more; by then everything is done and that is no failure.
    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise _Stopped

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _hints(deployment: Deployment, workers: int) -> list[str]:
    """What still keeps callers from getting variants, or workers from being of use."""
    from optimizer.deployment import now
    from optimizer.services.keys.key_care import is_live
    from optimizer.services.reports.summaries import summarise

    with deployment.store.reading() as ledger:
        loaded = deployment.live.at(ledger)
        summaries: list[Any] = summarise(ledger, deployment.live, now())
        has_keys = any(is_live(key, now()) for key in ledger.keys.all())
    hints = []
    if workers > 1 and deployment.store.is_sqlite:
        hints.append(
            f"{workers} workers on SQLite are safe but not faster: one writes at a time; "
            "PostgreSQL serves many (OPTIMIZER_DATABASE_URL=postgresql://…)"
        )
    if loaded.workspace is None:
        hints.append('nothing is in force yet: optimizer apply --note "first version"')
    for summary in summaries:
        if summary.awaiting_approval:
            awaiting = f"{len(summary.awaiting_approval)} of {len(summary.variants)} variants"
            hints.append(f"{awaiting} of {summary.campaign_id} await approval: optimizer approve {summary.campaign_id}")
    if not has_keys:
        hints.append("nobody has a key yet: optimizer key create --name shop --scope decide --scope report_outcomes")
    return hints
