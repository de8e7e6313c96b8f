"""Chat completions with memory, as OpenAI's clients send them: `base_url=…/openai/v1`."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from memory_service.api.chat_proxy.options import ChatCompletionIn, options_of
from memory_service.api.chat_proxy.passing import Chat, list_models
from memory_service.api.chat_proxy.proxy import ChatProxy
from memory_service.api.dependencies import ServicesDep, check_scope, require
from memory_service.api.strict_json import StrictRoute
from memory_service.types import Caller, KeyScope

router = APIRouter(tags=["chat"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]


@router.post("/openai/v1/chat/completions", response_model=dict[str, Any])
async def create_chat_completion(
    body: ChatCompletionIn, request: Request, caller: Reader, services: ServicesDep
) -> Response:
    """Put memories into a conversation, pass it on to the model and answer what it says, streamed where it is asked for."""
    sent: dict[str, Any] = await request.json()
    options = options_of(sent.get("memory"), request.headers)
    if options.remember or options.reinforce:
        check_scope(caller, KeyScope.WRITE)
    proxy: ChatProxy = request.app.state.chat_proxy
    return await Chat(request, services, proxy, caller, options).complete(sent)


@router.get("/openai/v1/models", response_model=dict[str, Any])
async def list_chat_models(request: Request, caller: Reader) -> Response:
    """List the models of the server that chats are passed on to, as it lists them."""
    return await list_models(request.app.state.chat_proxy)
