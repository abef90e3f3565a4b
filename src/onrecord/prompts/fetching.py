"""Fetches the files that playback_start names by URL, within bounds of size and time."""

import asyncio
import ssl

import httpx

from onrecord.calls.media import PromptFailed

MOST_REDIRECTS = 5
_NOT_THERE = frozenset({404, 410})


class Fetcher:
    """Used on one event loop; ``close`` at the end.

    Proxies named by the environment are not used: a file is where its URL says.
    """

    def __init__(self, most_bytes: int, timeout_secs: float) -> None:
        """Longer files, and those that take longer, are given up."""
        self._most_bytes = most_bytes
        self._timeout_secs = timeout_secs
        self._client: httpx.AsyncClient | None = None

    async def fetch(self, url: str) -> bytes:
        """The content behind an http or https URL.

        Raises:
            PromptFailed: it is not there, is too large, or did not come in time.
        """
        try:
            async with asyncio.timeout(self._timeout_secs):
                return await self._get(await self._connected(), url)
        except TimeoutError as error:
            raise PromptFailed(f"not fetched within {self._timeout_secs:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise PromptFailed(f"not fetched: {error or type(error).__name__}") from error

    async def close(self) -> None:
        """Close the pooled connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _get(self, client: httpx.AsyncClient, url: str) -> bytes:
        content = bytearray()
        async with client.stream("GET", url) as response:
            status = response.status_code
            if status != httpx.codes.OK:
                raise PromptFailed(f"the server answered {status}", missing=status in _NOT_THERE)
            async for part in response.aiter_bytes():
                content += part
                if len(content) > self._most_bytes:
                    raise PromptFailed(f"the file has more than {self._most_bytes} bytes")
        return bytes(content)

    async def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            # Reading a few hundred certificates would hold up the loop for 50 ms.
            trusted = await asyncio.to_thread(_trusted)
            self._client = httpx.AsyncClient(
                verify=trusted,
                trust_env=False,
                follow_redirects=True,
                max_redirects=MOST_REDIRECTS,
                timeout=self._timeout_secs,
            )
        return self._client


def _trusted() -> ssl.SSLContext:
    """The well-known authorities and those of this machine, so that a private one can be added."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context
