import pytest

from memory_mcp.failures import ToolFailure
from memory_mcp.scope import Place, Scope


def test_without_a_fence_a_call_chooses() -> None:
    assert Scope().place(namespace="a/b", user_id="ada") == Place("a/b", "ada", None)
    assert Scope().place() == Place("default", None, None)


def test_a_fence_is_the_default() -> None:
    assert Scope("team", "ada", "coder").place() == Place("team", "ada", "coder")


@pytest.mark.parametrize("namespace", ["other", "team2", "te", "default"])
def test_a_call_cannot_leave_the_namespace(namespace: str) -> None:
    with pytest.raises(ToolFailure) as failure:
        Scope(namespace="team").place(namespace=namespace)
    assert failure.value.code == "out_of_scope"
    assert not Scope(namespace="team").admits(namespace=namespace, user_id=None)


def test_a_call_may_go_below_the_namespace() -> None:
    assert Scope(namespace="team").place(namespace="team/x").namespace == "team/x"
    assert Scope(namespace="team").admits(namespace="team/x", user_id=None)


def test_a_call_cannot_be_another_user() -> None:
    with pytest.raises(ToolFailure):
        Scope(user_id="ada").place(user_id="bob")
    assert not Scope(user_id="ada").admits(namespace="default", user_id="bob")
    assert not Scope(user_id="ada").admits(namespace="default", user_id=None)
