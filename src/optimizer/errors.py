"""One tree of errors.

* OptimizerError
  + DocumentError          what a marketer wrote cannot be used; carries every finding
  + InvalidRequest         a caller sent something that is not allowed; carries every finding
  + NotFound               the thing named does not exist
  + Conflict               the thing named exists in a state that forbids the change
  + Unavailable            the service cannot answer now; the same request may succeed later
    + Contended            another worker was faster; the same transaction may succeed when it is tried again
    + Overloaded           more is waiting already than may wait
    + Draining             the service is shutting down and takes nothing new
  + ConfigurationError     settings or environment make it impossible to start
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "ConfigurationError",
    "Conflict",
    "Contended",
    "DocumentError",
    "Draining",
    "Finding",
    "InvalidRequest",
    "NotFound",
    "OptimizerError",
    "Overloaded",
    "RequestFinding",
    "Unavailable",
]


class OptimizerError(Exception):
    """Root of every error this package raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake in a document, said so that its author can mend it.

    Attributes:
        file: path of the document as its author knows it, e.g. ``campaigns/winback.yaml``.
        line: 1-based line of the offending key or value.
        column: 1-based column.
        key: dotted path of the key, e.g. ``objectives[0].attribution_window``.
        found: what stands there, shortened.
        allowed: what may stand there.
    """

    file: str
    line: int
    column: int
    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.key}: found {self.found}; allowed {self.allowed}"


class DocumentError(OptimizerError):
    """Documents that cannot be used; ``findings`` lists every mistake, in reading order."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(sorted(findings))
        super().__init__("\n".join(map(str, self.findings)))


@dataclass(frozen=True, slots=True)
class RequestFinding:
    """One mistake in a request: JSON pointer of the place, what was found, what is allowed."""

    pointer: str
    found: str
    allowed: str


class InvalidRequest(OptimizerError):
    """A request that is well-formed but not allowed; nothing was changed."""

    def __init__(self, *findings: RequestFinding) -> None:
        self.findings = findings
        super().__init__("; ".join(f"{f.pointer}: found {f.found}; allowed {f.allowed}" for f in findings))


class NotFound(OptimizerError):
    """The thing named does not exist."""


class Conflict(OptimizerError):
    """The thing named exists in a state that forbids the change."""


class Unavailable(OptimizerError):
    """The service cannot answer now; nothing was written and the same request may succeed later."""

    def __init__(self, message: str, retry_after_seconds: int = 1) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class Contended(Unavailable):
    """Another worker has just used what this transaction counted on; nothing was written, and it may try again."""


class Overloaded(Unavailable):
    """More is waiting already than may wait; nothing was written."""


class Draining(Unavailable):
    """The service is shutting down and takes nothing new; another worker, or the next one, may answer."""


class ConfigurationError(OptimizerError):
    """Settings or environment make it impossible to start."""
