"""Links: good until they end, and no other."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord.core.units import NS_PER_S
from onrecord.storage.links import LinkError, LinkFault, link, sign, verify

SECRET = b"s" * 32
KEY = "2026-01-02/id/Büro 3-1.wav"
END = 1_700_000_600


def fault(*arguments):
    with pytest.raises(LinkError) as caught:
        verify(*arguments)
    return caught.value.reason


def test_a_link_carries_all_that_verifying_needs():
    parts = urlsplit(link("http://host:1/", SECRET, KEY, END))
    assert parts.netloc == "host:1"
    assert parts.path == "/files/2026-01-02/id/B%C3%BCro%203-1.wav"
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert set(query) == {"expires", "signature"}
    key = unquote(parts.path.removeprefix("/files/"))
    verify(SECRET, key, query["expires"], query["signature"], END * NS_PER_S - 1)


def test_a_link_ends():
    signature = sign(SECRET, KEY, END)
    assert fault(SECRET, KEY, str(END), signature, END * NS_PER_S) is LinkFault.EXPIRED


def test_nothing_of_it_can_be_changed():
    signature = sign(SECRET, KEY, END)
    assert fault(SECRET, KEY + "x", str(END), signature, 0) is LinkFault.WRONG
    assert fault(SECRET, KEY, str(END + 1), signature, 0) is LinkFault.WRONG
    assert fault(SECRET, KEY, f"0{END}", signature[:-1], 0) is LinkFault.WRONG
    assert fault(b"t" * 32, KEY, str(END), signature, 0) is LinkFault.WRONG


@given(st.text(st.characters()), st.text(st.characters()), st.text(st.characters()))
def test_whatever_comes_is_wrong_and_nothing_else_is_raised(key, expires, signature):
    assert fault(SECRET, key, expires, signature, 0) is LinkFault.WRONG
