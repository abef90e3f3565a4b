"""Google and Deepgram over real connections, against servers that answer and fail as theirs do."""

import itertools

import grpc
import numpy as np
import pytest
from google.cloud import speech_v1 as google

from onrecord.core.errors import DestinationError
from onrecord.core.settings import Settings
from onrecord.speech import FileProgress, MemoryProgress, Transcriber, TranscriptionRequest
from onrecord.speech.deepgram import DeepgramConfig, DeepgramEngine
from onrecord.speech.google import GoogleConfig, GoogleEngine
from onrecord.speech.google_client import GoogleAccess
from speech_servers import BucketServer, DeepgramServer, GoogleServer, spoken
from speech_sounds import RATE, clip, conversation, silence, write_wav

EN = TranscriptionRequest("en-US")


@pytest.fixture
def bucket():
    server = BucketServer()
    yield server
    server.close()


@pytest.fixture
def google_server(bucket):
    server = GoogleServer(bucket)
    yield server
    server.close()


@pytest.fixture
def deepgram():
    server = DeepgramServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    return write_wav(tmp_path_factory.mktemp("s") / "short.wav", conversation())


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """150 s, mono: talk with pauses of a second and two."""
    talk = []
    names = itertools.cycle(["ann-1", "bob-1", "ann-2", "bob-2"])
    while sum(map(len, talk)) < 150 * RATE:
        talk += [clip(next(names)), silence(1.0 + len(talk) % 2)]
    samples = np.concatenate(talk)[: 150 * RATE]
    return write_wav(tmp_path_factory.mktemp("s") / "long.wav", samples)


def google_engine(server, bucket=None, timeout_secs=20.0):
    access = GoogleAccess(endpoint=server.url, timeout_secs=timeout_secs)
    url = bucket.url if bucket else ""
    config = GoogleConfig(access, "calls" if bucket else None, url)
    return GoogleEngine(config, wait=lambda _: None)


