"""From the bytes of a request body to a JSON value, however hostile the bytes."""

import json
import re
from typing import NoReturn

from onrecord.wire import errors

_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def parse_json(raw: bytes) -> object:
    """The JSON value of ``raw``; an empty body counts as an empty object.

    Raises:
        CallerError: 400: not UTF-8, not JSON (RFC 8259: no NaN), nested too deeply, or with a NUL or
            an unpaired surrogate in a text, which neither a database nor a header could hold.
    """
    if not raw.strip():
        return {}
    try:
        text = raw.decode()
        value: object = json.loads(text, parse_constant=_refuse_constant)
        if "\\u" in text:
            _check_escapes(value)
    except UnicodeError as error:
        raise errors.invalid_encoding() from error
    except RecursionError as error:
        raise errors.invalid_json("it is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise errors.invalid_json(f"{error.msg} at character {error.pos}") from error
    except ValueError as error:
        raise errors.invalid_json("a number is not usable") from error
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _check_escapes(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    text.encode()
    if _ESCAPED_NUL.search(text):
        raise UnicodeError("NUL")
