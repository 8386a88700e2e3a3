#!/usr/bin/env python3
"""Writes cooper.json, the Grafana dashboard, beside itself.

The dashboard is for the engineer on call, from the top down: health, latency,
saturation, errors, time per phase, process, GPU. Change it here, run this, and
commit both (a test compares them).
"""

import json
import pathlib
import sys

MATCH = 'job=~"$job", instance=~"$instance"'
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


def rate(metric, by="", labels=""):
    """Sum of a counter's rate over the chosen replicas."""
    extra = f", {labels}" if labels else ""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({metric}{{{MATCH}{extra}}}[$__rate_interval]))"


def gauge(metric, by="", how="sum"):
    grouping = f" by ({by})" if by else ""
    return f"{how}{grouping} ({metric}{{{MATCH}}})"


def quantiles(metric, by=""):
    """Queries of the median, the 95th and the 99th percentile."""
    grouping = f"le, {by}" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    return [(f"histogram_quantile({q}, {rate(metric + '_bucket', grouping)})",
             f"{legend}p{q * 100:g}") for q in (0.5, 0.95, 0.99)]


def gpu(field):
    """A field of NVIDIA's DCGM exporter, for the GPUs of the chosen replicas:
    the exporter names the pod that has the GPU, not the replica."""
    return (f"DCGM_FI_DEV_{field} and on (namespace, pod) "
            f"cooper_engine_up{{{MATCH}}}")


def mean(metric, by=""):
    return f"{rate(metric + '_sum', by)} / {rate(metric + '_count', by)}"


class Board:
    """Places panels from left to right, row by row."""

    def __init__(self):
        self.panels = []
        self.x = self.y = self.row_height = 0

    def _place(self, width, height):
        if self.x + width > COLUMNS:
            self.x, self.y = 0, self.y + self.row_height
            self.row_height = 0
        position = {"x": self.x, "y": self.y, "w": width, "h": height}
        self.x += width
        self.row_height = max(self.row_height, height)
        return position

    def row(self, title):
        self.x, self.y = 0, self.y + self.row_height
        self.row_height = 1
        self.panels.append({
            "id": len(self.panels) + 1, "type": "row", "title": title,
            "collapsed": False, "panels": [],
            "gridPos": {"x": 0, "y": self.y, "w": COLUMNS, "h": 1}})
        self.y += 1
        self.row_height = 0

    def _panel(self, kind, title, description, unit, queries, width, height,
               options, custom=None, defaults=None, instant=False):
        targets = [{
            "refId": chr(ord("A") + i), "datasource": DATASOURCE,
            "expr": expr, "legendFormat": legend, "editorMode": "code",
            "range": not instant, "instant": instant,
        } for i, (expr, legend) in enumerate(queries)]
        self.panels.append({
            "id": len(self.panels) + 1, "type": kind, "title": title,
            "description": description, "datasource": DATASOURCE,
            "gridPos": self._place(width, height), "targets": targets,
            "options": options,
            "fieldConfig": {
                "defaults": {"unit": unit, **(defaults or {}),
                             "custom": custom or {}},
                "overrides": []}})

    def graph(self, title, description, unit, queries, width=8, stack=False,
              **defaults):
        self._panel(
            "timeseries", title, description, unit, queries, width, 8,
            {"legend": {"displayMode": "list", "placement": "bottom",
                        "showLegend": True},
             "tooltip": {"mode": "multi", "sort": "desc"}},
            {"drawStyle": "line", "lineWidth": 1, "showPoints": "never",
             "fillOpacity": 25 if stack else 0,
             "stacking": {"mode": "normal" if stack else "none"}},
            {"min": 0, **defaults})

    def stat(self, title, description, unit, query, steps, width=3):
        self._panel(
            "stat", title, description, unit, [(query, "")], width, 4,
            {"colorMode": "background", "graphMode": "none",
             "textMode": "auto",
             "reduceOptions": {"calcs": ["lastNotNull"], "fields": "",
                               "values": False}},
            defaults={"thresholds": {"mode": "absolute", "steps": [
                {"color": colour, "value": value} for value, colour in steps]}},
            instant=True)


FAULT = 'code=~"INTERNAL|UNAVAILABLE|RESOURCE_EXHAUSTED"'


