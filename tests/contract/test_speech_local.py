"""The local engine with a real, small model, on speech as a telephone carries it."""

import re
import socket
import subprocess
import sys

import numpy as np
import pytest

from onrecord.core.errors import DestinationError
from onrecord.core.settings import Settings
from onrecord.speech import (
    FileProgress,
    MemoryProgress,
    Transcriber,
    TranscriptionRequest,
    plain_text,
)
from onrecord.speech.local import LocalEngine
from speech_model import tiny_english
from speech_recorded import sentences
from speech_sounds import (
    WORDS,
    clip,
    conversation,
    noise,
    silence,
    telephone,
    tones,
    write_wav,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
EN = TranscriptionRequest("en-US")
MOST_WRONG_WORDS = 0.45
"""Of the demo's synthetic voices, with the smallest model that there is."""


@pytest.fixture(scope="module")
def engine():
    return LocalEngine("tiny.en", tiny_english(), threads=2)


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    return write_wav(tmp_path_factory.mktemp("call") / "call.wav", conversation(2.0))


NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def plain(text):
    words = re.sub(r"[^a-z0-9' ]", "", text.lower().replace("-", " ")).split()
    return [NUMBERS[int(w)] if w.isdecimal() and int(w) < len(NUMBERS) else w for w in words]


def wrong_words(said, heard):
    """Word error rate: substitutions, deletions and insertions by the words said."""
    row = list(range(len(heard) + 1))
    for at, word in enumerate(said, 1):
        before, row[0] = row[0], at
        for n, other in enumerate(heard, 1):
            before, row[n] = row[n], min(row[n] + 1, row[n - 1] + 1, before + (word != other))
    return row[-1] / len(said)


def test_what_is_said_on_both_channels_is_heard(engine, call):
    transcript = engine.transcribe(call, EN, MemoryProgress())
    said = plain(" ".join(WORDS[name] for name in ("ann-1", "bob-1", "ann-2", "bob-2")))
    assert wrong_words(said, plain(transcript.text)) <= MOST_WRONG_WORDS
    assert (transcript.engine, transcript.language) == ("B", "en-US")
    turns = [line.split(":")[0] for line in plain_text(transcript).splitlines()]
    assert turns == ["Channel A", "Channel B"] * 2


def test_times_of_words_are_those_of_the_recording(engine, call):
    transcript = engine.transcribe(call, EN, MemoryProgress())
    starts = np.cumsum([2000, *(len(clip(name)) / 8 + 2000 for name in WORDS)])
    places = {
        name: (start, start + len(clip(name)) / 8)
        for name, start in zip(WORDS, starts, strict=False)
    }
    for segment in transcript.segments:
        assert segment.words
        for word in segment.words:
            assert segment.start_ms <= word.start_ms <= word.end_ms <= segment.end_ms
            assert 0 <= word.confidence <= 1
        middle = (segment.start_ms + segment.end_ms) / 2
        (name,) = [n for n, (a, b) in places.items() if a - 400 < middle < b + 400]
        assert segment.channel == (0 if name.startswith("ann") else 1)


@pytest.mark.parametrize(("name", "most_wrong"), [("librivox", 0.1), ("cards", 0.2)])
def test_what_people_read_is_heard_as_a_telephone_carries_it(engine, tmp_path, name, most_wrong):
    said = sentences(name)
    sound = np.concatenate([part for samples, _ in said for part in (silence(1.0), samples)])
    heard = engine.transcribe(write_wav(tmp_path / "x.wav", sound), EN, MemoryProgress()).text
    words = [word for _, sentence in said for word in sentence]
    assert wrong_words(words, plain(heard)) <= most_wrong, heard


def test_no_words_are_invented_where_nobody_speaks(engine, tmp_path):
    sound = np.concatenate(
        [tones((440, 480), 2, 4, 30), noise(20, -45, 1.0), silence(20), noise(10, -65)]
    )
    path = write_wav(tmp_path / "x.wav", telephone(sound))
    transcript = engine.transcribe(path, EN, MemoryProgress())
    assert transcript.text == ""
    assert transcript.segments == ()


def test_parts_that_are_done_are_not_done_again(call, tmp_path, engine):
    first = engine.transcribe(call, EN, FileProgress(tmp_path / "p"))
    unloaded = LocalEngine("tiny.en", tiny_english())
    again = unloaded.transcribe(call, EN, FileProgress(tmp_path / "p"))
    assert again == first
    assert unloaded._loaded is None


def test_an_english_model_says_that_it_knows_no_french(engine, call):
    with pytest.raises(DestinationError, match="does not know the language fr") as refused:
        engine.transcribe(call, TranscriptionRequest("fr-FR"), MemoryProgress())
    assert not refused.value.retry


def test_an_english_model_detects_english(engine, call):
    request = TranscriptionRequest("auto_detect")
    assert engine.transcribe(call, request, MemoryProgress()).language == "en"


def test_a_model_that_is_not_there_is_named_with_the_remedy(call, tmp_path):
    engine = LocalEngine("small", tmp_path)
    assert not engine.available()
    with pytest.raises(DestinationError, match="onrecord models pull small") as refused:
        engine.transcribe(call, EN, MemoryProgress())
    assert not refused.value.retry


def test_a_folder_that_is_no_model_is_refused(call, tmp_path):
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(DestinationError, match="does not load") as refused:
        LocalEngine(str(tmp_path), tmp_path).transcribe(call, EN, MemoryProgress())
    assert not refused.value.retry


def test_turns_far_apart_are_heard_each_at_its_time(engine, tmp_path):
    turns = np.concatenate([np.concatenate([clip(name), silence(8)]) for name in WORDS])
    path = write_wav(tmp_path / "x.wav", turns)
    progress = MemoryProgress()
    transcript = engine.transcribe(path, EN, progress)
    ends = np.cumsum([len(clip(name)) / 8 + 8000 for name in WORDS])
    middles = [(s.start_ms + s.end_ms) / 2 for s in transcript.segments]
    begun = sorted(set(np.searchsorted(ends, middles).tolist()))
    assert begun == [0, 1, 2, 3]
    assert len(progress.saved) == 4


def test_the_local_engine_stands_in_for_one_that_is_not_configured(call):
    settings = Settings(models_folder=tiny_english(), transcription_model="tiny.en")
    transcriber = Transcriber.from_settings(settings)
    assert transcriber.configured() == {"B"}
    assert transcriber.transcribe(call, "A", EN, MemoryProgress()).engine == "B"


def test_pulling_without_a_connection_says_what_to_do(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        program = (
            "from pathlib import Path; from onrecord.speech import pull_model, ModelError\n"
            f"try: pull_model('tiny', Path({str(tmp_path)!r}))\n"
            "except ModelError as error: print(error)"
        )
        environment = {
            "HF_ENDPOINT": f"http://127.0.0.1:{closed.getsockname()[1]}",
            "HF_HOME": str(tmp_path / "home"),
            "PATH": "/usr/bin",
        }
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
        )
    assert "Systran/faster-whisper-tiny could not be fetched" in done.stdout, done.stderr
    assert "d90ca5fe260221311c53c58e660288d3deb8d356" in done.stdout


def test_importing_the_package_loads_nothing_heavy():
    program = (
        "import sys, onrecord.speech; "
        "print([m for m in ('onnxruntime', 'av', 'ctranslate2', 'faster_whisper', 'grpc',"
        " 'google.auth', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n", done.stderr
