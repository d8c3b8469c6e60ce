"""Limits on what a caller may send, checked before anything is read into memory."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from optimizer.web.problems import answer_problem, problem

MOST_BODY_BYTES = 8 * 1024 * 1024  # ten thousand recipients with a dozen attributes each


class BodyLimit:
    """Answers 413 to a body that is too large, whether it says so beforehand or not."""

    def __init__(self, app: ASGIApp, most_bytes: int = MOST_BODY_BYTES) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._most_bytes:
            await self._refuse(scope, receive, send, f"{int(declared):,} bytes")
            return
        received = 0
        refused = False
        started = False

        async def counted() -> Message:
            nonlocal received, refused
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most_bytes:
                refused = True
                return {"type": "http.disconnect"}
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            if not refused:
                started = True
                await send(message)

        try:
            await self._app(scope, counted, watched)
        except Exception:
            if not refused:
                raise
        if refused and not started:
            await self._refuse(scope, receive, send, f"more than {self._most_bytes:,} bytes")

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, found: str) -> None:
        detail = f"body: found {found}; allowed at most {self._most_bytes:,} bytes; send it in parts"
        response = answer_problem(problem(413, "body-too-large", detail), {"Connection": "close"})
        await response(scope, receive, send)
