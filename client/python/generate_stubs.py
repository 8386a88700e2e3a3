"""Generates cooper_client/_proto/*_pb2.py and *_pb2.pyi from proto/.

A `_pb2.py` as protoc writes it works with few versions of the protobuf runtime:
its own major version and the next. These stubs hold the serialized descriptors
instead, from which the runtime makes the message classes by its public API
(see _proto/messages.py), so that one wheel works with every runtime and any
protoc may generate it. The `.pyi` beside each is protoc's own.

    python generate_stubs.py      needs grpcio-tools
"""

import os
import pathlib
import re
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = HERE / "src/cooper_client/_proto"
FILES = ("cooper/v1/spatial_reasoning.proto", "google/rpc/status.proto",
         "google/rpc/error_details.proto")

STUB = '''"""Generated from {file}. Do not edit."""

from cooper_client._proto.messages import add_classes

DESCRIPTORS = (
{descriptors}
)

add_classes(globals(), {file!r}, DESCRIPTORS)
'''


def proto_folder():
    """The .proto files: beside this file in an sdist, else the tree's."""
    beside = HERE / "proto"
    return beside if beside.is_dir() else HERE.parents[1] / "proto"


def _write(path, text):
    """At once, since tests that run side by side may generate."""
    if path.exists() and path.read_text() == text:
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as out:
        out.write(text)
    os.chmod(out.name, 0o644)
    os.replace(out.name, path)


def _stub(file, descriptors):
    rows = [repr(descriptors[i:i + 48]) for i in range(0, len(descriptors), 48)]
    return STUB.format(file=file,
                       descriptors="\n".join(f"    {row}" for row in rows))


def generate(proto, package=PACKAGE):
    """Writes the stubs of FILES, which lie in the folder `proto`."""
    import grpc_tools
    from grpc_tools import protoc
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        for file in FILES:
            name = pathlib.PurePath(file).stem
            code = protoc.main(
                ["protoc", f"-I{proto}", f"-I{well_known}",
                 f"--pyi_out={folder}", "--include_imports",
                 f"--descriptor_set_out={folder}/{name}", file])
            if code != 0:
                raise RuntimeError(f"protoc failed on {proto / file}")
            _write(package / f"{name}_pb2.py",
                   _stub(file, pathlib.Path(folder, name).read_bytes()))
            types = pathlib.Path(folder, file).with_name(f"{name}_pb2.pyi")
            # Imports of one another are within the package.
            _write(package / f"{name}_pb2.pyi", re.sub(
                r"^from google\.rpc import (\w+_pb2)",
                r"from cooper_client._proto import \1", types.read_text(),
                flags=re.MULTILINE))


if __name__ == "__main__":
    generate(proto_folder())
