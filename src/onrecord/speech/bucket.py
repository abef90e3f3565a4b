"""Objects in a Google Cloud Storage bucket over its JSON API: put one, delete it."""

from collections.abc import Callable, Iterator

import httpx

from onrecord.audio.wav import SAMPLE_BYTES
from onrecord.core.errors import DestinationError
from onrecord.speech.source import Sound

STORAGE_URL = "https://storage.googleapis.com"

_BLOCK_FRAMES = 1 << 18
_TIMEOUT = httpx.Timeout(60, connect=10)
_AGAIN = frozenset({408, 429})


class Bucket:
    """Where a long recording lies while Google listens to it.

    Args:
        name: Of the bucket.
        token: Gives an access token (OAuth 2) when asked; None for a server that wants none.
        url: Of the storage service.
    """

    def __init__(self, name: str, token: Callable[[], str] | None, url: str = STORAGE_URL) -> None:
        self._name = name
        self._token = token
        self._url = url.rstrip("/")

    def uri(self, key: str) -> str:
        """What Speech-to-Text calls the object."""
        return f"gs://{self._name}/{key}"

    def put(self, key: str, sound: Sound) -> None:
        """Upload the sound as a WAV file; one that is there is replaced.

        Raises:
            DestinationError: the bucket refused or did not answer.
        """
        header = sound.header()
        size = len(header) + sound.frames * sound.channels * SAMPLE_BYTES
        self._send(
            "POST",
            f"/upload/storage/v1/b/{self._name}/o",
            params={"uploadType": "media", "name": key},
            headers={"Content-Type": "audio/wav", "Content-Length": str(size)},
            content=_content(header, sound),
        )

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no fault.

        Raises:
            DestinationError: the bucket refused or did not answer.
        """
        path = f"/storage/v1/b/{self._name}/o/{key.replace('/', '%2F')}"
        self._send("DELETE", path, gone=404)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        content: Iterator[bytes] | None = None,
        gone: int | None = None,
    ) -> None:
        sent = dict(headers or {})
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token()}"
        try:
            answer = httpx.request(
                method,
                self._url + path,
                params=params,
                headers=sent,
                content=content,
                timeout=_TIMEOUT,
            )
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise DestinationError(f"bucket {self._name} cannot be reached: {said}") from error
        if answer.is_success or answer.status_code == gone:
            return
        retry = answer.status_code >= 500 or answer.status_code in _AGAIN
        raise DestinationError(
            f"bucket {self._name} answered {answer.status_code} to {method}: check google_bucket and"
            " what its credentials may do",
            retry=retry,
        )


def _content(header: bytes, sound: Sound) -> Iterator[bytes]:
    yield header
    for first in range(0, sound.frames, _BLOCK_FRAMES):
        yield sound.read(first, first + _BLOCK_FRAMES).tobytes()
