"""The contract as OpenAPI 3.1, and a page to read it on that loads nothing from other hosts."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from memory_service.api import session_cookie
from memory_service.api.problems import MEDIA_TYPE, PLAIN_JSON, PLAIN_JSON_BELOW

ASSETS = "/docs/assets"
TAGS = [
    {"name": "memories", "description": "Records, their versions and where they come from."},
    {"name": "messages", "description": "Turns of a conversation, stored verbatim."},
    {"name": "search", "description": "Recall, context for a prompt, and why."},
    {"name": "blocks", "description": "Core memory: short texts that agents always see and edit in place."},
    {"name": "tasks", "description": "Trees of tasks that agents work on: context, close, roll back, replace."},
    {"name": "documents", "description": "Longer texts and files, kept whole and cut into memories."},
    {"name": "learning", "description": "Questions with known answers, and the weights that feedback teaches."},
    {"name": "graph", "description": "Whom and what texts name, and how memories are linked."},
    {"name": "scopes", "description": "Users, agents and sessions that memories belong to."},
    {"name": "namespaces", "description": "Paths inside a tenant; memories of one are searched together."},
    {"name": "consolidation", "description": "Runs, what they changed and the way back; questions for people."},
    {"name": "policies", "description": "How memories fade."},
    {"name": "erasures", "description": "What is removed for good, and the proof of it."},
    {"name": "transfer", "description": "Memories as files: out of one service, into another."},
    {"name": "jobs", "description": "What the background owes."},
    {"name": "usage", "description": "How much is kept, written, searched and asked of models."},
    {"name": "audit", "description": "Who changed what, in a chain that shows when it was tampered with."},
    {"name": "webhooks", "description": "Receivers that are told of changes, and what became of each message."},
    {"name": "api-keys", "description": "Who may do what."},
    {"name": "admin", "description": "Sessions of the web view, which a browser keeps as a cookie."},
    {"name": "encoders", "description": "Models that make vectors, and namespaces on their way from one to another."},
    {"name": "kv", "description": "Key-value caches of hosted models, made of memories: plans, blocks, quotas."},
    {
        "name": "parametric",
        "description": "Memory in weights: cubes taught which memory a cue brings, asked and taken back.",
    },
    {"name": "tenants", "description": "For operators: who owns data."},
    {"name": "chat", "description": "Chat completions as OpenAI's clients send them, with memories put in."},
    {"name": "mem0", "description": "The calls of mem0's clients, so that its users can switch by URL."},
    {"name": "health", "description": "For probes and Prometheus; no key needed."},
]

# Swagger UI sets style attributes, hence 'unsafe-inline' for styles; scripts are files of ours only.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Memory service: HTTP contract</title>
<link rel="stylesheet" href="{ASSETS}/swagger-ui.css">
<link rel="icon" href="{ASSETS}/favicon-32x32.png">
</head>
<body>
<div id="contract"></div>
<script src="{ASSETS}/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

# `validatorUrl: null` keeps Swagger UI from asking its makers' server to validate the document.
START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#contract",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem; `code` is stable, `detail` is for people.",
    "required": ["type", "title", "status", "detail", "instance", "code", "errors", "request_id", "retryable"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": ["string", "null"]},
        "retryable": {"type": "boolean"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901 into the body, or `?name` of a parameter"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}

SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The API key as a bearer token."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": session_cookie.NAME,
        "description": "A session of the web view; calls that change something need `X-Requested-By: admin` with it.",
    },
}
KEY: list[dict[str, list[str]]] = [{"bearer": []}, {"apiKey": []}]
SESSION: list[dict[str, list[str]]] = [{"session": []}]


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with the problem answers and the key on every operation."""
    if app.openapi_schema:
        return app.openapi_schema
    contract = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        summary=app.summary,
        routes=app.routes,
        tags=TAGS,
    )
    components = contract.setdefault("components", {})
    components["securitySchemes"] = SECURITY_SCHEMES
    components["responses"] = {
        "Problem": {
            "description": "What was wrong, as a problem document.",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        },
        "PlainProblem": {
            "description": "The same for clients of other systems, as plain JSON.",
            "content": {PLAIN_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        },
    }
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path, operations in contract["paths"].items():
        for operation in operations.values():
            _complete(operation, "PlainProblem" if path.startswith(PLAIN_JSON_BELOW) else "Problem")
            is_open = "health" in operation.get("tags", ())
            by_session = SESSION if path.startswith(session_cookie.ACCEPTED_BELOW) else []
            operation.setdefault("security", [] if is_open else [*KEY, *by_session])
    app.openapi_schema = contract
    return contract


def _complete(operation: dict[str, Any], problem: str) -> None:
    responses = operation["responses"]
    # FastAPI documents its own 422, which we do not send.
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status in ("4XX", "5XX"):
        responses.setdefault(status, {"$ref": f"#/components/responses/{problem}"})


async def _page(_request: Request) -> Response:
    return HTMLResponse(
        PAGE,
        headers={
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        },
    )


async def _start(_request: Request) -> Response:
    return Response(START, media_type="text/javascript")


DOCS_ROUTES = [
    Route("/docs", _page, methods=["GET"]),
    Route("/docs/start.js", _start, methods=["GET"]),
    Mount(ASSETS, StaticFiles(packages=[("fastapi_swagger", "resources")])),
]
