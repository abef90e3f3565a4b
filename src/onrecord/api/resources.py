"""Routes of applications, recordings, numbers and the account's public key."""

import asyncio
import base64

from fastapi import APIRouter, Request, Response

from onrecord.api.answers import data_answer, json_answer, json_body
from onrecord.api.services import (
    Account,
    Applications,
    Destinations,
    Numbers,
    Recordings,
    Stored,
)
from onrecord.calls.records import FidelityReport, Recording
from onrecord.wire import queries, requests, storage
from onrecord.wire.fidelity import report_resource
from onrecord.wire.resources import (
    application_resource,
    number_resource,
    page_body,
    recording_resource,
)


def application_routes(applications: Applications) -> APIRouter:
    """CRUD of /v2/call_control_applications."""
    router = APIRouter(prefix="/v2/call_control_applications")

    @router.post("", response_model=None)
    async def create(request: Request) -> Response:
        made = await applications.create(requests.parse_application(json_body(request)))
        return data_answer(application_resource(made), 201)

    @router.get("", response_model=None)
    async def list_all(request: Request) -> Response:
        page = queries.parse_page(request.query_params)
        contains, sort = queries.parse_application_list(request.query_params)
        found = await applications.list(page, name_contains=contains, sort=sort)
        return json_answer(page_body(found, [application_resource(item) for item in found.items]))

    @router.get("/{application_id}", response_model=None)
    async def get(application_id: str) -> Response:
        return data_answer(application_resource(await applications.get(application_id)))

    @router.patch("/{application_id}", response_model=None)
    async def update(application_id: str, request: Request) -> Response:
        body = json_body(request)
        fields = requests.parse_application(body, await applications.get(application_id))
        changed = await applications.update(application_id, fields)
        return data_answer(application_resource(changed))

    @router.delete("/{application_id}", response_model=None)
    async def delete(application_id: str) -> Response:
        return data_answer(application_resource(await applications.delete(application_id)))

    return router


def recording_routes(recordings: Recordings) -> APIRouter:
    """List, get, report and delete of /v2/recordings."""
    router = APIRouter(prefix="/v2/recordings")

    async def shown(recording: Recording) -> dict[str, object]:
        link = await recordings.link(recording)
        return recording_resource(recording, link, recordings.picture_link(recording.id))

    @router.get("", response_model=None)
    async def list_all(request: Request) -> Response:
        page = queries.parse_page(request.query_params)
        wanted = queries.parse_recording_filter(request.query_params)
        found = await recordings.list(wanted, page)
        return json_answer(page_body(found, [await shown(item) for item in found.items]))

    @router.get("/{recording_id}", response_model=None)
    async def get(recording_id: str) -> Response:
        return data_answer(await shown(await recordings.get(recording_id)))

    @router.get("/{recording_id}/report", response_model=None)
    async def report(recording_id: str) -> Response:
        recording, found = await recordings.report(recording_id)
        picture = recordings.picture_link(recording.id)
        return data_answer(report_resource(recording, found, picture))

    @router.delete("/{recording_id}", response_model=None)
    async def delete(recording_id: str) -> Response:
        deleted = await recordings.delete(recording_id)
        return data_answer(recording_resource(deleted, None))

    @router.post("/actions/delete", response_model=None)
    async def delete_many(request: Request) -> Response:
        await recordings.delete_many(requests.parse_recording_ids(json_body(request)))
        return json_answer({"status": "ok"})

    return router


def picture_routes(recordings: Recordings) -> APIRouter:
    """A report's picture: with an API key, and behind a signed link."""
    router = APIRouter()
    drawing = asyncio.Lock()

    async def drawn(recording: Recording, report: FidelityReport) -> Response:
        async with drawing:  # a picture takes 30 MB while it is made
            image = await asyncio.to_thread(_picture, recording, report)
        return Response(image, media_type="image/png", headers={"Cache-Control": "private"})

    @router.get("/v2/recordings/{recording_id}/report.png", response_model=None)
    async def picture(recording_id: str) -> Response:
        return await drawn(*await recordings.report(recording_id))

    @router.get("/pictures/{recording_id}.png", response_model=None)
    async def linked(recording_id: str, request: Request) -> Response:
        query = request.query_params
        expires, signature = query.get("expires", ""), query.get("signature", "")
        return await drawn(*await recordings.pictured(recording_id, expires, signature))

    return router


def _picture(recording: Recording, report: FidelityReport) -> bytes:
    from onrecord.api.pictures import report_picture  # Pillow, which few servers ever need

    return report_picture(recording, report)


def storage_routes(destinations: Destinations) -> APIRouter:
    """CRUD of /v2/custom_storage_credentials."""
    router = APIRouter(prefix="/v2/custom_storage_credentials/{connection_id}")

    def shown(kept: Stored) -> Response:
        return json_answer(
            storage.storage_resource(kept.application_id, kept.backend, kept.configuration)
        )

    @router.api_route("", methods=["POST", "PUT"], response_model=None)
    async def put(connection_id: str, request: Request) -> Response:
        backend, configuration = storage.parse_storage(json_body(request))
        return shown(await destinations.put(connection_id, backend, configuration))

    @router.get("", response_model=None)
    async def get(connection_id: str) -> Response:
        return shown(await destinations.get(connection_id))

    @router.delete("", response_model=None)
    async def delete(connection_id: str) -> Response:
        await destinations.delete(connection_id)
        return Response(status_code=204)

    return router


def number_routes(numbers: Numbers) -> APIRouter:
    """List and routing of /v2/phone_numbers."""
    router = APIRouter(prefix="/v2/phone_numbers")

    @router.get("", response_model=None)
    async def list_all(request: Request) -> Response:
        found = await numbers.list(queries.parse_page(request.query_params))
        return json_answer(page_body(found, [number_resource(item) for item in found.items]))

    @router.patch("/{address}", response_model=None)
    async def route(address: str, request: Request) -> Response:
        checked, application_id = requests.parse_number(address, json_body(request))
        return data_answer(number_resource(await numbers.route(checked, application_id)))

    return router


def account_routes(account: Account) -> APIRouter:
    """GET /v2/public_key."""
    router = APIRouter(prefix="/v2")

    @router.get("/public_key", response_model=None)
    async def public_key() -> Response:
        key = await account.public_key()
        return data_answer(
            {"record_type": "public_key", "public_key": base64.b64encode(key).decode()}
        )

    return router
