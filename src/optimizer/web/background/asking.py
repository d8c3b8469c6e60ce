"""Asking the evidence in a process of its own: it thinks for seconds, and nobody who decides shall wait for that.

The process opens the ledger to read, runs with low priority, and is ended at once when nobody needs its answers.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import AsyncGenerator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from optimizer.deployment import ReadOnlyDeployment, now
from optimizer.services.proposing.keeping import Made, suggested
from optimizer.services.proposing.looking import looked_at
from optimizer.settings import Settings

NICE = 19  # the least: decisions come first
END_SECONDS = 5.0


async def asked(
    folder: Path, settings: Settings, campaign_ids: Sequence[str]
) -> AsyncGenerator[tuple[str, Made | str], None]:
    """What the evidence of campaigns suggests, one after the other; a sentence where it could not be asked.

    Args:
        folder: the workspace.
        settings: of this process.
        campaign_ids: whose evidence.
    """
    apart = multiprocessing.get_context("spawn")  # a copy of this process would have its threads' locks
    ours, theirs = apart.Pipe(duplex=False)
    process = apart.Process(target=answer, args=(theirs, folder, settings, tuple(campaign_ids)), daemon=True)
    await asyncio.to_thread(process.start)
    theirs.close()
    try:
        for campaign_id in campaign_ids:
            try:
                found = await asyncio.to_thread(ours.recv)
            except (EOFError, OSError):
                found = "the process that was asked has ended"
            yield campaign_id, found
    finally:
        process.kill()  # also wakes whoever still waits for an answer
        await asyncio.shield(asyncio.to_thread(_ended, process, ours))


def answer(connection: Connection, folder: Path, settings: Settings, campaign_ids: Sequence[str]) -> None:
    """The other process: send what the evidence of each campaign suggests, or why it could not be asked."""
    os.nice(NICE)
    deployment = ReadOnlyDeployment(folder, settings)
    try:
        for campaign_id in campaign_ids:
            try:
                with deployment.store.reading() as ledger:
                    looked = looked_at(ledger, deployment.live, campaign_id, now())
                    loaded = deployment.live.at(ledger)
                found: Made | str = suggested(looked, loaded)  # the view of the ledger is closed again
            except Exception as error:  # the others shall be asked all the same
                found = f"{type(error).__name__}: {error}"
            connection.send(found)
    finally:
        deployment.close()


def _ended(process: BaseProcess, connection: Connection) -> None:
    process.join(END_SECONDS)
    connection.close()
