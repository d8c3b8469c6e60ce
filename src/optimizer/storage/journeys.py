"""Journeys: what recipients came to, decision after decision, summed by the database.

A campaign of a million decisions is read once, and what comes back are small tables: by day, by recipient summed over
all of them, and by how many contacts there were before. What is a trial and what it earned is said as
`engine.assessment` says it, with one rule for everything; a contract test holds the two together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from optimizer.domain.instants import DAY, HOUR, Duration, Instant
from optimizer.domain.micros import MICRO
from optimizer.domain.reasons import Group, Reason
from optimizer.engine.assessment import CLOCK_SKEW, EXPOSURE_KINDS, WITHDRAWALS, RewardRule
from optimizer.engine.machines import DELIVERIES, SENDERS_OWN
from optimizer.storage.rows import is_sqlite

MOST_CONTACTS: Final = 16  # the contacts of a recipient from this one on are counted together


@dataclass(frozen=True, slots=True)
class Question:
    """Whose journeys, and how they are judged.

    Attributes:
        campaign_ids: one campaign, or all that serve one objective.
        rule: what a decision has heard.
        valued: kind of the outcomes whose amounts of money are what a decision is worth; None where rewards are
            amounts, which then are what it is worth, or where nothing has an amount.
        learning: groups of one side.
        held: groups of the other.
        known_for: recipients decided for at least so long ago are asked whether they were rewarded again.
        now: trials whose window is over by then have matured.
    """

    campaign_ids: tuple[str, ...]
    rule: RewardRule
    valued: str | None
    learning: tuple[Group, ...]
    held: tuple[Group, ...]
    known_for: Duration
    now: Instant


class DaySums(NamedTuple):
    """Trials of one side on one day in one segment of a campaign; rewards and worth in units, with their squares."""

    held: bool
    place: str
    day: int
    n: float
    reward: float
    reward_squares: float
    worth: float
    worth_squares: float
    cost: float
    net: float
    net_squares: float


class PeopleSums(NamedTuple):
    """Recipients of one side that were in one segment of a campaign when they were first decided for.

    Attributes:
        n: how many.
        rewarded: those rewarded at least once.
        known: those first decided for at least `known_for` ago.
        again: of these, those with two or more rewarded outcomes within `known_for` of the first decision.
        decisions: of all of them.
        worth: what all of them were worth, and the sum of its squares over recipients.
        cost: what was due for them.
        net: worth less cost, and the sum of its squares over recipients.
        trials: of all of them; `trials_squares` is a sum over recipients. Of the reward of those trials: its product
            with their number, itself, its squares, each summed over recipients, and the squares of single trials;
            likewise of worth and of net.
    """

    held: bool
    place: str
    n: float
    rewarded: float
    known: float
    again: float
    decisions: float
    worth: float
    worth_squares: float
    cost: float
    net: float
    net_squares: float
    trials: float
    trials_squares: float
    trials_rewards: float
    rewards: float
    rewards_squares: float
    single_rewards_squares: float
    trials_worths: float
    worths: float
    worths_squares: float
    single_worths_squares: float
    trials_nets: float
    nets: float
    nets_squares: float
    single_nets_squares: float


class ContactSums(NamedTuple):
    """Matured trials that were a recipient's first, second … contact; from `MOST_CONTACTS` on they are one."""

    held: bool
    place: str
    contact: int
    n: float
    reward: float
    reward_squares: float


@dataclass(frozen=True, slots=True)
class Journeys:
    """What recipients came to; `place` is campaign and segment, ``winback/lapsed``."""

    days: tuple[DaySums, ...]
    people: tuple[PeopleSums, ...]
    contacts: tuple[ContactSums, ...]


