"""Transcriptions between the saved recording and the webhook, over a real database."""

from types import SimpleNamespace

import pytest

from onrecord.calls.commands import RecordStart
from onrecord.calls.lists import PageRequest, TranscriptionFilter
from onrecord.calls.records import RecordingParams, TranscriptionState
from onrecord.core.errors import CallerError, DestinationError
from onrecord.service.transcribing import Transcribing
from onrecord.service.transcriptions import Transcriptions
from service_fakes import Bench

ASKED = RecordingParams("wav", "dual", transcription=True, transcription_engine="B")
SEGMENT = {"start_ms": 0, "end_ms": 900, "channel": 0, "speaker": None, "text": "Hello."}


class Engine:
    """Says what it is told to, or raises it; keeps what it was asked."""

    def __init__(self):
        self.asked = []
        self.fails = None

    async def transcribe(self, path, progress, params):
        self.asked.append((path.read_bytes(), params))
        progress.write_text("half")
        if self.fails:
            raise self.fails
        return SimpleNamespace(text="Hello.", language="en", engine="B", segments=[SEGMENT])


@pytest.fixture
async def bench(tmp_path):
    bench = Bench(tmp_path)
    await bench.start()
    bench.engine = Engine()
    bench.transcribing = Transcribing(
        store=bench.database,
        transcriber=bench.engine,
        files=bench.transcription_files,
        delivery=bench.delivery,
        announcements=bench.announcements,
        clock=bench.clock,
    )
    yield bench
    await bench.settle()
    await bench.database.close()


async def saved(bench, params=ASKED):
    """A finished recording's id, and its transcriptions."""
    leg_id, token = await bench.answered()
    begun = await bench.calls.record_start(token, RecordStart(params))
    await bench.far_ends(leg_id)
    await bench.finish_all()
    return begun.recording_id, await transcriptions(bench)


async def transcriptions(bench):
    page = await bench.database.read(
        lambda unit: unit.transcriptions(TranscriptionFilter(), PageRequest())
    )
    return page.items


def kept(bench):
    return sorted(path.suffix for path in (bench.folder / "transcriptions").iterdir())


async def test_from_the_saved_recording_to_the_webhook(bench):
    recording_id, (queued,) = await saved(bench)
    assert (queued.recording_id, queued.state) == (recording_id, TranscriptionState.IN_PROGRESS)
    assert [job[0] for job in bench.jobs.all("transcribe")] == [queued.id]
    assert kept(bench) == [".wav"]

    await bench.transcribing.transcribe(queued.id)
    await bench.transcribing.transcribe(queued.id)  # a repeat after a crash
    await bench.settle()
    assert [(audio[:7], params) for audio, params in bench.engine.asked] == [(b"file of", ASKED)]
    (done,) = await transcriptions(bench)
    assert (done.state, done.text, done.language) == (TranscriptionState.COMPLETED, "Hello.", "en")
    assert dict(done.segments[0]) == SEGMENT
    assert kept(bench) == []
    told = [
        payload
        for kind, payload in bench.receiver.events()
        if kind == "call.recording.transcription.saved"
    ]
    assert len(told) == 1
    assert told[0]["recording_transcription_id"] == done.id
    assert told[0]["transcription_text"] == "Hello."


async def test_a_recording_that_is_not_to_be_transcribed_leaves_nothing(bench):
    _, found = await saved(bench, RecordingParams("wav", "dual"))
    assert found == ()
    assert kept(bench) == []
    assert bench.jobs.all("transcribe") == []


async def test_a_failure_keeps_what_was_paid_for_until_it_is_given_up(bench):
    _, (queued,) = await saved(bench)
    bench.engine.fails = DestinationError("slow")
    with pytest.raises(DestinationError):
        await bench.transcribing.transcribe(queued.id)
    assert kept(bench) == [".progress", ".wav"]
    await bench.transcribing.give_up(queued.id, "slow")
    (failed,) = await transcriptions(bench)
    assert (failed.state, failed.failure) == (TranscriptionState.IN_PROGRESS, "slow")
    assert kept(bench) == []
    assert "call.recording.transcription.saved" not in bench.receiver.types()


async def test_a_deleted_recording_takes_its_transcription_along(bench):
    recording_id, (queued,) = await saved(bench)
    await bench.database.write(lambda unit: unit.remove_recording(recording_id))
    assert await transcriptions(bench) == ()
    await bench.transcribing.transcribe(queued.id)
    assert bench.engine.asked == []
    assert kept(bench) == []


@pytest.mark.parametrize("what", ["recording", "transcription"])
async def test_what_is_deleted_leaves_no_audio_to_wait_for_the_next_try(bench, what):
    recording_id, (queued,) = await saved(bench)
    bench.engine.fails = DestinationError("slow")
    with pytest.raises(DestinationError):
        await bench.transcribing.transcribe(queued.id)
    assert kept(bench) == [".progress", ".wav"]
    if what == "recording":
        await bench.recordings.delete(recording_id)
    else:
        await Transcriptions(bench.database, bench.transcription_files).delete(queued.id)
    assert kept(bench) == []


async def test_audio_that_is_gone_is_no_reason_to_try_again(bench):
    _, (queued,) = await saved(bench)
    bench.transcription_files.remove(queued.id)
    with pytest.raises(DestinationError) as raised:
        await bench.transcribing.transcribe(queued.id)
    assert not raised.value.retry


async def test_record_start_is_refused_before_anything_is_recorded(bench):
    _, token = await bench.answered()
    bench.no_transcription = "No engine."
    with pytest.raises(CallerError) as raised:
        await bench.calls.record_start(token, RecordStart(ASKED))
    (fault,) = raised.value.faults
    assert (fault.code, fault.detail, fault.pointer) == (
        "10027",
        "No engine.",
        "/transcription_engine",
    )
    assert not bench.media.capturing
    await bench.calls.record_start(token, RecordStart(RecordingParams("wav", "dual")))