def health(board):
    board.row("Health")
    board.stat("Alerts", "Alerts of these jobs that fire now. docs/operate.md "
               "has the runbook of each.", "short",
               'count(ALERTS{alertname=~"Cooper.+", alertstate="firing", '
               'job=~"$job"}) or vector(0)', [(None, "green"), (1, "red")])
    board.stat("Replicas", "Replicas that Prometheus reaches.", "short",
               f"sum (up{{{MATCH}}} and on (job, instance) "
               f"cooper_ready{{{MATCH}}}) or vector(0)",
               [(None, "red"), (1, "blue")])
    board.stat("Ready", "Share of the scraped replicas that accept requests.",
               "percentunit", gauge("cooper_ready", how="avg"),
               [(None, "red"), (0.5, "orange"), (1, "green")])
    board.stat("Engines up",
                "Share of the scraped replicas whose engine is operational.",
               "percentunit", gauge("cooper_engine_up", how="avg"),
               [(None, "red"), (1, "green")])
    board.stat("Requests",
                "Requests finished per second, all methods.", "reqps",
               f"{rate('cooper_requests_total')} or vector(0)",
               [(None, "blue")])
    board.stat("Faults", "Share of requests that fail by the server's fault: "
               "INTERNAL, UNAVAILABLE, RESOURCE_EXHAUSTED. The objective is "
               "0.5 %.", "percentunit",
               f"{rate('cooper_requests_total', labels=FAULT)} / "
               f"({rate('cooper_requests_total')} > 0) or vector(0)",
               [(None, "green"), (0.005, "orange"), (0.03, "red")])
    board.stat("Longest standstill", "Time since the last engine step, of the "
               "engines that have running requests.", "s",
               f"max ((time() - cooper_engine_last_step_timestamp_seconds{{{MATCH}}}) "
               f"and on (job, instance) (cooper_requests_running{{{MATCH}}} > 0)) "
               "or vector(0)",
               [(None, "green"), (30, "orange"), (120, "red")])
    board.stat("Youngest replica", "Time since the last start of any replica.",
               "s", f"time() - max (process_start_time_seconds{{{MATCH}}})",
               [(None, "orange"), (600, "green")])


def latency(board):
    board.row("Latency")
    board.graph("First token",
                "Time from admission to the first generated token "
                "of a request, queueing included.", "s",
                quantiles("cooper_time_to_first_token_seconds"))
    board.graph("Between tokens", "Time between two generated tokens of a "
                "request.", "s",
                quantiles("cooper_time_per_output_token_seconds"))
    board.graph("One map, 95th percentile",
                "Time from the start of a map or an "
                "image to its last denoising step, by kind.", "s",
                quantiles("cooper_map_duration_seconds", "kind")[1:2])
    board.graph("Whole request, 95th percentile", "Time of an RPC, by method; "
                "successful requests only.", "s",
                [("histogram_quantile(0.95, " + rate(
                    "cooper_request_duration_seconds_bucket", "le, method",
                    'code="OK"') + ")", "{{method}}")])
    board.graph("Wait in the queue", "Time from admission to the start.", "s",
                quantiles("cooper_queue_duration_seconds"))
    board.graph("After a cancel",
                "Time from a cancellation to the release of the "
                "request's KV cache.", "s",
                quantiles("cooper_cancel_latency_seconds"))