class TestGoogle:
    def test_a_short_dual_file_is_one_request_with_all_that_was_asked(self, google_server, short):
        request = TranscriptionRequest("fr-CA", profanity_filter=True)
        transcript = google_engine(google_server).transcribe(short, request, MemoryProgress())
        (asked,) = google_server.requests
        config = asked.config
        assert config.encoding == google.RecognitionConfig.AudioEncoding.LINEAR16
        assert config.sample_rate_hertz == 8000
        assert config.audio_channel_count == 2
        assert config.enable_separate_recognition_per_channel
        assert config.language_code == "fr-CA"
        assert config.profanity_filter
        assert not config.diarization_config.enable_speaker_diarization
        assert transcript.text == "15 seconds 15 seconds"
        assert [(s.channel, s.start_ms, s.end_ms) for s in transcript.segments] == [
            (0, 0, 1900),
            (1, 0, 1900),
        ]
        assert transcript.segments[0].words[1].start_ms == 1000
        assert transcript.segments[0].confidence == 0.75
        assert (transcript.engine, transcript.language) == ("A", "fr-CA")

    def test_speakers_are_taken_from_the_last_result(self, google_server, short):
        google_server.script.append(
            [spoken("hello there"), spoken("hello there good day", speakers=[1, 1, 2, 2])]
        )
        request = TranscriptionRequest("en", diarization=True, min_speakers=3, max_speakers=2)
        transcript = google_engine(google_server).transcribe(short, request, MemoryProgress())
        assert [(s.speaker, s.text) for s in transcript.segments] == [
            (1, "hello there"),
            (2, "good day"),
        ]
        diarization = google_server.requests[0].config.diarization_config
        assert diarization.min_speaker_count == diarization.max_speaker_count == 3

    def test_results_without_words_or_alternatives_are_taken_as_they_are(
        self, google_server, short
    ):
        bare = google.SpeechRecognitionResult(
            alternatives=[google.SpeechRecognitionAlternative(transcript=" no times ")],
            result_end_time={"seconds": 4},
        )
        google_server.script.append([google.SpeechRecognitionResult(), bare])
        transcript = google_engine(google_server).transcribe(short, EN, MemoryProgress())
        (segment,) = transcript.segments
        assert (segment.text, segment.start_ms, segment.end_ms) == ("no times", 0, 4000)
        assert segment.words == ()

    def test_without_a_bucket_a_long_file_goes_in_parts_cut_in_silence(self, google_server, long):
        transcript = google_engine(google_server).transcribe(long, EN, MemoryProgress())
        assert len(google_server.requests) >= 3
        starts = [s.start_ms for s in transcript.segments]
        assert starts == sorted(starts)
        assert starts[0] == 0
        assert 30_000 < starts[1] <= 55_000
        for request in google_server.requests:
            samples = np.frombuffer(request.audio.content[44:], "<i2")
            assert len(samples) <= 55 * RATE
        for request in google_server.requests[:-1]:
            samples = np.frombuffer(request.audio.content[44:], "<i2")
            assert np.abs(samples[-800:]).max() < 104

    def test_parts_that_are_paid_for_are_not_paid_twice(self, google_server, long, tmp_path):
        google_server.script += [[spoken("first")], grpc.StatusCode.RESOURCE_EXHAUSTED]
        engine = google_engine(google_server)
        with pytest.raises(DestinationError, match="RESOURCE_EXHAUSTED") as refused:
            engine.transcribe(long, EN, FileProgress(tmp_path / "p"))
        assert refused.value.retry
        assert len(google_server.requests) == 2
        transcript = google_engine(google_server).transcribe(long, EN, FileProgress(tmp_path / "p"))
        assert transcript.text.startswith("first ")
        again = google_server.requests[2]
        assert again.audio.content == google_server.requests[1].audio.content

    def test_speakers_of_a_long_file_need_a_bucket(self, google_server, long):
        request = TranscriptionRequest("en", diarization=True)
        with pytest.raises(DestinationError, match="set google_bucket") as refused:
            google_engine(google_server).transcribe(long, request, MemoryProgress())
        assert not refused.value.retry
        assert google_server.requests == []

    @pytest.mark.parametrize(
        ("status", "retry"),
        [
            ("INVALID_ARGUMENT", False),
            ("PERMISSION_DENIED", False),
            ("UNAUTHENTICATED", False),
            ("RESOURCE_EXHAUSTED", True),
            ("UNAVAILABLE", True),
            ("INTERNAL", True),
        ],
    )
    def test_refusals_say_whether_another_time_may_go_better(
        self, google_server, short, status, retry
    ):
        google_server.script.append(grpc.StatusCode[status])
        with pytest.raises(DestinationError, match=status) as refused:
            google_engine(google_server).transcribe(short, EN, MemoryProgress())
        assert refused.value.retry is retry

    def test_a_slow_answer_may_be_asked_for_again(self, google_server, short):
        google_server.slow_secs = 0.6
        with pytest.raises(DestinationError, match="DEADLINE_EXCEEDED") as slow:
            google_engine(google_server, timeout_secs=0.2).transcribe(short, EN, MemoryProgress())
        assert slow.value.retry

    def test_a_language_that_google_does_not_know_is_not_sent(self, google_server, short):
        with pytest.raises(DestinationError, match="does not know the language yo"):
            google_engine(google_server).transcribe(
                short, TranscriptionRequest("yo"), MemoryProgress()
            )
        assert google_server.requests == []

    def test_no_key_file(self, short, tmp_path):
        engine = GoogleEngine(GoogleConfig(GoogleAccess(tmp_path / "none.json")))
        with pytest.raises(DestinationError, match="no key file of a service account") as refused:
            engine.transcribe(short, EN, MemoryProgress())
        assert not refused.value.retry


