"""The ledger as one transaction sees it."""

from __future__ import annotations

from functools import cached_property

import sqlalchemy as sa

from optimizer.storage.access import Approvals, Keys
from optimizer.storage.archive import Archive
from optimizer.storage.audit import AuditTrail
from optimizer.storage.behaviour import Happenings
from optimizer.storage.bundles import Bundles
from optimizer.storage.commitments import Commitments
from optimizer.storage.consents import Consents, Tombstones
from optimizer.storage.controls import CampaignControls, Suppressions
from optimizer.storage.daily import DailySums
from optimizer.storage.decision_log import DecisionLog
from optimizer.storage.decisions import Decisions
from optimizer.storage.hourly import HourlySums
from optimizer.storage.journeys import JourneyLog
from optimizer.storage.leases import Leases
from optimizer.storage.memberships import Memberships
from optimizer.storage.meters import Meters
from optimizer.storage.notices import Notices
from optimizer.storage.outcomes import Outcomes, Quarantine
from optimizer.storage.outlays import Outlays
from optimizer.storage.persons import Persons
from optimizer.storage.proposals import Proposals
from optimizer.storage.readings import Readings
from optimizer.storage.recipients import Recipients
from optimizer.storage.rows import Answer
from optimizer.storage.snapshots import Snapshots
from optimizer.storage.statistics import Statistics
from optimizer.storage.timeline import Timeline
from optimizer.storage.versions import Revisions, StrategyVersions


class Ledger:
    """What one transaction can read and write, one attribute per kind of record.

    Args:
        connection: in a transaction.
        alone: no other transaction writes meanwhile.
        counters: what `COUNTERS` came to when the transaction began, if it was asked.
    """

    def __init__(self, connection: sa.Connection, *, alone: bool, counters: Answer | None = None) -> None:
        self._connection = connection
        self._counters = counters
        self.alone = alone

    # A transaction touches few of these kinds; each is made when it is first asked for.

    @cached_property
    def decisions(self) -> Decisions:
        return Decisions(self._connection, alone=self.alone)

    @cached_property
    def decision_log(self) -> DecisionLog:
        return DecisionLog(self._connection)

    @cached_property
    def outcomes(self) -> Outcomes:
        return Outcomes(self._connection, alone=self.alone)

    @cached_property
    def quarantine(self) -> Quarantine:
        return Quarantine(self._connection)

    @cached_property
    def statistics(self) -> Statistics:
        return Statistics(self._connection)

    @cached_property
    def daily_sums(self) -> DailySums:
        return DailySums(self._connection)

    @cached_property
    def readings(self) -> Readings:
        return Readings(self._connection)

    @cached_property
    def snapshots(self) -> Snapshots:
        return Snapshots(self._connection)

    @cached_property
    def versions(self) -> StrategyVersions:
        return StrategyVersions(self._connection)

    @cached_property
    def revisions(self) -> Revisions:
        return Revisions(self._connection, self._counters)

    @cached_property
    def approvals(self) -> Approvals:
        return Approvals(self._connection)

    @cached_property
    def audit(self) -> AuditTrail:
        return AuditTrail(self._connection)

    @cached_property
    def keys(self) -> Keys:
        return Keys(self._connection)

    @cached_property
    def recipients(self) -> Recipients:
        return Recipients(self._connection)

    @cached_property
    def commitments(self) -> Commitments:
        return Commitments(self._connection)

    @cached_property
    def meters(self) -> Meters:
        return Meters(self._connection)

    @cached_property
    def controls(self) -> CampaignControls:
        return CampaignControls(self._connection)

    @cached_property
    def suppressions(self) -> Suppressions:
        return Suppressions(self._connection)

    @cached_property
    def journeys(self) -> JourneyLog:
        return JourneyLog(self._connection)

    @cached_property
    def leases(self) -> Leases:
        return Leases(self._connection)

    @cached_property
    def consents(self) -> Consents:
        return Consents(self._connection)

    @cached_property
    def tombstones(self) -> Tombstones:
        return Tombstones(self._connection)

    @cached_property
    def archive(self) -> Archive:
        return Archive(self._connection)

    @cached_property
    def hourly_sums(self) -> HourlySums:
        return HourlySums(self._connection)

    @cached_property
    def outlays(self) -> Outlays:
        return Outlays(self._connection)

    @cached_property
    def timeline(self) -> Timeline:
        return Timeline(self._connection)

    @cached_property
    def happenings(self) -> Happenings:
        return Happenings(self._connection, alone=self.alone)

    @cached_property
    def persons(self) -> Persons:
        return Persons(self._connection)

    @cached_property
    def notices(self) -> Notices:
        return Notices(self._connection)

    @cached_property
    def memberships(self) -> Memberships:
        return Memberships(self._connection)

    @cached_property
    def bundles(self) -> Bundles:
        return Bundles(self._connection)

    @cached_property
    def proposals(self) -> Proposals:
        return Proposals(self._connection)
