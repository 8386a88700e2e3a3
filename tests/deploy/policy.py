"""What the lines of checklist.yaml ask of the rendered manifests.

Each function checks one thing and is called by checklist_test.py, which looks it
up here by the name that a line has in checklist.yaml: a list of short functions,
so one file in spite of its length.
"""

import json
import re

import yaml

from conftest import DEPLOY, KUBERNETES, ROOT, metrics, objects, render, rules

# Assumed worst case of a load: 29 GB of weights from a volume of 50 MB/s.
SLOWEST_LOAD_SECONDS = 600
# How long endpoints and load balancers may take to forget a pod.
PROPAGATION_SECONDS = 10
CARDS = ["overlays/gpu", "overlays/gpu-copy", "overlays/gpu-image",
         "overlays/production"]
DEPLOYMENTS = ["base", "overlays/cpu-demo", *CARDS]
AUTOSCALED = {"base+hpa": "HorizontalPodAutoscaler", "base+keda": "ScaledObject",
              "overlays/production": "ScaledObject"}
# Every pod of every variant, and those with other probes or hooks.
PODS = [*DEPLOYMENTS, "overlays/kserve", "base+tls", "base+prestop-exec",
        "base+tracing"]


def _pod(name):
    if name == "overlays/kserve":
        (service,) = objects(name, "InferenceService")
        return service["spec"]["predictor"]
    (deployment,) = objects(name, "Deployment")
    return deployment["spec"]["template"]["spec"]


def _server(name):
    (container,) = _pod(name)["containers"]
    return container


def _deployment(name):
    (deployment,) = objects(name, "Deployment")
    return deployment["spec"]


def _flag_seconds(flag, name):
    (value,) = [item.split("=")[1] for item in _server(name)["args"]
                if item.startswith(flag + "=")]
    number, unit = re.fullmatch(r"(\d+)([sm])", value).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def _manual(page):
    return (ROOT / "docs" / page).read_text()


def startup_budget():
    for name in PODS:
        probe = _server(name)["startupProbe"]
        budget = probe["periodSeconds"] * probe["failureThreshold"]
        assert budget >= 3 * SLOWEST_LOAD_SECONDS, name


def grpc_probes():
    wanted = {"startupProbe": "readiness", "readinessProbe": "readiness",
              "livenessProbe": "liveness"}
    for name in PODS:
        container = _server(name)
        for probe, service in wanted.items():
            assert container[probe]["timeoutSeconds"] > 1
            if name == "base+tls":  # The kubelet's gRPC probe speaks no TLS.
                assert "grpc" not in container[probe]
                command = container[probe]["exec"]["command"]
                assert command[:2] == ["/usr/local/bin/cooper", "health"]
                assert f"--service={service}" in command
            else:
                assert container[probe]["grpc"] == {"port": 8001,
                                                    "service": service}


def _prestop_seconds(name):
    hook = _server(name)["lifecycle"]["preStop"]
    if "sleep" in hook:
        return hook["sleep"]["seconds"]
    program, seconds = hook["exec"]["command"]
    assert program == "/bin/sleep"
    return int(seconds)


def prestop():
    for name in PODS:
        assert _prestop_seconds(name) >= PROPAGATION_SECONDS, name
    assert "exec" in _server("base+prestop-exec")["lifecycle"]["preStop"]


def grace_period():
    for name in PODS:
        needed = _prestop_seconds(name) + _flag_seconds("--drain_timeout", name)
        assert _pod(name)["terminationGracePeriodSeconds"] >= needed + 10, name
        # With real weights a question takes minutes.
        if "--device=cuda:0" in _server(name)["args"]:
            assert _flag_seconds("--drain_timeout", name) >= 300, name


def exit_codes():
    table = re.findall(r"^\| (\d+) \| .+ \|$", _manual("operate.md"), re.M)
    header = (ROOT / "server/lifecycle.h").read_text()
    codes = re.findall(r"^  k\w+ = (\d+),", header, re.M)
    assert codes and set(codes) <= set(table)


