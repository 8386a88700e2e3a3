"""The Kubernetes manifests: rendered, valid, and as the policy wants them."""

import re

import pytest
import yaml

from conftest import render, run

FOLDERS = ["base", "overlays/cpu-demo", "overlays/gpu"]
# The oldest release whose fields the manifests use, and the newest known.
VERSIONS = ["1.32", "1.37"]


def objects(folder, kind):
    return [item for item in yaml.safe_load_all(render(folder))
            if item["kind"] == kind]


def deployment(folder):
    (found,) = objects(folder, "Deployment")
    return found


def pod(folder):
    return deployment(folder)["spec"]["template"]["spec"]


def server(folder):
    (container,) = pod(folder)["containers"]
    return container


def seconds(argument, arguments):
    (value,) = [item.split("=")[1] for item in arguments
                if item.startswith(argument + "=")]
    assert re.fullmatch(r"\d+s", value)
    return int(value[:-1])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_object_is_valid_strictly(folder, version, tmp_path):
    manifest = tmp_path / "rendered.yaml"
    manifest.write_text(render(folder))
    run("kubernetes-validate", "--strict", "--quiet",
        "--kubernetes-version", version, manifest)


@pytest.mark.parametrize("folder", FOLDERS)
def test_probes_ask_the_servers_own_health_services(folder):
    container = server(folder)
    services = {probe: container[probe]["grpc"]["service"] for probe in
                ("startupProbe", "readinessProbe", "livenessProbe")}
    assert services == {"startupProbe": "readiness",
                        "readinessProbe": "readiness",
                        "livenessProbe": "liveness"}
    assert all(container[probe]["timeoutSeconds"] > 1 for probe in services)
    assert all(container[probe]["grpc"]["port"] == 8001 for probe in services)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_pod_has_time_to_drain_before_it_is_killed(folder):
    prestop = server(folder)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = seconds("--drain_timeout", server(folder)["args"])
    assert pod(folder)["terminationGracePeriodSeconds"] >= prestop + drain + 10


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_rollout_waits_longer_than_loading_may_take(folder):
    startup = server(folder)["startupProbe"]
    assert (deployment(folder)["spec"]["progressDeadlineSeconds"]
            > startup["periodSeconds"] * startup["failureThreshold"])


@pytest.mark.parametrize("folder", FOLDERS)
def test_pods_meet_the_restricted_standard(folder):
    (namespace,) = objects(folder, "Namespace")
    assert (namespace["metadata"]["labels"]
            ["pod-security.kubernetes.io/enforce"] == "restricted")
    assert pod(folder)["securityContext"]["runAsNonRoot"] is True
    assert (pod(folder)["securityContext"]["seccompProfile"]["type"]
            == "RuntimeDefault")
    context = server(folder)["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["readOnlyRootFilesystem"] is True
    for volume in pod(folder)["volumes"]:
        if "emptyDir" in volume:
            assert "sizeLimit" in volume["emptyDir"], volume["name"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_pods_hold_no_token_of_the_cluster(folder):
    (account,) = objects(folder, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert pod(folder)["automountServiceAccountToken"] is False
    assert pod(folder)["serviceAccountName"] == account["metadata"]["name"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_selectors_find_the_pods_and_ports_exist(folder):
    labels = deployment(folder)["spec"]["template"]["metadata"]["labels"]
    ports = {port["name"] for port in server(folder)["ports"]}
    selectors = [deployment(folder)["spec"]["selector"]["matchLabels"]]
    for service in objects(folder, "Service"):
        selectors.append(service["spec"]["selector"])
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= ports
    for kind, key in (("PodDisruptionBudget", "selector"),
                      ("NetworkPolicy", "podSelector")):
        (item,) = objects(folder, kind)
        selectors.append(item["spec"][key]["matchLabels"])
    for selector in selectors:
        assert selector.items() <= labels.items()


@pytest.mark.parametrize("folder", FOLDERS)
def test_disruption_leaves_all_replicas_but_one(folder):
    (budget,) = objects(folder, "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    assert "minAvailable" not in budget["spec"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_network_is_closed_but_for_two_named_doors(folder):
    (policy,) = objects(folder, "NetworkPolicy")
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert not policy["spec"].get("egress")
    doors = policy["spec"]["ingress"]
    assert sorted(port["port"] for door in doors for port in door["ports"]) == [
        8001, 8002]
    assert all(door["from"] for door in doors)


def test_clients_find_all_pods_and_prometheus_the_unready_ones_too():
    services = {item["metadata"]["name"]: item["spec"]
                for item in objects("base", "Service")}
    assert services["cooper-server"]["type"] == "ClusterIP"
    assert services["cooper-server-headless"]["clusterIP"] == "None"
    assert services["cooper-server-metrics"]["publishNotReadyAddresses"] is True
    assert all(port.get("appProtocol") for spec in services.values()
               for port in spec["ports"])


def test_a_gpu_pod_asks_for_one_card_and_reads_weights_it_cannot_change():
    container = server("overlays/gpu")
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert "--device=cuda:0" in container["args"]
    (mount,) = [m for m in container["volumeMounts"] if m["name"] == "weights"]
    assert mount["readOnly"] is True
    assert f"--checkpoint={mount['mountPath']}" in container["args"]
    assert deployment("overlays/gpu")["spec"]["strategy"]["rollingUpdate"] == {
        "maxSurge": 0, "maxUnavailable": 1}


def test_a_demo_pod_asks_for_no_card():
    resources = server("overlays/cpu-demo")["resources"]
    assert "nvidia.com/gpu" not in resources["limits"]
    assert "--device=cpu" in server("overlays/cpu-demo")["args"]
    assert deployment("overlays/cpu-demo")["spec"]["replicas"] == 1
