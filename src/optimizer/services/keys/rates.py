"""How much a caller may ask for at a time: a token bucket that can be in debt.

A bucket holds up to `burst` tokens and gains `per_second` of them; an item costs one. A request passes while the bucket
holds a whole token, and then takes one for each of its items, into debt if it must: so a batch larger than the burst is
served too, and what comes after it waits until the debt is worked off. In any t seconds at most ``burst + largest batch
+ t * per_second`` items pass (compare Turner 1986, "New directions in communications", on the leaky bucket).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from time import monotonic

FASTEST = 1_000_000  # items a second: more than a worker can serve


@dataclass(frozen=True, slots=True)
class Rate:
    """Items per second in the long run, and how many may come at once after a rest."""

    per_second: int
    burst: int


class Bucket:
    """A token bucket, full at first. Asked from one thread only: the event loop's.

    Args:
        rate: how fast it fills, and how much it holds.
        clock: seconds that never run backwards.
    """

    __slots__ = ("_at", "_clock", "_tokens", "rate")

    def __init__(self, rate: Rate, clock: Callable[[], float] = monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._tokens = float(rate.burst)
        self._at = clock()

    def wait(self) -> float:
        """Seconds until a request may pass; 0.0 if it may now."""
        now = self._clock()
        rate = self.rate
        self._tokens = min(rate.burst, self._tokens + (now - self._at) * rate.per_second)
        self._at = now
        missing = 1.0 - self._tokens
        return missing / rate.per_second if missing > 0 else 0.0

    def take(self, n: int) -> float:
        """0.0 if ``n`` items may pass now, and they are counted; else the seconds to wait, and nothing is counted."""
        wait = self.wait()
        if not wait:
            self._tokens -= n
        return wait

    def owe(self, n: int) -> None:
        """Count ``n`` more items of a request that has passed already."""
        self._tokens -= n


class Strangers:
    """A bucket for each client address that came with a wrong key; the addresses heard of last are kept.

    Args:
        rate: how many wrong keys an address may send.
        most: addresses remembered. Whoever has more addresses than this is not slowed down: the keys are long enough.
        clock: seconds that never run backwards.
    """

    def __init__(self, rate: Rate, most: int, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, address: str) -> float:
        """Seconds until this address may be wrong once more; 0.0 if it may now."""
        bucket = self._buckets.get(address_block(address))
        return 0.0 if bucket is None else bucket.wait()

    def count(self, address: str) -> None:
        """Note that this address has been wrong."""
        block = address_block(address)
        bucket = self._buckets.get(block)
        if bucket is None:
            bucket = self._buckets[block] = Bucket(self._rate, self._clock)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(block)
        bucket.take(1)


def address_block(address: str) -> str:
    """The addresses that one customer of a network has: an IPv4 address, or a /64 of IPv6."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
