"""The official client of KServe against a running server.

Runs in .venv-kserve (scripts/setup), since the client brings many packages of
its own.
"""

import asyncio
import json
import zlib

import grpc
import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferInput, InferRequest
from kserve.protocol.infer_type import RequestedOutput

from harness import SCENE, png_of, serving

IMAGE = SCENE.read_bytes()


@pytest.fixture(scope="module", name="server")
def fixture_server():
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def fixture_identity(server):
    yield
    server.scrape_at_rest()


def tensor(name, *elements):
    """A BYTES input of shape [elements], as the client makes it."""
    made = InferInput(name, [len(elements)], "BYTES")
    made.set_data_from_numpy(np.array(elements, dtype=np.object_))
    assert "binary_data_size" in made.parameters
    return made


def talk(server, use):
    """The result of a coroutine that is given a client."""
    async def run():
        async with InferenceGRPCClient(server.address) as client:
            return await use(client)
    return asyncio.run(run())


def infer(server, model, inputs, parameters=None, outputs=None):
    request = InferRequest(model, inputs, request_id="mine",
                           parameters=parameters, request_outputs=outputs)
    return talk(server, lambda client: client.infer(request))


def array_of(response, name):
    (found,) = [o for o in response.outputs if o.name == name]
    return found.as_numpy()


def test_server_and_models_are_ready(server):
    async def ask(client):
        return (await client.is_server_live(), await client.is_server_ready(),
                await client.is_model_ready(server.model),
                await client.is_model_ready(server.model + "_depth"))
    assert all(talk(server, ask))


def test_depth_of_a_file(server):
    response = infer(server, server.model + "_depth", [tensor("IMAGE", IMAGE)],
                     {"num_timesteps": 4, "seed": 5})
    assert response.id == "mine"
    values = array_of(response, "DEPTH")
    assert values.dtype == np.float32 and values.ndim == 2
    assert values.min() >= 0 and values.max() <= 1


@pytest.mark.parametrize("binary", [True, False])
def test_requested_outputs_come_and_no_others(server, binary):
    response = infer(
        server, server.model + "_segmentation", [tensor("IMAGE", IMAGE)],
        {"num_timesteps": 4}, [
            RequestedOutput("SEGMENTATION", {"binary_data": binary}),
            RequestedOutput("REGIONS", {"binary_data": binary})])
    assert [o.name for o in response.outputs] == ["SEGMENTATION", "REGIONS"]
    assert array_of(response, "SEGMENTATION").dtype == np.uint8
    assert json.loads(array_of(response, "REGIONS")[0])


# Both ways in which the client sends numbers: raw and typed.
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("leading", [(), (1,)])
def test_pixels_give_what_their_file_gives(server, binary, leading):
    raster = np.random.default_rng(1).integers(0, 256, (24, 40, 3), np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in raster)
    file = png_of(40, 24, zlib.compress(rows), depth=8)
    options = {"num_timesteps": 4, "seed": 5}
    model = server.model + "_depth"
    expected = infer(server, model, [tensor("IMAGE", file)], options)
    array = raster.reshape(leading + raster.shape)
    image = InferInput("IMAGE", list(array.shape), "UINT8")
    image.set_data_from_numpy(array, binary_data=binary)
    response = infer(server, model, [image], options)
    np.testing.assert_array_equal(array_of(response, "DEPTH"),
                                  array_of(expected, "DEPTH"))


def test_an_answer_is_collected(server):
    response = infer(
        server, server.model,
        [tensor("IMAGE", IMAGE), tensor("QUESTION", b"Which is nearer?")],
        {"mode": "TEXT_ONLY", "seed": 3},
        [RequestedOutput("ANSWER"), RequestedOutput("FINISH_REASON")])
    assert array_of(response, "ANSWER")[0]
    assert array_of(response, "FINISH_REASON")[0]


def test_errors_are_errors(server):
    with pytest.raises(grpc.RpcError) as error:
        infer(server, server.model + "_depth", [tensor("IMAGE", b"no image")])
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "inputs[IMAGE][0]" in error.value.details()
    with pytest.raises(grpc.RpcError) as error:
        infer(server, "other", [tensor("IMAGE", IMAGE)])
    assert error.value.code() == grpc.StatusCode.NOT_FOUND
