"""Sounds of any codec through bad networks in virtual time, and how well corrections of a clock are hidden in them."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onrecord.audio.payloads import make_decoder, make_encoder
from onrecord.audio.reading import read_audio
from onrecord.audio.resampling import resample
from onrecord.rtp.header import build_packet
from onrecord.timeline import Cause, Timeline
from sim.rtpsim import BASE_DELAY_MS, MS, START_NS, Network, Packet, columns

CLIPS = Path(__file__).parents[2] / "src/onrecord/demo/clips"
PERFECT = Network()
CODECS = {
    "PCMU": (0, 8000, 8000),
    "PCMA": (8, 8000, 8000),
    "G722": (9, 8000, 16000),
    "OPUS": (96, 48000, 48000),
    "L16": (97, 16000, 16000),
}
"""Payload type, RTP clock, sample rate."""
MAP = {str(number): [name, clock] for name, (number, clock, _) in CODECS.items()}
MAP |= {"101": ["TELEPHONE-EVENT", 8000]}


def tone(hertz, seconds, rate):
    """One that fades in, as a codec with state wants it."""
    at = np.arange(round(seconds * rate)) / rate
    return np.round(9000 * np.minimum(at * 4, 1) * np.sin(2 * np.pi * hertz * at)).astype(np.int16)


def chord(seconds, rate):
    """Three tones that have no period of less than a second in common."""
    at = np.arange(round(seconds * rate)) / rate
    return sum(0.3 * tone(hertz, seconds, rate) for hertz in (311.1, 466.2, 659.3)).astype(
        np.int16
    )[: len(at)]


@functools.cache
def clips(rate):
    """The demo's two voices, over and over one after another."""
    parts = []
    for path in sorted(CLIPS.glob("*.wav")):
        samples, found = read_audio(path)
        mono = samples[:, 0]
        while found % 8000:
            mono, found = mono[: len(mono) // 2 * 2].reshape(-1, 2).mean(axis=1), found // 2
        parts.append(resample(mono.astype(np.int16), found, rate) if found != rate else mono)
    return np.concatenate(parts).astype(np.int16)


def speech(seconds, rate):
    """Speech of so many seconds, with its pauses."""
    return np.resize(clips(rate), round(seconds * rate))


def noise(seconds, rate):
    """Noise that never repeats, without the highest tones, which a codec may leave out."""
    rng = np.random.default_rng(5)
    white = rng.standard_normal(round(seconds * rate) + 8)
    return np.round(4000 * np.convolve(white, np.ones(8) / 8, "valid")).astype(np.int16)[
        : round(seconds * rate)
    ]


def speak(codec, sound, network=PERFECT, ppm=0.0, seed=1, ssrc=7):
    """What arrives of a sound, 20 ms a packet; each packet's samples are those that an undisturbed decoder makes."""
    number, clock, rate = CODECS[codec]
    rng = np.random.default_rng(seed)
    encoder, decoder = make_encoder(codec), make_decoder(codec)
    frames = sound[: len(sound) // (rate // 50) * (rate // 50)].reshape(-1, rate // 50)
    packets = []
    for i, frame in enumerate(frames):
        payload = encoder.encode(frame)
        heard = decoder.decode(payload)
        raw = build_packet(number, 500 + i, 9000 + i * clock // 50, ssrc, i == 0, payload)
        sent_ms = i * 20 * (1 + ppm / 1e6) + BASE_DELAY_MS
        if rng.random() < network.loss:
            continue
        late = rng.random() * network.jitter_ms
        if rng.random() < network.reorder:
            late += rng.random() * network.reorder_ms
        at = START_NS + round((sent_ms + late) * MS)
        packets.append(Packet(at, raw, round(sent_ms * rate / 1000), heard))
    return sorted(packets, key=lambda packet: packet.arrival_ns)


def fold_tracks(tracks, seconds, rate):
    """Samples of shape ``(tracks, n)``, and each track's deviations."""
    timeline = Timeline(0, tuple(range(len(tracks))), sample_rate=rate)
    blocks = timeline.fact("start", START_NS, {"inbound": MAP, "outbound": MAP})
    feeds = [(p.arrival_ns, number, p) for number, each in enumerate(tracks) for p in each]
    feeds.sort(key=lambda feed: feed[:2])
    for first in range(0, len(feeds), 500):
        for number in range(len(tracks)):
            mine = [p for _, track, p in feeds[first : first + 500] if track == number]
            if mine:
                blocks += timeline.packets(number, *columns(mine))
    blocks += timeline.fact("stop", START_NS + round(seconds * 1e9), {})
    blocks += timeline.finish()
    whole = np.concatenate(blocks, axis=1)
    return whole, [timeline.deviations(number) for number in range(len(tracks))]


@dataclass(frozen=True)
class Hidden:
    """How well the corrections of one file are hidden."""

    corrections: int
    splatter_db: float
    """The worst: energy beside the tone within 32 ms about a correction, to that of the tone."""
    floor_db: float
    """The same anywhere in the file, as a rule."""
    cut_db: float
    """The same where a piece of that length is cut out of the tone: the best of those cuts."""
    jump: float
    """The worst: the largest step between two samples at a correction, to that of the 200 ms about it."""


def hidden(samples, rate, deviations, hertz=0.0):
    """Look at each correction of the clock."""
    factor, half = rate // 8000, rate // 62
    jumps, splatter = [0.0], [-np.inf]
    marks = [a for a in deviations.reanchors if a.cause is Cause.SKEW]
    for mark in marks:
        begin = (mark.at_sample - max(mark.shift_samples, 0)) * factor
        end = (mark.at_sample + max(-mark.shift_samples, 0)) * factor
        around = samples[begin - rate // 10 : end + rate // 10].astype(float)
        steps = np.abs(np.diff(around))
        near = slice(rate // 10 - rate // 500, len(steps) - rate // 10 + rate // 500)
        far = np.concatenate([steps[: near.start], steps[near.stop :]])
        jumps.append(float(steps[near].max() / max(far.max(), 1)))
        middle = (begin + end) // 2
        splatter.append(beside(samples[middle - half : middle + half], rate, hertz))
    places = range(5 * rate, len(samples) - 5 * rate, rate // 3)
    floor = [beside(samples[at : at + 2 * half], rate, hertz) for at in places]
    return Hidden(len(marks), max(splatter), float(np.median(floor)), _cut(rate, hertz), max(jumps))


def _cut(rate, hertz):
    """Energy beside a tone of which 7.3 ms are missing, which is no whole period of it."""
    half, missing = rate // 62, round(0.0073 * rate)
    whole = tone(hertz or 440, 1, rate)[rate // 2 :]
    return beside(np.concatenate([whole[:half], whole[half + missing :][:half]]), rate, hertz)


def beside(samples, rate, hertz):
    """Energy more than 150 Hz from a tone, to all of it, dB."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8192)) ** 2
    frequency = np.fft.rfftfreq(8192, 1 / rate)
    far = spectrum[np.abs(frequency - hertz) > 150].sum()
    return float(10 * np.log10(max(far, 1e-9) / max(spectrum.sum(), 1e-9)))
