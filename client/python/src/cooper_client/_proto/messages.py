"""Message classes from serialized descriptors, by protobuf's public API.

They live in a pool of their own: a process may hold another version of the same
protocol, or of google.rpc, in the default pool.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_POOL = descriptor_pool.DescriptorPool()
_added: set[str] = set()


def _class_of(descriptor: Any) -> Any:
    # Before protobuf 4.22 a factory was an object.
    get_class = getattr(message_factory, "GetMessageClass", None)
    if get_class is not None:
        return get_class(descriptor)
    return message_factory.MessageFactory(  # type: ignore[attr-defined]
        _POOL).GetPrototype(descriptor)


def add_classes(namespace: dict[str, Any], file: str,
                descriptors: bytes) -> None:
    """Adds the message classes of `file` to the module with that `namespace`.
    `descriptors`: a google.protobuf.FileDescriptorSet of it and its imports."""
    for added in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
        if added.name not in _added:
            _POOL.AddSerializedFile(added.SerializeToString())
            _added.add(added.name)
    descriptor = _POOL.FindFileByName(file)
    namespace["DESCRIPTOR"] = descriptor
    for name, message in descriptor.message_types_by_name.items():
        namespace[name] = _class_of(message)
