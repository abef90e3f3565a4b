"""Offer and answer on a live leg: what we answer, what was agreed, and changes while the call is up."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import replace

import structlog

from onrecord.calls.hangup import NOT_ACCEPTABLE
from onrecord.core.errors import PeerError
from onrecord.sdp.crypto import KEY_BYTES, SUITES
from onrecord.sdp.negotiation import Media, MediaDirection, accept, answer, offer
from onrecord.service.edges import Edges
from onrecord.service.registry import LiveLeg
from onrecord.sip.backend import OfferAnswered, OfferReceived

_G711 = {"PCMU", "PCMA"}

_log = structlog.get_logger()


def new_sdp_session_id() -> int:
    """The number of a session in its origin line (RFC 8866 §5.2)."""
    return secrets.randbits(48)


def new_srtp_keys() -> tuple[str, ...]:
    """Keys for one leg; they are used only if its audio is SRTP."""
    return tuple(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() for _ in SUITES)


def our_offer(live: LiveLeg, codecs: Sequence[str], *, reorder: bool = False) -> str:
    """Our next offer in this dialog, with ``codecs`` by name; remembered as sent."""
    live.sdp_version += 1
    live.first_offered = codecs[0]
    live.sent_sdp = offer(
        live.address,
        live.sdp_session_id,
        live.sdp_version,
        previous=live.sent_sdp,
        codecs=codecs,
        reorder=reorder,
        keys=live.keys if live.secure else (),
    )
    return live.sent_sdp


def best_first(codecs: Sequence[str], preferred: Sequence[str]) -> list[str]:
    """Names of codecs, the preferred ones first, the others in their order."""
    order = {name: at for at, name in enumerate(preferred)}
    return sorted(codecs, key=lambda name: order.get(name, len(order)))


class Negotiations:
    """Every method is called by the holder of the leg's turn."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges

    async def connect(self, live: LiveLeg, media: Media) -> None:
        """Exchange audio as agreed; what is agreed again (a session refresh) changes nothing."""
        live.secure = media.srtp is not None
        if live.first_offered not in {None, media.send_codec.name}:
            live.declined_codecs.add(live.first_offered or "")
        live.first_offered = None
        if media == live.media:
            return
        silence = live.silence_when_idle
        await self._edges.media.connect_leg(live.leg.id, media, silence_when_idle=silence)
        live.media = media
        live.leg = replace(live.leg, codec=media.send_codec.name)

    def align(self, first: LiveLeg, second: LiveLeg) -> None:
        """Ask one of two bridged legs to speak the codec of the other, so that nothing is transcoded.

        It is asked by re-INVITE; until it agrees, and if it does not, the audio is transcoded. G.711 in
        one law and the other counts as the same.
        """
        for leg, wanted in ((second, first.leg.codec), (first, second.leg.codec)):
            if wanted is None or {wanted, leg.leg.codec} <= _G711 or wanted == leg.leg.codec:
                return
            if self._may_speak(leg, wanted):
                sdp = our_offer(leg, self.codecs(wanted), reorder=True)
                self._edges.signalling.reoffer(leg.leg.id, sdp)
                return

    def codecs(self, first: str | None) -> list[str]:
        """The names of ours, in order, but ``first`` before all others."""
        return sorted(self._edges.settings.codec_names, key=lambda name: name != first)

    def _may_speak(self, live: LiveLeg, name: str) -> bool:
        """Whether the far side may take a codec: an INVITE said so, or it has not declined it."""
        known, media = live.leg.offered_codecs, live.media
        flows = media is not None and media.direction is MediaDirection.SENDRECV
        ours = name in self._edges.settings.codec_names
        return flows and ours and name not in live.declined_codecs and (not known or name in known)

    async def offered(self, live: LiveLeg, event: OfferReceived) -> None:
        """A re-INVITE: hold, resume, another address or codec. An unusable one changes nothing."""
        if event.sdp is None:
            ours = our_offer(live, best_first(self.codecs(None), live.preferred_codecs))
            self._edges.signalling.accept_offer(live.leg.id, ours)
            return
        try:
            made = answer(
                event.sdp,
                live.address,
                live.sdp_session_id,
                live.sdp_version + 1,
                self._edges.settings.codec_names,
                key=live.keys[0],
                preferred=live.preferred_codecs,
            )
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
            media = accept(event.sdp, sent=live.sent_sdp)
        except PeerError as error:
            _log.warning("answer_unusable", leg=live.leg.id, reason=str(error))
            return
        await self.connect(live, media)
