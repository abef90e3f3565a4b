"""The official SDK against the module's server, and an application whose calls the test is told of."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from telnyx import AsyncTelnyx

from running import API_KEY, Receiver, RunningServer


@pytest.fixture
async def sdk(server: RunningServer) -> AsyncIterator[AsyncTelnyx]:
    async with AsyncTelnyx(
        api_key=API_KEY,
        base_url=server.base_url,
        public_key=await asyncio.to_thread(server.public_key),
        max_retries=0,
    ) as client:
        yield client


@pytest.fixture
async def application(sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver) -> str:
    """An application whose calls come to the fixture's receiver: number ``in-<port>`` leads to it."""
    made = await sdk.call_control_applications.create(
        application_name="system test", webhook_event_url=receiver.url
    )
    assert made.data is not None
    assert made.data.id is not None
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {API_KEY}"}) as http:
        routed = await http.patch(
            f"{server.base_url}/phone_numbers/in-{receiver.port}",
            json={"connection_id": made.data.id},
        )
        assert routed.status_code == 200, routed.text
    return made.data.id
