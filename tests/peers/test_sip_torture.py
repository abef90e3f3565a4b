"""RFC 4475: each message gets the answer that the RFC asks of a user agent, and none crashes it."""

from pathlib import Path

import pytest

from onrecord.core.ids import LegId
from onrecord.sip.agent import Peer, Transmit, UaConfig, UserAgent
from onrecord.sip.backend import IncomingCall
from onrecord.sip.message import Message, parse

FOLDER = Path(__file__).parent / "rfc4475"
SOURCE = Peer("UDP", "198.51.100.7", 5099)

CALL = "call"
"""An INVITE that is taken: 100, and an IncomingCall."""

EXPECTED: dict[str, int | str | None] = {
    # §3.1.1 valid
    "wsinv": 481,  # its To has a tag: well-formed, but no dialog of ours
    "intmeth": 405,
    "esc01": CALL,
    "escnull": 405,
    "esc02": 405,
    "lwsdisp": 200,
    "longreq": CALL,
    "dblreq": 405,  # what follows Content-Length is dropped: one answer
    "semiuri": 200,
    "transports": 200,
    "mpart01": 405,
    "unreason": None,
    "noreason": None,
    # §3.1.2 invalid
    "badinv01": 400,
    "clerr": 400,
    "ncl": 400,
    "scalar02": 400,
    "scalarlg": None,
    "quotbal": 400,
    "ltgtruri": 400,
    "lwsruri": 400,
    "lwsstart": 400,
    "trws": 400,
    "escruri": 400,
    "baddate": CALL,  # Date is not read
    "regbadct": 400,
    "badaspec": 400,
    "baddn": 400,
    "badvers": 505,
    "mismatch01": 400,
    "mismatch02": 400,
    "bigcode": None,
    # §3.2 transactions
    "badbranch": 200,
    # §3.3 the application
    "insuf": 400,
    "unkscm": 416,
    "novelsc": 416,
    "unksm2": 405,
    "bext01": 420,
    "invut": 415,
    "regaut01": 405,
    "multi01": 400,
    "mcl01": 400,
    "bcast": None,
    "zeromf": 200,  # for us, not to be forwarded
    "cparam01": 405,
    "cparam02": 405,
    "regescrt": 405,
    "sdp01": 406,
    # §3.4 RFC 2543
    "inv2543": CALL,
}


def feed(name: str) -> tuple[list[Message], list[object]]:
    agent = UserAgent(
        UaConfig("192.0.2.200", 5060, lambda: LegId("leg")), lambda: "feedfacefeedface"
    )
    agent.receive((FOLDER / f"{name}.sip").read_bytes(), SOURCE, 1)
    outputs = agent.outputs()
    sent = [output for output in outputs if isinstance(output, Transmit)]
    assert all(each.peer.host == SOURCE.host for each in sent)
    events = [output for output in outputs if not isinstance(output, Transmit)]
    return [parse(each.data) for each in sent], events


def test_every_message_is_expected():
    assert {path.stem for path in FOLDER.glob("*.sip")} == set(EXPECTED)
    assert len(EXPECTED) == 49


@pytest.mark.parametrize(("name", "expected"), EXPECTED.items())
def test_answer(name, expected):
    responses, events = feed(name)
    wanted = {CALL: [100], None: []}.get(expected, [expected])
    assert [response.status for response in responses] == wanted
    assert [type(event) for event in events] == ([IncomingCall] if expected == CALL else [])
    for response in responses:
        request = parse((FOLDER / f"{name}.sip").read_bytes())
        assert response.get("call-id") == request.get("call-id")
        assert response.get("cseq") == request.get("cseq")


def test_the_wide_character_request_is_echoed_byte_for_byte():
    (response,), _ = feed("intmeth")
    raw = (FOLDER / "intmeth.sip").read_bytes()
    lines = raw.split(b"\r\n")
    (from_line,) = (line for line in lines if line.startswith(b"From:"))
    assert from_line in response.encode().replace(b"from:", b"From:")


def test_extensions_and_types_are_named():
    (response,), _ = feed("bext01")
    assert response.get("unsupported") == "nothingSupportsThis, nothingSupportsThisEither"
    (response,), _ = feed("invut")
    assert response.get("accept") == "application/sdp"


def test_all_vias_come_back_in_order():
    (response,), _ = feed("transports")
    hosts = [via.split(" ")[1].split(";")[0] for via in response.all("via")]
    assert hosts == [f"t{n}.example.com" for n in range(1, 6)]
    (response,), events = feed("longreq")
    assert len(response.all("via")) == 34
    assert events[0].from_uri.startswith("sip:amazinglylongcallername")
