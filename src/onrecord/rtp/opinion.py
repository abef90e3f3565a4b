"""Opinion scores by the E-model (ITU-T G.107): how good received audio was. Pure arithmetic.

By the ITU:

- the rating is the best one, 93.2, 129 or 148, minus the impairments (G.107 §7.1 with all defaults; G.107.1
  for wideband, G.107.2 for fullband);
- loss of ``Ppl`` percent impairs by ``Ie + (95 - Ie) · Ppl / (Ppl / BurstR + Bpl)`` (G.107 §7.5), with 132
  for 95 on the fullband scale (G.107.2 §7.5);
- MOS is ``1 + 0.035 R + R (R - 60)(100 - R) · 7e-6`` (G.107 annex B), with R divided by 1.29 if wideband and
  by 1.48 if fullband (annex A of G.107.1 and of G.107.2);
- ``Ie`` is 0 for G.711, and 13 for G.722 at 64 kbit/s on the wideband scale (G.113 appendix IV);
- ``Bpl`` is 25.1 for G.711 with the concealment of its appendix I, and 4.3 without (G.113 appendix I).

By others:

- ``Ie`` is 10.7 and ``Bpl`` 9.8 for Opus with its own concealment: super-wideband at a variable 40 kbit/s,
  under random loss (M. Alahmadi, P. Pocta and H. Melvin, "An adaptive bitrate switching algorithm for speech
  applications in context of WebRTC", ACM TOMM 17(4), 2021; the authors' own table of it). G.113 has none.
- delay impairs by ``0.024 d + 0.11 (d - 177.3)``, the second term only above 177.3 ms: a fit to G.107 for a
  path without echo (R. G. Cole and J. H. Rosenbluth, "Voice over IP performance monitoring", 2001).

Assumptions of ours:

- Loss of which a part was concealed has a ``Bpl`` between the two.
- No ``Bpl`` of G.722 with a concealment such as ours is known to us. Its samples are concealed as G.711's
  are, so it has G.711's, though what its decoder has learnt from a lost packet is lost too.
- Without concealment all have that of G.711: there is nothing but a hole.
- L16 has no figures. It is the sound itself, which each scale takes as its best: at 8 kHz it is rated as
  G.711, at 16 kHz with ``Ie`` 0 on the wideband scale, at 48 kHz so on the fullband one.
- Opus tells no bandwidth before it is decoded. It is rated as the best that there are figures for.
- Delay impairs the fullband scale as much more as that is longer, as it does by G.107.2 §7.4.

All else is at its best.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from onrecord.rtp.stats import LegStats

_BARE: Final = 4.3
_DELAY_FELT_MS: Final = 177.3


@dataclass(frozen=True, slots=True)
class Scale:
    """What a codec is rated on; scores of different scales cannot be compared."""

    name: str
    best: float
    worst: float
    """What loss of everything impairs by."""
    stretch: float = 1.0
    """This scale's best against the narrowband one's, as R is divided by it before it becomes a score."""
    by_delay: float = 1.0
    """How much more than on the narrowband scale a delay impairs."""


@dataclass(frozen=True, slots=True)
class Coding:
    """The figures of a codec."""

    scale: Scale
    impairment: float = 0.0
    """``Ie``."""
    robustness: float = 25.1
    """``Bpl``, where all loss is concealed."""


NARROWBAND: Final = Scale("narrowband", 93.2, 95.0)
WIDEBAND: Final = Scale("wideband", 129.0, 95.0, 1.29)
FULLBAND: Final = Scale("fullband", 148.0, 132.0, 1.48, by_delay=1.48)

G711: Final = Coding(NARROWBAND)
G722: Final = Coding(WIDEBAND, impairment=13.0)
OPUS: Final = Coding(FULLBAND, impairment=10.7, robustness=9.8)

_CODINGS: Final = {
    "PCMU": G711,
    "PCMA": G711,
    "G722": G722,
    "OPUS": OPUS,
    "L16/8000": G711,
    "L16/16000": Coding(WIDEBAND),
    "L16/48000": Coding(FULLBAND),
}


def coding_of(codecs: Iterable[str]) -> Coding:
    """The figures of a stream that has these codecs: of the one that sounds worst without loss.

    So with a narrowband one among them the stream is rated as narrowband. Names are upper case, that of
    L16 with its rate; others, and no codec at all, are rated as G.711.
    """
    known = (_CODINGS.get(name, G711) for name in codecs)
    return min(known, key=lambda coding: coding.scale.best - coding.impairment, default=G711)


def opinion_score(
    loss: float,
    burst_ratio: float = 1.0,
    concealed: float = 1.0,
    coding: Coding = G711,
    delay_ms: float = 0.0,
) -> float:
    """The estimated mean opinion score: 1.0 to 4.41 for G.711, 4.34 for G.722, 4.4 for Opus, 4.5 at most.

    Args:
        loss: Part of the packets that is missing, 0 to 1.
        burst_ratio: Mean length of the runs of lost packets against that of random loss, 1 or more.
        concealed: Part of the loss that was concealed, 0 to 1.
        coding: The figures of the codec.
        delay_ms: From mouth to ear.
    """
    scale, percent = coding.scale, 100 * loss
    robustness = _BARE + concealed * (coding.robustness - _BARE)
    by_loss = (scale.worst - coding.impairment) * percent / (percent / burst_ratio + robustness)
    by_delay = scale.by_delay * _by_delay(delay_ms)
    rating = max((scale.best - coding.impairment - by_loss - by_delay) / scale.stretch, 0.0)
    # The curve dips just below 1 before it rises.
    return round(max(1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6, 1.0), 2)


def opinion_of_leg(stats: LegStats, codec: str | None) -> float:
    """The score of what a leg sent us by a negotiated codec, as far as it is known while the call goes on.

    Half of the round trip is the delay, loss is taken as random and not concealed. 1.0 if nothing was
    received.
    """
    if not stats.packets_received:
        return 1.0
    loss = stats.packets_lost / (stats.packets_received + stats.packets_lost)
    coding = coding_of(() if codec is None else (codec,))
    return opinion_score(loss, 1.0, 0.0, coding, (stats.round_trip_ms or 0.0) / 2)


def _by_delay(delay_ms: float) -> float:
    return 0.024 * delay_ms + 0.11 * max(delay_ms - _DELAY_FELT_MS, 0.0)
