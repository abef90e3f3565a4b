"""Names of files are safe whatever was asked for, and stay readable."""

import os
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onrecord.storage.names import FALLBACK, check_key, file_key, safe_name

ID = "0b7e6a5c-1111-4222-8333-444455556666"


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
    key = file_key("2026-01-02", ID, base, 1_700_000_000, "mp3")
    check_key(key)
    path = PurePosixPath(key)
    assert path.parts[:2] == ("2026-01-02", ID)
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


@pytest.mark.parametrize(
    ("date", "recording", "ext"),
    [("..", ID, "wav"), ("2026-01-01", "a/b", "wav"), ("2026-01-01", ID, ""), ("2026", ID, "w.v")],
)
def test_only_the_name_may_be_anything(date, recording, ext):
    with pytest.raises(ValueError, match="plain word"):
        file_key(date, recording, "x", 1, ext)


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