def saturation(board):
    board.row("Saturation")
    board.graph("Queue and running", "Requests in the queue, and requests that "
                "hold KV cache.", "short",
                [(gauge("cooper_queue_depth", "instance"),
                  "{{instance}} waiting"),
                 (gauge("cooper_requests_running", "instance"),
                  "{{instance}} running")])
    board.graph("KV cache",
                "Share of each replica's KV cache in use. Near 100 % "
                "requests wait or are rejected.", "percentunit",
                [(gauge("cooper_kv_cache_usage_ratio", "instance"),
                  "{{instance}}")], max=1)
    board.graph("Batch size, mean", "Items in the batch of an engine step, "
                "by phase.", "short",
                [(mean("cooper_batch_size", "phase"), "{{phase}}")])
    board.graph("In flight",
                "RPCs started and not finished, by method.", "short",
                [(gauge("cooper_requests_in_flight", "method"),
                  "{{method}}")], stack=True)
    board.graph("Connections",
                "Open connections of callers, and connections refused per "
                "second, by reason.", "short",
                [(gauge("cooper_grpc_connections", "instance"),
                  "{{instance}}"),
                 (rate("cooper_grpc_connections_refused_total", "reason"),
                  "refused: {{reason}}")])
    board.graph("Overload", "1: new work is refused, since the memory of the "
                "process is near its limit.", "short",
                [(gauge("cooper_overload_state", "instance"),
                  "{{instance}}")])
    board.graph("Waiting for readers", "Bytes of events that wait for their "
                "readers.", "bytes",
                [(gauge("cooper_stream_buffer_bytes", "instance"),
                  "{{instance}}")], width=12)
    board.graph("Decoded input images",
                "Memory reserved for the input images that are being decoded, "
                "the codecs' own included.", "bytes",
                [(gauge("cooper_image_decode_bytes_in_use", "instance"),
                  "{{instance}}")], width=12)
    board.graph("KV cache by holder", "KV cache of requests, of the prefix "
                "cache, and of idle conversation sessions. The last two are "
                "evicted for requests.", "bytes",
                [(gauge("cooper_kv_cache_bytes"), "requests"),
                 (gauge("cooper_prefix_cache_bytes"), "prefix cache"),
                 (gauge("cooper_session_bytes"), "sessions")],
                width=6, stack=True)
    board.graph("Prefix cache hit rate", "Share of the looked-up tokens that "
                "were found in the prefix cache and need no prefill.",
                "percentunit",
                [(f"{rate('cooper_prefix_cache_hits_total')} / "
                  f"({rate('cooper_prefix_cache_queries_total')} > 0)",
                  "hit rate")], width=6, max=1)
    board.graph("Sessions", "Conversation sessions held.", "short",
                [(gauge("cooper_sessions", "instance"), "{{instance}}")],
                width=6)
    board.graph("Evicted from the KV cache", "Prefixes evicted for other "
                "prefixes or for requests, and sessions by the reason of their "
                "eviction.", "ops",
                [(rate("cooper_prefix_cache_evictions_total"),
                  "prefix cache"),
                 (rate("cooper_sessions_evicted_total", "reason"),
                  "sessions: {{reason}}")], width=6, stack=True)
    board.graph("GPU memory of the server",
                "Allocated for tensors, reserved by "
                "the tensor allocator, and free. Only with a GPU.", "bytes",
                [(gauge("cooper_gpu_memory_allocated_bytes", "instance"),
                  "{{instance}} allocated"),
                 (gauge("cooper_gpu_memory_reserved_bytes", "instance"),
                  "{{instance}} reserved"),
                 (gauge("cooper_gpu_memory_free_bytes", "instance"),
                  "{{instance}} free")], width=12)
    board.graph("Batches that ran out of GPU memory",
                "Batches whose requests were "
                "run again one by one. Requests that ran out alone are errors "
                "of reason gpu_memory.", "ops",
                [(rate("cooper_gpu_memory_retries_total", "phase"),
                  "{{phase}}")], width=12)


def errors(board):
    board.row("Errors")
    board.graph("Not OK", "Requests that did not end with OK, by status "
                "code.", "reqps",
                [(rate("cooper_requests_total", "code", 'code!="OK"'),
                  "{{code}}")], stack=True)
    board.graph("Rejected", "Requests rejected before any work, by reason.",
                "reqps", [(rate("cooper_rejections_total", "reason"),
                           "{{reason}}")], stack=True)
    board.graph("Failed in the server", "Requests that failed while they "
                "ran, by reason.", "reqps",
                [(rate("cooper_errors_total", "reason"), "{{reason}}"),
                 (rate("cooper_nonfinite_total"), "non-finite numbers")],
                stack=True)
    board.graph("Ended early", "Requests ended by the client, the deadline, a "
                "stalled reader or shutdown, by cause and phase.",
                "reqps", [(rate("cooper_cancellations_total", "cause, phase"),
                           "{{cause}} in {{phase}}")], stack=True)
    board.graph("Images rejected", "Input images rejected, by reason.", "ops",
                [(rate("cooper_image_rejections_total", "reason"),
                  "{{reason}}")], stack=True)
    board.graph("Stalled readers", "Streams ended because their reader "
                "stalled.", "ops",
                [(rate("cooper_stream_stalls_total", "instance"),
                  "{{instance}}")], stack=True)
    board.graph("Warnings and errors", "Log lines at these levels per "
                "second.", "ops",
                [(rate("cooper_log_messages_total", "level",
                       'level=~"warning|error"'), "{{level}}")], stack=True)
    board.graph("Log lines dropped", "Log lines per second that were lost: the "
                "reader of the log takes too little, or writing fails.", "ops",
                [(rate("cooper_log_lines_dropped_total", "instance"),
                  "{{instance}}")], stack=True)


def time_per_phase(board):
    board.row("Time per phase")
    board.graph("By phase",
                "Seconds of work in each phase per second: their sum "
                "is the number of busy workers.", "s",
                [(rate("cooper_phase_duration_seconds_sum", "phase"),
                  "{{phase}}")], width=12, stack=True)
    board.graph("Engine steps, 95th percentile", "Time of an engine step, by "
                "phase. Between two tokens of a text there may be a step of "
                "each phase.", "s",
                quantiles("cooper_engine_step_duration_seconds", "phase")[1:2],
                width=12)
    board.graph("Engine steps", "Engine steps per second, by phase.", "ops",
                [(rate("cooper_engine_steps_total", "phase"), "{{phase}}")],
                width=6, stack=True)
    board.graph("Tokens", "Prompt tokens and generated tokens per second.",
                "ops", [(rate("cooper_prompt_tokens_total"), "prompt"),
                        (rate("cooper_generation_tokens_total"), "generated")],
                width=6)
    board.graph("Maps", "Maps and images generated, by kind.", "ops",
                [(rate("cooper_images_generated_total", "kind"), "{{kind}}")],
                width=6, stack=True)
    board.graph("Denoising steps", "Denoising steps, summed over the maps and "
                "images of a batch.",
                "ops", [(rate("cooper_denoise_steps_total"), "denoising steps")],
                width=6)
    board.graph("Denoising step", "Time of a denoising step of a batch.", "s",
                quantiles("cooper_denoise_step_duration_seconds"))
    board.graph("Rounds of a request", "Texts generated for a "
                "request.", "short", quantiles("cooper_reasoning_rounds"))
    board.graph("Why answers ended", "Successful requests, by reason.",
                "reqps", [(rate("cooper_finish_reason_total", "reason"),
                           "{{reason}}")], stack=True)