class JourneyLog:
    """The journeys of one transaction's view of the ledger."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def of(self, question: Question) -> Journeys:
        """Everything that is asked.

        It reads all decisions of the campaigns and their outcomes once, which takes seconds for a million of them.
        """
        # SQLite shall begin with the outcomes, which are fewer, and look up their decisions.
        nested = "CROSS JOIN" if is_sqlite(self._connection) else "JOIN"
        wide = max(len(one._fields) for one in _ROWS.values())
        statement = sa.text(_statement(question, wide, nested)).bindparams(
            *(sa.bindparam(name, expanding=True) for name in ("campaigns", "held", "everybody"))
        )
        rule = question.rule
        kinds = {f"penalised_{place}": kind for place, (kind, _) in enumerate(rule.penalties)}
        given = {
            "campaigns": list(question.campaign_ids),
            "held": [group.value for group in question.held],
            "everybody": [group.value for group in (*question.held, *question.learning)],
            "rewarded": rule.kind,
            **({} if question.valued is None else {"valued": question.valued}),
            **({} if rule.machines.honeypot is None else {"honeypot": rule.machines.honeypot}),
            **{f"judged_{place}": kind for place, kind in enumerate(rule.machines.kinds)},
            **kinds,
        }
        rows = self._connection.execute(statement, given)
        found: dict[str, list[Any]] = {name: [] for name in _ROWS}
        for name, held, *others in rows:
            kind = _ROWS[name]
            found[name].append(kind(bool(held), *map(_plain, others[: len(kind._fields) - 1])))
        return Journeys(*(tuple(sorted(found[name])) for name in _ROWS))


_ROWS: Final[dict[str, Any]] = {"days": DaySums, "people": PeopleSums, "contacts": ContactSums}


def _plain(value: Any) -> Any:
    """A text, a whole number, or a number; PostgreSQL sums into types of its own."""
    return value if isinstance(value, str | int) else float(value)


def _statement(question: Question, wide: int, nested: str) -> str:
    """One statement: the common tables, then what is asked of them, padded to the same number of columns."""
    parts = []
    for name, row in _ROWS.items():
        padding = ", NULL" * (wide - len(row._fields))
        columns, end = _SELECTED[name]
        parts.append(f"SELECT '{name}' AS what, {columns}{padding} {end}")
    selected = "\nUNION ALL\n".join(parts).format(
        matured=question.now - HOUR - question.rule.window,
        known=question.now - question.known_for,
        day=DAY,
        most=MOST_CONTACTS,
    )
    return f"WITH {_common(question, nested)}\n{selected}"


def _common(question: Question, nested: str) -> str:
    """The tables everything is asked of: `placed` has a row for each decision, `persons` one for each recipient."""
    rule = question.rule
    at_once = rule.counts_from == "decision"
    exposed = "shown_at" if not at_once else "CASE WHEN deferred THEN shown_at ELSE decided_at END"
    penalties = "".join(
        f" - {penalty / MICRO!r} * coalesce(heard.penalised_{place}, 0)"
        for place, (_, penalty) in enumerate(rule.penalties)
    )
    worth = "reward" if question.valued is None and rule.in_amounts else "valued" if question.valued else "0.0"
    return _COMMON.format(
        nested=nested,
        judged=_machines(rule),
        exposures=_listed(EXPOSURE_KINDS[rule.counts_from]),
        withdrawals=_listed(WITHDRAWALS),
        exposed=exposed,
        skew=CLOCK_SKEW,
        window=rule.window,
        penalised="".join(
            f", max(CASE WHEN kind = :penalised_{place} THEN in_time ELSE 0 END) AS penalised_{place}"
            for place in range(len(rule.penalties))
        ),
        valued="0"
        if question.valued is None
        else "CASE WHEN kind = :valued AND currency IS NOT NULL THEN coalesce(value, 0) ELSE 0 END",
        holdout=Reason.HOLDOUT.value,
        gross=_earned(rule),
        penalties=penalties,
        worth=worth,
        micro=float(MICRO),
        known_for=question.known_for,
    )


def _earned(rule: RewardRule) -> str:
    """What `engine.assessment` gives before penalties, in units."""
    if not rule.in_amounts:
        return "coalesce(heard.n, 0) * 1.0" if rule.value == "count" else "CASE WHEN heard.n > 0 THEN 1.0 ELSE 0.0 END"
    total = f"coalesce(heard.total, 0) / {float(MICRO)!r}"
    if rule.at_most is None:
        return total
    most = f"{rule.at_most / MICRO!r}"
    return f"CASE WHEN {total} > {most} THEN {most} ELSE {total} END"


def _machines(rule: RewardRule) -> str:
    """What tells the outcomes of people: the condition of `engine.machines` turned around."""
    own, deliveries = _listed(SENDERS_OWN), _listed(DELIVERIES)
    of_machines = "standing.machine"
    if rule.machines.kinds:
        kinds = ", ".join(f":judged_{place}" for place in range(len(rule.machines.kinds)))
        trap = "kind = :honeypot" if rule.machines.honeypot is not None else "1 = 0"
        if rule.machines.honeypot is not None:
            of_machines += " OR kind = :honeypot"
        fast = "1 = 0"
        if rule.machines.fastest > 0:
            fast = f"occurred_at < coalesce(delivered_at, decided_at) + {rule.machines.fastest}"
        of_machines += f" OR (kind IN ({kinds}) AND (trapped = 1 OR {fast}))"
        delivered = f"CASE WHEN kind IN ({deliveries}) AND (kind IN ({own}) OR NOT machine) THEN occurred_at END"
        return (  # every text in it is ours; what people wrote is bound
            "SELECT * FROM (SELECT standing.*, "  # noqa: S608
            f"min({delivered}) OVER (PARTITION BY decision_id) AS delivered_at, "
            f"max(CASE WHEN {trap} THEN 1 ELSE 0 END) OVER (PARTITION BY decision_id) AS trapped FROM standing"
            f") AS standing WHERE kind IN ({own}) OR NOT ({of_machines})"
        )
    return f"SELECT * FROM standing WHERE kind IN ({own}) OR NOT ({of_machines})"  # noqa: S608


def _listed(kinds: Iterable[str]) -> str:
    """Kinds that stand in our own code, as SQL lists them."""
    return ", ".join(f"'{kind}'" for kind in sorted(kinds))


_COMMON = """\
standing AS MATERIALIZED (
  SELECT o.decision_id, o.kind, o.occurred_at, o.value, o.currency, o.machine, d.decided_at, d.variant_id, d.deferred
  FROM outcomes AS o {nested} decisions AS d ON d.decision_id = o.decision_id
  WHERE d.campaign_id IN :campaigns AND d.audience IN :everybody AND d.segment_id IS NOT NULL
    AND o.reverses IS NULL AND (o.decision_id, o.event_id) NOT IN (
    SELECT undoing.decision_id, undoing.reverses FROM outcomes AS undoing WHERE undoing.reverses IS NOT NULL)
),
people AS ({judged}),
seen AS (
  SELECT people.*,
    min(CASE WHEN kind IN ({exposures}) THEN occurred_at END) OVER (PARTITION BY decision_id) AS shown_at,
    max(CASE WHEN kind IN ({withdrawals}) THEN 1 ELSE 0 END) OVER (PARTITION BY decision_id) AS withdrawn
  FROM people
),
timed AS (
  SELECT seen.*, CASE WHEN occurred_at BETWEEN decided_at - {skew} AND {window} + coalesce(
    CASE WHEN variant_id IS NOT NULL AND withdrawn = 0 THEN {exposed} END, decided_at) THEN 1 ELSE 0 END AS in_time
  FROM seen
),
counted AS (
  SELECT timed.*, in_time * row_number() OVER (PARTITION BY decision_id, kind, in_time ORDER BY occurred_at) AS turn
  FROM timed
),
heard AS MATERIALIZED (
  SELECT decision_id AS heard_of, max(withdrawn) AS withdrawn, min(shown_at) AS shown_at,
    sum(CASE WHEN kind = :rewarded THEN in_time ELSE 0 END) AS n,
    sum(CASE WHEN kind = :rewarded THEN in_time * coalesce(value, 0) ELSE 0 END) AS total,
    min(CASE WHEN kind = :rewarded AND turn = 1 THEN occurred_at END) AS first_at,
    min(CASE WHEN kind = :rewarded AND turn = 2 THEN occurred_at END) AS second_at,
    sum(in_time * {valued}) AS valued{penalised}
  FROM counted GROUP BY decision_id
),
judged AS (
  SELECT d.recipient_key, d.decided_at, d.decision_id, d.campaign_id || '/' || d.segment_id AS place,
    CASE WHEN d.audience IN :held THEN 1 ELSE 0 END AS held, first_at, second_at, {gross} AS gross,
    CASE WHEN d.variant_id IS NOT NULL OR d.reason = '{holdout}' THEN 1 ELSE 0 END AS due,
    CASE WHEN d.variant_id IS NULL THEN CASE WHEN d.reason = '{holdout}' THEN 1 ELSE 0 END
      WHEN coalesce(heard.withdrawn, 0) = 0 AND {exposed} IS NOT NULL THEN 1 ELSE 0 END AS trial,
    {gross}{penalties} AS reward, coalesce(heard.valued, 0) / {micro} AS valued,
    coalesce(c.settled, 0) / {micro} AS cost
  FROM decisions AS d LEFT JOIN heard ON heard.heard_of = d.decision_id
  LEFT JOIN commitments AS c ON c.at = d.decided_at AND c.decision_id = d.decision_id
  WHERE d.campaign_id IN :campaigns AND d.audience IN :everybody AND d.segment_id IS NOT NULL
),
placed AS MATERIALIZED (
  SELECT judged.*, {worth} AS worth, {worth} - cost AS net,
    min(decided_at) OVER (PARTITION BY recipient_key) AS begun_at,
    sum(due) OVER (PARTITION BY recipient_key ORDER BY decided_at, decision_id) AS contact,
    first_value(held) OVER (PARTITION BY recipient_key ORDER BY decided_at, decision_id) AS side,
    first_value(place) OVER (PARTITION BY recipient_key ORDER BY decided_at, decision_id) AS home
  FROM judged
),
persons AS (
  SELECT recipient_key, min(side) AS side, min(home) AS home, min(begun_at) AS begun_at, count(*) AS decisions,
    max(CASE WHEN gross > 0 THEN 1 ELSE 0 END) AS rewarded,
    sum(CASE WHEN first_at <= begun_at + {known_for} THEN 1 ELSE 0 END
      + CASE WHEN second_at <= begun_at + {known_for} THEN 1 ELSE 0 END) AS turns,
    sum(worth) AS worth, sum(cost) AS cost, sum(net) AS net, sum(trial) * 1.0 AS trials,
    sum(trial * reward) AS rewards, sum(trial * reward * reward) AS rewards_squared,
    sum(trial * worth) AS worths, sum(trial * worth * worth) AS worths_squared,
    sum(trial * net) AS nets,
    sum(trial * net * net) AS nets_squared
  FROM placed GROUP BY recipient_key
)"""
_SELECTED: Final = {
    "days": (
        "held, place, decided_at / {day}, sum(trial) * 1.0, sum(trial * reward), sum(trial * reward * reward), "
        "sum(trial * worth), sum(trial * worth * worth), sum(trial * cost), sum(trial * net), sum(trial * net * net)",
        "FROM placed GROUP BY held, place, decided_at / {day}",
    ),
    "people": (
        "side, home, count(*) * 1.0, sum(rewarded) * 1.0, sum(CASE WHEN begun_at <= {known} THEN 1.0 ELSE 0.0 END), "
        "sum(CASE WHEN begun_at <= {known} AND turns >= 2 THEN 1.0 ELSE 0.0 END), sum(decisions) * 1.0, "
        "sum(worth), sum(worth * worth), sum(cost), sum(net), sum(net * net), sum(trials), sum(trials * trials), "
        "sum(trials * rewards), sum(rewards), sum(rewards * rewards), sum(rewards_squared), "
        "sum(trials * worths), sum(worths), sum(worths * worths), sum(worths_squared), "
        "sum(trials * nets), sum(nets), sum(nets * nets), sum(nets_squared)",
        "FROM persons GROUP BY side, home",
    ),
    "contacts": (
        "held, place, CASE WHEN contact > {most} THEN {most} ELSE contact END, sum(trial) * 1.0, "
        "sum(trial * reward), sum(trial * reward * reward)",
        "FROM placed WHERE trial = 1 AND decided_at < {matured} GROUP BY held, place, "
        "CASE WHEN contact > {most} THEN {most} ELSE contact END",
    ),
}
