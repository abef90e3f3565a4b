"""Spool facts in, sample positions out: a pure fold that decides what the live path only stored.

The way of a packet, module by module:

1. :mod:`.fold` collects datagrams and facts, and hands on one window of arrival time after another.
2. :mod:`.track` has one window of one track. :mod:`.packets` reads its headers, by what :mod:`.payloads` knows of each
   payload type; :mod:`.twins` parts senders that use one SSRC.
3. :mod:`.stream` has one sender. :mod:`.numbering` takes the wraps out of its numbers (:mod:`.sequence`), puts
   packets in order, leaves repeats out, and counts.
4. :mod:`.mediatime` makes units of 125 µs of timestamps; :mod:`.anchor` adds where they lie in the file. It follows jumps by
   itself, and drift by the line that :mod:`.clock` draws; where sound goes on there, :mod:`.splicing` finds a seam nobody hears.
5. :mod:`.decoding` and :mod:`.placing` write the samples; :mod:`.canvases` keeps them until they are given out, and mixes.
6. :mod:`.between` looks at what lies between: :mod:`.gaps` gives each gap its cause, :mod:`.concealment` fills short losses.
7. :mod:`.fold` mutes pauses, adds :mod:`.beeps`, and gives out what is finished.

What was not as it should be is counted all along the way in :mod:`.deviations`. :mod:`.live` is another, simpler way, for who
listens while a call goes on.
"""

from onrecord.timeline.deviations import Cause, Deviations, Reanchor
from onrecord.timeline.fold import Timeline

__all__ = ["Cause", "Deviations", "Reanchor", "Timeline"]
