"""Documents drawn at random, and an independent reading of the limits in them, for tests of the guardrails.

Nothing here calls the code that is tested: windows, periods, dates and sums are worked out from the documents as they
are written, with `zoneinfo` and plain arithmetic.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

DURATIONS = {"PT1H": 3_600, "PT12H": 43_200, "P1D": 86_400, "P2D": 172_800, "P7D": 604_800}
SECOND = 1_000_000
NAME_THAT_BREAKS_THE_BRAND = "Risk-Free"
MESSAGES = ("greeting", "offer", "plain")


def rarely(chance: Random, *values: Any, one_in: int = 4) -> Any:
    """One of some values now and then; else nothing."""
    return chance.choice(values) if chance.randrange(one_in) == 0 else None


def _without_nothing(written: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in written.items() if value not in (None, {}, [])}


def budget_at_random(chance: Random, *, paced: bool) -> dict[str, Any]:
    money = {"daily": rarely(chance, "0.40 USD", "0.70 USD"), "monthly": rarely(chance, "1.00 USD", "1.50 USD")}
    money |= {"total": rarely(chance, "2.00 USD", "3.10 USD")}
    if money["total"] and chance.random() < 0.3:
        per = chance.choice(["day", "month"])
        money |= {"per": per, {"day": "daily", "month": "monthly"}[per]: None}
    sends = {
        "daily": rarely(chance, 2, 4, one_in=6),
        "monthly": rarely(chance, 6, one_in=8),
        "total": rarely(chance, 8, 15, one_in=8),
    }
    written = _without_nothing({**money, "sends": _without_nothing(sends)})
    if paced and (money["daily"] or money["monthly"]):
        written |= _without_nothing({"pacing": rarely(chance, "even", "front", one_in=2)})
    return written


def channel_at_random(chance: Random) -> dict[str, Any]:
    return _without_nothing(
        {
            "quiet_hours": rarely(chance, "21:00-08:00", "12:00-15:30", "00:00-06:00"),
            "unknown_time_zone": rarely(chance, "use_strategy_zone", one_in=2),
            "sends_per_day": rarely(chance, 3, 6),
            "cost": rarely(chance, "0.01 USD", "0.02 USD per delivery", one_in=2),
        }
    )


def contact_rule_at_random(chance: Random) -> dict[str, Any]:
    return _without_nothing(
        {
            "at_most": chance.choice([1, 2, 2, 3]),
            "per": chance.choice(["PT12H", "P1D", "P1D", "P7D"]),
            "channels": rarely(chance, ["email"], ["sms"], ["email", "sms"], one_in=2),
        }
    )


def strategy_at_random(chance: Random) -> dict[str, Any]:
    n_rules = chance.choice([0, 0, 1, 1, 2, 3])
    return _without_nothing(
        {
            "strategy": "acme",
            "currency": "USD",
            "time_zone": chance.choice(["America/New_York", "Europe/London", "Asia/Kolkata"]),
            "objectives": [
                {
                    "id": "buy",
                    "reward": {"outcome": "purchase", "value": "first"},
                    "attribution_window": chance.choice(["PT1H", "P1D", "P2D"]),
                    "counts_from": chance.choice(["decision", "delivered"]),
                }
            ],
            "attributes": {"country": {"type": "category", "values": ["US", "GB"]}, "first_name": {"type": "text"}},
            "data": _without_nothing(
                {"consent_required": rarely(chance, ["email"], ["sms"], ["email", "sms"], one_in=3)}
            ),
            "channels": {"email": channel_at_random(chance), "sms": channel_at_random(chance)},
            "contact_policy": [contact_rule_at_random(chance) for _ in range(n_rules)],
            "brand": rarely(chance, {"banned_phrases": ["risk-free"]}, one_in=2),
            "budget": budget_at_random(chance, paced=False),
            "approval": {"required": chance.random() < 0.15},
            "holdout": {"share": chance.choice([0.0, 0.0, 0.2])},
            "review": rarely(
                chance, {"every": "P7D", "when_overdue": "stop"}, {"every": "P1D", "when_overdue": "freeze"}
            ),
        }
    )


def campaign_at_random(chance: Random, name: str) -> dict[str, Any]:
    targetings = rarely(
        chance,
        [{"id": "day", "send_window": "08:00-19:00"}, {"id": "late", "send_window": "18:00-02:00"}],
        [{"id": "any"}, {"id": "us", "only_segments": ["american"]}],
        one_in=3,
    )
    costs = ("0.10 USD", "0.05 USD per click", "0.33 USD per purchase")
    words = {"greeting": "Hi {{first_name|there}}", "offer": chance.choice(["An offer", "Another offer"])}
    control: Any = {"message": "plain"} | ({"targeting": targetings[0]["id"]} if targetings else {})
    return _without_nothing(
        {
            "campaign": name,
            "serves": "buy",
            "channel": chance.choice(["email", "sms"]),
            "starts": rarely(chance, "2026-09-20", "2026-09-22", one_in=8),
            "ends": rarely(chance, "2026-09-25", "2026-10-20", one_in=6),
            "messages": [
                _without_nothing(
                    {"id": id_, "subject": words.get(id_, "Plain words"), "cost": rarely(chance, *costs, one_in=2)}
                )
                for id_ in MESSAGES
            ],
            "targetings": targetings,
            "control": chance.choice([control, "nothing"]),
            "segments": [{"id": "american", "when": {"country": "US"}}],
            "everyone_else": chance.choice(["include", "include", "exclude"]),
            "budget": budget_at_random(chance, paced=True),
            "rollout": rarely(chance, [{"share": 0.4, "for": "PT12H"}, {"share": 1.0}]),
            "holdout": {"share": chance.choice([0.0, 0.0, 0.2])},
            "policy": {"floor": 0.1},
        }
    )


def edition_at_random(seed: int) -> Edition:
    """Documents drawn by a seed: one number instead of a hundred draws, which hypothesis would be slow to make."""
    chance = Random(seed)
    names = ["first", "second"][: chance.choice([1, 2, 2, 2])]
    return Edition(strategy_at_random(chance), {name: campaign_at_random(chance, name) for name in names})


EDITIONS = st.integers(0, 2**32).map(edition_at_random)


@dataclass(frozen=True)
class Edition:
    """Documents as they are written, read here a second time and more simply."""

    strategy: dict[str, Any]
    campaigns: dict[str, dict[str, Any]]

    @property
    def files(self) -> dict[str, str]:
        """The documents as YAML: every JSON text is one."""
        campaigns = {f"campaigns/{name}.yaml": json.dumps(written) for name, written in self.campaigns.items()}
        return {"strategy.yaml": json.dumps(self.strategy), **campaigns}

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.strategy["time_zone"])

    def channel(self, campaign: str) -> str:
        return str(self.campaigns[campaign]["channel"])

    def channel_settings(self, campaign: str) -> dict[str, Any]:
        return dict(self.strategy["channels"].get(self.channel(campaign), {}))

    def message(self, campaign: str, variant_id: str) -> dict[str, Any]:
        wanted = variant_id.partition(":")[0]
        return next(dict(m) for m in self.campaigns[campaign]["messages"] if m["id"] == wanted)

    def targeting(self, campaign: str, variant_id: str) -> dict[str, Any]:
        wanted = variant_id.partition(":")[2]
        return next((dict(t) for t in self.campaigns[campaign].get("targetings", []) if t["id"] == wanted), {})

    def variant_ids(self, campaign: str) -> list[str]:
        targetings = [f":{t['id']}" for t in self.campaigns[campaign].get("targetings", [])] or [""]
        return [m["id"] + t for m in self.campaigns[campaign]["messages"] for t in targetings]

    def control(self, campaign: str) -> str | None:
        written = self.campaigns[campaign]["control"]
        if written == "nothing":
            return None
        return written["message"] + (f":{written['targeting']}" if "targeting" in written else "")

    def words(self, campaign: str, variant_id: str) -> str:
        """All that an approval is for."""
        message = {k: v for k, v in self.message(campaign, variant_id).items() if k != "cost"}
        return json.dumps([campaign, self.channel(campaign), message, self.targeting(campaign, variant_id)])

    def costs(self, campaign: str, variant_id: str) -> dict[str, int]:
        """Micro-units by the event that makes them due: decision, delivered, clicked, purchase."""
        events = {"": "decision", "delivery": "delivered", "click": "clicked"}
        found: dict[str, int] = {}
        for written in (self.channel_settings(campaign).get("cost"), self.message(campaign, variant_id).get("cost")):
            if written:
                amount, _, event = written.partition(" per ")
                event = events.get(event, event)
                found[event] = found.get(event, 0) + micros(amount)
        return found

    def window(self) -> int:
        """How long an outcome counts, microseconds."""
        return DURATIONS[self.strategy["objectives"][0]["attribution_window"]] * SECOND

    def segment(self, campaign: str, attributes: Mapping[str, Any]) -> str | None:
        if attributes.get("country") == "US":
            return "american"
        return "everyone-else" if self.campaigns[campaign]["everyone_else"] == "include" else None

    def limits(self, campaign: str) -> list[tuple[str, str, int | None, int | None]]:
        """Every limit a decision is under: scope, span, micro-units, sends."""
        channel = self.channel(campaign)
        found = []
        for scope, budget in (
            ("strategy", self.strategy.get("budget", {})),
            (f"campaign:{campaign}", self.campaigns[campaign].get("budget", {})),
        ):
            sends = budget.get("sends", {})
            total = budget.get("per", "ever")
            for key, span in (("total", total), ("monthly", "month"), ("daily", "day")):
                if key in budget:
                    found.append((scope, span, micros(budget[key]), None))
            for key, span in (("total", "ever"), ("monthly", "month"), ("daily", "day")):
                if key in sends:
                    found.append((scope, span, None, sends[key]))
        if "sends_per_day" in self.channel_settings(campaign):
            found.append((f"channel:{channel}", "day", None, self.channel_settings(campaign)["sends_per_day"]))
        return found

    def open_at(self, campaign: str, now: int) -> bool:
        """Whether the campaign has begun and is not over."""
        written = self.campaigns[campaign]
        today = moment(now).astimezone(self.zone)
        begins, ends = written.get("starts"), written.get("ends")
        if begins and today < datetime.combine(date.fromisoformat(begins), time(), self.zone):
            return False
        after = ends and datetime.combine(date.fromisoformat(ends) + timedelta(days=1), time(), self.zone)
        return not after or today < after

    def hours_allow(self, campaign: str, variant_id: str, zone: str | None, now: int) -> bool:
        """Whether neither quiet hours nor a send window forbid the time that a recipient's clock shows."""
        settings = self.channel_settings(campaign)
        quiet, window = settings.get("quiet_hours"), self.targeting(campaign, variant_id).get("send_window")
        if not quiet and not window:
            return True
        if zone is None and settings.get("unknown_time_zone") == "use_strategy_zone":
            zone = self.strategy["time_zone"]
        if zone is None:
            return False
        clock = moment(now).astimezone(ZoneInfo(zone)).strftime("%H:%M")
        return not (quiet and within(clock, quiet)) and (not window or within(clock, window))


def moment(now: int) -> datetime:
    return datetime.fromtimestamp(now // SECOND, UTC) + timedelta(microseconds=now % SECOND)


def micros(written: str) -> int:
    return int(Decimal(written.removesuffix(" USD")) * SECOND)


def within(clock: str, window: str) -> bool:
    """Whether a time of day, as ``21:30``, lies in a window, as ``21:00-08:00``."""
    begins, ends = window.split("-")
    return begins <= clock < ends if begins < ends else clock >= begins or clock < ends


def label(span: str, now: int, zone: ZoneInfo) -> str:
    """How the period of a span that an instant lies in is called."""
    today = moment(now).astimezone(zone).date().isoformat()
    return {"ever": "ever", "month": today[:7], "day": today}[span]


def most_in_a_window_around(instants: list[int], now: int, per: int) -> int:
    """The most of some instants in any window this long that holds `now`."""
    begins = [at for at in instants if now - per < at <= now]
    return max((sum(begin <= at < begin + per for at in instants) for begin in begins), default=0)
