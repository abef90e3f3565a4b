"""SRTP and SRTCP of one leg through libsrtp (RFC 3711): what is received is opened, what is sent protected.

Packets are opened as they are received, so that arena and spool hold clear RTP and no key is ever
written: a salvage needs none. The price is that a kill in the middle loses the packet at hand.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass

from pylibsrtp import Error, Policy, Session

from onrecord.sdp.negotiation import Srtp

_PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}
_REPLAY_WINDOW = 1024
_STEP = 0x4000
"""Sequence numbers by which a context can be moved on: less than half of their range."""


@dataclass(frozen=True, slots=True)
class Rollover:
    """How far the stream of a source has come: what a new context must know (RFC 3711 §3.3.1)."""

    ssrc: int
    index: int
    """Roll-over counter and sequence number, 48 bits."""


class Protection:
    """Contexts of one leg; a kept key keeps its context over renegotiations."""

    def __init__(self, agreed: Srtp, rollover: Rollover | None = None) -> None:
        """``rollover``: of the stream that another process received under the same key."""
        self.agreed = agreed
        self._sender = _session(agreed.suite, agreed.send_key, Policy.SSRC_ANY_OUTBOUND)
        self._receiver = _session(agreed.suite, agreed.receive_key, Policy.SSRC_ANY_INBOUND)
        self._ssrc: int | None = None
        self._index = 0
        if rollover is not None:
            self._wind(rollover)

    @property
    def rollover(self) -> Rollover | None:
        """Of the source that was received last."""
        return None if self._ssrc is None else Rollover(self._ssrc, self._index)

    def renew(self, agreed: Srtp) -> None:
        """Take what was agreed anew; contexts whose key has not changed go on."""
        before, self.agreed = self.agreed, agreed
        if (before.suite, before.send_key) != (agreed.suite, agreed.send_key):
            self._sender = _session(agreed.suite, agreed.send_key, Policy.SSRC_ANY_OUTBOUND)
        if (before.suite, before.receive_key) != (agreed.suite, agreed.receive_key):
            self._receiver = _session(agreed.suite, agreed.receive_key, Policy.SSRC_ANY_INBOUND)
            self._ssrc = None

    def protect(self, packet: bytes) -> bytes | None:
        """RTP to SRTP; None for one that may not be sent, such as a sequence number used before."""
        return _tried(self._sender.protect, packet)

    def unprotect(self, packet: bytes) -> bytes | None:
        """SRTP to RTP; None for a packet that is not the peer's, or was received before."""
        clear = _tried(self._receiver.unprotect, packet)
        if clear is not None:
            self._note(clear)
        return clear

    def protect_rtcp(self, packet: bytes) -> bytes | None:
        """RTCP to SRTCP."""
        return _tried(self._sender.protect_rtcp, packet)

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        """SRTCP to RTCP; None for what is not the peer's."""
        return _tried(self._receiver.unprotect_rtcp, packet)

    def _note(self, clear: bytes) -> None:
        sequence, ssrc = int.from_bytes(clear[2:4], "big"), int.from_bytes(clear[8:12], "big")
        if ssrc != self._ssrc:
            self._ssrc, self._index = ssrc, sequence
            return
        ahead = sequence - self._index & 0xFFFF
        if ahead < 0x8000:
            self._index += ahead

    def _wind(self, to: Rollover) -> None:
        """Bring a fresh context to where the stream is, by packets of our own under the peer's key.

        libsrtp has no call for it that its binding offers.
        """
        agreed = self.agreed
        winder = _session(agreed.suite, agreed.receive_key, Policy.SSRC_ANY_OUTBOUND)
        for index in [*range(0, to.index, _STEP), to.index]:
            head = (0x8000).to_bytes(2, "big") + (index & 0xFFFF).to_bytes(2, "big")
            packet = _tried(winder.protect, head + bytes(4) + to.ssrc.to_bytes(4, "big"))
            if packet is not None:
                _tried(self._receiver.unprotect, packet)
        self._ssrc, self._index = to.ssrc, to.index


def _session(suite: str, key: str, direction: int) -> Session:
    policy = Policy(base64.b64decode(key), direction, 0, _PROFILES[suite])
    policy.window_size = _REPLAY_WINDOW
    return Session(policy)


def _tried(work: Callable[[bytes], bytes], packet: bytes) -> bytes | None:
    try:
        return work(packet)
    except (Error, ValueError):
        return None
