"""Memory of a peak goes back to the system."""

import concurrent.futures
import time
import zlib

import grpc
import numpy

from harness import (ROOT, pb, pb_grpc, png_of, question, read, serving)

FAKE = f"--script={ROOT}/tests/data/fake/integration.json"
MIB = 1 << 20


def resident(server):
    return server.scrape().sum("process_resident_memory_bytes")


def big_image():
    """An image whose file and pixels are large."""
    random = numpy.random.default_rng(1)
    rows = random.integers(0, 256, (1200, 1 + 3 * 1600), numpy.uint8)
    rows[:, 0] = 0
    return png_of(1600, 1200, zlib.compress(rows.tobytes(), 0), depth=8)


def test_memory_of_big_requests_is_given_back():
    image = big_image()
    assert len(image) > 5 * MIB
    request = question(image=image, mode=pb.MODE_TEXT_ONLY)
    with serving(FAKE) as server, server.channel() as channel:
        stub = pb_grpc.SpatialReasoningServiceStub(channel)
        assert read(stub.Reason(request))[1] == grpc.StatusCode.OK
        time.sleep(5)
        before = resident(server)
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            codes = list(pool.map(
                lambda _: read(stub.Reason(request))[1], range(200)))
        # A server may refuse what would take too much memory.
        assert set(codes) <= {grpc.StatusCode.OK,
                              grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert codes.count(grpc.StatusCode.OK) > 50
        peak = resident(server)
        time.sleep(6)
        after = resident(server)
        print(f"before {before / MIB:.0f} MiB, peak {peak / MIB:.0f} MiB, "
              f"after {after / MIB:.0f} MiB")
        assert after < before + 64 * MIB
