"""RTP senders and bad networks in virtual time, and a score of what a timeline made of them.

The audio is noise that never repeats, so that where a packet came to lie can be read from the
finished samples alone. All of it follows from the seed.
"""

import bisect
import itertools
from dataclasses import dataclass

import numpy as np

from onrecord.audio.g711 import decode_alaw, decode_ulaw
from onrecord.timeline import Timeline

START_NS = 7_000_000_000
MS = 1_000_000
BASE_DELAY_MS = 40
FRAME = 160
ALIKE = 0.45
"""Correlation of a packet with a place where it is heard beside another; chance alone gives 0.35 at most."""


@dataclass(frozen=True)
class Network:
    loss: float = 0.0
    burst_loss: float = 0.0
    """Chance that a packet begins a loss of 2 to 8 packets."""
    jitter_ms: float = 0.0
    duplicates: float = 0.0
    reorder: float = 0.0
    reorder_ms: float = 500.0
    stalls: tuple = ()
    """(begin, end) in seconds: what is sent between arrives at the end."""


@dataclass(frozen=True)
class Sender:
    seconds: float = 20.0
    ptimes: tuple = ((0.0, 20),)
    """(from second, ms)."""
    late_s: float = 0.0
    silences: tuple = ()
    """(begin, end): nothing is sent, timestamps go on (DTX)."""
    frozen: tuple = ()
    """(begin, end): nothing is sent and timestamps stand still."""
    jumps: tuple = ()
    """(at, samples): the timestamp leaps."""
    restarts: tuple = ()
    """(at, ssrc or None): new sequence and timestamp, and a new SSRC if given."""
    codecs: tuple = ((0.0, 0),)
    """(from second, payload type)."""
    remapped: float = 1e9
    """What arrives from this second on as PCMU (0) is PCMA, and the other way round."""
    events: tuple = ()
    """(begin, end): telephone-event packets instead of audio (RFC 4733)."""
    comfort: tuple = ()
    """(begin, end): a comfort noise packet every 100 ms instead of audio (RFC 3389)."""
    sequence: int = 1000
    timestamp: int = 50_000
    skew_ppm: float = 0.0
    marker: bool | None = True
    """At the begin of each talkspurt, never, or (None) at random."""
    ssrc: int = 0x1234


@dataclass
class Packet:
    arrival_ns: int
    raw: bytes
    truth: int
    """Sample of the file at which its first sample belongs; -1 for what is no audio."""
    samples: np.ndarray


@dataclass(frozen=True)
class Columns:
    """A long stream at once: what a spool's Packets records hold, and where each packet belongs."""

    arrival_ns: np.ndarray
    size: np.ndarray
    data: np.ndarray
    truth: np.ndarray
    sent: int
    """Packets, those that were lost among them."""


@dataclass
class Score:
    errors: np.ndarray
    """Samples by which each audio packet that was found is off."""
    missing: int
    """Audio packets that arrived and of which neither begin, middle nor end is in the file."""
    length: int
    deviations: object = None
    places: np.ndarray | None = None
    """Where each of the packets that were found belongs."""
    lost_samples: int = 0
    """Of packets that were found: samples that are not where they belong beside the others."""
    false_ms: float = 0.0
    """Sound that no packet had, beyond what the report says was made up."""
    snr_db: float = np.inf
    """Of packets that were found, against what was sent."""


def _value_at(schedule, t):
    return [value for since, value in schedule if since <= t + 1e-9][-1]


def _inside(spans, t):
    return any(begin <= t + 1e-9 < end for begin, end in spans)


