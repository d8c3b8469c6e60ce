"""Serves one workspace on a free port and prints its URL: a process that tests may kill."""

import socket
import sys
from pathlib import Path

import uvicorn

from optimizer.deployment import Deployment
from optimizer.settings import read_settings
from optimizer.web.app import create_app


def main(folder: Path) -> None:
    deployment = Deployment(folder, read_settings())
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(create_app(deployment), log_level="warning", ws="none")).run(sockets=[listening])
    deployment.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