class TestGoogleThroughABucket:
    def test_upload_transcribe_delete(self, google_server, bucket, long):
        google_server.polls_before_done = 3
        request = TranscriptionRequest("en", diarization=True)
        engine = google_engine(google_server, bucket)
        transcript = engine.transcribe(long, request, MemoryProgress())
        assert transcript.text == "150 seconds"
        assert google_server.requests[0].audio.uri.startswith("gs://calls/onrecord-transcription/")
        assert bucket.calls == ["POST", "DELETE"]
        assert bucket.objects == {}

    def test_a_crash_while_google_listens_pays_once(self, google_server, bucket, long, tmp_path):
        google_server.script.append([spoken("only once")])

        class CrashError(Exception):
            pass

        def crash(_):
            raise CrashError

        access = GoogleAccess(endpoint=google_server.url)
        engine = GoogleEngine(GoogleConfig(access, "calls", bucket.url), wait=crash)
        with pytest.raises(CrashError):
            engine.transcribe(long, EN, FileProgress(tmp_path / "p"))
        engine = google_engine(google_server, bucket)
        transcript = engine.transcribe(long, EN, FileProgress(tmp_path / "p"))
        assert transcript.text == "only once"
        assert len(google_server.requests) == 1
        assert bucket.calls == ["POST", "DELETE"]
        again = engine.transcribe(long, EN, FileProgress(tmp_path / "p"))
        assert again == transcript
        assert len(google_server.requests) == 1

    def test_a_failed_operation_is_begun_anew(self, google_server, bucket, long):
        google_server.script.append(14)
        progress = MemoryProgress()
        engine = google_engine(google_server, bucket)
        with pytest.raises(DestinationError, match="it broke") as failed:
            engine.transcribe(long, EN, progress)
        assert failed.value.retry
        assert engine.transcribe(long, EN, progress).text == "150 seconds"
        assert len(google_server.requests) == 2
        assert bucket.objects == {}

    def test_a_forgotten_operation_is_begun_anew(self, google_server, bucket, long):
        progress = MemoryProgress()
        progress.save("google operation", "operations/gone")
        engine = google_engine(google_server, bucket)
        with pytest.raises(DestinationError, match="forgotten"):
            engine.transcribe(long, EN, progress)
        assert engine.transcribe(long, EN, progress).text == "150 seconds"

    def test_an_operation_that_cannot_be_looked_at_is_kept(self, google_server, bucket, long):
        class Told(MemoryProgress):
            def save(self, key, value):
                super().save(key, value)
                if key == "google operation":
                    google_server.script.append(grpc.StatusCode.UNAVAILABLE)

        progress = Told()
        engine = google_engine(google_server, bucket)
        with pytest.raises(DestinationError, match="UNAVAILABLE"):
            engine.transcribe(long, EN, progress)
        assert engine.transcribe(long, EN, progress).text == "150 seconds"
        assert len(google_server.requests) == 1

    def test_a_refused_request_leaves_nothing_in_the_bucket(self, google_server, bucket, long):
        google_server.script.append(grpc.StatusCode.INVALID_ARGUMENT)
        with pytest.raises(DestinationError) as refused:
            google_engine(google_server, bucket).transcribe(long, EN, MemoryProgress())
        assert not refused.value.retry
        assert bucket.objects == {}

    @pytest.mark.parametrize(
        ("status", "retry"), [(403, False), (404, False), (429, True), (503, True)]
    )
    def test_a_bucket_that_refuses(self, google_server, bucket, long, status, retry):
        bucket.script.append(status)
        with pytest.raises(DestinationError, match=f"bucket calls answered {status}") as refused:
            google_engine(google_server, bucket).transcribe(long, EN, MemoryProgress())
        assert refused.value.retry is retry
        assert google_server.requests == []

    def test_an_object_that_cannot_be_deleted_is_no_reason_to_fail(
        self, google_server, bucket, long
    ):
        class Told(MemoryProgress):
            def save(self, key, value):
                super().save(key, value)
                if key == "google result":
                    bucket.script.append(403)

        engine = google_engine(google_server, bucket)
        assert engine.transcribe(long, EN, Told()).text == "150 seconds"


def deepgram_engine(server, timeout_secs=10.0):
    return DeepgramEngine(DeepgramConfig("secret", server.url, timeout_secs))


