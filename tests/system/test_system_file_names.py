"""Files of calls that were recorded under names of every kind, fetched by the links of their webhooks."""

import re
from urllib.parse import unquote

import httpx
from telnyx import AsyncTelnyx

from calling import answered, told
from onrecord.phone.clips import tone
from onrecord.phone.phone import TestPhone
from running import Receiver, RunningServer

NAMES = {
    "Anruf vom Büro 3": "Anruf vom Büro 3",
    "日本語の録音": "日本語の録音",
    "../../../etc/passwd": "_.._.._etc_passwd",
    "..": "recording",
    "a/b\\c:d*e?f": "a_b_c_d_e_f",
    "tab\tline\r\nX-Evil: 1": "tab_line__X-Evil_ 1",
    "\u202egnp.exe": "_gnp.exe",
    "📼" * 40: "📼" * 40,
    '100% "sure" #1; it\'s a+b&c=d': "100% _sure_ #1; it's a+b&c=d",
    "nul": "nul_",
}
"""What is asked for, and what the file is called."""


async def test_a_file_may_be_asked_to_have_any_name(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        for name in NAMES:
            await sdk.calls.actions.start_recording(
                token, format="wav", channels="single", custom_file_name=name
            )
        await ann.play(tone(440, 0.2))
        await ann.hangup()
    found = set()
    for _ in NAMES:
        event = await told(receiver, "call.recording.saved")
        url = httpx.URL(event.payload["recording_urls"]["wav"])
        response = httpx.get(url)
        assert response.status_code == 200, response.text
        assert response.content.startswith(b"RIFF")
        key = unquote(url.raw_path.decode().partition("?")[0].removeprefix("/files/"))
        name = disposed(response.headers["content-disposition"])
        assert key.endswith("/" + name)
        assert (server.data / "recordings" / key).read_bytes() == response.content
        found.add(name.rpartition("-")[0])
    assert found == set(NAMES.values())


def disposed(header: str) -> str:
    """The name that a client saves the file under: the extended form comes first (RFC 6266 §4.3)."""
    found = re.fullmatch(
        r"""attachment; filename="([ -~]+)"(?:; filename\*=UTF-8''(\S+))?""", header
    )
    assert found, header
    plain, extended = found.groups()
    return unquote(extended) if extended else plain
