"""The few API calls of the demo, as any application would make them."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import httpx

from onrecord.core.errors import OnrecordError

_TIMEOUT_SECS = 10.0


class ApiRefused(OnrecordError):  # noqa: N818 -- past tense, like the events
    """The server did not do what was asked; the text says what and why."""


class Api:
    """A thin client: JSON in, the ``data`` of the answer out."""

    def __init__(self, base_url: str, api_key: str) -> None:
        """``base_url`` is the server's, with or without ``/v2`` at its end."""
        base = base_url.rstrip("/").removesuffix("/v2") + "/v2"
        self._client = httpx.AsyncClient(
            base_url=base,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=_TIMEOUT_SECS,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, path: str) -> Mapping[str, Any]:
        """The ``data`` of a GET.

        Raises:
            ApiRefused: any status but 2xx, or no answer.
        """
        return _object(await self._send("GET", path, None))

    async def get_list(self, path: str) -> Sequence[Mapping[str, Any]]:
        """The ``data`` of a GET that is a list; raises like ``get``."""
        data = await self._send("GET", path, None)
        return data if isinstance(data, list) else []

    async def post(self, path: str, body: Mapping[str, object]) -> Mapping[str, Any]:
        """The ``data`` of a POST; raises like ``get``."""
        return _object(await self._send("POST", path, body))

    async def patch(self, path: str, body: Mapping[str, object]) -> Mapping[str, Any]:
        """The ``data`` of a PATCH; raises like ``get``."""
        return _object(await self._send("PATCH", path, body))

    async def command(
        self, call_control_id: str, name: str, body: Mapping[str, object]
    ) -> Mapping[str, Any]:
        """Give a call command; raises like ``get``."""
        return await self.post(f"/calls/{call_control_id}/actions/{name}", body)

    async def _send(self, method: str, path: str, body: Mapping[str, object] | None) -> object:
        try:
            answer = await self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise ApiRefused(f"{method} {path}: {error or type(error).__name__}") from error
        if not answer.is_success:
            raise ApiRefused(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json().get("data")


def _object(data: object) -> Mapping[str, Any]:
    return data if isinstance(data, dict) else {}


async def download(url: str) -> tuple[str, bytes]:
    """The name and the content of a file behind a signed link, which needs no key.

    Raises:
        ApiRefused: any status but 2xx, or no answer.
    """
    name = PurePosixPath(httpx.URL(url).path).name
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECS, trust_env=False) as client:
            answer = await client.get(url)
    except httpx.HTTPError as error:
        raise ApiRefused(f"GET {name}: {error or type(error).__name__}") from error
    if not answer.is_success or not name:
        raise ApiRefused(f"GET {name}: {answer.status_code}")
    return name, answer.content