def send(sender: Sender, network: Network, seed: int = 1) -> list[Packet]:
    """What arrives, in order of arrival."""
    rng = np.random.default_rng(seed)
    packets, t, lost_until = [], sender.late_s, -1
    sequence, offset, ssrc = sender.sequence, sender.timestamp, sender.ssrc
    jumps, restarts = list(sender.jumps), list(sender.restarts)
    fresh, event_start = True, None
    number = 0
    while t < sender.seconds - 1e-9:
        ptime = _value_at(sender.ptimes, t)
        if _inside(sender.silences, t) or _inside(sender.frozen, t):
            if _inside(sender.frozen, t):
                offset -= ptime * 8
            t, fresh = t + ptime / 1000, True
            continue
        while jumps and jumps[0][0] <= t + 1e-9:
            offset += jumps.pop(0)[1]
        while restarts and restarts[0][0] <= t + 1e-9:
            ssrc = restarts.pop(0)[1] or ssrc
            sequence, offset = int(rng.integers(65536)), int(rng.integers(1 << 32))
        stamp = round(t * 8000) + offset
        payload_type = _value_at(sender.codecs, t)
        codes = rng.integers(0, 256, ptime * 8, dtype=np.uint8)
        if _inside(sender.events, t):
            event_start = stamp if event_start is None else event_start
            codes = _event(stamp - event_start, last=not _inside(sender.events, t + ptime / 1000))
            stamp, payload_type = event_start, 101
        else:
            event_start = None
        if _inside(sender.comfort, t):
            if number % 5 or payload_type == 101:
                number, t = number + 1, t + ptime / 1000
                continue
            payload_type, codes = 13, np.array([60, 20, 120, 40], np.uint8)
        marked = rng.random() < 0.5 if sender.marker is None else fresh and sender.marker
        raw = _raw(payload_type, sequence, stamp, ssrc, marked, codes)
        sequence += 1
        sent_ms = t * 1000 * (1 + sender.skew_ppm / 1e6) + BASE_DELAY_MS
        fresh = False
        t += ptime / 1000
        number += 1
        if rng.random() < network.burst_loss:
            lost_until = number + int(rng.integers(2, 9))
        if rng.random() < network.loss or number < lost_until:
            continue
        ulaw = (payload_type == 0) != (sent_ms >= sender.remapped * 1000 - 1e-6)
        samples = decode_ulaw(codes) if ulaw else decode_alaw(codes)
        truth = round(sent_ms * 8) if payload_type in {0, 8} else -1
        for _ in range(2 if rng.random() < network.duplicates else 1):
            late = rng.random() * network.jitter_ms
            if rng.random() < network.reorder:
                late += rng.random() * network.reorder_ms
            arrival_ms = sent_ms + late
            for begin, end in network.stalls:
                if begin * 1000 <= arrival_ms < end * 1000:
                    arrival_ms = end * 1000 + number * 0.001
            packets.append(Packet(START_NS + round(arrival_ms * MS), raw, truth, samples))
    return sorted(packets, key=lambda packet: packet.arrival_ns)


