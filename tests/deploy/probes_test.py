"""The manifests' flags, probes and TLS, tried on the real server."""

import re
import shutil
import subprocess
import sys

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from conftest import DEPLOY, KUBERNETES, ROOT, objects

sys.path.insert(0, str(DEPLOY / "observe"))
# pylint: disable=wrong-import-position
import servers  # noqa: E402

FAKE = f"--script={ROOT / 'tests/data/fake/script.json'}"
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
VARIANTS = ["base+tls", *sorted(
    f"overlays/{folder.name}" for folder in (KUBERNETES / "overlays").iterdir())]


def container(name):
    if name == "overlays/kserve":
        (service,) = objects(name, "InferenceService")
        return service["spec"]["predictor"]["containers"][0]
    (deployment,) = objects(name, "Deployment")
    return deployment["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("name", VARIANTS)
def test_the_server_knows_every_flag_of_a_pod(bin_folder, name):
    known = subprocess.run([bin_folder / "cooper_server", "--helpfull"], text=True,
                           capture_output=True, check=False).stdout
    for argument in container(name)["args"]:
        flag = re.fullmatch(r"(--\w+)=.+", argument)[1]
        assert f"{flag} (" in known, flag


def test_the_health_services_of_the_probes_are_there(bin_folder):
    asked = {container(name)[probe]["grpc"]["service"] for probe in PROBES
             for name in VARIANTS if "grpc" in container(name)[probe]}
    server = servers.CooperServer(bin_folder / "cooper_fake_server", FAKE)
    try:
        with grpc.insecure_channel(server.address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for service in asked:
                answer = stub.Check(
                    health_pb2.HealthCheckRequest(service=service), timeout=10)
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
    finally:
        assert server.stop() == 0


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    """What the Secrets of the component tls hold: one authority that has signed
    the server's certificate, and tokens."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "tls").mkdir()
    (folder / "tokens").mkdir()
    (folder / "tokens/tokens").write_text("a-token-of-the-test\n")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder / "tls", check=True,
                       capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
            "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.crt")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=cooper",
            "-addext", "subjectAltName=DNS:localhost", "-keyout", "tls.key",
            "-out", "tls.csr")
    openssl("x509", "-req", "-in", "tls.csr", "-CA", "ca.crt", "-CAkey",
            "ca.key", "-CAcreateserial", "-days", "1", "-copy_extensions",
            "copy", "-out", "tls.crt")
    return folder


@pytest.fixture(scope="module")
def tls_server(bin_folder, secrets):
    """A server with the flags of the component tls."""
    arguments = [item.replace("/etc/cooper", str(secrets))
                 for item in container("base+tls")["args"]
                 if "/etc/cooper/" in item]
    assert len(arguments) == 4
    server = servers.CooperServer(bin_folder / "cooper_fake_server", FAKE, *arguments)
    yield server
    assert server.stop() == 0


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_by_command_works_with_tls(bin_folder, secrets, tls_server,
                                           probe):
    command = [item.replace("/etc/cooper", str(secrets))
               .replace("/usr/local/bin", str(bin_folder))
               .replace("localhost:8001", "localhost:" +
                        tls_server.address.split(":")[1])
               for item in container("base+tls")[probe]["exec"]["command"]]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "SERVING\n"
    # Not without the certificate.
    bare = [item for item in command if not item.startswith("--tls_")]
    assert subprocess.run(bare, capture_output=True, check=False).returncode == 3
