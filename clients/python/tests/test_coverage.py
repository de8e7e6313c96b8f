"""Every call that the service describes has a method here, and fields and answers go by its description."""

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import pytest

import memory_client.resources
from memory_client import fields, group_fields, models
from memory_client.calls import Call, Lister, Stream
from memory_client.models.base import Answer
from memory_client.operation import OPTIONS

METHODS = {"get", "post", "put", "patch", "delete"}
# What other programs speak, not this client: the calls of other systems' clients.
FOREIGN = re.compile(r"^/compat/|^/openai/|^/admin|^/docs")
# Calls of the contract that this version of the service does not answer yet.
PLANNED = re.compile(r"^/v1/kv\b")


def routes() -> Iterator[tuple[str, str]]:
    """Yield the method and path of every call that some group of calls defines."""
    for module in walk_packages(memory_client.resources.__path__, "memory_client.resources."):
        for _, group in inspect.getmembers(import_module(module.name), inspect.isclass):
            for one in vars(group).values():
                if isinstance(one, Call | Lister | Stream):
                    yield one.route.method, re.sub(r"{[^}]*}", "{}", one.route.path)


@pytest.fixture(scope="session")
def openapi(service: Any) -> dict[str, Any]:
    with service.http() as http:
        return dict(http.get("/openapi.json").json())


def test_every_call_of_the_service_has_a_method(openapi: dict[str, Any]) -> None:
    offered = {
        (method.upper(), re.sub(r"{[^}]*}", "{}", path))
        for path, calls in openapi["paths"].items()
        for method in calls
        if method in METHODS and not FOREIGN.match(path)
    }
    had = set(routes())
    assert offered - had == set()
    assert {(method, path) for method, path in had - offered if not PLANNED.match(path)} == set()


BODIES = [
    ("MemoryIn", fields.NewMemory, {"content"}),
    ("MemoryPatch", fields.UpdateFields, set()),
    ("SearchIn", fields.SearchFields, {"query"}),
    ("ContextIn", fields.ContextFields, {"query"}),
    ("MessagesIn", fields.MessagesFields, {"messages"}),
    ("MessageIn", fields.Message, set()),
    ("DocumentIn", group_fields.DocumentFields, {"content", "file"}),
    ("RetentionPolicyIn", group_fields.PolicyFields, set()),
    ("AsOfIn", fields.AsOf, set()),
    ("WindowIn", fields.Window, set()),
    ("SourceIn", fields.SourceFields, set()),
    ("BlockIn", group_fields.BlockFields, {"value"}),
    ("BlockPatch", group_fields.BlockPatch, set()),
    ("TaskIn", group_fields.TaskFields, {"title"}),
    ("TaskPatch", group_fields.TaskPatch, set()),
    ("WebhookIn", group_fields.WebhookFields, {"url"}),
    ("WebhookPatch", group_fields.WebhookPatch, set()),
    ("ErasureIn", group_fields.ErasureFields, {"dry_run"}),
    ("ExportIn", group_fields.ExportFields, set()),
    ("PlanIn", group_fields.PlanFields, {"model"}),
    ("ParametricIn", group_fields.CubeFields, {"name"}),
    ("PairIn", group_fields.CubePair, set()),
    ("PrecomputeIn", group_fields.PrecomputeFields, {"model"}),
]


@pytest.mark.parametrize(("schema", "ours", "apart"), BODIES, ids=[name for name, _, _ in BODIES])
def test_the_fields_of_requests_are_those_of_the_service(
    openapi: dict[str, Any], schema: str, ours: Any, apart: set[str]
) -> None:
    shape = openapi["components"]["schemas"][schema]
    theirs = set(shape["properties"])
    assert set(ours.__annotations__) - {"run_id", *OPTIONS} == theirs - apart


def test_the_parameters_of_the_list_are_those_of_the_service(openapi: dict[str, Any]) -> None:
    theirs = {one["name"] for one in openapi["paths"]["/v1/memories"]["get"]["parameters"]}
    assert set(fields.ListFields.__annotations__) - set(OPTIONS) == theirs


