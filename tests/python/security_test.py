"""TLS, mutual TLS and tokens."""

import asyncio
import shutil
import subprocess

import pytest

import cooper_client
from cooper_client import RetryPolicy
from harness import Server

ONCE = RetryPolicy(attempts=1)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("pki")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True,
                       capture_output=True)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-days", "1", "-subj", "/CN=authority",
            "-keyout", "ca.key", "-out", "ca.crt")
    for name in ("server", "client"):
        openssl("req", *key, "-subj", f"/CN={name}", "-addext",
                "subjectAltName=DNS:robot.example", "-keyout", f"{name}.key",
                "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey",
                "ca.key", "-CAcreateserial", "-days", "1", "-copy_extensions",
                "copy", "-out", f"{name}.crt")
    (folder / "tokens").write_text("the-token\n")
    return folder


@pytest.fixture(scope="module")
def secured(pki):
    server = Server(f"--tls_cert={pki}/server.crt", f"--tls_key={pki}/server.key",
                    f"--tls_client_ca={pki}/ca.crt",
                    f"--auth_token_file={pki}/tokens")
    yield server
    assert server.stop() == 0


def trusted(pki):
    return {"tls_ca": pki / "ca.crt", "tls_server_name": "robot.example",
            "tls_cert": str(pki / "client.crt"),
            "tls_key": (pki / "client.key").read_bytes(), "retry": ONCE}


def model(address, **options):
    with cooper_client.Client(address, **options) as client:
        return client.model(timeout=10)


def test_mutual_tls_and_a_token(secured, pki, tmp_path):
    assert model(secured.address, token="the-token", **trusted(pki)).name
    assert model(secured.address, auth_token_file=pki / "tokens",
                 **trusted(pki)).name

    async def run():
        async with cooper_client.aio.Client(secured.address, token="the-token",
                                            **trusted(pki)) as client:
            return (await client.model()).name
    assert asyncio.run(run()) == "fake"
    # A token file may be renewed.
    file = tmp_path / "token"
    file.write_text("old")
    with cooper_client.Client(secured.address, auth_token_file=file,
                              **trusted(pki)) as client:
        with pytest.raises(cooper_client.Unauthenticated):
            client.model()
        file.write_text(" the-token\n")
        assert client.model().name


def test_without_them(secured, pki):
    with pytest.raises(cooper_client.Unauthenticated) as caught:
        model(secured.address, **trusted(pki))
    assert caught.value.reason == "UNAUTHENTICATED"
    with pytest.raises(cooper_client.CooperError):
        model(secured.address, token="the-token",
              **{**trusted(pki), "tls_cert": None, "tls_key": None})
    with pytest.raises(cooper_client.Unavailable):
        model(secured.address, tls=True, retry=ONCE)
    with pytest.raises(cooper_client.Unavailable):
        model(secured.address, retry=ONCE)
