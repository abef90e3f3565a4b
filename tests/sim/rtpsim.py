"""RTP senders and bad networks in virtual time, and a score of what a timeline made of them.

The audio is noise that never repeats, so that where a packet came to lie can be read from the
finished samples alone. All of it follows from the seed.
"""

from dataclasses import dataclass, field

import numpy as np

from onrecord.audio.g711 import decode_alaw, decode_ulaw
from onrecord.timeline import Timeline

START_NS = 7_000_000_000
MS = 1_000_000
BASE_DELAY_MS = 40
FRAME = 160


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
    events: tuple = ()
    """(begin, end): telephone-event packets instead of audio."""
    sequence: int = 1000
    timestamp: int = 50_000
    skew_ppm: float = 0.0
    marker: bool = True


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
    """Audio packets that arrived and whose beginning is nowhere near its place."""
    length: int
    deviations: object = None
    extra: dict = field(default_factory=dict)


def _value_at(schedule, t):
    return [value for since, value in schedule if since <= t + 1e-9][-1]


def _inside(spans, t):
    return any(begin <= t + 1e-9 < end for begin, end in spans)


def send(sender: Sender, network: Network, seed: int = 1) -> list[Packet]:
    """What arrives, in order of arrival."""
    rng = np.random.default_rng(seed)
    packets, t, lost_until = [], sender.late_s, -1
    sequence, offset, ssrc = sender.sequence, sender.timestamp, 0x1234
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
            stamp, payload_type, codes = event_start, 101, codes[:4]
        else:
            event_start = None
        raw = _raw(payload_type, sequence, stamp, ssrc, fresh and sender.marker, codes)
        sequence += 1
        sent_ms = t * 1000 * (1 + sender.skew_ppm / 1e6) + BASE_DELAY_MS
        fresh = False
        t += ptime / 1000
        number += 1
        if rng.random() < network.burst_loss:
            lost_until = number + int(rng.integers(2, 9))
        if rng.random() < network.loss or number < lost_until:
            continue
        samples = decode_ulaw(codes) if payload_type == 0 else decode_alaw(codes)
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
    """One inbound track's samples and its deviations, fed in batches of ``step`` packets."""
    timeline = Timeline(0, (0,))
    blocks = timeline.fact("start", START_NS, CODECS)
    todo = sorted(facts, key=lambda fact: fact[1])
    step = step or max(len(packets), 1)
    for first in range(0, len(packets), step):
        batch = packets[first : first + step]
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


def score(packets, samples, deviations, length) -> Score:
    """Where the packets came to lie against where they belong."""
    keys = _keys(samples)
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    errors, missing, seen = [], 0, set()
    for packet in packets:
        if packet.truth < 0 or packet.raw in seen or packet.truth + len(packet.samples) > length:
            continue
        seen.add(packet.raw)
        key = _keys(packet.samples[:8])[0]
        low, high = np.searchsorted(ranked, key, "left"), np.searchsorted(ranked, key, "right")
        found = order[low:high]
        if not len(found):
            missing += 1
            continue
        off = found - packet.truth
        errors.append(int(off[np.argmin(np.abs(off))]))
    return Score(np.array(errors, np.int64), missing, len(samples), deviations)


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


def synthesize(seconds: float, network: Network, skew_ppm: float = 0.0, seed: int = 1) -> Columns:
    """PCMU without pauses, 20 ms a packet, in order of arrival: loss, jitter and reordering at once."""
    rng = np.random.default_rng(seed)
    sent = round(seconds * 50)
    number = np.arange(sent)
    sent_ms = number * 20 * (1 + skew_ppm / 1e6) + BASE_DELAY_MS
    late = rng.random(sent) * network.jitter_ms
    late += (rng.random(sent) < network.reorder) * rng.random(sent) * network.reorder_ms
    order = np.argsort(sent_ms + late, kind="stable")
    order = order[rng.random(sent)[order] >= network.loss]
    data = np.zeros((sent, 12 + FRAME), np.uint8)
    data[:, 0] = 0x80
    data[:, 2:4] = number.astype(">u2").view(np.uint8).reshape(-1, 2)
    data[:, 4:8] = (number * FRAME).astype(">u4").view(np.uint8).reshape(-1, 4)
    data[:, 11] = 9
    data[:, 12:] = rng.integers(0, 256, (sent, FRAME), dtype=np.uint8)
    arrival = START_NS + np.round((sent_ms + late) * MS).astype(np.int64)
    truth = np.round(sent_ms * 8).astype(np.int64)[order]
    size = np.full(len(order), 12 + FRAME, np.uint16)
    return Columns(arrival[order], size, data[order], truth, sent)


def score_columns(stream: Columns, samples: np.ndarray, checked: int = 3000) -> Score:
    """As :func:`score`, of so many packets from begin to end, looked for up to 100 ms away."""
    reach, key = 800, 8
    some = np.unique(np.linspace(0, len(stream.truth) - 1, checked).astype(np.int64))
    padded = np.concatenate([np.zeros(reach, np.int16), samples, np.zeros(reach + key, np.int16)])
    heads = decode_ulaw(stream.data[some, 12 : 12 + key])
    errors, missing = [], 0
    for truth, head in zip(stream.truth[some].tolist(), heads, strict=True):
        around = padded[truth : truth + 2 * reach + key]
        windows = np.lib.stride_tricks.sliding_window_view(around, key)
        off = np.flatnonzero((windows == head).all(axis=1)) - reach
        if len(off):
            errors.append(int(off[np.argmin(np.abs(off))]))
        else:
            missing += 1
    return Score(np.array(errors, np.int64), missing, len(samples))


def fold_columns(stream: Columns, seconds: float):
    """One inbound track's samples and its deviations."""
    timeline = Timeline(0, (0,))
    blocks = timeline.fact("start", START_NS, CODECS)
    for first in range(0, len(stream.size), 5000):
        some = slice(first, first + 5000)
        blocks += timeline.packets(0, stream.arrival_ns[some], stream.size[some], stream.data[some])
    blocks += timeline.fact("stop", START_NS + round(seconds * 1e9), {"reason": "command"})
    blocks += timeline.finish()
    return np.concatenate([block[0] for block in blocks]), timeline.deviations(0)