ANSWERS = {
    "Memory": "Memory",
    "SearchOut": "SearchAnswer",
    "ResultOut": "Result",
    "ChannelOut": "Channel",
    "ExplainOut": "Explanation",
    "CandidateOut": "Candidate",
    "ContextOut": "Context",
    "TraceOut": "Trace",
    "WhyNotOut": "WhyNot",
    "ItemOutcome": "ItemOutcome",
    "Changed": "Changed",
    "MessagesOut": "AddedMessages",
    "BatchOut": "AddedMany",
    "JobOut": "Job",
    "DeadLetterOut": "DeadLetter",
    "DocumentRead": "Document",
    "DocumentAccepted": "DocumentStarted",
    "EntityOut": "Entity",
    "MentionOut": "Mention",
    "FactOut": "Fact",
    "EpisodeOut": "Episode",
    "TopicOut": "Topic",
    "CommunityOut": "Community",
    "GistOut": "Gist",
    "ProfileOut": "Profile",
    "GraphOut": "Graph",
    "NodeOut": "Node",
    "EdgeOut": "Edge",
    "PictureOut": "Picture",
    "SpotsOut": "PictureNodes",
    "LinesOut": "PictureLines",
    "TimelineOut": "Timeline",
    "MomentOut": "Moment",
    "CountedNamespaceOut": "Namespace",
    "ScopeOut": "Scope",
    "PlanOut": "Plan",
    "ChangeOut": "Change",
    "WholeChangesetOut": "Changeset",
    "RevertedOut": "Reverted",
    "ReviewOut": "Review",
    "PolicyOut": "Policy",
    "SavedQueryOut": "SavedQuery",
    "WeightsOut": "FusionWeights",
    "FactorsOut": "Factors",
    "NewKeyOut": "NewApiKey",
    "WebhookOut": "Webhook",
    "NewWebhookOut": "NewWebhook",
    "AttemptOut": "Attempt",
    "DeliveryOut": "Delivery",
    "NewTenantOut": "NewTenant",
    "EncoderOut": "Encoder",
    "ReindexOut": "Reindex",
    "ComparisonOut": "Comparison",
    "TurnedOut": "Turned",
    "BegunReindexOut": "ReindexStarted",
    "ReadyOut": "Readiness",
    "BlockOut": "Block",
    "BlockVersionOut": "BlockVersion",
    "TaskOut": "Task",
    "TaskVersionOut": "TaskVersion",
    "ClosedOut": "ClosedTask",
    "RolledBackOut": "RolledBackTask",
    "TaskContextOut": "TaskContext",
    "ErasureOut": "Erasure",
    "PreviewOut": "ErasurePreview",
    "ErasureItemOut": "ErasureItem",
    "EventOut": "AuditEvent",
    "VerdictOut": "AuditVerdict",
    "UsageOut": "Usage",
    "HealthReportOut": "HealthReport",
    "BegunOut": "ErasureStarted",
    "ImportAccepted": "ImportStarted",
    "OutcomeOut": "ImportOutcome",
    "EngineOut": "Engine",
    "SectionOut": "PromptSection",
    "KvBlockOut": "PromptBlock",
    "LeftOutOut": "PromptLeftOut",
    "KvPlanOut": "KvPlan",
    "KvSourceOut": "KvSource",
    "KvMemoryOut": "KvMemory",
    "KvMemoryDetailOut": "KvMemoryDetail",
    "KvSavedOut": "KvSaved",
    "RunOut": "KvRun",
    "LookupOut": "KvLookup",
    "KvQuotaOut": "KvQuota",
    "KvEngineStatsOut": "KvEngineStats",
    "KvStatsOut": "KvStats",
    "KvUpkeepOut": "KvUpkeep",
    "KvCheckedOut": "KvChecked",
    "PrecomputeOut": "PrecomputeStarted",
    "ParametricOut": "Cube",
    "ParametricDetailOut": "CubeDetail",
    "ParametricVersionOut": "CubeVersion",
    "CapacityOut": "CubeCapacity",
    "CubeEncoderOut": "CubeEncoder",
    "CanaryOut": "Canary",
    "SharesOut": "CanaryShares",
    "RouteOut": "CubeAnswer",
    "RoutedOut": "Brought",
    "AskedCubeOut": "AskedCube",
    "PassedOverOut": "PassedOver",
    "WhyOut": "CubeCue",
}


@pytest.mark.parametrize(("schema", "name"), ANSWERS.items())
def test_answers_have_the_fields_of_the_service(openapi: dict[str, Any], schema: str, name: str) -> None:
    ours: type[Answer] = getattr(models, name)
    shape = openapi["components"]["schemas"][schema]
    known = {field.alias or name: field for name, field in ours.model_fields.items()}
    assert set(shape["properties"]) <= set(known)
    # What the service may leave out must not be asked for.
    assert {name for name, field in known.items() if field.is_required()} <= set(shape["required"])


def test_answers_are_found_where_they_are_said_to_be() -> None:
    for name, module in models.HOMES.items():
        assert getattr(models, name).__module__ == f"memory_client.models.{module}"
    defined = {
        name
        for module in walk_packages(models.__path__, "memory_client.models.")
        for name, one in inspect.getmembers(import_module(module.name), inspect.isclass)
        if issubclass(one, Answer) and one.__module__ == module.name and not name.startswith("_") and "[" not in name
    }
    assert defined == set(models.HOMES)
    with pytest.raises(AttributeError):
        _ = models.Nothing


def test_answers_keep_what_they_do_not_know() -> None:
    scope = models.Scope.model_validate(
        {"id": "tom", "count": 1, "last_activity": "2026-01-01T00:00:00Z", "mood": {"today": "good"}}
    )
    assert scope.mood == {"today": "good"}  # type: ignore[attr-defined]
