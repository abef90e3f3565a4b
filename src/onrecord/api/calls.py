"""Routes of calls and their commands."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from onrecord.api.answers import data_answer, json_body
from onrecord.api.services import Calls
from onrecord.calls.commands import CommandResult
from onrecord.core.clock import Clock
from onrecord.wire import errors, requests, sound_requests
from onrecord.wire.resources import dialled_resource, leg_resource

Parse = Callable[[object], Any]
Run = Callable[[str, Any], Awaitable[CommandResult]]


def call_routes(calls: Calls, clock: Clock, *, strict_channels: bool) -> APIRouter:
    """POST /calls, GET /calls/{id} and the commands."""
    router = APIRouter(prefix="/v2/calls")

    @router.post("", response_model=None)
    async def dial(request: Request) -> Response:
        leg = await calls.dial(requests.parse_dial(json_body(request)))
        planned = calls.planned_recording(leg)
        return data_answer(dialled_resource(leg, clock.utc_ns(), recording_id=planned))

    @router.get("/{call_control_id}", response_model=None)
    async def status(call_control_id: str) -> Response:
        return data_answer(leg_resource(await calls.status(call_control_id), clock.utc_ns()))

    for name, (parse, run) in _commands(calls, strict_channels).items():
        endpoint = _command(parse, run)
        path = f"/{{call_control_id}}/actions/{name}"
        router.add_api_route(path, endpoint, methods=["POST"], response_model=None)

    router.add_api_route(
        "/{call_control_id}/actions/client_state_update",
        _command(requests.parse_client_state_update, calls.client_state_update),
        methods=["PUT"],
        response_model=None,
    )

    @router.post("/{call_control_id}/actions/{name}", response_model=None)
    async def unknown_command(call_control_id: str, name: str) -> Response:  # noqa: ARG001 -- the route has it
        if name == "client_state_update":
            raise errors.method_not_allowed("POST", ["PUT"])
        raise errors.unknown_command(name[:100])

    return router


def _commands(calls: Calls, strict_channels: bool) -> dict[str, tuple[Parse, Run]]:
    def parse_record_start(body: object) -> object:
        return requests.parse_record_start(body, strict_channels=strict_channels)

    return {
        "answer": (requests.parse_answer, calls.answer),
        "reject": (requests.parse_reject, calls.reject),
        "hangup": (requests.parse_hangup, calls.hangup),
        "bridge": (requests.parse_bridge, calls.bridge),
        "transfer": (requests.parse_transfer, calls.transfer),
        "record_start": (parse_record_start, calls.record_start),
        "record_stop": (requests.parse_record_stop, calls.record_stop),
        "record_pause": (requests.parse_record_pause, calls.record_pause),
        "record_resume": (requests.parse_record_resume, calls.record_resume),
        "playback_start": (sound_requests.parse_playback_start, calls.playback_start),
        "playback_stop": (sound_requests.parse_playback_stop, calls.playback_stop),
        "speak": (sound_requests.parse_speak, calls.playback_start),
        "send_dtmf": (sound_requests.parse_send_dtmf, calls.send_dtmf),
    }


def _command(parse: Parse, run: Run) -> Callable[..., Awaitable[Response]]:
    async def endpoint(call_control_id: str, request: Request) -> Response:
        result = await run(call_control_id, parse(json_body(request)))
        return data_answer(command_result(result))

    return endpoint


def command_result(result: CommandResult) -> dict[str, object]:
    """``result`` is Telnyx's; the ids beside it spare the caller a look-up."""
    data: dict[str, object] = {"result": "ok", "call_control_id": result.call_control_id}
    if result.recording_id is not None:
        data["recording_id"] = result.recording_id
    return data