def termination_message():
    for name in PODS:
        for container in (_pod(name)["containers"]
                          + _pod(name).get("initContainers", [])):
            assert (container["terminationMessagePolicy"]
                    == "FallbackToLogsOnError"), name


def one_card():
    for name in [*CARDS, "overlays/kserve"]:
        assert _server(name)["resources"]["limits"]["nvidia.com/gpu"] == 1
        assert "--device=cuda:0" in _server(name)["args"]
    assert "nvidia.com/gpu" not in _server(
        "overlays/cpu-demo")["resources"]["limits"]
    assert "--device=cpu" in _server("overlays/cpu-demo")["args"]


def _node_terms(name):
    (term,) = (_pod(name)["affinity"]["nodeAffinity"]
               ["requiredDuringSchedulingIgnoredDuringExecution"]
               ["nodeSelectorTerms"])
    return {item["key"]: item for item in term["matchExpressions"]}


def card_nodes():
    for name in CARDS:
        assert {"key": "nvidia.com/gpu", "operator": "Exists",
                "effect": "NoSchedule"} in _pod(name)["tolerations"]
        memory = _node_terms(name)["nvidia.com/gpu.memory"]
        assert memory["operator"] == "Gt" and int(memory["values"][0]) > 0
        assert "runtimeClassName" not in _pod(name)
    text = (KUBERNETES / "components/gpu/deployment.yaml").read_text()
    assert "runtimeClassName" in text, "says where it is needed"


def no_time_slicing():
    for name in CARDS:
        sharing = _node_terms(name)["nvidia.com/gpu.sharing-strategy"]
        assert sharing["operator"] == "NotIn"
        assert "time-slicing" in sharing["values"]


def card_alerts():
    alerts = {rule["alert"]: rule for rule in rules("alert")}
    assert "DCGM_FI_DEV_XID_ERRORS" in metrics(alerts["CooperGpuFault"]["expr"])
    assert metrics(alerts["CooperGpuMemoryLow"]["expr"]) >= {
        "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_USED"}
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert jobs["dcgm"]["honor_labels"] is True
    board = (DEPLOY / "grafana/cooper.json").read_text()
    for field in ("XID_ERRORS", "GPU_UTIL", "ECC_DBE_VOL_TOTAL"):
        assert f"DCGM_FI_DEV_{field}" in board


def disruption_budget():
    for name in DEPLOYMENTS:
        (budget,) = objects(name, "PodDisruptionBudget")
        assert budget["spec"]["maxUnavailable"] == 1
        assert "minAvailable" not in budget["spec"]


def strategy():
    for name in DEPLOYMENTS:
        spec = _deployment(name)
        assert spec["strategy"]["rollingUpdate"] == (
            {"maxSurge": 0, "maxUnavailable": 1} if name in CARDS else
            {"maxSurge": 1, "maxUnavailable": 0}), name
        assert spec["minReadySeconds"] > 0
        probe = _server(name)["startupProbe"]
        assert (spec["progressDeadlineSeconds"]
                > probe["periodSeconds"] * probe["failureThreshold"])


def spread():
    for name in DEPLOYMENTS:
        found = {item["topologyKey"]: item["whenUnsatisfiable"]
                 for item in _pod(name)["topologySpreadConstraints"]}
        assert found == {"topology.kubernetes.io/zone": "ScheduleAnyway",
                         "kubernetes.io/hostname": "ScheduleAnyway"}


def priority():
    for name in PODS:
        (item,) = objects(name, "PriorityClass")
        assert _pod(name)["priorityClassName"] == item["metadata"]["name"]
        assert item["globalDefault"] is False


def _scaling_queries(name):
    """Metric names or queries of an autoscaler, the primary first."""
    (item,) = objects(name, AUTOSCALED[name])
    if item["kind"] == "ScaledObject":
        return [trigger["metadata"]["query"]
                for trigger in item["spec"]["triggers"]]
    assert all(metric["type"] == "Pods" for metric in item["spec"]["metrics"])
    return [metric["pods"]["metric"]["name"] for metric in item["spec"]["metrics"]]