class TestDeepgram:
    def test_a_dual_file_is_asked_for_by_channel(self, deepgram, short):
        transcript = deepgram_engine(deepgram).transcribe(short, EN, MemoryProgress())
        ((path, query, headers, shape),) = deepgram.requests
        assert path == "/v1/listen"
        assert query == {
            "model": "nova-3",
            "language": "en-US",
            "smart_format": "true",
            "multichannel": "true",
        }
        assert headers["Authorization"] == "Token secret"
        assert headers["Content-Type"] == "audio/wav"
        assert shape[1] == 2
        assert transcript.text == "Channel 0, 15 seconds. Channel 1, 15 seconds."
        assert [(s.channel, s.start_ms) for s in transcript.segments] == [(0, 0), (1, 1000)]
        assert transcript.engine == "deepgram/nova-3"

    def test_a_region_that_it_does_not_know_is_sent_as_english(self, deepgram, long):
        deepgram_engine(deepgram).transcribe(long, TranscriptionRequest("en-ZA"), MemoryProgress())
        assert deepgram.requests[0][1]["language"] == "en"
        assert deepgram.requests[0][1]["multichannel"] == "false"

    def test_another_language_is_not_sent(self, deepgram, short):
        with pytest.raises(DestinationError, match="does not know the language de"):
            deepgram_engine(deepgram).transcribe(
                short, TranscriptionRequest("de"), MemoryProgress()
            )
        assert deepgram.requests == []

    @pytest.mark.parametrize(
        ("status", "retry"),
        [
            (400, False),
            (401, False),
            (402, False),
            (403, False),
            (408, True),
            (429, True),
            (503, True),
        ],
    )
    def test_refusals(self, deepgram, short, status, retry):
        deepgram.script.append(status)
        with pytest.raises(DestinationError, match=f"Deepgram answered {status}") as refused:
            deepgram_engine(deepgram).transcribe(short, EN, MemoryProgress())
        assert refused.value.retry is retry
        assert "secret" not in str(refused.value)

    @pytest.mark.parametrize(
        "answer",
        [
            b"<html>",
            b"[]",
            b"{}",
            b'{"results": {"channels": [{}]}}',
            b'{"results": {"channels": [{"alternatives": [{"words": [{"word": "x"}]}]}]}}',
            b'{"results": {"channels": [{"alternatives": [{"words": [{"word": "x", "start": null}]}]}]}}',
        ],
    )
    def test_an_answer_that_is_none(self, deepgram, short, answer):
        deepgram.script.append(answer)
        with pytest.raises(DestinationError, match="Deepgram") as failed:
            deepgram_engine(deepgram).transcribe(short, EN, MemoryProgress())
        assert failed.value.retry

    def test_a_channel_without_words_is_silent(self, deepgram, short):
        deepgram.script.append(
            b'{"results": {"channels": [{"alternatives": []}, {"alternatives": [{"words": []}]}]}}'
        )
        transcript = deepgram_engine(deepgram).transcribe(short, EN, MemoryProgress())
        assert transcript.segments == ()

    def test_a_slow_answer(self, deepgram, short):
        deepgram.script.append(0.6)
        with pytest.raises(DestinationError, match="in time") as slow:
            deepgram_engine(deepgram, timeout_secs=0.2).transcribe(short, EN, MemoryProgress())
        assert slow.value.retry

    def test_nobody_there(self, deepgram, short):
        deepgram.close()
        with pytest.raises(DestinationError, match="cannot be reached") as refused:
            deepgram_engine(deepgram).transcribe(short, EN, MemoryProgress())
        assert refused.value.retry

    def test_a_file_without_speech_is_not_sent(self, deepgram, tmp_path):
        path = write_wav(tmp_path / "silent.wav", silence(30))
        transcript = deepgram_engine(deepgram).transcribe(path, EN, MemoryProgress())
        assert transcript.segments == ()
        assert deepgram.requests == []


class TestTranscriber:
    def settings(self, tmp_path, **given):
        return Settings(data=tmp_path, **given)

    def test_the_settings_say_which_engines_there_are(
        self, tmp_path, google_server, deepgram, short
    ):
        transcriber = Transcriber.from_settings(
            self.settings(
                tmp_path,
                google_endpoint=google_server.url,
                deepgram_api_key="secret",
                deepgram_url=deepgram.url,
            )
        )
        assert transcriber.configured() == {"A", "deepgram/nova-3"}
        for engine in ("A", "deepgram/nova-3"):
            transcript = transcriber.transcribe(short, engine, EN, MemoryProgress())
            assert transcript.engine == engine

    def test_nothing_is_configured_by_default(self, tmp_path, short):
        transcriber = Transcriber.from_settings(self.settings(tmp_path))
        assert transcriber.configured() == frozenset()
        with pytest.raises(DestinationError, match="set google_credentials") as refused:
            transcriber.transcribe(short, "A", EN, MemoryProgress())
        assert not refused.value.retry

    def test_credentials_of_the_machine_count(self, tmp_path):
        settings = self.settings(tmp_path, google_credentials="environment")
        assert Transcriber.from_settings(settings).configured() == {"A"}
