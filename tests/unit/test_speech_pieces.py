"""The pure pieces of transcription: parts, segments, renderings, languages, selection, progress, models."""

import hashlib
import itertools
import json
import shutil
import subprocess
import sys
import wave

import numpy as np
import pytest

from onrecord.audio.mp3 import Mp3Writer
from onrecord.audio.reading import UnreadableAudioError
from onrecord.speech import (
    CATALOGUE,
    Chosen,
    FileProgress,
    ModelError,
    Refusal,
    Segment,
    Transcript,
    Word,
    check,
    choose,
    list_models,
    plain_text,
    pull_model,
    web_vtt,
    whisper_models,
)
from onrecord.speech.languages import code_for, table
from onrecord.speech.parts import Part, cut, talk
from onrecord.speech.segments import Spoken, joined, segments_of, spaced
from onrecord.speech.source import open_sound
from onrecord.wire.languages import ENGLISH, LANGUAGES
from speech_sounds import clip, conversation, write_wav

WINDOW_MS = 32


def windows(*stretches):
    """Probabilities of ``(probability, windows)`` after each other."""
    return np.concatenate([np.full(n, p, np.float32) for p, n in stretches])


class TestParts:
    def test_talk_is_the_speech_with_its_short_pauses(self):
        parts = talk(windows((0, 100), (0.9, 50), (0, 90), (0.9, 60), (0, 300), (0.9, 20)), 28_000)
        assert parts == [Part(92 * 32, 308 * 32), Part(592 * 32, 620 * 32)]

    def test_a_part_ends_in_silence_before_its_limit(self):
        turns = windows(*[(0.9, 200), (0, 40)] * 20)
        parts = talk(turns, 28_000)
        assert all(part.duration_ms <= 28_000 for part in parts)
        assert len(parts) == 7
        covered = np.zeros(len(turns), bool)
        for part in parts:
            stretch = slice(part.start_ms // 32, part.end_ms // 32)
            assert not covered[stretch].any(), "nothing twice"
            covered[stretch] = True
        assert covered[turns > 0].all()

    def test_a_talker_without_a_pause_is_cut_where_the_voice_is_weakest(self):
        parts = talk(windows((0.9, 700), (0.4, 10), (0.9, 700)), 28_000)
        assert len(parts) == 2
        assert 700 <= parts[0].end_ms // 32 <= 710
        assert parts[0].end_ms == parts[1].start_ms

    def test_cut_parts_follow_each_other_and_break_in_silence(self):
        turns = windows(*[(0.9, 300), (0, 60)] * 30)
        parts = cut(turns, 55_000)
        assert all(part.duration_ms <= 55_000 for part in parts)
        for before, after in itertools.pairwise(parts):
            assert before.end_ms == after.start_ms
            assert turns[before.end_ms // 32] == 0
            assert turns[before.end_ms // 32 - 4] == 0

    def test_cut_parts_without_speech_are_left_out(self):
        turns = windows((0.9, 100), (0, 20_000), (0.9, 100))
        parts = cut(turns, 55_000)
        assert len(parts) == 2
        assert parts[0].start_ms == 0
        assert parts[1].end_ms == len(turns) * 32

    def test_no_speech_gives_no_parts(self):
        assert talk(windows((0.1, 1000)), 28_000) == []
        assert cut(windows((0.1, 1000)), 55_000) == []
        assert talk(np.empty(0, np.float32), 28_000) == []

    @pytest.mark.parametrize(
        ("in_part", "placed"), [(0, 1000), (500.6, 1501), (-3, 1000), (1e6, 3000)]
    )
    def test_a_time_in_a_part_is_placed_in_the_recording(self, in_part, placed):
        assert Part(1000, 3000).place(in_part) == placed


def words(*texts, start_ms=0, each_ms=300, speaker=None):
    return [
        Spoken(start_ms + n * each_ms, start_ms + (n + 1) * each_ms, f" {text}", 0.5, speaker)
        for n, text in enumerate(texts)
    ]


class TestSegments:
    def test_words_become_one_segment_with_its_words(self):
        (segment,) = segments_of(words("Hi", "there."), 1)
        assert segment == Segment(
            0,
            600,
            1,
            None,
            "Hi there.",
            0.5,
            (Word(0, 300, "Hi", 0.5), Word(300, 600, "there.", 0.5)),
        )

    def test_a_pause_another_speaker_and_a_sentence_end_a_segment(self):
        spoken = [
            *words("one", speaker=1),
            *words("two", start_ms=400, speaker=2),
            *words("three", start_ms=2000, speaker=2),
            *words(*"abcdefgh", "end.", "next", start_ms=2300, speaker=2),
        ]
        assert [s.text for s in segments_of(spoken, 0)] == [
            "one",
            "two",
            "three a b c d e f g h end.",
            "next",
        ]

    def test_no_segment_is_much_longer_than_ten_seconds(self):
        found = segments_of(words(*["na"] * 200), 0)
        assert max(s.end_ms - s.start_ms for s in found) <= 10_300
        assert sum(len(s.words) for s in found) == 200

    def test_languages_without_spaces_stay_without(self):
        spoken = [Spoken(0, 1, spaced(w, "zh-TW")) for w in ("你", "好")]
        assert segments_of(spoken, 0)[0].text == "你好"
        assert spaced("a", "en-US") == " a"

    def test_a_transcript_is_in_order_of_time_over_all_channels(self):
        left = segments_of([*words("a"), *words("c", start_ms=5000)], 0)
        right = segments_of([*words("b", start_ms=2000), Spoken(1, 2, " ")], 1)
        transcript = joined([*left, *right], "en", "B")
        assert transcript.text == "a b c"
        assert [s.channel for s in transcript.segments] == [0, 1, 0]
        assert Transcript.from_json(json.loads(json.dumps(transcript.as_json()))) == transcript


class TestRenderings:
    transcript = Transcript(
        "",
        "en",
        "A",
        (
            Segment(0, 1500, 0, None, "Is 1 < 2 & true?"),
            Segment(1500, 1500, 1, 2, "Yes\n\n--> no"),
            Segment(3_723_004, 3_724_000, 1, 2, "Later"),
        ),
    )

    def test_web_vtt(self):
        assert web_vtt(self.transcript) == (
            "WEBVTT\n\n"
            "00:00:00.000 --> 00:00:01.500\n<v Channel A>Is 1 &lt; 2 &amp; true?\n\n"
            "00:00:01.500 --> 00:00:01.501\n<v Channel B, speaker 2>Yes --&gt; no\n\n"
            "01:02:03.004 --> 01:02:04.000\n<v Channel B, speaker 2>Later\n"
        )

    def test_plain_text_has_a_line_for_each_turn(self):
        assert plain_text(self.transcript) == (
            "Channel A: Is 1 < 2 & true?\nChannel B, speaker 2: Yes --> no Later\n"
        )

    def test_one_talker_needs_no_names(self):
        alone = Transcript("", "en", "B", (Segment(0, 900, 0, None, "Hello."),))
        assert plain_text(alone) == "Hello.\n"
        assert web_vtt(alone) == "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nHello.\n"

    def test_nothing_said(self):
        nothing = Transcript("", "en", "B", ())
        assert plain_text(nothing) == ""
        assert web_vtt(nothing) == "WEBVTT\n"


class TestLanguages:
    def test_the_table_has_the_codes_of_the_reference_page(self):
        assert sorted(table()) == sorted(LANGUAGES)

    def test_how_many_each_engine_takes(self):
        taken = {
            e: [c for c in table() if check(e, c) is None] for e in ("A", "B", "deepgram/nova-3")
        }
        assert sorted(taken["deepgram/nova-3"]) == sorted(ENGLISH)
        assert len(taken["A"]) == 217
        assert len(taken["B"]) == 237

    def test_every_code_but_eight_is_taken_by_the_local_engine(self):
        no = [c for c in table() if check("B", c)]
        assert no == [
            "rw-RW",
            "ss-latn-za",
            "st-ZA",
            "tn-latn-za",
            "ts-ZA",
            "ve-ZA",
            "xh-ZA",
            "zu-ZA",
        ]

    def test_local_codes_are_those_of_the_tokenizer(self):
        tokenizer = pytest.importorskip("faster_whisper.tokenizer")
        told = {codes.local for codes in table().values() if codes.local}
        assert told <= set(tokenizer._LANGUAGE_CODES)

    @pytest.mark.parametrize(
        ("engine", "language", "code"),
        [
            ("A", "en", "en-US"),
            ("A", "zh", "cmn-Hans-CN"),
            ("A", "zh-TW", "cmn-Hant-TW"),
            ("A", "he", "iw-IL"),
            ("A", "ca", "ca-ES"),
            ("A", "auto_detect", None),
            ("A", "yo", None),
            ("B", "yue-Hant-HK", "zh"),
            ("B", "fil-PH", "tl"),
            ("B", "auto_detect", ""),
            ("deepgram/nova-3", "en-ZA", "en"),
            ("deepgram/nova-3", "en-GB", "en-GB"),
            ("deepgram/nova-3", "fr", None),
            ("C", "en", None),
            ("A", "tlh", None),
        ],
    )
    def test_what_an_engine_is_told(self, engine, language, code):
        assert code_for(engine, language) == code

    def test_reasons_name_what_is_wrong(self):
        assert check("A", "tlh") == "tlh is not a code of transcription_language"
        assert check("B", "zu-ZA") == "engine B does not know the language zu-ZA"
        assert check("A", "auto_detect") == "engine A does not detect the language: name it"


class TestSelection:
    @pytest.mark.parametrize(
        ("asked", "language", "configured", "fallback", "engine", "detect"),
        [
            ("A", "en-US", "AB", "local", "A", False),
            ("A", "auto_detect", "AB", "none", "A", True),
            ("A", "en-US", "B", "local", "B", False),
            ("A", "auto_detect", "B", "local", "B", False),
            ("A", "yo", "AB", "local", "B", False),
            ("B", "auto_detect", "B", "none", "B", False),
            ("deepgram/nova-3", "en-ZA", "B", "local", "B", False),
        ],
    )
    def test_who_does_it(self, asked, language, configured, fallback, engine, detect):
        chosen = choose(asked, language, set(configured), fallback)
        assert isinstance(chosen, Chosen)
        assert (chosen.engine, chosen.detect_locally) == (engine, detect)
        assert bool(chosen.instead_because) is (engine != asked)

    @pytest.mark.parametrize(
        ("asked", "language", "configured", "fallback", "reason"),
        [
            ("A", "en-US", "B", "none", "set google_credentials"),
            ("A", "en-US", "", "local", "set google_credentials"),
            ("A", "auto_detect", "A", "local", "no local engine to do it first"),
            ("A", "yo", "AB", "none", "does not know the language yo"),
            ("B", "zu-ZA", "AB", "local", "does not know the language zu-ZA"),
            ("B", "en", "A", "local", "set transcription_model"),
            ("deepgram/nova-3", "en", "AB", "none", "set deepgram_api_key"),
            ("Z", "en", "AB", "none", "engine Z is not configured"),
        ],
    )
    def test_why_nobody_does(self, asked, language, configured, fallback, reason):
        refusal = choose(asked, language, set(configured), fallback)
        assert isinstance(refusal, Refusal)
        assert reason in refusal.reason


class TestProgress:
    def test_what_is_saved_survives_and_later_counts(self, tmp_path):
        file = tmp_path / "p"
        progress = FileProgress(file)
        assert progress.load("a") is None
        progress.save("a", [1])
        progress.save("b", {"x": "ü"})
        progress.save("a", None)
        again = FileProgress(file)
        assert again.load("a") is None
        assert again.load("b") == {"x": "ü"}
        again.discard()
        assert not file.exists()

    def test_a_line_that_a_crash_cut_off_is_written_over(self, tmp_path):
        file = tmp_path / "p"
        FileProgress(file).save("a", 1)
        whole = file.read_bytes()
        for length in range(len(whole)):
            file.write_bytes(whole + whole[:length])
            progress = FileProgress(file)
            progress.save("c", 3)
            again = FileProgress(file)
            assert (again.load("a"), again.load("c")) == (1, 3)


class TestSource:
    def whole(self, path):
        with open_sound(path) as sound:
            return sound.read(0, sound.frames)

    def test_a_wav_file_is_read_where_it_is_wanted(self, tmp_path):
        spoken = conversation()
        part = tmp_path / "part.wav"
        with open_sound(write_wav(tmp_path / "x.wav", spoken)) as sound:
            assert np.array_equal(sound.read(0, sound.frames), spoken)
            assert np.array_equal(sound.read(len(spoken) - 7, len(spoken) + 9), spoken[-7:])
            assert sound.read(len(spoken), len(spoken) + 9).shape == (0, 2)
            assert np.array_equal(sound.channel(1)[5:900], spoken[5:900, 1])
            assert len(sound.channel(0)) == len(spoken)
            assert (sound.rate, sound.channels) == (8000, 2)
            part.write_bytes(sound.wav(1000, 2500))
        assert np.array_equal(self.whole(part), spoken[8000:20_000])

    def test_a_long_file_does_not_stay_in_memory(self, tmp_path):
        # An hour of both channels; loud, so that it is not sparse, but never asked about.
        path = tmp_path / "long.wav"
        with wave.open(str(path), "wb") as wav:
            wav.setnchannels(2)
            wav.setsampwidth(2)
            wav.setframerate(8000)
            for _ in range(60):
                wav.writeframes(np.full(960_000, 77, "<i2").tobytes())
        program = (
            "import resource, sys; from pathlib import Path\n"
            "from onrecord.speech.parts import loudest\n"
            "from onrecord.speech.source import open_sound\n"
            "loudest(open_sound(Path(sys.argv[1])))\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        arguments = [sys.executable, "-W", "ignore", "-c", program]
        done = [
            subprocess.run([*arguments, str(file)], capture_output=True, text=True, check=True)
            for file in (path, write_wav(tmp_path / "short.wav", conversation()))
        ]
        long, short = (int(one.stdout) for one in done)
        assert long - short < 60_000, "kilobytes; the file has 115,000"

    def test_a_wav_file_that_is_shorter_than_it_says(self, tmp_path):
        path = write_wav(tmp_path / "x.wav", conversation())
        path.write_bytes(path.read_bytes()[:4047])
        assert len(self.whole(path)) == 1000

    def test_an_mp3_file_is_decoded(self, tmp_path):
        path = tmp_path / "x.mp3"
        with path.open("wb") as file:
            writer = Mp3Writer(file, 1, 8000)
            writer.write(clip("ann-1")[None])
            writer.finish()
        decoded = self.whole(path)
        assert abs(len(decoded) - len(clip("ann-1"))) < 2400
        heard = decoded[:, 0].astype(float)
        assert 0.5 < heard.std() / clip("ann-1").std() < 2

    @pytest.mark.parametrize("content", [b"", b"RIFF", b"no audio at all" * 100])
    def test_what_is_no_audio_is_refused(self, tmp_path, content):
        path = tmp_path / "x"
        path.write_bytes(content)
        with pytest.raises(UnreadableAudioError):
            open_sound(path)

    def test_an_empty_file_of_audio(self, tmp_path):
        with open_sound(write_wav(tmp_path / "x.wav", np.empty((0, 2), np.int16))) as sound:
            assert sound.read(0, 1).shape == (0, 2)
            assert sound.duration_ms == 0


class TestModels:
    def fetch(self, content):
        def into(known, folder):
            (folder / "model.bin").write_bytes(content)
            for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
                (folder / name).write_text("{}")
            (folder / ".cache").mkdir()

        return into

    @pytest.fixture
    def known(self, monkeypatch):
        digest = hashlib.sha256(b"weights").hexdigest()
        monkeypatch.setitem(
            CATALOGUE, "toy", whisper_models.KnownModel("someone/toy", "0" * 40, digest, 1)
        )

    def test_a_pulled_model_is_listed_and_not_fetched_again(self, tmp_path, known):
        folder = tmp_path / "models"
        assert list_models(folder) == []
        model = pull_model("toy", folder, self.fetch(b"weights"))
        assert list_models(folder) == [model]
        assert model.path == folder / "toy"
        assert model.known
        assert sorted(p.name for p in folder.iterdir()) == ["toy"]
        assert not (model.path / ".cache").exists()
        assert pull_model("toy", folder, lambda *_: pytest.fail("fetched")) == model

    def test_a_damaged_model_is_fetched_anew(self, tmp_path, known):
        pull_model("toy", tmp_path, self.fetch(b"weights"))
        (tmp_path / "toy" / "model.bin").write_bytes(b"damaged")
        model = pull_model("toy", tmp_path, self.fetch(b"weights"))
        assert (model.path / "model.bin").read_bytes() == b"weights"

    def test_other_bytes_are_refused_and_removed(self, tmp_path, known):
        with pytest.raises(ModelError, match="not the expected ones"):
            pull_model("toy", tmp_path, self.fetch(b"evil"))
        assert list(tmp_path.iterdir()) == []

    def test_an_unknown_name_is_refused_with_the_known_ones(self, tmp_path):
        with pytest.raises(ModelError, match=r"tiny, tiny\.en, base, small"):
            pull_model("smal", tmp_path)

    def test_what_is_missing_is_named(self, tmp_path, known):
        with pytest.raises(ModelError, match="onrecord models pull toy"):
            whisper_models.find_model("toy", tmp_path)
        pull_model("toy", tmp_path, self.fetch(b"weights"))
        assert whisper_models.find_model("toy", tmp_path) == tmp_path / "toy"
        assert whisper_models.find_model(str(tmp_path / "toy"), tmp_path / "other")
        shutil.move(tmp_path / "toy" / "tokenizer.json", tmp_path / "away.json")
        with pytest.raises(ModelError, match=r"lacks tokenizer\.json"):
            whisper_models.find_model("toy", tmp_path)

    def test_the_catalogue_is_exact(self):
        for known in CATALOGUE.values():
            assert len(known.revision) == 40
            assert len(known.sha256) == 64
            assert int(known.revision + known.sha256, 16)
