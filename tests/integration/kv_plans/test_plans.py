"""Plans: the tokens an engine would compute, the order of contexts, what may be saved, and nothing for strangers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from memory_service.activation.chain import block_hashes
from memory_service.activation.fingerprint import tokens_digest
from memory_service.activation.grant import open_grant
from memory_service.api import kv_prompts
from memory_service.chat_model.cache_salt import cache_salt
from memory_service.lifecycle import kv_planning
from memory_service.lifecycle.erase import remove_counted, take
from memory_service.model_text.model import ModelText
from memory_service.storage import kv_plans
from memory_service.storage.database import Database

SECRET = b"a secret of tests"
SYSTEM = "You are a helpful assistant of a household."
TURNS = [{"role": "user", "content": "What does Ana like? 🌊 Ünïcode, too."}]


@pytest.fixture
def household(me: Any, remember: Callable[..., str], announce: Callable[..., Any]) -> dict[str, str]:
    """Return memories of every audience, by name, with an engine announced."""
    assert announce(me).status_code == 201
    return {
        "volatile": remember(me, "Ana is on the phone.", user_id="ana", memory_type="working"),
        "user": remember(me, "Ana lives in Lyon and keeps a cat.", user_id="ana"),
        "shared": remember(me, "Runa repairs boats every Tuesday."),
        "core": remember(me, "The house rule is known.", memory_type="core"),
    }


def plan(client: Any, **body: Any) -> Any:
    answer = client.post("/v1/kv/plan", json={"model": "tiny", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def recalled(maintenance: Engine, ids: list[str], recalls: int) -> None:
    """Have memories been recalled so often."""
    with maintenance.begin() as connection:
        connection.execute(
            text("UPDATE retention SET recall_count = :n WHERE memory_id = ANY(CAST(:ids AS uuid[]))"),
            {"n": recalls, "ids": ids},
        )


def test_tokens_are_those_an_engine_computes(me: Any, household: dict[str, str], chat_folder: Path) -> None:
    """The tokenizer of transformers, which engines use, cuts the messages of the plan into its very ids."""
    from transformers import AutoTokenizer

    made = plan(me, system=SYSTEM, memory_ids=list(household.values()), messages=TURNS, volatile="Today is Tuesday.")
    theirs = AutoTokenizer.from_pretrained(str(chat_folder))
    ids = theirs.apply_chat_template(made["messages"], add_generation_prompt=True, tokenize=True, return_dict=False)
    assert made["token_ids"] == list(ids)
    assert made["text"] == theirs.apply_chat_template(made["messages"], add_generation_prompt=True, tokenize=False)
    assert theirs(made["text"], add_special_tokens=False)["input_ids"] == made["token_ids"]
    assert made["token_ids_hash"] == tokens_digest(made["token_ids"])
    salt = cache_salt(SECRET, me.tenant_id)
    assert made["cache_salt"] == salt
    hashes = block_hashes(made["token_ids"], block_size=8, engine=made["engine"], salt=salt)
    assert [one["hash"] for one in made["blocks"]] == list(hashes)
    assert made["kv_transfer_params"]["memory_service"]["block_hashes"] == list(hashes)


def test_sections_hold_their_memories_in_the_canonical_order(
    me: Any, household: dict[str, str], chat_folder: Path
) -> None:
    made = plan(me, system=SYSTEM, memory_ids=list(household.values()), messages=TURNS)
    found = [(one["kind"], one["memory_id"]) for one in made["sections"] if one["memory_id"]]
    assert found == [
        ("system", household["core"]), ("shared", household["shared"]), ("user", household["user"]),
        ("volatile", household["volatile"]),
    ]  # fmt: skip
    cut = ModelText(chat_folder).cut(made["text"])
    contents = {i: me.get(f"/v1/memories/{i}").json()["content"] for i in household.values()}
    for section in made["sections"]:
        begin, end = section["token_start"], section["token_end"]
        words = made["text"][cut.offsets[begin][0] : cut.offsets[end - 1][1]]
        if section["memory_id"]:
            assert contents[section["memory_id"]] in words
        elif section["kind"] == "system":
            assert SYSTEM in words
        else:
            assert words.startswith("What does Ana like?")


def test_without_turns_it_is_what_every_conversation_begins_with(me: Any, household: dict[str, str]) -> None:
    ids = list(household.values())
    before = plan(me, system=SYSTEM, memory_ids=ids)
    assert before["token_ids"]
    for said in ("What?", " leading blank", "9", "\u00fc", "</memories>"):
        after = plan(me, system=SYSTEM, memory_ids=ids, messages=[{"role": "user", "content": said}])
        assert after["token_ids"][: len(before["token_ids"])] == before["token_ids"]
        assert after["text"].startswith(before["text"])
    assert "</memories>" in before["text"]


def test_a_model_without_a_template_takes_plain_texts(
    me: Any, household: dict[str, str], announce: Callable[..., Any], plain_folder: Path
) -> None:
    announce(me, model="plain", chat_template=None)
    made = plan(me, model="plain", system=SYSTEM, memory_ids=[household["user"]])
    assert made["token_ids"] == list(ModelText(plain_folder).cut(made["text"], special_tokens=True).ids)
    answer = me.post("/v1/kv/plan", json={"model": "plain", "messages": TURNS})
    assert (answer.status_code, answer.json()["code"]) == (422, "prompt_not_rendered")


def test_a_context_in_stable_order_has_the_same_prefix_hash(me: Any, household: dict[str, str]) -> None:
    context = me.post(
        "/v1/context", json={"query": "Ana boats house rule phone", "order": "stable", "top_k": 50}
    ).json()
    ids = [one["memory_id"] for one in context["citations"]]
    assert set(ids) == set(household.values())
    assert plan(me, memory_ids=list(reversed(ids)))["prefix_hash"] == context["prefix_hash"]
    searched = plan(me, query="Ana boats house rule phone", top_k=50)
    assert searched["prefix_hash"] == context["prefix_hash"]
    assert searched["search_id"]
    assert plan(me, memory_ids=ids[:2])["prefix_hash"] != context["prefix_hash"]


def test_a_search_finds_what_is_theirs_or_nobodys(
    me: Any, household: dict[str, str], remember: Callable[..., str]
) -> None:
    bens = remember(me, "Ben lives in Lyon and keeps a dog.", user_id="ben")
    made = plan(me, query="Who lives in Lyon?", user_id="ana", top_k=50)
    shown = {one["memory_id"] for one in made["sections"]}
    assert household["user"] in shown
    assert household["shared"] in shown
    assert bens not in shown


def test_hot_memories_are_admitted_and_a_cold_one_ends_it(
    me: Any, household: dict[str, str], maintenance: Engine
) -> None:
    ids = list(household.values())

    def end_of(made: Any, name: str) -> int:
        return next(int(one["token_start"]) for one in made["sections"] if one["memory_id"] == household[name]) // 8

    cold = plan(me, system=SYSTEM, memory_ids=ids, messages=TURNS)
    assert (cold["admitted_blocks"], cold["admitted_until"]) == (end_of(cold, "shared"), "cold")
    recalled(maintenance, [household["shared"]], 2)
    warmer = plan(me, system=SYSTEM, memory_ids=ids, messages=TURNS)
    assert (warmer["admitted_blocks"], warmer["admitted_until"]) == (end_of(warmer, "user"), "cold")
    recalled(maintenance, ids, 9)
    hot = plan(me, system=SYSTEM, memory_ids=ids, messages=TURNS)
    assert (hot["admitted_blocks"], hot["admitted_until"]) == (end_of(hot, "volatile"), "volatile")
    lasting = [household[name] for name in ("core", "shared", "user")]
    whole = plan(me, system=SYSTEM, memory_ids=lasting, messages=TURNS)
    turn = next(one for one in whole["sections"] if one["kind"] == "conversation")
    assert (whole["admitted_blocks"], whole["admitted_until"]) == (turn["token_start"] // 8, "conversation")
    assert [one["admitted"] for one in whole["blocks"]].count(True) == whole["admitted_blocks"]
    assert plan(me, memory_ids=lasting, volatile="It rains.")["admitted_until"] == "volatile"
    assert plan(me, memory_ids=lasting)["admitted_until"] == "all"
    everything = plan(me, system=SYSTEM, memory_ids=lasting, messages=TURNS, hot_from=0)
    assert everything["admitted_until"] == "conversation"


def test_what_is_kept_holds_no_words(
    me: Any, household: dict[str, str], maintenance: Engine, database: Database
) -> None:
    made = plan(me, system=SYSTEM, memory_ids=list(household.values()), messages=TURNS)
    with maintenance.connect() as connection:
        rows = connection.execute(text("SELECT CAST(to_jsonb(p) AS text) FROM kv_plan p")).scalars().all()
        assert not [row for row in rows if "Lyon" in row or "Ana" in row]
    with database.transaction(me.tenant_id) as session:
        now = datetime.now(UTC)
        kept = kv_plans.get_plan(session, me.tenant_id, UUID(made["plan_id"]), now=now)
        assert kept is not None
        assert list(kept.block_hashes) == [one["hash"] for one in made["blocks"]]
        assert kept.admitted == made["admitted_blocks"]
        assert kept.token_ids_hash == made["token_ids_hash"]
        assert kept.text_hash == sha256(made["text"].encode()).hexdigest()
        sources = kv_plans.sources_of(session, me.tenant_id, kept.id)
        of_sections = [one for one in made["sections"] if one["memory_id"]]
        assert [(str(s.memory_id), s.token_start, s.token_end, s.kind) for s in sources] == [
            (one["memory_id"], one["token_start"], one["token_end"], one["kind"]) for one in of_sections
        ]
        assert [s.first_block for s in sources] == [one["token_start"] // 8 for one in of_sections]
        assert {str(s.memory_id) for s in kv_plans.sources_of(session, me.tenant_id, kept.id, blocks=1)} <= {
            household["core"]
        }
        assert kv_plans.get_plan(session, me.tenant_id, kept.id, now=now + timedelta(hours=2)) is None


def test_the_grant_is_for_this_plan_alone(me: Any, household: dict[str, str]) -> None:
    made = plan(me, memory_ids=list(household.values()))
    said = made["kv_transfer_params"]["memory_service"]
    grant = open_grant(SECRET, said["grant"], now=datetime.now(UTC))
    assert (grant.tenant_id, str(grant.plan_id), grant.engine) == (me.tenant_id, made["plan_id"], made["engine"])
    assert grant.expires_at < datetime.now(UTC) + timedelta(minutes=16)


def test_an_erasure_takes_the_plan(me: Any, household: dict[str, str], database: Database) -> None:
    plan_id = UUID(plan(me, memory_ids=list(household.values()))["plan_id"])
    with database.transaction(me.tenant_id) as session:
        ids = take(session, me.tenant_id, [UUID(household["shared"])])
        counts = remove_counted(session, me.tenant_id, sorted(ids), now=datetime.now(UTC))
        assert (counts["kv_plan"], counts["kv_plan_source"]) == (1, 1)
    with database.transaction(me.tenant_id) as session:
        assert kv_plans.get_plan(session, me.tenant_id, plan_id, now=datetime.now(UTC)) is None
        assert kv_plans.sources_of(session, me.tenant_id, plan_id) == []


@pytest.mark.parametrize("how", ["changed", "erased"])
def test_a_memory_that_goes_while_it_is_planned_leaves_no_plan(
    me: Any,
    household: dict[str, str],
    maintenance: Engine,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    path = f"/v1/memories/{household['user']}"

    def meanwhile(*args: Any, **named: Any) -> Any:
        """Plan as ever, after the memory was read; and before the plan is kept it goes."""
        planned = kv_planning.plan_asked(*args, **named)
        if how == "changed":
            assert me.patch(path, json={"content": "Ana lives in Porto."}).status_code == 200
        else:
            with database.transaction(me.tenant_id) as session:
                ids = take(session, me.tenant_id, [UUID(household["user"])])
                remove_counted(session, me.tenant_id, sorted(ids), now=datetime.now(UTC))
        return planned

    monkeypatch.setattr(kv_prompts, "plan_asked", meanwhile)
    answer = me.post("/v1/kv/plan", json={"model": "tiny", "memory_ids": list(household.values())})
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (409, "source_changed", True)
    with maintenance.connect() as connection:
        kept = connection.scalar(text("SELECT count(*) FROM kv_plan WHERE tenant_id = :t"), {"t": me.tenant_id})
    assert kept == 0


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("first", ["", " ", "\n\t "])
def test_words_behind_a_blank_turn_are_not_admitted(
    me: Any, household: dict[str, str], chat_folder: Path, first: str, role: str
) -> None:
    secret = "My secret is 4711 and nobody is to keep it, since no erasure of a memory would reach it."
    turns = [{"role": role, "content": first}, {"role": "user", "content": secret}]
    made = plan(me, system=SYSTEM, memory_ids=[household["core"]], messages=turns)
    cut = ModelText(chat_folder).cut(made["text"])
    admitted = made["text"][: cut.offsets[made["admitted_blocks"] * 8 - 1][1]]
    assert made["admitted_until"] == "conversation"
    assert SYSTEM in admitted
    assert f"<|im_start|>{role}" not in admitted
    assert plan(me, messages=turns)["admitted_blocks"] == 0


def test_hits_are_expected_of_leading_blocks_that_live(me: Any, household: dict[str, str], maintenance: Engine) -> None:
    made = plan(me, memory_ids=list(household.values()))
    assert made["expected_hit_tokens"] == 0
    hashes = [one["hash"] for one in made["blocks"]]
    kv_id = uuid4()
    with maintenance.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO kv_memory (tenant_id, id, namespace_id, model, engine, fingerprint, block_size, first_block, "
                "blocks, n_tokens, parent_hash, last_hash, codec, exactness, bytes, checksum, prefill_s, state, has_blob, "
                "heat, heat_at, hits, created_at, expires_at) SELECT :tenant, :id, p.namespace_id, 'tiny', p.engine, '{}', 8, "
                "0, 4, 32, '', '', 'raw', 'exact', 1, p.engine, 0, 'live', true, 0, now(), 0, now(), "
                "now() + interval '1 hour' FROM kv_plan p WHERE p.id = :plan"
            ),
            {"tenant": me.tenant_id, "id": kv_id, "plan": made["plan_id"]},
        )
        for at in (0, 1, 3):
            connection.execute(
                text("INSERT INTO kv_block VALUES (:tenant, decode(:hash, 'hex'), :id, :at)"),
                {"tenant": me.tenant_id, "hash": hashes[at], "id": kv_id, "at": at},
            )
    again = plan(me, memory_ids=list(household.values()))
    assert again["expected_hit_tokens"] == 16, "the third block is missing: the fourth is of no use"
    assert [one["stored"] for one in again["blocks"]][:4] == [True, True, False, False]
    for codec, exactness in (("int8", "exact"), ("raw", "shifted"), ("raw", "compressed")):
        with maintenance.begin() as connection:
            values = {"id": kv_id, "codec": codec, "exactness": exactness}
            connection.execute(
                text("UPDATE kv_memory SET codec = :codec, exactness = :exactness WHERE id = :id"), values
            )
        assert plan(me, memory_ids=list(household.values()))["expected_hit_tokens"] == 0, "no engine asks for these"
    with maintenance.begin() as connection:
        connection.execute(
            text("UPDATE kv_memory SET codec = 'raw', exactness = 'exact' WHERE id = :id"), {"id": kv_id}
        )
    assert plan(me, memory_ids=list(household.values()))["expected_hit_tokens"] == 16
    with maintenance.begin() as connection:
        connection.execute(text("UPDATE kv_memory SET expires_at = now() WHERE id = :id"), {"id": kv_id})
    assert plan(me, memory_ids=list(household.values()))["expected_hit_tokens"] == 0


def test_a_budget_leaves_out_the_last_of_those_named(me: Any, household: dict[str, str], chat_folder: Path) -> None:
    """Tokens are counted as the model cuts them."""
    lines = plan(me, memory_ids=[household["user"]])["text"].partition("Notes")[2].partition("<|im_end|>")[0]
    budget = len(ModelText(chat_folder).cut(lines).ids) + 12
    made = plan(me, memory_ids=[household["user"], household["shared"]], token_budget=budget)
    assert [one["memory_id"] for one in made["sections"] if one["memory_id"]] == [household["user"]]
    assert made["left_out"] == [{"memory_id": household["shared"], "reason": "budget"}]


def test_what_is_not_there_is_named(me: Any, household: dict[str, str], announce: Callable[..., Any]) -> None:
    def problem(**body: Any) -> tuple[int, str]:
        answer = me.post("/v1/kv/plan", json={"model": "tiny", **body})
        return answer.status_code, answer.json()["code"]

    assert problem(model="other") == (404, "model_not_configured")
    assert problem(model="gone") == (503, "model_unreadable")
    assert problem(model="plain") == (404, "engine_not_found")
    assert problem(engine="ab" * 32) == (404, "engine_not_found")
    assert problem(namespace="nowhere") == (404, "namespace_not_found")
    assert problem(namespace="nowhere", query="Ana") == (404, "namespace_not_found")
    assert problem(memory_ids=[str(uuid4())]) == (404, "not_found")
    assert problem(memory_ids=[household["user"]], query="x")[0] == 422
    assert problem(query=" ")[0] == 422
    assert problem(query="q" * 20_000) == (413, "too_large")
    assert problem(namespace="a", namespaces=["b"])[0] == 422
    assert problem(user_id="ana")[0] == 422
    assert problem(system="\0")[0] == 422
    raw = me.post(
        "/v1/kv/plan", content=b'{"model": "tiny", "system": "\\ud800"}', headers={"Content-Type": "application/json"}
    )
    assert raw.status_code == 422
    assert problem(messages=[{"role": "tool", "content": "x"}])[0] == 422
    assert problem(system="q~z" * 300_000) == (413, "too_large")
    assert me.delete(f"/v1/memories/{household['user']}").status_code == 204
    assert problem(memory_ids=[household["user"]]) == (404, "not_found")
    announce(me, tokenizer="9" * 64)
    assert problem() == (409, "tokenizer_differs")


def test_a_stranger_sees_nothing(
    me: Any, stranger: Any, household: dict[str, str], announce: Callable[..., Any], database: Database
) -> None:
    made = plan(me, memory_ids=list(household.values()))
    assert stranger.post("/v1/kv/plan", json={"model": "tiny"}).json()["code"] == "engine_not_found"
    announce(stranger)
    answer = stranger.post("/v1/kv/plan", json={"model": "tiny", "memory_ids": [household["user"]]})
    assert answer.status_code == 404
    theirs = plan(stranger, system=SYSTEM, messages=TURNS)
    mine = plan(me, system=SYSTEM, messages=TURNS)
    assert theirs["token_ids"] == mine["token_ids"]
    assert theirs["cache_salt"] != mine["cache_salt"]
    assert not {one["hash"] for one in theirs["blocks"]} & {one["hash"] for one in mine["blocks"]}
    with database.transaction(stranger.tenant_id) as session:
        assert kv_plans.get_plan(session, me.tenant_id, UUID(made["plan_id"]), now=datetime.now(UTC)) is None, (
            "row level security hides it, whatever tenant is named"
        )


def test_an_empty_prompt_is_an_empty_plan(me: Any, announce: Callable[..., Any]) -> None:
    announce(me)
    made = plan(me)
    assert made["admitted_until"] in {"no_whole_block", "all"}
    assert made["sections"] == []


def test_expired_plans_are_purged(me: Any, household: dict[str, str], maintenance: Engine, database: Database) -> None:
    made = plan(me, memory_ids=list(household.values()))
    with maintenance.begin() as connection:
        connection.execute(
            text("UPDATE kv_plan SET expires_at = now() - interval '1 s' WHERE id = :id"), {"id": made["plan_id"]}
        )
    with database.untenanted() as connection:
        assert connection.scalar(text("SELECT purge_kv_plans(now() + interval '1 day')")) >= 1
    with maintenance.connect() as connection:
        left = connection.scalar(
            text("SELECT count(*) FROM kv_plan_source WHERE plan_id = :id"), {"id": made["plan_id"]}
        )
        others = connection.scalar(text("SELECT count(*) FROM kv_plan"))
    assert left == 0
    assert others > 0, "what has not expired stays, whatever time was named"
