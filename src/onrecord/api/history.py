"""Routes of what happened: active calls, call events, webhook deliveries, transcriptions."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeAlias

from fastapi import APIRouter, Request, Response

from onrecord.api.answers import data_answer, json_answer
from onrecord.api.services import History, Transcriptions
from onrecord.calls.records import Transcription
from onrecord.core.clock import Clock
from onrecord.wire import errors, history, queries, transcriptions
from onrecord.wire.resources import page_body

Renderer: TypeAlias = Callable[[Transcription], str]
"""A transcription as a text for people."""


def history_routes(past: History, clock: Clock) -> APIRouter:
    """GET of active calls, call events and webhook deliveries."""
    router = APIRouter(prefix="/v2")

    @router.get("/connections/{connection_id}/active_calls", response_model=None)
    async def active_calls(connection_id: str, request: Request) -> Response:
        page = history.parse_cursor_page(request.query_params)
        found = await past.active_calls(connection_id, page)
        return json_answer(history.active_calls_body(found, request.url.path, clock.utc_ns()))

    @router.get("/call_events", response_model=None)
    async def call_events(request: Request) -> Response:
        page = queries.parse_page(request.query_params)
        wanted = history.parse_call_event_filter(request.query_params)
        found = await past.call_events(wanted, page)
        return json_answer(page_body(found, [history.call_event_resource(e) for e in found.items]))

    @router.get("/webhook_deliveries", response_model=None)
    async def deliveries(request: Request) -> Response:
        page = queries.parse_page(request.query_params)
        wanted = history.parse_delivery_filter(request.query_params)
        found = await past.deliveries(wanted, page)
        return json_answer(page_body(found, [history.delivery_resource(d) for d in found.items]))

    @router.get("/webhook_deliveries/{delivery_id}", response_model=None)
    async def delivery(delivery_id: str) -> Response:
        return data_answer(history.delivery_resource(await past.delivery(delivery_id)))

    return router


def transcription_routes(kept: Transcriptions, renderers: Mapping[str, Renderer]) -> APIRouter:
    """List, get and delete of /v2/recording_transcriptions; ``renderers`` are by format."""
    router = APIRouter(prefix="/v2/recording_transcriptions")

    @router.get("", response_model=None)
    async def list_all(request: Request) -> Response:
        page = history.parse_cursor_page(request.query_params)
        wanted = transcriptions.parse_transcription_filter(request.query_params)
        found = await kept.list(wanted, page)
        items = [transcriptions.transcription_resource(item) for item in found.items]
        return json_answer(history.cursor_page_body(found, items, request.url.path))

    @router.get("/{transcription_id}", response_model=None)
    async def get(transcription_id: str) -> Response:
        return data_answer(transcriptions.transcription_resource(await kept.get(transcription_id)))

    @router.delete("/{transcription_id}", response_model=None)
    async def delete(transcription_id: str) -> Response:
        deleted = await kept.delete(transcription_id)
        return data_answer(transcriptions.transcription_resource(deleted))

    @router.get("/{transcription_id}/segments", response_model=None)
    async def segments(transcription_id: str, request: Request) -> Response:
        accept = request.headers.get("accept", "")
        form = transcriptions.parse_format(request.query_params, accept)
        found = await kept.get(transcription_id)
        if form == "json":
            return data_answer(transcriptions.segments_resource(found))
        if form not in renderers:
            raise errors.unprocessable(f"This server cannot write transcriptions as {form}.")
        text = await asyncio.to_thread(renderers[form], found)
        return Response(text.encode(), media_type=transcriptions.MEDIA_TYPES[form])

    return router