def scaling_signals():
    for name in AUTOSCALED:
        primary, guard = _scaling_queries(name)
        assert "cooper_queue_depth" in primary
        assert re.search("time_to_first_token.*p95", guard)
    assert not objects("base+hpa", "ScaledObject")
    # prometheus-adapter makes the names that the autoscaler asks for.
    adapter = yaml.safe_load((DEPLOY / "prometheus/adapter.yml").read_text())
    made = []
    for rule in adapter["rules"]:
        series = rule["seriesQuery"].partition("{")[0]
        renamed = rule.get("name", {"matches": "^(.*)$", "as": "${1}"})
        made.append(re.sub(renamed["matches"],
                           renamed["as"].replace("${1}", r"\1"), series))
    assert made == _scaling_queries("base+hpa")


def scale_down():
    for name, kind in AUTOSCALED.items():
        (item,) = objects(name, kind)
        behavior = (item["spec"]["behavior"] if "behavior" in item["spec"] else
                    item["spec"]["advanced"]["horizontalPodAutoscalerConfig"]
                    ["behavior"])
        down = behavior["scaleDown"]
        assert down["stabilizationWindowSeconds"] >= 300
        (policy,) = down["policies"]
        # One pod has drained before the next one is asked to.
        assert policy["value"] == 1 and policy["type"] == "Pods"
        assert policy["periodSeconds"] > _pod(name)[
            "terminationGracePeriodSeconds"]


def scale_to_zero():
    for name, kind in AUTOSCALED.items():
        (item,) = objects(name, kind)
        assert 1 <= item["spec"].get("minReplicas",
                                     item["spec"].get("minReplicaCount"))
    assert re.search("scale to zero", _manual("capacity.md"), re.I)


def headless():
    services = {item["metadata"]["name"]: item["spec"]
                for item in objects("base", "Service")}
    assert services["cooper-server"]["type"] == "ClusterIP"
    assert services["cooper-server-headless"]["clusterIP"] == "None"
    # Prometheus must see the pods that are not ready too.
    assert services["cooper-server-metrics"]["publishNotReadyAddresses"] is True
    assert "dns:///cooper-server-headless.cooper.svc:8001" in _manual("deploy.md")


def connection_age():
    for name in PODS:
        assert 60 <= _flag_seconds("--max_connection_age", name) <= 3600


def app_protocol():
    for item in objects("base", "Service"):
        for port in item["spec"]["ports"]:
            assert port["appProtocol"] == (
                "http" if port["name"] == "metrics" else "kubernetes.io/h2c")


def grpc_route():
    for name in ("base+gateway", "overlays/production"):
        (route,) = objects(name, "GRPCRoute")
        (rule,) = route["spec"]["rules"]
        assert [m["method"]["service"] for m in rule["matches"]] == [
            "cooper.v1.SpatialReasoningService"]
        doors = [policy["metadata"]["name"]
                 for policy in objects(name, "NetworkPolicy")]
        assert "cooper-server-gateway" in doors


def inference_pool():
    (pool,) = objects("base+inference-pool", "InferencePool")
    assert pool["spec"]["targetPorts"] == [{"number": 8001}]
    assert pool["spec"]["appProtocol"] == "kubernetes.io/h2c"
    folder = KUBERNETES / "components/inference-pool"
    assert "Experimental" in (folder / "kustomization.yaml").read_text()
    text = (folder / "inferencepool.yaml").read_text()
    for gauge in ("queue_depth", "requests_running", "kv_cache_usage_ratio"):
        assert f"=cooper_{gauge}" in text
        assert f"`cooper_{gauge}` | gauge" in _manual("metrics.md")


