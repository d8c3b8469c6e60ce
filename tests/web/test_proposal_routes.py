"""Proposals over HTTP: looked at, accepted, rejected; and made by the serving process itself."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from threading import Barrier, Thread
from typing import Any

import pytest

from optimizer.deployment import now
from optimizer.domain.proposals import Confidence, Edit, Effect, Kept, Proposal, ProposalKind
from optimizer.services.learning.lease import begin_lease
from optimizer.services.proposing.keeping import Made, keep
from optimizer.web.background.asking import asked
from optimizer.web.background.suggesting import Suggesting
from optimizer.web.desk import Desk
from optimizer.web.shapes.proposal_answers import DecidedOut, ProposalsOut, ShownOut

RETIRE = Proposal(
    kind=ProposalKind.RETIRE_VARIANT,
    campaign_id="winback",
    subject="new-arrivals",
    headline="Retire new-arrivals.",
    evidence=("It earns less.",),
    expected=Effect(1.5, 0.5, 2.5, "rewards", "day"),
    risk="Some.",
    confidence=Confidence.HIGH,
    edits=(Edit("winback", ("messages", "new-arrivals", "retired"), "set", value=True),),
)
FLOOR = replace(RETIRE, subject="floor", edits=(Edit("winback", ("policy", "floor"), "set", 0.02),))
WHY = {"note": "as we hoped"}


def made(deployment: Any, *proposals: Proposal) -> list[Kept]:
    with deployment.store.writing(alone=True) as ledger:
        version = deployment.live.at(ledger).version
        return keep(ledger, deployment.live, Made("winback", now(), version, 100, proposals), now())


def get(service: Any, path: str, model: Any, **query: Any) -> Any:
    answer = service.client.get(f"/v1/proposals{path}", params=query)
    assert answer.status_code == 200, answer.text
    model.model_validate(answer.json(), strict=False)
    return answer.json()


def test_a_proposal_is_looked_at_and_accepted(service: Any) -> None:
    made(service.deployment, RETIRE, FLOOR)
    listed = get(service, "", ProposalsOut, n=1)
    assert (listed["proposals"][0]["number"], listed["next_before"]) == (2, 2)
    (first,) = get(service, "", ProposalsOut, before=2, campaign="winback", state="open")["proposals"]
    assert first["expected"] == {"value": 1.5, "low": 0.5, "high": 2.5, "unit": "rewards", "per": "day"}
    shown = get(service, "/1", ShownOut)
    assert "+  - {id: new-arrivals, subject: See what is new, retired: true}" in shown["diff"]
    assert shown["misfit"] is None
    done = service.client.post("/v1/proposals/1/accept", json={**WHY, "seen": shown["seen"]})
    assert done.status_code == 200, done.text
    DecidedOut.model_validate(done.json(), strict=False)
    assert done.json()["detail"] == "version 2 is in force"
    assert (done.json()["proposal"]["state"], done.json()["proposal"]["decided_by"]) == ("accepted", "test")
    again = service.client.post("/v1/proposals/1/accept", json=WHY)
    assert (again.status_code, "found it accepted by test" in again.json()["detail"]) == (409, True)
    no = service.client.post("/v1/proposals/2/reject", json={"note": "not now"})
    assert no.json()["proposal"]["note"] == "not now"
    assert get(service, "", ProposalsOut, state="open")["proposals"] == []


def test_what_was_not_looked_at_is_not_accepted_and_what_is_not_there_is_not_found(site: Any) -> None:
    made(site.deployment, RETIRE)
    stale = site.client.post("/v1/proposals/1/accept", json={**WHY, "seen": "0" * 16})
    assert (stale.status_code, "found other figures" in stale.json()["detail"]) == (409, True)
    assert site.client.get("/v1/proposals/99").status_code == 404
    assert site.client.post("/v1/proposals/99/reject", json=WHY).status_code == 404
    for wrong in ({}, {"note": ""}, {"note": "x", "seen": "short"}, {"note": "x", "more": 1}):
        assert site.client.post("/v1/proposals/1/accept", json=wrong).status_code == 422, wrong
    for number in ("0", "-1", "x", "99999999999"):
        assert site.client.get(f"/v1/proposals/{number}").status_code == 422, number
    assert site.client.get("/v1/proposals", params={"state": "closed"}).status_code == 422


def test_two_people_accept_at_once_and_one_of_them_does(service: Any) -> None:
    made(service.deployment, RETIRE)
    barrier, codes = Barrier(2), []

    def accept() -> None:
        barrier.wait()
        codes.append(service.client.post("/v1/proposals/1/accept", json=WHY).status_code)

    threads = [Thread(target=accept) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200, 409]


# ------------------------------------------------------------ by itself


Evidence = Callable[[str], Made | str]


@pytest.fixture
def alone(sqlite_house: Any, files: Mapping[str, str]) -> Callable[..., list[tuple[str, int]]]:
    """Lets a process without a server ask the evidence, which says the given; gives what is kept then."""
    deployment = sqlite_house.deployment
    sqlite_house.apply(files)

    def ask(worker: str, evidence: Evidence | None, turns: int = 1) -> list[tuple[str, int]]:
        async def answers(campaign_ids: Sequence[str]) -> AsyncGenerator[tuple[str, Made | str], None]:
            assert evidence is not None
            for campaign_id in campaign_ids:
                yield campaign_id, evidence(campaign_id)

        async def run() -> None:
            desk = Desk(deployment)
            real = partial(asked, deployment.folder, deployment.settings)
            for_one = Suggesting(desk, worker, real if evidence is None else answers)
            for _ in range(turns):
                await for_one.round()
            await for_one.end()
            await desk.close()

        with deployment.store.writing(alone=True) as ledger:
            for campaign in ("winback", "members", "newsletter"):
                begin_lease(ledger, campaign, "me", 1, now())
        asyncio.run(run())
        with deployment.store.reading() as ledger:
            return [(kept.proposal.subject, kept.number) for kept in ledger.proposals.newest(10)]

    return ask


def test_whoever_learns_a_campaign_asks_its_evidence_once_a_day(alone: Callable[..., Any]) -> None:
    found: list[str] = []

    def evidence(campaign_id: str) -> Made:
        found.append(campaign_id)
        return Made(campaign_id, now(), 1, 100, (RETIRE,) if campaign_id == "winback" else ())

    assert alone("another", evidence) == []
    assert found == []
    assert alone("me", evidence, turns=3) == [("new-arrivals", 1)]
    assert sorted(found) == ["members", "newsletter", "winback"]


def test_one_campaign_that_cannot_be_asked_holds_up_no_other(alone: Callable[..., Any]) -> None:
    found: list[str] = []

    def evidence(campaign_id: str) -> Made | str:
        found.append(campaign_id)
        return Made(campaign_id, now(), 1, 100, (RETIRE,)) if campaign_id == "winback" else "ZeroDivisionError: 1 / 0"

    assert alone("me", evidence, turns=2) == [("new-arrivals", 1)]
    assert sorted(found) == ["members", "newsletter", "winback"]


def test_nothing_is_asked_as_soon_as_a_process_begins(alone: Callable[..., Any], sqlite_house: Any) -> None:
    async def run() -> bool:
        desk = Desk(sqlite_house.deployment)
        new = Suggesting(desk, "me", partial(asked, sqlite_house.deployment.folder, sqlite_house.deployment.settings))
        new.turn()
        await desk.close()
        return new._round is None

    assert asyncio.run(run())


@pytest.mark.slow
def test_the_evidence_is_asked_in_a_process_of_its_own(alone: Callable[..., Any], sqlite_house: Any) -> None:
    assert alone("me", None) == []
    with sqlite_house.deployment.store.reading() as ledger:
        assert sorted(ledger.proposals.rounds()) == ["members", "newsletter", "winback"]


@pytest.mark.slow
def test_the_other_process_ends_when_nobody_needs_its_answer(sqlite_house: Any) -> None:
    before = set(multiprocessing.active_children())

    async def run() -> None:
        async with aclosing(
            asked(sqlite_house.deployment.folder, sqlite_house.deployment.settings, ["winback"] * 3)
        ) as some:
            async for _, found in some:
                assert isinstance(found, Made)
                break
        assert set(multiprocessing.active_children()) <= before

    asyncio.run(run())