def swept(packets: list[Packet], tick_ms: float, phase_ms: float) -> list[Packet]:
    """As a loop sees them that reads each ``tick_ms``, but for the first three, which the kernel stamps.

    In the middle it is late once, and its ticks are half a tick later from then on.
    """
    tick, middle = round(tick_ms * MS), packets[len(packets) // 2].arrival_ns
    for packet in packets[3:]:
        grid = round(phase_ms * MS) + (tick // 2 if packet.arrival_ns > middle else 0)
        packet.arrival_ns = grid - (grid - packet.arrival_ns) // tick * tick
    return packets


def _event(duration, *, last):
    """Digit 5 at -10 dBm0, so long up to now."""
    return np.array([5, 0x80 * last + 10, *(duration & 0xFFFF).to_bytes(2, "big")], np.uint8)


def _raw(payload_type, sequence, stamp, ssrc, marker, codes):
    head = bytes([0x80, payload_type | (0x80 if marker else 0)])
    head += (sequence & 0xFFFF).to_bytes(2, "big") + (stamp & 0xFFFFFFFF).to_bytes(4, "big")
    return head + ssrc.to_bytes(4, "big") + codes.tobytes()


def columns(packets: list[Packet]):
    """arrival_ns, size and data as a spool's Packets record has them."""
    arrival = np.array([packet.arrival_ns for packet in packets], np.int64)
    size = np.array([len(packet.raw) for packet in packets], np.uint16)
    pitch = int(size.max()) if len(packets) else 0
    data = np.zeros((len(packets), pitch), np.uint8)
    for row, packet in zip(data, packets, strict=True):
        row[: len(packet.raw)] = np.frombuffer(packet.raw, np.uint8)
    return arrival, size, data


CODECS = {"inbound": {"0": ["PCMU", 8000], "8": ["PCMA", 8000], "101": ["TELEPHONE-EVENT", 8000]}}


def fold(packets, seconds, *, facts=(), step=None, stop=True):
    """One inbound track's samples and its deviations, fed in batches of ``step`` packets that end at facts."""
    timeline = Timeline(0, (0,))
    blocks = timeline.fact("start", START_NS, CODECS)
    todo = sorted(facts, key=lambda fact: fact[1])
    arrival = [packet.arrival_ns for packet in packets]
    cuts = {bisect.bisect_left(arrival, at) for _, at, _ in todo} | {len(packets)}
    cuts |= set(range(0, len(packets), step or max(len(packets), 1)))
    for first, end in itertools.pairwise(sorted(cuts)):
        batch = packets[first:end]
        while todo and todo[0][1] <= batch[0].arrival_ns:
            blocks += timeline.fact(*todo.pop(0))
        blocks += timeline.packets(0, *columns(batch))
    for fact in todo:
        blocks += timeline.fact(*fact)
    if stop:
        blocks += timeline.fact("stop", START_NS + int(seconds * 1e9), {"reason": "command"})
    blocks += timeline.finish()
    samples = np.concatenate([block[0] for block in blocks]) if blocks else np.empty(0, np.int16)
    return samples, timeline.deviations(0)


def score(packets, samples, deviations, length, rate=8000) -> Score:
    """Where the packets came to lie against where they belong, sample by sample."""
    keys = _keys(samples)
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    seen, errors = set(), []
    result = Score(np.empty(0, np.int64), 0, len(samples), deviations)
    explained = np.zeros(len(samples), bool)
    noise = signal = 0.0
    for packet in packets:
        if packet.truth < 0 or packet.raw in seen or packet.truth + len(packet.samples) > length:
            continue
        seen.add(packet.raw)
        off = _off(packet, ranked, order, samples)
        if off is None:
            result.missing += 1
            continue
        errors.append(off)
        begin = max(packet.truth + off, 0)
        there = samples[begin : begin + len(packet.samples)]
        sent = packet.samples[: len(there)]
        wrong = there != sent
        explained[begin : begin + len(there)] = True
        if wrong.any():
            result.lost_samples += int(wrong.sum())
            noise += float(np.square(there.astype(float) - sent).sum())
        signal += float(np.square(sent.astype(float)).sum())
    result.errors = np.array(errors, np.int64)
    made = deviations.concealed_ms + deviations.blended_ms if deviations else 0.0
    sound_ms = int(np.count_nonzero(samples[~explained])) * 1000 / rate
    result.false_ms = max(sound_ms - made, 0.0)
    result.snr_db = 10 * np.log10(signal / noise) if noise else np.inf
    return result


def _off(packet, ranked, order, samples):
    """By how many samples a packet is off; None if it is not found.

    Where it is whole counts, not where concealment repeats a part of it.
    """
    for at in (0, len(packet.samples) // 2, len(packet.samples) - 8):
        if not packet.samples[at : at + 8].any():
            continue
        key = _keys(packet.samples[at : at + 8])[0]
        low, high = np.searchsorted(ranked, key, "left"), np.searchsorted(ranked, key, "right")
        offs = [int(found) - at - packet.truth for found in order[low:high]]
        if len(offs) > 1:
            offs.sort(key=lambda off: (-_alike(packet, samples, off), abs(off)))
        if offs:
            return offs[0]
    return _off_in_mix(packet, samples)


def _alike(packet, samples, off):
    there = samples[max(packet.truth + off, 0) :][: len(packet.samples)]
    return int(np.count_nonzero(there == packet.samples[: len(there)]))


def _off_in_mix(packet, samples, reach=400):
    """The same of a packet that is mixed with another, up to ``reach`` away."""
    begin = packet.truth - reach
    if begin < 0 or packet.truth + len(packet.samples) + reach > len(samples):
        return None
    around = samples[begin : packet.truth + len(packet.samples) + reach].astype(float)
    sent = packet.samples.astype(float)
    energy = np.convolve(np.square(around), np.ones(len(sent)), "valid") * np.square(sent).sum()
    alike = np.correlate(around, sent, "valid") / np.sqrt(np.maximum(energy, 1))
    return int(np.argmax(alike)) - reach if alike.max() > ALIKE else None


def _keys(samples):
    """Eight samples that follow on one another, as one number."""
    if len(samples) < 8:
        return np.empty(0, np.uint64)
    codes = (samples.astype(np.int64) & 0xFFFF).astype(np.uint64)
    n = len(samples) - 7
    key = np.zeros(n, np.uint64)
    for i in range(8):
        key = key * np.uint64(0x100000001B3) + codes[i : i + n]
    return key


def run(sender: Sender, network: Network = Network(), seed: int = 1, **how) -> Score:
    """Send, fold and score."""
    packets = send(sender, network, seed)
    length = sender.seconds + 0.5
    samples, deviations = fold(packets, length, **how)
    return score(packets, samples, deviations, int(length * 8000))


def synthesize(
    seconds: float,
    network: Network,
    skew_ppm: float = 0.0,
    seed: int = 1,
    *,
    spurts: bool = False,
) -> Columns:
    """PCMU, 20 ms a packet, in order of arrival: loss, jitter and reordering at once.

    With ``spurts`` four of every ten seconds are silent: timestamps go on, sequence numbers do not.
    """
    rng = np.random.default_rng(seed)
    sent = round(seconds * 50)
    frame = np.arange(sent)
    if spurts:
        frame = frame[frame % 500 < 300]
        sent = len(frame)
    number = np.arange(sent)
    sent_ms = frame * 20 * (1 + skew_ppm / 1e6) + BASE_DELAY_MS
    late = rng.random(sent) * network.jitter_ms
    late += (rng.random(sent) < network.reorder) * rng.random(sent) * network.reorder_ms
    order = np.argsort(sent_ms + late, kind="stable")
    order = order[rng.random(sent)[order] >= network.loss]
    data = np.zeros((sent, 12 + FRAME), np.uint8)
    data[:, 0] = 0x80
    data[:, 2:4] = number.astype(">u2").view(np.uint8).reshape(-1, 2)
    data[:, 4:8] = (frame * FRAME).astype(">u4").view(np.uint8).reshape(-1, 4)
    data[:, 11] = 9
    data[:, 12:] = rng.integers(0, 256, (sent, FRAME), dtype=np.uint8)
    arrival = START_NS + np.round((sent_ms + late) * MS).astype(np.int64)
    truth = np.round(sent_ms * 8).astype(np.int64)[order]
    size = np.full(len(order), 12 + FRAME, np.uint16)
    return Columns(arrival[order], size, data[order], truth, sent)


def score_columns(
    stream: Columns, samples: np.ndarray, deviations: object = None, checked: int = 3000
) -> Score:
    """As :func:`score`, of so many packets from begin to end, looked for up to 100 ms away.

    Sound that no packet had is not looked for.
    """
    reach = 800
    some = np.unique(np.linspace(0, len(stream.truth) - 1, checked).astype(np.int64))
    padded = np.concatenate([np.zeros(reach, np.int16), samples, np.zeros(reach + FRAME, np.int16)])
    sent = decode_ulaw(stream.data[some, 12 : 12 + FRAME])
    errors, places = [], []
    result = Score(np.empty(0, np.int64), 0, len(samples), deviations, false_ms=np.nan)
    noise = signal = 0.0
    for truth, codes in zip(stream.truth[some].tolist(), sent, strict=True):
        around = padded[truth : truth + 2 * reach + FRAME]
        off = next((o for at in (0, 80, 152) if (o := _near(around, codes, at)) is not None), None)
        if off is None:
            result.missing += 1
            continue
        errors.append(off - reach)
        places.append(truth)
        there = around[off : off + FRAME]
        result.lost_samples += int(np.count_nonzero(there != codes))
        noise += float(np.square(there.astype(float) - codes).sum())
        signal += float(np.square(codes.astype(float)).sum())
    result.errors, result.places = np.array(errors, np.int64), np.array(places, np.int64)
    result.snr_db = 10 * np.log10(signal / noise) if noise else np.inf
    return result


def _near(around, codes, at, key=8):
    """Where the packet begins whose samples from ``at`` on are there; the nearest to the middle."""
    windows = np.lib.stride_tricks.sliding_window_view(around[at:], key)
    found = np.flatnonzero((windows[:, 0] == codes[at]) & (windows[:, 7] == codes[at + 7]))
    found = [o for o in found.tolist() if np.array_equal(windows[o], codes[at : at + key])]
    middle = (len(around) - len(codes)) // 2
    return min(found, key=lambda o: abs(o - middle)) if found else None


def fold_columns(streams: list[Columns], seconds: float):
    """Samples of shape ``(tracks, n)``, and each track's deviations."""
    timeline = Timeline(0, tuple(range(len(streams))))
    blocks = timeline.fact("start", START_NS, CODECS | {"outbound": CODECS["inbound"]})
    for first_ns in range(0, round(seconds * 1e9), 1000 * MS):
        for number, stream in enumerate(streams):
            bounds = [START_NS + first_ns, START_NS + first_ns + 1000 * MS]
            some = slice(*np.searchsorted(stream.arrival_ns, bounds))
            columns = (stream.arrival_ns[some], stream.size[some], stream.data[some])
            blocks += timeline.packets(number, *columns)
    blocks += timeline.fact("stop", START_NS + round(seconds * 1e9), {"reason": "command"})
    blocks += timeline.finish()
    records = [timeline.deviations(number) for number in range(len(streams))]
    return np.concatenate(blocks, axis=1), records
