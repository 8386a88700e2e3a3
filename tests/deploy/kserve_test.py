"""The KServe samples: what they share with each other, the server and the base."""

import re

import pytest
import yaml

from conftest import DEPLOY, ROOT, render, run

# The oldest release whose fields the manifests use, and the newest known.
VERSIONS = ["1.32", "1.37"]


def load(name):
    return yaml.safe_load((DEPLOY / "kserve" / name).read_text())


@pytest.fixture(name="runtime")
def fixture_runtime():
    return load("clusterservingruntime.yaml")


@pytest.fixture(name="service")
def fixture_service():
    return load("inferenceservice.yaml")


def container(runtime):
    (only,) = runtime["spec"]["containers"]
    return only


def base_container():
    (pod,) = [item["spec"]["template"]["spec"]
              for item in yaml.safe_load_all(render("base"))
              if item["kind"] == "Deployment"]
    (only,) = pod["containers"]
    return only


def test_each_file_is_the_kind_that_kserve_knows(runtime, service):
    assert (runtime["apiVersion"], runtime["kind"]) == (
        "serving.kserve.io/v1alpha1", "ClusterServingRuntime")
    assert (service["apiVersion"], service["kind"]) == (
        "serving.kserve.io/v1beta1", "InferenceService")
    # A runtime is of the whole cluster.
    assert "namespace" not in runtime["metadata"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_pod_that_kserve_makes_of_them_is_valid_strictly(
        runtime, service, version, tmp_path):
    predictor = service["spec"]["predictor"]
    pod = {"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": "cooper",
                        "annotations": runtime["spec"]["annotations"]},
           "spec": {"containers": runtime["spec"]["containers"],
                    "volumes": runtime["spec"]["volumes"],
                    **{key: value for key, value in predictor.items()
                       if key not in ("model", "minReplicas", "maxReplicas")}}}
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(yaml.safe_dump(pod))
    run("kubernetes-validate", "--strict", "--quiet",
        "--kubernetes-version", version, manifest)


def test_no_field_is_there_that_kserve_does_not_have(runtime, service):
    assert set(runtime["spec"]) <= {
        "annotations", "supportedModelFormats", "protocolVersions",
        "containers", "volumes"}
    for model_format in runtime["spec"]["supportedModelFormats"]:
        assert set(model_format) <= {"name", "version", "autoSelect"}
    assert set(service["spec"]) == {"predictor"}
    assert set(service["spec"]["predictor"]["model"]) <= {
        "runtime", "modelFormat", "protocolVersion", "storageUri"}


def test_the_service_asks_for_what_the_runtime_offers(runtime, service):
    model = service["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    (offered,) = runtime["spec"]["supportedModelFormats"]
    assert model["modelFormat"].items() <= offered.items()
    # The protocol's gRPC form is all that the server speaks.
    assert runtime["spec"]["protocolVersions"] == ["grpc-v2"]


def test_grpc_goes_to_the_port_that_the_server_listens_on(runtime):
    (port,) = container(runtime)["ports"]
    assert port["name"] == "h2c"
    assert f"--listen=0.0.0.0:{port['containerPort']}" in container(runtime)["args"]
    metrics = runtime["spec"]["annotations"]["prometheus.io/port"]
    assert f"--metrics_listen=0.0.0.0:{metrics}" in container(runtime)["args"]


def test_weights_are_read_where_kserve_puts_them(runtime):
    assert container(runtime)["name"] == "kserve-container"
    assert "--checkpoint=/mnt/models" in container(runtime)["args"]


def test_probes_and_security_are_those_of_the_base(runtime):
    for key in ("startupProbe", "readinessProbe", "livenessProbe", "lifecycle",
                "securityContext"):
        ours, base = container(runtime)[key], base_container()[key]
        for name, value in base.items():
            assert ours[name] == value, (key, name)


def test_a_pod_has_time_to_drain_before_it_is_killed(runtime, service):
    (drain,) = [int(re.fullmatch(r"--drain_timeout=(\d+)s", argument)[1])
                for argument in container(runtime)["args"]
                if argument.startswith("--drain_timeout")]
    prestop = container(runtime)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert (service["spec"]["predictor"]["terminationGracePeriodSeconds"]
            >= prestop + drain + 10)


def test_the_server_implements_the_protocol_that_the_runtime_names():
    proto = (ROOT / "proto/inference/grpc_service.proto").read_text()
    for method in ("ServerLive", "ServerReady", "ModelReady", "ModelInfer"):
        assert f"rpc {method}(" in proto
