"""An agent that remembers: what is said in one thread is known in the next.

The graph is a real one of LangGraph. Only the model is scripted, so that the example runs anywhere; put a real one in its place.
Run it with `python examples/agent.py` while the memory service runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import uuid4

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import InjectedStore, ToolNode, tools_condition
from langgraph.store.base import BaseStore

from memory_langgraph import MemoryServiceStore

KNOWN = "What you know about the user:"


@tool
def remember(text: str, config: RunnableConfig, store: Annotated[BaseStore, InjectedStore()]) -> str:
    """Keep something about the user for later conversations."""
    store.put(memories_of(config), str(uuid4()), {"text": text})
    return "Kept."


def memories_of(config: RunnableConfig) -> tuple[str, ...]:
    """Return the namespace of the user who speaks."""
    return ("users", str(config["configurable"]["user_id"]), "memories")


class ScriptedModel(BaseChatModel):
    """Stands in for a language model: it keeps statements, and answers questions with the best thing it knows."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages))])

    def _answer(self, messages: Sequence[BaseMessage]) -> AIMessage:
        last = messages[-1]
        if isinstance(last, ToolMessage):
            return AIMessage("I will remember that.")
        if not str(last.content).endswith("?"):
            call = {"name": "remember", "args": {"text": last.content}, "id": str(uuid4()), "type": "tool_call"}
            return AIMessage("", tool_calls=[call])
        known = [line.removeprefix("- ") for line in str(messages[0].content).splitlines() if line.startswith("- ")]
        return AIMessage(f"You once said: {known[0]}" if known else "I do not know that.")


def make_agent(store: BaseStore, model: BaseChatModel | None = None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Build the graph: recall, then the model, which may call the tool."""
    chat = model or ScriptedModel()

    def respond(state: MessagesState, config: RunnableConfig, *, store: BaseStore) -> dict[str, list[AnyMessage]]:
        question = next(m for m in reversed(state["messages"]) if isinstance(m, HumanMessage))
        found = store.search(memories_of(config), query=str(question.content), limit=3)
        known = "\n".join([KNOWN, *(f"- {item.value['text']}" for item in found)])
        return {"messages": [chat.invoke([SystemMessage(known), *state["messages"]])]}

    graph = StateGraph(MessagesState)
    graph.add_node("respond", respond)
    graph.add_node("tools", ToolNode([remember]))
    graph.add_edge(START, "respond")
    graph.add_conditional_edges("respond", tools_condition)
    graph.add_edge("tools", "respond")
    return graph.compile(checkpointer=InMemorySaver(), store=store)


def say(agent: CompiledStateGraph[Any, Any, Any, Any], text: str, *, user_id: str, thread_id: str) -> str:
    """Say something in a thread and return the answer."""
    config: RunnableConfig = {"configurable": {"user_id": user_id, "thread_id": thread_id}}
    answer = agent.invoke({"messages": [HumanMessage(text)]}, config)
    return str(answer["messages"][-1].content)


def main() -> None:
    """Talk in two threads."""
    with MemoryServiceStore() as store:
        agent = make_agent(store)
        user = f"ana-{uuid4().hex[:6]}"
        for thread, text in (
            ("monday", "I am allergic to peanuts."),
            ("monday", "My sister lives in Porto."),
            ("friday", "Is there any food I should avoid?"),
            ("friday", "Where does my sister live?"),
        ):
            sys.stdout.write(f"{thread}: {text}\n    {say(agent, text, user_id=user, thread_id=thread)}\n")


if __name__ == "__main__":
    main()
