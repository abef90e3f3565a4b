"""Opinion scores by the E-model, of the received audio alone. Pure arithmetic.

What the two parties heard of each other's delay and echo is not in a recording, so those terms are left
at their best. From ITU-T G.107 (narrowband) and G.107.1 (wideband):

- the rating is the best one, 93.2 or 129, minus the effective equipment impairment (§7, defaults);
- that is ``Ie + (95 - Ie) · Ppl / (Ppl / BurstR + Bpl)``, with the loss ``Ppl`` in percent (§7.5);
- MOS is ``1 + 0.035 R + R (R - 60)(100 - R) · 7e-6`` (annex B), with R divided by 1.29 if wideband.

From G.113: ``Ie`` is 0 for G.711, and 13 for G.722 at 64 kbit/s on the wideband scale (appendix IV);
``Bpl`` is 25.1 for G.711 with the concealment of its appendix I, and 4.3 without (appendix I). Loss in
runs that are too long to be concealed counts with the lower one.

The samples of all codecs are concealed alike, so all are given G.711's ``Bpl``. G.113 has no figures
for L16, which has nothing to impair, and none for Opus; both are rated as G.711 is.
"""

from dataclasses import dataclass
from typing import Final

_CONCEALED: Final = 25.1
_BARE: Final = 4.3
_WORST: Final = 95.0


@dataclass(frozen=True, slots=True)
class Scale:
    """What a codec is rated on; scores of different scales cannot be compared."""

    name: str
    best: float
    stretch: float
    """The narrowband scale's best against this one's."""
    impairment: float
    """``Ie``."""


NARROWBAND: Final = Scale("narrowband", 93.2, 1.0, 0.0)
G722: Final = Scale("wideband", 129.0, 1.29, 13.0)


def scale_of(codecs: frozenset[str]) -> Scale:
    """The scale of a track that has these codecs: with a narrowband one among them it is narrowband."""
    return G722 if codecs == {"G722"} else NARROWBAND


def opinion_score(
    loss: float, burst_ratio: float = 1.0, concealed: float = 1.0, scale: Scale = NARROWBAND
) -> float:
    """The estimated mean opinion score: 1.0 to 4.41, or 4.34 for G.722.

    Args:
        loss: Part of the packets that is missing, 0 to 1.
        burst_ratio: Mean length of the runs of lost packets against that of random loss, 1 or more.
        concealed: Part of the loss that was concealed, 0 to 1.
        scale: What the codec is rated on.
    """
    percent = 100 * loss
    robustness = _BARE + concealed * (_CONCEALED - _BARE)
    by_loss = (_WORST - scale.impairment) * percent / (percent / burst_ratio + robustness)
    rating = (scale.best - scale.impairment - by_loss) / scale.stretch
    if rating <= 0:
        return 1.0
    return round(1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6, 2)