def process(board):
    board.row("Process")
    board.graph("KV cache bytes", "KV cache in use, and its size.", "bytes",
                [(gauge("cooper_kv_cache_bytes", "instance"),
                  "{{instance}} used"),
                 (gauge("cooper_kv_cache_capacity_bytes", "instance"),
                  "{{instance}} size")])
    board.graph("Resident memory", "Resident memory of the process.", "bytes",
                [(gauge("process_resident_memory_bytes", "instance"),
                  "{{instance}}")])
    board.graph("CPU", "CPU cores in use.", "short",
                [(rate("process_cpu_seconds_total", "instance"),
                  "{{instance}}")])
    board.graph("Open files",
                "Open file descriptors, including sockets.", "short",
                [(gauge("process_open_fds", "instance"), "{{instance}}")])
    board.graph("Start", "Time of each stage of loading the model.", "s",
                [(gauge("cooper_model_load_duration_seconds",
                        "instance, stage"), "{{instance}} {{stage}}")])
    board.graph("Versions", "Replicas by version, model, device and precision.",
                "short",
                [(gauge("cooper_build_info", "version"), "version {{version}}"),
                 (gauge("cooper_model_info", "model, device, dtype"),
                  "{{model}} on {{device}}, {{dtype}}")])


def gpus(board):
    board.row("GPU")
    legend = "{{pod}} GPU {{gpu}}"
    board.graph("GPU utilisation (DCGM)", "Share of the time with a kernel on "
                "the GPU, from NVIDIA's DCGM exporter.", "percent",
                [(gpu("GPU_UTIL"), legend)], width=6, max=100)
    board.graph("GPU memory (DCGM)", "Memory of the GPUs of these replicas, "
                "from NVIDIA's DCGM exporter.", "mbytes",
                [(gpu("FB_USED"), f"{legend} used"),
                 (gpu("FB_FREE"), f"{legend} free")], width=6)
    board.graph("GPU power (DCGM)", "Power of the GPUs, from NVIDIA's DCGM "
                "exporter.", "watt", [(gpu("POWER_USAGE"), legend)], width=6)
    board.graph("GPU faults (DCGM)", "The last XID error (0: none) and "
                "uncorrectable memory errors.", "short",
                [(gpu("XID_ERRORS"), f"{legend} XID"),
                 (gpu("ECC_DBE_VOL_TOTAL"), f"{legend} memory errors")],
                width=6)


def variable(name, label, query):
    return {
        "type": "query", "name": name, "label": label,
        "datasource": DATASOURCE, "definition": query,
        "query": {"query": query, "refId": f"variable-{name}"},
        "refresh": 2, "sort": 1, "includeAll": True, "multi": True,
        "allValue": ".+", "current": {"text": ["All"], "value": ["$__all"]}}


def dashboard():
    board = Board()
    for section in (health, latency, saturation, errors,
                    time_per_phase, process, gpus):
        section(board)
    return {
        "uid": "cooper-server", "title": "COOPER server",
        "description": "Spatial reasoning over images: health, latency, "
                       "saturation, errors, time per phase, process, GPU.",
        "tags": ["cooper"], "schemaVersion": 39, "version": 1,
        "editable": False, "graphTooltip": 1, "timezone": "browser",
        "refresh": "30s", "time": {"from": "now-1h", "to": "now"},
        "annotations": {"list": []}, "links": [],
        "templating": {"list": [
            {"type": "datasource", "name": "datasource", "label": "Data source",
             "query": "prometheus", "refresh": 1, "current": {}},
            variable("job", "Job", "label_values(cooper_engine_up, job)"),
            variable("instance", "Instance",
                     'label_values(cooper_engine_up{job=~"$job"}, instance)')]},
        "panels": board.panels}


if __name__ == "__main__":
    text = json.dumps(dashboard(), indent=1) + "\n"
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(text)
    else:
        pathlib.Path(__file__).with_name("cooper.json").write_text(text)
