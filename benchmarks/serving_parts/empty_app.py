"""The peer: an empty FastAPI endpoint, in a process of its own; says its address in a line once it answers.

It reads nothing, asks nothing and always gives the same dictionary of about 200 bytes: what FastAPI itself costs.
"""

import socket

import uvicorn
from fastapi import FastAPI

ANSWER = {
    "decision_id": "9f3c0b5a2f7d4e1896d2c7a4b1e0f355",
    "campaign": "winback",
    "variant": "ten-percent",
    "segment": "lapsed",
    "propensity": 0.625,
    "reason": "exploit",
    "snapshot": "winback:12",
    "decided_at": "2026-12-01T09:00:00Z",
}
app = FastAPI()


@app.post("/empty")
async def empty() -> dict[str, object]:
    return ANSWER


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2_048)
    print(f'{{"url": "http://127.0.0.1:{listener.getsockname()[1]}"}}', flush=True)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_config=None, lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
