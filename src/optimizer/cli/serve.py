"""``optimizer serve``."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from optimizer.cli.opening import opened
from optimizer.cli.terminal import HERE, Command, JsonOption, WorkspaceOption, emit, err, examples, out, say
from optimizer.errors import ConfigurationError, Unavailable

if TYPE_CHECKING:
    from optimizer.deployment import Deployment

BACKLOG = 2_048
DRAIN_SECONDS = 25  # less than the 30 that orchestrators usually grant


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command, epilog=examples("optimizer serve", "optimizer serve --host 0.0.0.0 --port 9000 --workspace shop")
    )(serve)


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 is every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Port; 0 takes a free one.")] = 8080,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Serve decisions over HTTP until Ctrl-C or SIGTERM; what was accepted by then is finished first."""
    from optimizer.cli.logs import write_logs

    write_logs()
    with opened(workspace) as deployment, _bound(host, port) as listener:
        url = _url(listener)

        def announce() -> None:
            if json:
                emit({"url": url, "docs": f"{url}/docs"}, one_line=True)  # whoever reads it cannot wait for our end
            else:
                out().print(f"serving [bold]{url}[/bold]  (docs at /docs)", soft_wrap=True)
            for hint in _hints(deployment):
                say(err(), f"hint: {hint}", "yellow")

        _run(deployment, listener, announce)
    say(err(), "stopped; everything that was acknowledged is in the ledger")


def _bound(host: str, port: int) -> socket.socket:
    """A socket of ours, so that the address is known before anyone can be told a wrong one."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {reason}; allowed an address of this machine and a free port "
            "(--port 0 takes one)"
        ) from None


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _run(deployment: Deployment, listener: socket.socket, announce: Callable[[], None]) -> None:
    import uvicorn

    from optimizer.web.app import create_app

    class Server(uvicorn.Server):
        """Says so once it answers."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                announce()

    config = uvicorn.Config(
        create_app(deployment),
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = Server(config)
    _end_quietly_on_signals()
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


def _hints(deployment: Deployment) -> list[str]:
    """What still keeps callers from getting variants."""
    from optimizer.deployment import now
    from optimizer.services.summaries import summarise

    with deployment.store.reading() as ledger:
        loaded = deployment.live.at(ledger)
        summaries: list[Any] = summarise(ledger, deployment.live, now())
        has_keys = bool(ledger.keys.all())
    hints = []
    if loaded.workspace is None:
        hints.append('nothing is in force yet: optimizer apply --note "first version"')
    for summary in summaries:
        if summary.awaiting_approval:
            awaiting = f"{len(summary.awaiting_approval)} of {len(summary.variants)} variants"
            hints.append(f"{awaiting} of {summary.campaign_id} await approval: optimizer approve {summary.campaign_id}")
    if not has_keys:
        hints.append("nobody has a key yet: optimizer key create --name shop --scope decide --scope report_outcomes")
    return hints
