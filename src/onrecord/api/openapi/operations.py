"""What every operation of the OpenAPI document is made of: answers, refusals, bodies, parameters."""

from collections.abc import Sequence

from onrecord.api.openapi import shapes
from onrecord.api.openapi.shapes import Schema, ref
from onrecord.core.errors import CallerError
from onrecord.wire import errors, queries

JSON = "application/json"


def operation(
    operation_id: str,
    tag: str,
    summary: str,
    answer: Schema,
    *,
    description: str | None = None,
    parameters: Sequence[Schema] = (),
    body: Schema | None = None,
    refusals: dict[str, CallerError] | None = None,
) -> Schema:
    """One method of one path; 401, 422 and the rest are refused in the usual shape."""
    made: Schema = {"operationId": operation_id, "tags": [tag], "summary": summary}
    if description is not None:
        made["description"] = description
    if parameters:
        made["parameters"] = list(parameters)
    if body is not None:
        made["requestBody"] = body
    made["responses"] = answer | {
        "401": refusal("The API key is missing or wrong.", {"key": errors.unauthorized()})
    }
    if refusals:
        described = "The request was understood but cannot be done as asked."
        made["responses"]["422"] = refusal(described, refusals)
    made["responses"]["default"] = refusal("Something else is wrong.", {})
    return made


def body(name: str, example: Schema, *, required: bool = True) -> Schema:
    """A request body that has a named schema."""
    content = {JSON: {"schema": ref(name), "examples": {"usual": {"value": example}}}}
    return {"required": required, "content": content}


def answer(description: str, schema: Schema, status: str = "200") -> Schema:
    """One answer with JSON."""
    return {status: {"description": description, "content": {JSON: {"schema": schema}}}}


def data(name: str, description: str, status: str = "200") -> Schema:
    """An answer whose ``data`` is one resource."""
    return answer(description, shapes.obj({"data": ref(name)}), status)


def listing(name: str, description: str) -> Schema:
    """An answer whose ``data`` is a page of resources."""
    items = {"type": "array", "items": ref(name)}
    return answer(description, shapes.obj({"data": items, "meta": ref("PaginationMeta")}))


def refusal(description: str, examples: dict[str, CallerError]) -> Schema:
    """An answer that refuses, with examples."""
    content: Schema = {"schema": ref("Errors")}
    if examples:
        content["examples"] = {
            name: {"summary": error.faults[0].title, "value": errors.error_body(error)}
            for name, error in examples.items()
        }
    return {"description": description, "content": {JSON: content}}


def path_parameter(name: str, description: str, example: str) -> Schema:
    """A text in the path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
        "example": example,
    }


def query(name: str, description: str, schema: Schema) -> Schema:
    """A query parameter."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def page_parameters() -> list[Schema]:
    """The query parameters of every list."""
    number: Schema = {
        "type": "integer",
        "minimum": 0,
        "maximum": queries.MAX_PAGE_NUMBER,
        "default": 1,
    }
    size: Schema = number | {"maximum": queries.MAX_PAGE_SIZE, "default": 20}
    return [
        query("page[number]", "Which page, from 1; `page_number` does as well.", number),
        query("page[size]", "Items on a page; `page_size` does as well.", size),
    ]
