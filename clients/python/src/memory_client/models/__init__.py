"""Answers of the service, as objects.

Each is loaded when it is first used: a program that searches does not pay for eighty other answers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memory_client.models.access import ApiKey as ApiKey
    from memory_client.models.access import Departure as Departure
    from memory_client.models.access import Liveness as Liveness
    from memory_client.models.access import NewApiKey as NewApiKey
    from memory_client.models.access import NewTenant as NewTenant
    from memory_client.models.access import Part as Part
    from memory_client.models.access import Readiness as Readiness
    from memory_client.models.access import Tenant as Tenant
    from memory_client.models.base import Answer as Answer
    from memory_client.models.base import Page as Page
    from memory_client.models.consolidation import Change as Change
    from memory_client.models.consolidation import Changeset as Changeset
    from memory_client.models.consolidation import Factors as Factors
    from memory_client.models.consolidation import FusionWeights as FusionWeights
    from memory_client.models.consolidation import Plan as Plan
    from memory_client.models.consolidation import Policy as Policy
    from memory_client.models.consolidation import Reverted as Reverted
    from memory_client.models.consolidation import Review as Review
    from memory_client.models.consolidation import SavedQuery as SavedQuery
    from memory_client.models.consolidation import Simulation as Simulation
    from memory_client.models.documents import Document as Document
    from memory_client.models.documents import DocumentSpan as DocumentSpan
    from memory_client.models.encoders import Comparison as Comparison
    from memory_client.models.encoders import Encoder as Encoder
    from memory_client.models.encoders import Reindex as Reindex
    from memory_client.models.encoders import Turned as Turned
    from memory_client.models.governance import AuditEvent as AuditEvent
    from memory_client.models.governance import AuditVerdict as AuditVerdict
    from memory_client.models.governance import Derived as Derived
    from memory_client.models.governance import Erasure as Erasure
    from memory_client.models.governance import ErasureItem as ErasureItem
    from memory_client.models.governance import ErasurePreview as ErasurePreview
    from memory_client.models.governance import HealthReport as HealthReport
    from memory_client.models.governance import ImportOutcome as ImportOutcome
    from memory_client.models.governance import Tally as Tally
    from memory_client.models.governance import Usage as Usage
    from memory_client.models.handles import Added as Added
    from memory_client.models.handles import AddedMany as AddedMany
    from memory_client.models.handles import AddedMessages as AddedMessages
    from memory_client.models.handles import DocumentStarted as DocumentStarted
    from memory_client.models.handles import ErasureStarted as ErasureStarted
    from memory_client.models.handles import ImportStarted as ImportStarted
    from memory_client.models.handles import ReindexStarted as ReindexStarted
    from memory_client.models.handles import Started as Started
    from memory_client.models.jobs import DeadLetter as DeadLetter
    from memory_client.models.jobs import Job as Job
    from memory_client.models.jobs import Progress as Progress
    from memory_client.models.kv import Engine as Engine
    from memory_client.models.kv import KvChecked as KvChecked
    from memory_client.models.kv import KvEngineStats as KvEngineStats
    from memory_client.models.kv import KvLookup as KvLookup
    from memory_client.models.kv import KvMemory as KvMemory
    from memory_client.models.kv import KvMemoryDetail as KvMemoryDetail
    from memory_client.models.kv import KvPlan as KvPlan
    from memory_client.models.kv import KvQuota as KvQuota
    from memory_client.models.kv import KvRun as KvRun
    from memory_client.models.kv import KvSaved as KvSaved
    from memory_client.models.kv import KvSource as KvSource
    from memory_client.models.kv import KvStats as KvStats
    from memory_client.models.kv import KvUpkeep as KvUpkeep
    from memory_client.models.kv import PrecomputeStarted as PrecomputeStarted
    from memory_client.models.kv import PromptBlock as PromptBlock
    from memory_client.models.kv import PromptLeftOut as PromptLeftOut
    from memory_client.models.kv import PromptSection as PromptSection
    from memory_client.models.memories import Changed as Changed
    from memory_client.models.memories import Derivation as Derivation
    from memory_client.models.memories import Diff as Diff
    from memory_client.models.memories import FieldChange as FieldChange
    from memory_client.models.memories import Header as Header
    from memory_client.models.memories import ItemOutcome as ItemOutcome
    from memory_client.models.memories import LineageEdge as LineageEdge
    from memory_client.models.memories import LineageNode as LineageNode
    from memory_client.models.memories import Link as Link
    from memory_client.models.memories import Memory as Memory
    from memory_client.models.memories import Provenance as Provenance
    from memory_client.models.memories import Recall as Recall
    from memory_client.models.memories import Retention as Retention
    from memory_client.models.memories import RetentionCourse as RetentionCourse
    from memory_client.models.memories import Source as Source
    from memory_client.models.memories import StillPending as StillPending
    from memory_client.models.memories import Version as Version
    from memory_client.models.namespaces import FusionSetting as FusionSetting
    from memory_client.models.namespaces import Namespace as Namespace
    from memory_client.models.namespaces import NamespaceSettings as NamespaceSettings
    from memory_client.models.namespaces import Scope as Scope
    from memory_client.models.parametric import AskedCube as AskedCube
    from memory_client.models.parametric import Brought as Brought
    from memory_client.models.parametric import Canary as Canary
    from memory_client.models.parametric import CanaryShares as CanaryShares
    from memory_client.models.parametric import Cube as Cube
    from memory_client.models.parametric import CubeAnswer as CubeAnswer
    from memory_client.models.parametric import CubeCapacity as CubeCapacity
    from memory_client.models.parametric import CubeCue as CubeCue
    from memory_client.models.parametric import CubeDetail as CubeDetail
    from memory_client.models.parametric import CubeEncoder as CubeEncoder
    from memory_client.models.parametric import CubeVersion as CubeVersion
    from memory_client.models.parametric import PassedOver as PassedOver
    from memory_client.models.search import Candidate as Candidate
    from memory_client.models.search import Channel as Channel
    from memory_client.models.search import Citation as Citation
    from memory_client.models.search import Context as Context
    from memory_client.models.search import Explanation as Explanation
    from memory_client.models.search import Feedback as Feedback
    from memory_client.models.search import Replay as Replay
    from memory_client.models.search import Result as Result
    from memory_client.models.search import SearchAnswer as SearchAnswer
    from memory_client.models.search import Timings as Timings
    from memory_client.models.search import Trace as Trace
    from memory_client.models.search import WhyNot as WhyNot
    from memory_client.models.structure import Community as Community
    from memory_client.models.structure import Edge as Edge
    from memory_client.models.structure import Edges as Edges
    from memory_client.models.structure import Entity as Entity
    from memory_client.models.structure import Episode as Episode
    from memory_client.models.structure import Fact as Fact
    from memory_client.models.structure import Gist as Gist
    from memory_client.models.structure import Graph as Graph
    from memory_client.models.structure import Mention as Mention
    from memory_client.models.structure import Moment as Moment
    from memory_client.models.structure import Node as Node
    from memory_client.models.structure import Picture as Picture
    from memory_client.models.structure import PictureLines as PictureLines
    from memory_client.models.structure import PictureNodes as PictureNodes
    from memory_client.models.structure import Profile as Profile
    from memory_client.models.structure import Quote as Quote
    from memory_client.models.structure import Timeline as Timeline
    from memory_client.models.structure import TimelineBucket as TimelineBucket
    from memory_client.models.structure import TimelineCell as TimelineCell
    from memory_client.models.structure import TimelinePlane as TimelinePlane
    from memory_client.models.structure import Topic as Topic
    from memory_client.models.webhooks import Attempt as Attempt
    from memory_client.models.webhooks import Delivery as Delivery
    from memory_client.models.webhooks import NewWebhook as NewWebhook
    from memory_client.models.webhooks import Webhook as Webhook
    from memory_client.models.working import Block as Block
    from memory_client.models.working import BlockCitation as BlockCitation
    from memory_client.models.working import BlockVersion as BlockVersion
    from memory_client.models.working import Children as Children
    from memory_client.models.working import ClosedTask as ClosedTask
    from memory_client.models.working import RolledBackTask as RolledBackTask
    from memory_client.models.working import Task as Task
    from memory_client.models.working import TaskContext as TaskContext
    from memory_client.models.working import TaskItem as TaskItem
    from memory_client.models.working import TaskVersion as TaskVersion
    from memory_client.models.working import Undone as Undone

# What the imports above tell type checkers, for the running program; a test holds the two together.
HOMES = {
    name: module
    for module, names in {
        "access": "ApiKey Departure NewApiKey Tenant NewTenant Part Readiness Liveness",
        "base": "Answer Page",
        "consolidation": "Plan Change Changeset Reverted Review Policy Simulation SavedQuery FusionWeights Factors",
        "documents": "DocumentSpan Document",
        "encoders": "Encoder Comparison Reindex Turned",
        "governance": (
            "Derived ErasurePreview Tally Erasure ErasureItem AuditEvent AuditVerdict Usage HealthReport ImportOutcome"
        ),
        "handles": "Added AddedMessages AddedMany Started DocumentStarted ErasureStarted ImportStarted ReindexStarted",
        "jobs": "Progress Job DeadLetter",
        "kv": "Engine PromptSection PromptBlock PromptLeftOut KvPlan PrecomputeStarted "
        "KvChecked KvEngineStats KvLookup KvMemory KvMemoryDetail KvQuota KvRun KvSaved KvSource KvStats KvUpkeep",
        "memories": (
            "Source Derivation Retention Header Memory Version ItemOutcome Changed FieldChange Diff "
            "LineageNode LineageEdge Provenance Link RetentionCourse Recall StillPending"
        ),
        "namespaces": "FusionSetting NamespaceSettings Namespace Scope",
        "parametric": (
            "AskedCube Brought Canary CanaryShares Cube CubeAnswer CubeCapacity CubeCue CubeDetail CubeEncoder CubeVersion "
            "PassedOver"
        ),
        "search": (
            "Channel Result Timings Candidate Explanation SearchAnswer Citation Context Replay Trace WhyNot Feedback"
        ),
        "structure": (
            "Entity Mention Fact Quote Gist Episode Topic Community Profile Node Edge Edges Graph Moment Timeline TimelineBucket "
            "TimelineCell TimelinePlane Picture PictureNodes PictureLines"
        ),
        "webhooks": "Webhook NewWebhook Attempt Delivery",
        "working": (
            "Block BlockVersion BlockCitation Children Task TaskVersion ClosedTask Undone "
            "RolledBackTask TaskItem TaskContext"
        ),
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
    globals()[name] = value  # So that it is asked for once.
    return value


def __dir__() -> list[str]:
    return sorted(HOMES)
