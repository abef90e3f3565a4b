"""Offer and answer on a live leg: what we answer, what was agreed, and changes while the call is up."""

import secrets
from dataclasses import replace

import structlog

from onrecord.calls.hangup import NOT_ACCEPTABLE
from onrecord.core.errors import PeerError
from onrecord.sdp.negotiation import Media, accept, answer, offer
from onrecord.service.edges import Edges
from onrecord.service.registry import LiveLeg
from onrecord.sip.backend import OfferAnswered, OfferReceived

_log = structlog.get_logger()


def new_sdp_session_id() -> int:
    """The number of a session in its origin line (RFC 8866 §5.2)."""
    return secrets.randbits(48)


def our_offer(live: LiveLeg) -> str:
    """Our next offer in this dialog; remembered as sent."""
    live.sdp_version += 1
    live.sent_sdp = offer(
        live.address, live.sdp_session_id, live.sdp_version, previous=live.sent_sdp
    )
    return live.sent_sdp


class Negotiations:
    """Every method is called by the holder of the leg's turn."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges

    async def connect(self, live: LiveLeg, media: Media) -> None:
        """Exchange audio as agreed; what is agreed again (a session refresh) changes nothing."""
        if media == live.media:
            return
        silence = live.silence_when_idle
        await self._edges.media.connect_leg(live.leg.id, media, silence_when_idle=silence)
        live.media = media
        live.leg = replace(live.leg, codec=media.send_codec.name)

    async def offered(self, live: LiveLeg, event: OfferReceived) -> None:
        """A re-INVITE: hold, resume, another address or codec. An unusable one changes nothing."""
        if event.sdp is None:
            self._edges.signalling.accept_offer(live.leg.id, our_offer(live))
            return
        try:
            made = answer(event.sdp, live.address, live.sdp_session_id, live.sdp_version + 1)
        except PeerError as error:
            _log.warning("offer_refused", leg=live.leg.id, reason=str(error))
            self._edges.signalling.refuse_offer(live.leg.id, NOT_ACCEPTABLE)
            return
        live.sdp_version += 1
        live.sent_sdp = made.sdp
        await self.connect(live, made.media)
        self._edges.signalling.accept_offer(live.leg.id, made.sdp)
        _log.info("offer_accepted", leg=live.leg.id, direction=made.media.direction)

    async def answered(self, live: LiveLeg, event: OfferAnswered) -> None:
        """The answer to an offer of ours; an unusable one leaves the audio as it was."""
        try:
            media = accept(event.sdp)
        except PeerError as error:
            _log.warning("answer_unusable", leg=live.leg.id, reason=str(error))
            return
        await self.connect(live, media)
