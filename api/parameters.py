"""Query parameters, headers and problems that several resources share."""

from collections.abc import Mapping
from typing import Any

from api.requests import ETAGS
from api.resources import Parameter
from api.task_lists import CONSISTENCY
from api.task_types import INSTANT

TEXT: Mapping[str, Any] = {"type": "string"}
CURSOR: Mapping[str, Any] = {"type": "string", "format": "cursor"}
WHEN: Mapping[str, Any] = {"type": "string", **INSTANT}
TAGS: Mapping[str, Any] = {"type": "string", "pattern": ETAGS, "examples": ['"3"']}
IF_MATCH = Parameter("If-Match", TAGS, "change only this revision (an ETag)", "header")
IF_NONE_MATCH = Parameter("If-None-Match", TAGS, "304 if it is still this revision", "header")
ONCE = Parameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    "the same key with the same payload gets the same answer, for 24 hours",
    "header",
)
READ_CONSISTENCY = Parameter(
    "consistency", {"type": "string", "enum": list(CONSISTENCY)}, "strong (default) sees every acknowledged write"
)
BODY_PROBLEMS = (400, 413, 415, 422)