def service_config():
    config = json.loads((DEPLOY / "client/service_config.json").read_text())
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
    assert config["healthCheckConfig"] == {"serviceName": "readiness"}
    assert config["retryThrottling"]["maxTokens"] > 0
    (method,) = config["methodConfig"]
    # Every service of ours; health checks are the channel's own, and reflection
    # is for people.
    protos = [path.read_text() for path in (ROOT / "proto").rglob("*.proto")]
    services = {f"{re.search('^package (.+);', text, re.M)[1]}.{service}"
                for text in protos
                for service in re.findall(r"^service (\w+)", text, re.M)}
    assert ({name["service"] for name in method["name"]}
            == {name for name in services if not name.startswith("grpc.")})
    retry = method["retryPolicy"]
    assert retry["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert retry["maxAttempts"] == 3
    assert (retry["initialBackoff"], retry["maxBackoff"]) == ("0.2s", "5s")
    assert "waitForReady" in _manual("deploy.md")


def kserve():
    (service,) = objects("overlays/kserve", "InferenceService")
    notes = service["metadata"]["annotations"]
    assert notes["prometheus.io/scrape"] == "true"
    assert notes["prometheus.io/port"] == "8002"
    container = _server("overlays/kserve")
    assert {"h2c": 8001, "metrics": 8002} == {
        port["name"]: port["containerPort"] for port in container["ports"]}
    assert "--checkpoint=/mnt/models" in container["args"]
    assert not objects("overlays/kserve", "Deployment")


def _weights_volume(name):
    (mount,) = [m for m in _server(name)["volumeMounts"]
                if m["name"] == "weights"]
    assert mount == {"name": "weights", "mountPath": "/mnt/models",
                     "readOnly": True}
    (volume,) = [v for v in _pod(name)["volumes"] if v["name"] == "weights"]
    return volume


def weights():
    volume = _weights_volume("overlays/gpu")
    assert volume["persistentVolumeClaim"]["readOnly"] is True
    (claim,) = objects("overlays/gpu", "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadOnlyMany"]
    assert (volume["persistentVolumeClaim"]["claimName"]
            == claim["metadata"]["name"])

    volume = _weights_volume("overlays/gpu-copy")
    assert set(volume) == {"name", "emptyDir"}
    (copy,) = _pod("overlays/gpu-copy")["initContainers"]
    assert "sha256sum --check --strict" in copy["args"][0]
    assert copy["command"] == ["/bin/sh", "-euc"]

    volume = _weights_volume("overlays/gpu-image")
    assert re.search(r"@sha256:[0-9a-f]{64}$", volume["image"]["reference"])
    assert "1.35" in (KUBERNETES / "components/weights-image"
                      / "kustomization.yaml").read_text()


def no_download():
    for name in PODS:
        container = _server(name)
        assert "command" not in container, "runs the server and nothing else"
        # But for where traces go, nothing has an address.
        words = re.sub(r"--otlp_traces_endpoint=[^\"]*", "",
                       json.dumps(container))
        assert "://" not in words
        # It could reach nothing if it wanted to (network_policy: what does).
        if name != "base+tracing":
            for policy in objects(name, "NetworkPolicy"):
                assert "egress" not in policy["spec"]


def restricted():
    for name in PODS:
        (namespace,) = objects(name, "Namespace")
        assert (namespace["metadata"]["labels"]
                ["pod-security.kubernetes.io/enforce"] == "restricted")
        pod = _pod(name)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {
            "type": "RuntimeDefault"}
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True}
        for volume in pod["volumes"]:
            if "emptyDir" in volume:
                assert "sizeLimit" in volume["emptyDir"], volume["name"]
            assert "hostPath" not in volume
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()


def caches():
    for name in PODS:
        assert {"name": "tmp", "mountPath": "/tmp"} in _server(
            name)["volumeMounts"]
    for name in [*CARDS, "overlays/kserve"]:
        assert {"name": "CUDA_CACHE_PATH", "value": "/tmp/cuda-cache"} in (
            _server(name)["env"])


def service_account():
    for name in PODS:
        (account,) = objects(name, "ServiceAccount")
        assert account["automountServiceAccountToken"] is False
        assert _pod(name)["automountServiceAccountToken"] is False
        assert _pod(name)["serviceAccountName"] == account["metadata"]["name"]


