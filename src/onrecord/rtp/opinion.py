"""Opinion scores by the E-model (ITU-T G.107): how good received audio was. Pure arithmetic.

By the ITU:

- the rating is the best one, 93.2 or 129, minus the impairments (G.107 §7.1 with all defaults; G.107.1);
- loss of ``Ppl`` percent impairs by ``Ie + (95 - Ie) · Ppl / (Ppl / BurstR + Bpl)`` (G.107 §7.5);
- MOS is ``1 + 0.035 R + R (R - 60)(100 - R) · 7e-6`` (G.107 annex B), with R divided by 1.29 if wideband;
- ``Ie`` is 0 for G.711, and 13 for G.722 at 64 kbit/s on the wideband scale (G.113 appendix IV);
- ``Bpl`` is 25.1 for G.711 with the concealment of its appendix I, and 4.3 without (G.113 appendix I).

By others: delay impairs by ``0.024 d + 0.11 (d - 177.3)``, the second term only above 177.3 ms: a fit to
G.107 for a path without echo (R. G. Cole and J. H. Rosenbluth, "Voice over IP performance monitoring", 2001).

Assumptions of ours: loss of which a part was concealed has a ``Bpl`` between the two. The samples of all
codecs are concealed alike, so all are given G.711's ``Bpl``. G.113 has no figures for L16, which has
nothing to impair, and none for Opus; both are rated as G.711 is. All else is at its best.
"""

from dataclasses import dataclass
from typing import Final

from onrecord.rtp.stats import LegStats

_CONCEALED: Final = 25.1
_BARE: Final = 4.3
_WORST: Final = 95.0
_DELAY_FELT_MS: Final = 177.3


@dataclass(frozen=True, slots=True)
class Scale:
    """What a codec is rated on; scores of different scales cannot be compared."""

    name: str
    best: float
    stretch: float
    """This scale's best against the narrowband one's, as G.107.1 takes it."""
    impairment: float
    """``Ie``."""


NARROWBAND: Final = Scale("narrowband", 93.2, 1.0, 0.0)
G722: Final = Scale("wideband", 129.0, 1.29, 13.0)


def scale_of(codecs: frozenset[str]) -> Scale:
    """The scale of a track that has these codecs: with a narrowband one among them it is narrowband."""
    return G722 if codecs == {"G722"} else NARROWBAND


def opinion_score(
    loss: float,
    burst_ratio: float = 1.0,
    concealed: float = 1.0,
    scale: Scale = NARROWBAND,
    delay_ms: float = 0.0,
) -> float:
    """The estimated mean opinion score: 1.0 to 4.41, or 4.34 for G.722.

    Args:
        loss: Part of the packets that is missing, 0 to 1.
        burst_ratio: Mean length of the runs of lost packets against that of random loss, 1 or more.
        concealed: Part of the loss that was concealed, 0 to 1.
        scale: What the codec is rated on.
        delay_ms: From mouth to ear.
    """
    percent = 100 * loss
    robustness = _BARE + concealed * (_CONCEALED - _BARE)
    by_loss = (_WORST - scale.impairment) * percent / (percent / burst_ratio + robustness)
    rating = scale.best - scale.impairment - by_loss - _by_delay(delay_ms)
    rating = max(rating / scale.stretch, 0.0)
    # The curve dips just below 1 before it rises.
    return round(max(1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6, 1.0), 2)


def opinion_of_leg(stats: LegStats) -> float:
    """The score of what a leg sent us, as far as it is known while the call goes on.

    Half of the round trip is the delay, loss is taken as random and not concealed, and the codec as
    G.711. 1.0 if nothing was received.
    """
    if not stats.packets_received:
        return 1.0
    loss = stats.packets_lost / (stats.packets_received + stats.packets_lost)
    return opinion_score(loss, concealed=0.0, delay_ms=(stats.round_trip_ms or 0.0) / 2)


def _by_delay(delay_ms: float) -> float:
    return 0.024 * delay_ms + 0.11 * max(delay_ms - _DELAY_FELT_MS, 0.0)
