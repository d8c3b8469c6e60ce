"""Routes about recipients: what is known of them, everything that is kept of them, and leaving nothing of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BeforeValidator

from optimizer.deployment import now, random_id
from optimizer.domain.instants import isoformat
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.services.live import Live
from optimizer.services.recipients.disclosing import disclose
from optimizer.services.recipients.erasing import Erased, erase
from optimizer.services.recipients.profiles import believed_sources, consent_texts, stored_profile
from optimizer.services.recipients.suppressing import RECIPIENT_PATTERN
from optimizer.storage.recipients import Profile
from optimizer.storage.store import Ledger
from optimizer.strategy.sources import speaks_for
from optimizer.web.escaped_slashes import slashed
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.answers import ProfileOut
from optimizer.web.shapes.disclosure_answers import DisclosureOut, ErasedOut, disclosure_json, said_json
from optimizer.web.shapes.rendering import json_answer
from optimizer.web.shapes.requests import ProfileIn, known

router = APIRouter(prefix="/v1/recipients", route_class=JsonRoute, responses=PROBLEMS, tags=["recipients"])
RecipientId = Annotated[
    str,
    BeforeValidator(slashed),
    Path(pattern=RECIPIENT_PATTERN, description="your id of the person; a slash in it is written %2F"),
]
_may_manage = Depends(requires(Scope.MANAGE))


@router.put(
    "/{recipient}",
    response_model=ProfileOut,
)
async def put_recipient(
    recipient: RecipientId,
    stored: ProfileIn,
    desk: TheDesk,
    caller: Annotated[Caller, Depends(requires(Scope.REPORT_OUTCOMES, Scope.MANAGE))],
) -> Any:
    """Store what a source knows of a recipient, in declared attributes; replaces what it said before.

    What other sources said stays. Consents, and the words they were given in, are of all sources together; they are
    kept with the time they came, and so is every change of them.
    """
    loaded = await desk.read(lambda ledger, live: live.at(ledger))
    sources = () if loaded.workspace is None else loaded.workspace.strategy.sources
    source = speaks_for(sources, caller.name, stored.source)
    profile = Profile(known(stored.attributes), stored.consent, stored.time_zone)
    await desk.put_profile(recipient, profile, stored.consent_texts, source)
    return json_answer(await desk.read(lambda ledger, live: _profile_json(ledger, live, recipient)))


@router.get("/{recipient}", response_model=ProfileOut, dependencies=[Depends(requires(Scope.MANAGE, Scope.ANALYSE))])
async def get_recipient(recipient: RecipientId, desk: TheDesk) -> Any:
    """What is stored of a recipient."""
    return json_answer(await desk.read(lambda ledger, live: _profile_json(ledger, live, recipient)))


@router.get("/{recipient}/export", response_model=DisclosureOut, dependencies=[_may_manage])
async def export_recipient(recipient: RecipientId, desk: TheDesk) -> Any:
    """Everything that is kept about a recipient: profile, consents, suppressions, decisions, outcomes, quarantine."""
    found = await desk.read(lambda ledger, live: disclose(ledger, live, recipient, now()))
    return json_answer(disclosure_json(found))


@router.delete("/{recipient}", response_model=ErasedOut)
async def delete_recipient(
    recipient: RecipientId,
    desk: TheDesk,
    caller: Annotated[Caller, Depends(requires(Scope.MANAGE))],
    *,
    forget_suppression: Annotated[
        bool,
        Query(description="Leave no tombstone either, so that somebody who said no may be contacted again."),
    ] = False,
) -> Any:
    """Leave nothing of a recipient. What was counted and paid stays as it was, about nobody.

    Whoever was suppressed keeps a tombstone, from which nothing leads anywhere: a hash that keeps the same id from
    being contacted again. Earlier requests of the recipient are unknown from now on: repeated, they are decided anew.
    """

    def change(ledger: Ledger, live: Live) -> Erased:
        return erase(
            ledger,
            live,
            [recipient],
            forget_suppressions=forget_suppression,
            random_id=random_id,
            actor=caller.name,
            now=now(),
        )

    done = await desk.change(change)
    return json_answer(
        {
            "profiles": done.profiles,
            "decisions": done.decisions,
            "quarantined": done.quarantined,
            "tombstones": done.tombstones,
            "scrubbed": await desk.scrub(),
        }
    )


def _profile_json(ledger: Ledger, live: Live, recipient: str) -> dict[str, Any]:
    at = now()
    profile = stored_profile(ledger, live, recipient, at)
    texts = consent_texts(ledger, live, recipient)
    return {
        "recipient": recipient,
        "attributes": dict(profile.attributes),
        "consent": dict(profile.consent),
        "consent_texts": {
            name: {"text": one.words, "given_at": isoformat(one.given_at)} for name, one in texts.items()
        },
        "time_zone": profile.time_zone,
        "sources": said_json(profile.said, believed_sources(live.at(ledger), profile.said, at)),
    }
