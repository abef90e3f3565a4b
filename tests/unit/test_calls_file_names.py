"""Names of files are safe whatever was asked for, and stay readable."""

import os
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onrecord.calls.file_names import FALLBACK, check_key, file_key, safe_name
from onrecord.calls.records import RecordingParams
from onrecord.core.units import NS_PER_S
from stored_records import a_recording

ID = "0b7e6a5c-1111-4222-8333-444455556666"


def recording(name):
    params = RecordingParams("mp3", "single", custom_file_name=name)
    return a_recording(id=ID, created_ns=1_700_000_000 * NS_PER_S, params=params)


@given(st.text(st.characters(), max_size=400))
@example("../../etc/passwd")
@example("..")
@example("\ud800")
@example("a" * 500)
@example("é" * 300)
@example("con")
@example("COM1.txt")
@example("\u202egnp.exe")
@example("a\0b\nc")
@example("\\\\host\\share")
def test_a_key_never_leaves_its_folder_whatever_the_name(base):
    key = file_key(recording(base))
    check_key(key)
    path = PurePosixPath(key)
    assert path.parts[:2] == ("2023-11-14", ID)
    assert len(path.parts) == 3
    assert PureWindowsPath(path.name).name == path.name
    assert not path.name.startswith((".", " "))
    assert len(os.fsencode(path.name)) <= 255
    assert path.name.endswith("-1700000000.mp3")
    assert not any(unicodedata.category(char)[0] == "C" for char in key)


@given(st.text(st.characters(), max_size=60))
def test_a_safe_name_stays_as_it_is(base):
    once = safe_name(base)
    assert safe_name(once) == once


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("Anruf vom Büro 3", "Anruf vom Büro 3"),
        ("日本語", "日本語"),
        ("a/b\\c:d", "a_b_c_d"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("...", FALLBACK),
        ("", FALLBACK),
        ("///", FALLBACK),
        ("  x. ", "x"),
        ("nul", "nul_"),
        ("Com1.wav", "Com1.wav_"),
        ("a\tb", "a_b"),
        ("e\u0301", "é"),
        ("-rf *", "-rf _"),
    ],
)
def test_readable_characters_stay(base, name):
    assert safe_name(base) == name


def test_a_recording_without_a_wanted_name_has_that_of_its_leg():
    assert file_key(recording(None)) == f"2023-11-14/{ID}/leg-1-1700000000.mp3"


@pytest.mark.parametrize(
    "key",
    [
        *(
            "",
            "/a",
            "a/",
            "a//b",
            "..",
            "a/../b",
            "a/./b",
            "a/ /b",
            "a\\b",
            "a\0",
            "a\nb",
            "a.part",
        ),
        *("x" * 256, "a/" * 600 + "a"),
    ],
)
def test_keys_that_are_refused(key):
    with pytest.raises(ValueError, match="not a file key"):
        check_key(key)
