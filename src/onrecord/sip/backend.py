"""The narrow interface between signalling and the rest: verbs go in, these events come out.

Another SIP stack can replace ours by speaking it. A leg is named by its LegId throughout; dialogs,
transactions and messages are not visible here.
"""

from dataclasses import dataclass

from onrecord.core.ids import LegId

Headers = tuple[tuple[str, str], ...]
"""SIP headers as (name, raw value), in the order of the message."""


@dataclass(frozen=True, slots=True)
class DialRequest:
    """An outgoing call."""

    target: str
    """Request-URI, a SIP URI."""
    from_uri: str
    sdp: str
    from_name: str = ""
    transport: str = "UDP"
    """``UDP`` or ``TCP``."""
    route: str | None = None
    """Outbound proxy as a SIP URI (loose routing), or None."""
    headers: Headers = ()
    auth_username: str | None = None
    auth_password: str | None = None


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """An INVITE that begins a dialog. It has been answered with 100; nothing else yet."""

    leg: LegId
    """Freshly made for this call."""
    sip_call_id: str
    request_uri: str
    from_uri: str
    from_name: str
    to_uri: str
    headers: Headers
    """X- headers (names as written), ``User-to-User`` and ``Diversion`` of the INVITE."""
    offer: str | None
    """Its SDP; None for a late offer: then the answer verb carries our offer."""
    source: str
    """``host:port`` that it came from."""


@dataclass(frozen=True, slots=True)
class Ringing:
    """A dialled leg rings (a provisional response above 100); ``sdp`` with early media."""

    leg: LegId
    sdp: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A leg is up: a dialled one got its 2xx, an incoming one its ACK.

    ``sdp`` is the peer's: the answer to our offer, or None where our answer came from its INVITE.
    """

    leg: LegId
    sdp: str | None


@dataclass(frozen=True, slots=True)
class OfferReceived:
    """A re-INVITE: to be answered with ``accept_offer`` or ``refuse_offer``.

    ``sdp`` is None when it brought no offer: then ``accept_offer`` carries ours, and an
    ``OfferAnswered`` follows with the ACK.
    """

    leg: LegId
    sdp: str | None


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """The peer's answer to an offer that we made in a 2xx arrived with its ACK."""

    leg: LegId
    sdp: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A leg is over; exactly one for each leg that was dialled or reported as IncomingCall."""

    leg: LegId
    status: int | None
    """The final SIP status that ended it (486, 487, 603 …), 200 after a BYE, None without one."""
    by_remote: bool
    """True when the remote side ended it (BYE, CANCEL, a failure response)."""
    reason: str
    """``bye``, ``cancel``, ``rejected``, ``timeout`` (no answer to our request), ``failed``."""


SipEvent = IncomingCall | Ringing | Answered | OfferReceived | OfferAnswered | Ended
