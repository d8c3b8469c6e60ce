"""What must be true of the ledger after a soak, found without the services that wrote it: by SQL and plain sums."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from serving_parts.callers import CAMPAIGNS
from serving_parts.databases import each_row_of, rows_of
from serving_parts.shops import Shop
from serving_parts.told import MICROS, Told, digest

RECOMPUTED = 20_000

# Every highest value a meter ever had, written down by the database itself.
WATCH = """\
CREATE TABLE peaks (scope TEXT, period TEXT, money BIGINT, sends BIGINT, PRIMARY KEY (scope, period));
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO peaks VALUES (new.scope, new.period, new.reserved + new.settled, new.sends)
  ON CONFLICT (scope, period) DO UPDATE SET
    money = greatest(peaks.money, excluded.money), sends = greatest(peaks.sends, excluded.sends);
  RETURN new;
END $$;
CREATE TRIGGER watch AFTER INSERT OR UPDATE ON meters FOR EACH ROW EXECUTE FUNCTION watch();
"""


@dataclass(frozen=True)
class Limit:
    """At most this much in a scope: by day, or ever.

    Attributes:
        channel: only what travels on it; None is every one.
        campaign: only this campaign's; None is every one's.
        money: micro-units; None when money is not limited.
        sends: messages; None when they are not.
    """

    scope: str
    daily: bool
    campaign: str | None = None
    channel: str | None = None
    money: int | None = None
    sends: int | None = None


@dataclass(frozen=True)
class Cap:
    """At most so many contacts of a recipient in any such stretch of time, on these channels."""

    at_most: int
    per: int  # seconds
    channels: tuple[str, ...]


@dataclass
class Checks:
    """Looks the whole ledger through; every broken promise is told."""

    shop: Shop
    told: Told

    def sums(self, limits: Iterable[Limit], caps: Iterable[Cap]) -> Iterator[str]:
        """What was found of each promise but what was acknowledged, a line each."""
        for limit in limits:
            yield self.limit(limit)
        for cap in caps:
            yield self.cap(cap)
        yield self.verified()

    def decisions(self) -> str:
        """I2, I3: what was acknowledged is there, as it was answered; nothing is there that nobody asked for."""
        query = (
            "SELECT request_id, decision_id, campaign_id, variant_id, propensity, reason, segment_id, audience, "
            "snapshot_id, decided_at FROM decisions"
        )
        known, found, unheard = self.told.decisions, 0, 0
        for request_id, decision_id, *parts in each_row_of(self.shop.url, query):
            number = int(request_id[1:]) if re.fullmatch(r"r\d+", request_id) else len(known)
            if number >= len(known):
                self.told.breach(f"I2: the ledger has {request_id}, which nobody asked for")
            elif known.id_of(number) is None:
                unheard += 1  # made durable, but its answer was lost on the way
            elif known.id_of(number) != decision_id or known.digest_of(number) != digest(*parts):
                self.told.breach(f"I3: r{number} stands in the ledger otherwise than it was answered: {parts}")
            else:
                found += 1
        if found != known.acknowledged:
            self.told.breach(f"I2: {known.acknowledged - found} acknowledged decisions are not in the ledger")
        return (
            f"decisions: {found:,} of {known.acknowledged:,} acknowledged are there as answered; {unheard} unheard of"
        )

    def outcomes(self) -> str:
        """I2: acknowledged outcomes are there, those about their decision."""
        events, found = self.told.events, 0
        for event_id, decision_id in each_row_of(self.shop.url, "SELECT event_id, decision_id FROM outcomes"):
            number = int(event_id[1:])
            if decision_id != self.told.decisions.id_of(events.decisions[number]):
                self.told.breach(f"I2: {event_id} stands in the ledger for another decision than was reported")
            found += bool(events.recorded[number])
        acknowledged = len(events) - events.recorded.count(0)
        if found != acknowledged:
            self.told.breach(f"I2: {acknowledged - found} acknowledged outcomes are not in the ledger")
        return f"outcomes: {found:,} of {acknowledged:,} acknowledged are there"

    def limit(self, limit: Limit) -> str:
        """I5: neither what is committed nor what a meter ever said is more than the limit."""
        where = "NOT withdrawn"
        where += f" AND campaign_id = '{limit.campaign}'" if limit.campaign else ""
        where += f" AND channel = '{limit.channel}'" if limit.channel else ""
        rows = rows_of(
            self.shop.url,
            f"SELECT (at / 86400000000)::bigint, sum(CASE WHEN open THEN most ELSE settled END)::bigint, count(*) "
            f"FROM commitments WHERE {where} GROUP BY 1",
        )
        used: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for day, money, sends in rows:
            period = datetime.fromtimestamp(day * 86_400, UTC).date().isoformat() if limit.daily else "ever"
            used[period] = (used[period][0] + money, used[period][1] + sends)
        for period, money, sends in rows_of(
            self.shop.url, f"SELECT period, money, sends FROM peaks WHERE scope = '{limit.scope}'"
        ):
            if limit.daily == bool(re.fullmatch(r"\d{4}-\d\d-\d\d", period)):
                used[f"{period}, at its peak"] = (money, sends)
        most = [max((amount[place] for amount in used.values()), default=0) for place in (0, 1)]
        for period, amounts in used.items():
            for amount, allowed in zip(amounts, (limit.money, limit.sends), strict=True):
                if allowed is not None and amount > allowed:
                    self.told.breach(f"I5: {limit.scope}, {period}: found {amount}; allowed {allowed}")
        said = f"{most[0] / MICROS:,.2f} of {limit.money / MICROS:,.2f} in money" if limit.money else ""
        said += f"{most[1]:,} of {limit.sends:,} sends" if limit.sends else ""
        return f"limits: {limit.scope}, {'a day' if limit.daily else 'ever'}: at most {said}"

    def cap(self, cap: Cap) -> str:
        """I6: nobody was contacted more often than allowed in any window."""
        channels = ", ".join(f"'{channel}'" for channel in cap.channels)
        query = (
            "SELECT n, count(*) FROM (SELECT count(*) OVER (PARTITION BY recipient_key ORDER BY at RANGE BETWEEN "
            f"CURRENT ROW AND {cap.per * MICROS - 1} FOLLOWING) AS n FROM commitments "
            f"WHERE NOT withdrawn AND channel IN ({channels})) counted GROUP BY n ORDER BY n"
        )
        found = dict(rows_of(self.shop.url, query))
        if (most := max(found, default=0)) > cap.at_most:
            self.told.breach(f"I6: found {most} contacts within {cap.per} s; allowed {cap.at_most}")
        return f"contacts: at most {most} of {cap.at_most} within {cap.per} s on {' and '.join(cap.channels)}: {found}"

    def verified(self) -> str:
        """I1, I4, I5: statistics and meters are the fold of the ledger, decisions come out the same."""
        found: Mapping[str, Any] = self.shop.verify("--recompute", str(RECOMPUTED))
        if not found["ok"]:
            self.told.breach(f"I4: `optimizer ledger verify` found {str(found)[:500]}")
        return (
            f"ledger verify: {'clean' if found['ok'] else 'NOT CLEAN'}; {found['decisions']:,} decisions, "
            f"{found['outcomes']:,} outcomes, {found['cells']:,} cells, {found['recomputed']:,} computed again"
        )


def learned(shop: Shop) -> str:
    """How often each campaign learned."""
    found = dict(rows_of(shop.url, "SELECT campaign_id, count(*) FROM snapshots GROUP BY 1"))
    return ", ".join(f"{campaign} {found.get(campaign, 0)} times" for campaign in CAMPAIGNS)
