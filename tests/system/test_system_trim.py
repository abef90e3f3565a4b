"""``trim-silence``: both ends of the file are cut, its times stay those of the recording."""

import asyncio
from datetime import datetime
from pathlib import Path

from telnyx import AsyncTelnyx

import onrecord.demo
from calling import answered, saved_file, told
from listening import level, read_bytes
from onrecord.phone.clips import read_clip, tone
from onrecord.phone.phone import TestPhone
from running import Receiver, RunningServer

ANN = read_clip(Path(onrecord.demo.__file__).parent / "clips" / "ann-2.wav")


async def test_silence_and_tones_are_cut_off(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str, tmp_path: Path
) -> None:
    async with TestPhone("ann") as ann, TestPhone("bob") as bob:
        speaks = await answered(sdk, server, receiver, ann)
        beeps = await answered(sdk, server, receiver, bob)
        await sdk.calls.actions.start_recording(
            speaks, format="wav", channels="dual", trim="trim-silence"
        )
        await sdk.calls.actions.start_recording(
            beeps, format="mp3", channels="single", trim="trim-silence"
        )
        beeping = asyncio.ensure_future(bob.play(tone(440, 1.0)))
        await asyncio.sleep(1.0)
        await ann.play(ANN)
        await asyncio.sleep(1.0)
        await beeping
        await ann.hangup()
        await bob.hangup()
    saved = await told(receiver, "call.recording.saved", call_control_id=speaks)
    samples, _ = read_bytes(await saved_file(saved, "wav"), tmp_path, "wav")
    lasted = 1000 * len(samples) / 8000
    spoken = 1000 * len(ANN) / 8000
    assert spoken + 300 < lasted < spoken + 800
    loud = [at for at in range(0, len(samples) - 80, 80) if level(samples[at : at + 80, 0]) > 200]
    assert 100 <= loud[0] / 8 <= 350
    assert 200 <= lasted - loud[-1] / 8 <= 450
    trimmed = saved.payload["trimmed"]
    assert trimmed["speech"] is True
    assert 700 < trimmed["start_millis"] < 1200
    assert saved.payload["duration_millis"] == len(samples) // 8
    times = (str(saved.payload[f"recording_{edge}_at"]) for edge in ("started", "ended"))
    began, ended = (datetime.fromisoformat(time) for time in times)
    whole = trimmed["start_millis"] + len(samples) / 8 + trimmed["end_millis"]
    assert abs((ended - began).total_seconds() * 1000 - whole) < 5

    silent = await told(receiver, "call.recording.saved", call_control_id=beeps)
    assert silent.payload["trimmed"]["speech"] is False
    assert 0 < int(str(silent.payload["duration_millis"])) <= 100
    samples, rate = read_bytes(await saved_file(silent, "mp3"), tmp_path, "mp3")
    assert (rate, samples.shape[1]) == (8000, 1)
    assert len(samples) < 8000
    resource = (await sdk.recordings.retrieve(str(silent.payload["recording_id"]))).data
    assert resource.to_dict()["trimmed"]["speech"] is False
