"""Links: good until they end, and no other."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord.core.units import NS_PER_S
from onrecord.storage.links import LinkError, LinkFault, Links, link, sign, verify

SECRET = b"s" * 32
KEY = "2026-01-02/id/Büro 3-1.wav"
END = 1_700_000_600


def fault(*arguments):
    with pytest.raises(LinkError) as caught:
        verify(*arguments)
    return caught.value.reason


def test_a_link_carries_all_that_verifying_needs():
    parts = urlsplit(link("http://host:1/", SECRET, f"files/{KEY}", END))
    assert parts.netloc == "host:1"
    assert parts.path == "/files/2026-01-02/id/B%C3%BCro%203-1.wav"
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert set(query) == {"expires", "signature"}
    path = unquote(parts.path.removeprefix("/"))
    verify(SECRET, path, query["expires"], query["signature"], END * NS_PER_S - 1)


def test_a_link_ends():
    signature = sign(SECRET, KEY, END)
    assert fault(SECRET, KEY, str(END), signature, END * NS_PER_S) is LinkFault.EXPIRED


def test_nothing_of_it_can_be_changed():
    signature = sign(SECRET, KEY, END)
    assert fault(SECRET, KEY + "x", str(END), signature, 0) is LinkFault.WRONG
    assert fault(SECRET, KEY, str(END + 1), signature, 0) is LinkFault.WRONG
    assert fault(SECRET, KEY, f"0{END}", signature[:-1], 0) is LinkFault.WRONG
    assert fault(b"t" * 32, KEY, str(END), signature, 0) is LinkFault.WRONG


def test_links_hold_for_as_long_as_they_are_valid_and_for_their_path_alone():
    links = Links("http://host", SECRET, 600)
    url = urlsplit(links.link("pictures/id.png", END * NS_PER_S))
    expires, signature = (values[0] for values in parse_qs(url.query).values())
    assert int(expires) == END + 600
    assert links.holds("pictures/id.png", expires, signature, (END + 600) * NS_PER_S - 1)
    assert not links.holds("pictures/id.png", expires, signature, (END + 600) * NS_PER_S)
    assert not links.holds("files/id.png", expires, signature, END * NS_PER_S)
    assert SECRET.decode() not in repr(links)


@given(st.text(st.characters()), st.text(st.characters()), st.text(st.characters()))
def test_whatever_comes_is_wrong_and_nothing_else_is_raised(key, expires, signature):
    assert fault(SECRET, key, expires, signature, 0) is LinkFault.WRONG