def network_policy():
    for name in PODS:
        policies = {item["metadata"]["name"]: item["spec"]
                    for item in objects(name, "NetworkPolicy")}
        spec = policies["cooper-server"]
        assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
        grpc, scrape = spec["ingress"]
        assert grpc["ports"] == [{"protocol": "TCP", "port": 8001}]
        assert all("podSelector" in peer for peer in grpc["from"])
        assert scrape["ports"] == [{"protocol": "TCP", "port": 8002}]
        (peer,) = scrape["from"]
        assert peer["namespaceSelector"]["matchLabels"] == {
            "kubernetes.io/metadata.name": "monitoring"}
        for other in policies.values():
            assert all(door["from"] for door in other.get("ingress", []))
        # Out: nothing, or names and traces.
        doors = [door for other in policies.values()
                 for door in other.get("egress", [])]
        assert all(door["to"] for door in doors)
        ports = {port["port"] for door in doors for port in door["ports"]}
        assert ports == ({53, 4318} if name == "base+tracing" else set())


def mutual_tls():
    container = _server("base+tls")
    for flag in ("tls_cert", "tls_key", "tls_client_ca"):
        assert any(item.startswith(f"--{flag}=/etc/cooper/tls/")
                   for item in container["args"])
    mounts = [m for m in container["volumeMounts"]
              if m["mountPath"].startswith("/etc/cooper/")]
    assert len(mounts) == 2
    assert all("subPath" not in m and m["readOnly"] for m in mounts)


def bearer_token():
    token = "--auth_token_file="
    assert any(item.startswith(token) for item in _server("base+tls")["args"])
    for name in PODS:
        arguments = _server(name)["args"]
        if any(item.startswith(token) for item in arguments):
            assert any(item.startswith("--tls_cert=") for item in arguments)


def digest():
    images = re.findall(r"^ *(?:- )?image: (\S+)$", render("overlays/production"),
                        re.M)
    assert images
    for image in images:
        assert re.search(r"@sha256:[0-9a-f]{64}$", image)


def monitors():
    assert objects("base+monitoring", "ServiceMonitor")
    assert not objects("base+monitoring", "PodMonitor")
    assert objects("base+pod-monitor", "PodMonitor")
    assert not objects("base+pod-monitor", "ServiceMonitor")
    for name in ("base+monitoring", "base+pod-monitor"):
        assert objects(name, "PrometheusRule")
        (board,) = objects(name, "ConfigMap")
        assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert json.loads(board["data"]["cooper.json"])["uid"] == "cooper-server"


def prometheus_rule():
    wanted = ["ErrorBudgetBurnFast", "ErrorBudgetBurnSlow",
              "FirstTokenLatencyHigh", "QueueSaturated", "RejectionsHigh",
              "EngineDown", "EngineStalled", "GpuMemoryLow", "PoolLeak",
              "Restarting", "CertExpiringSoon", "Absent"]
    (item,) = objects("base+monitoring", "PrometheusRule")
    alerts = {rule["alert"]: rule for group in item["spec"]["groups"]
              for rule in group["rules"] if "alert" in rule}
    assert {f"Cooper{name}" for name in wanted} <= alerts.keys()
    for rule in alerts.values():
        assert rule["annotations"]["runbook_url"]


def traces():
    container = _server("base+tracing")
    (endpoint,) = [item.split("=", 1)[1] for item in container["args"]
                   if item.startswith("--otlp_traces_endpoint=")]
    assert re.fullmatch(r"http://[a-z.-]+:4318/v1/traces", endpoint)
    (attributes,) = [item["value"] for item in container["env"]
                     if item["name"] == "OTEL_RESOURCE_ATTRIBUTES"]
    assert "k8s.pod.name=$(POD_NAME)" in attributes


def json_logs():
    for name in PODS:
        assert "--log_format=json" in _server(name)["args"]
