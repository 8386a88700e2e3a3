"""The client for asyncio: the same names and arguments, with `await`, `async for`
and `async with` where something is waited for."""

from cooper_client.aio.client import Client
from cooper_client.aio.conversation import Conversation, Turn
from cooper_client.aio.latest_frame import latest_frame
from cooper_client.aio.streams import EventStream

__all__ = ["Client", "Conversation", "EventStream", "Turn", "latest_frame"]
