"""Errors that say who must act. Anything else that is raised is a fault of ours.

::

    OnrecordError
     ├── CallerError        the API caller must change the request (4xx, Telnyx faults)
     ├── PeerError          the SIP or RTP peer broke the protocol or went away
     ├── DestinationError   the webhook receiver, the bucket or the speech engine refused or is down
     └── CapacityError      we have no room: ports, disk, connections
"""

from collections.abc import Sequence
from dataclasses import dataclass


class OnrecordError(Exception):
    """The root of every error that this project raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of a Telnyx error body."""

    code: str
    """Digits as text, for example ``"10004"``."""
    title: str
    detail: str
    pointer: str | None = None
    """JSON pointer (RFC 6901) to the offending entity of the body."""
    parameter: str | None = None
    """The offending query parameter."""


class CallerError(OnrecordError):
    """The request cannot be done as asked; carries HTTP status and Telnyx faults."""

    def __init__(self, status: int, *faults: Fault) -> None:
        super().__init__("; ".join(f"{f.code} {f.detail}" for f in faults))
        self.status = status
        self.faults: Sequence[Fault] = faults


class PeerError(OnrecordError):
    """A SIP or RTP peer sent what its protocol forbids, or stopped answering."""


class DestinationError(OnrecordError):
    """A webhook receiver, a storage bucket or a speech engine refused, failed or did not answer."""

    def __init__(self, message: str, *, retry: bool = True) -> None:
        super().__init__(message)
        self.retry = retry


class AccessError(DestinationError):
    """A storage bucket refuses the credentials that its owner gave."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retry=False)


class CredentialsError(DestinationError):
    """Credentials for a storage bucket cannot be read."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retry=False)


class UnsupportedError(DestinationError):
    """Files cannot be stored with this kind of storage."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retry=False)


class CapacityError(OnrecordError):
    """A limit of this machine or its settings is reached; nothing was changed."""
