#!/usr/bin/env python3
"""Writes cooper.json, the Grafana dashboard, beside itself.

The dashboard is for whoever is on call, from the top down: is it up, is it
fast, is it full, what fails, where does the time go, what does the process
use, how is the card. Change it here, run this, and commit both (a test compares them).
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


def card(field):
    """A field of NVIDIA's DCGM exporter, for the cards of the chosen replicas:
    it names the pod that has the card, not the replica."""
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


def up(board):
    board.row("Is it up?")
    board.stat("Alerts", "Alerts of these jobs that are firing now. What to do "
               "about each is in docs/operate.md.", "short",
               'count(ALERTS{alertname=~"Cooper.+", alertstate="firing", '
               'job=~"$job"}) or vector(0)', [(None, "green"), (1, "red")])
    board.stat("Replicas", "Replicas that Prometheus reaches.", "short",
               f"sum (up{{{MATCH}}} and on (job, instance) "
               f"cooper_ready{{{MATCH}}}) or vector(0)",
               [(None, "red"), (1, "blue")])
    board.stat("Ready", "Share of the replicas seen that take requests.",
               "percentunit", gauge("cooper_ready", how="avg"),
               [(None, "red"), (0.5, "orange"), (1, "green")])
    board.stat("Engines up", "Share of the replicas seen whose engine works.",
               "percentunit", gauge("cooper_engine_up", how="avg"),
               [(None, "red"), (1, "green")])
    board.stat("Requests", "Requests that end, a second, all methods.", "reqps",
               rate("cooper_requests_total"), [(None, "blue")])
    board.stat("Faults", "Share of requests that fail by the server's fault: "
               "INTERNAL, UNAVAILABLE, RESOURCE_EXHAUSTED. The objective is "
               "0.5 %.", "percentunit",
               f"{rate('cooper_requests_total', labels=FAULT)} / "
               f"({rate('cooper_requests_total')} > 0)",
               [(None, "green"), (0.005, "orange"), (0.03, "red")])
    board.stat("Longest standstill", "Of the engines with work: time since the "
               "last step.", "s",
               f"max ((time() - cooper_engine_last_step_timestamp_seconds{{{MATCH}}}) "
               f"and on (job, instance) (cooper_requests_running{{{MATCH}}} > 0)) "
               "or vector(0)",
               [(None, "green"), (30, "orange"), (120, "red")])
    board.stat("Youngest replica", "Time since the last start of any replica.",
               "s", f"time() - max (process_start_time_seconds{{{MATCH}}})",
               [(None, "orange"), (600, "green")])


def fast(board):
    board.row("Is it fast?")
    board.graph("First token", "From admission to the first token of a "
                "request, waiting included.", "s",
                quantiles("cooper_time_to_first_token_seconds"))
    board.graph("Between tokens", "From one token of a text to the next: what "
                "a reader sees as speed.", "s",
                quantiles("cooper_time_per_output_token_seconds"))
    board.graph("One map, 95th percentile", "From a map's start to its last "
                "flow step, by kind.", "s",
                quantiles("cooper_map_duration_seconds", "kind")[1:2])
    board.graph("Whole request, 95th percentile", "From an RPC's start to its "
                "end, by method; requests that ended well.", "s",
                [("histogram_quantile(0.95, " + rate(
                    "cooper_request_duration_seconds_bucket", "le, method",
                    'code="OK"') + ")", "{{method}}")])
    board.graph("Wait in the queue", "From admission to the first work.", "s",
                quantiles("cooper_queue_duration_seconds"))
    board.graph("After a cancel", "From seeing that the caller is gone to the "
                "slot being free.", "s",
                quantiles("cooper_cancel_latency_seconds"))


def full(board):
    board.row("Is it full?")
    board.graph("Queue and running", "Admitted requests that wait, and those "
                "that hold memory on the device.", "short",
                [(gauge("cooper_queue_depth", "instance"),
                  "{{instance}} waiting"),
                 (gauge("cooper_requests_running", "instance"),
                  "{{instance}} running")])
    board.graph("KV cache", "Used part of each replica's KV cache. Near 100 % "
                "requests wait or are refused.", "percentunit",
                [(gauge("cooper_kv_cache_usage_ratio", "instance"),
                  "{{instance}}")], max=1)
    board.graph("Batch size, mean", "Items that one engine step served "
                "together, by the step's kind.", "short",
                [(mean("cooper_batch_size", "phase"), "{{phase}}")])
    board.graph("In flight", "RPCs begun and not ended, by method.", "short",
                [(gauge("cooper_requests_in_flight", "method"),
                  "{{method}}")], stack=True)
    board.graph("Waiting for readers", "Bytes of events that slow readers have "
                "not taken yet.", "bytes",
                [(gauge("cooper_stream_buffer_bytes", "instance"),
                  "{{instance}}")])
    board.graph("Decoded input images", "Raster bytes of input images held "
                "now.", "bytes",
                [(gauge("cooper_image_decode_bytes_in_use", "instance"),
                  "{{instance}}")])
    board.graph("Who holds the KV cache", "Bytes of requests, of the beginnings "
                "kept for others, and of conversations between their turns. The "
                "last two give way to requests.", "bytes",
                [(gauge("cooper_kv_cache_bytes"), "requests"),
                 (gauge("cooper_prefix_cache_bytes"), "prefix cache"),
                 (gauge("cooper_session_bytes"), "conversations")],
                width=6, stack=True)
    board.graph("Found in the prefix cache", "Share of the tokens of texts and "
                "images that were looked for and need not be computed.",
                "percentunit",
                [(f"{rate('cooper_prefix_cache_hits_total')} / "
                  f"({rate('cooper_prefix_cache_queries_total')} > 0)",
                  "found")], width=6, max=1)
    board.graph("Conversations", "Conversations that are kept.", "short",
                [(gauge("cooper_sessions", "instance"), "{{instance}}")],
                width=6)
    board.graph("Dropped from the KV cache", "Beginnings that gave way to "
                "others or to requests, and conversations by the reason why "
                "they were dropped.", "ops",
                [(rate("cooper_prefix_cache_evictions_total"),
                  "prefix cache"),
                 (rate("cooper_sessions_evicted_total", "reason"),
                  "conversations: {{reason}}")], width=6, stack=True)
    board.graph("GPU memory of the server", "In tensors, taken for tensors, and "
                "free on the GPU. Only with a GPU.", "bytes",
                [(gauge("cooper_gpu_memory_allocated_bytes", "instance"),
                  "{{instance}} allocated"),
                 (gauge("cooper_gpu_memory_reserved_bytes", "instance"),
                  "{{instance}} reserved"),
                 (gauge("cooper_gpu_memory_free_bytes", "instance"),
                  "{{instance}} free")], width=12)
    board.graph("Batches that ran out of GPU memory", "Their requests were run "
                "again one by one; those that ran out alone are errors of "
                "reason gpu_memory.", "ops",
                [(rate("cooper_gpu_memory_retries_total", "phase"),
                  "{{phase}}")], width=12)


def fails(board):
    board.row("What fails?")
    board.graph("Ends but OK", "Requests that did not end with OK, by status "
                "code.", "reqps",
                [(rate("cooper_requests_total", "code", 'code!="OK"'),
                  "{{code}}")], stack=True)
    board.graph("Refused", "Requests refused before any work, by reason.",
                "reqps", [(rate("cooper_rejections_total", "reason"),
                           "{{reason}}")], stack=True)
    board.graph("Failed in the server", "Requests that failed while being "
                "worked on, by reason.", "reqps",
                [(rate("cooper_errors_total", "reason"), "{{reason}}"),
                 (rate("cooper_nonfinite_total"), "numbers not finite")],
                stack=True)
    board.graph("Ended early", "Requests ended by caller, deadline, slow "
                "reading or shutdown, by cause and by what was being done.",
                "reqps", [(rate("cooper_cancellations_total", "cause, phase"),
                           "{{cause}} in {{phase}}")], stack=True)
    board.graph("Images refused", "Input images refused, by reason.", "ops",
                [(rate("cooper_image_rejections_total", "reason"),
                  "{{reason}}")], stack=True)
    board.graph("Stalled readers", "Streams ended because their reader took "
                "nothing for too long.", "ops",
                [(rate("cooper_stream_stalls_total", "instance"),
                  "{{instance}}")], stack=True)
    board.graph("Warnings and errors", "Lines of the log at these levels, a "
                "second.", "ops",
                [(rate("cooper_log_messages_total", "level",
                       'level=~"warning|error"'), "{{level}}")], stack=True)


def time_spent(board):
    board.row("Where does the time go?")
    board.graph("By phase", "Seconds of work in each phase a second: their sum "
                "is how many workers are busy.", "s",
                [(rate("cooper_phase_duration_seconds_sum", "phase"),
                  "{{phase}}")], width=12, stack=True)
    board.graph("Engine steps, 95th percentile", "Time of one engine step by "
                "kind: text cannot flow faster than the longest lets it.", "s",
                quantiles("cooper_engine_step_duration_seconds", "phase")[1:2],
                width=12)
    board.graph("Engine steps", "Steps that the engines run, by kind.", "ops",
                [(rate("cooper_engine_steps_total", "phase"), "{{phase}}")],
                width=6, stack=True)
    board.graph("Tokens", "Prompt tokens read and tokens written a second.",
                "ops", [(rate("cooper_prompt_tokens_total"), "read"),
                        (rate("cooper_generation_tokens_total"), "written")],
                width=6)
    board.graph("Maps", "Maps and pictures drawn, by kind.", "ops",
                [(rate("cooper_images_generated_total", "kind"), "{{kind}}")],
                width=6, stack=True)
    board.graph("Flow steps", "Steps of maps, summed over the maps of a batch.",
                "ops", [(rate("cooper_diffusion_steps_total"), "flow steps")],
                width=6)
    board.graph("One flow step", "Time of one flow step of a batch.", "s",
                quantiles("cooper_diffusion_step_duration_seconds"))
    board.graph("Turns of a question", "Texts that the model wrote for one "
                "question.", "short", quantiles("cooper_reasoning_rounds"))
    board.graph("Why answers ended", "Requests that ended well, by reason.",
                "reqps", [(rate("cooper_finish_reason_total", "reason"),
                           "{{reason}}")], stack=True)


def process(board):
    board.row("What does it use?")
    board.graph("KV cache bytes", "Used, and the pool's size.", "bytes",
                [(gauge("cooper_kv_cache_bytes", "instance"),
                  "{{instance}} used"),
                 (gauge("cooper_kv_cache_capacity_bytes", "instance"),
                  "{{instance}} size")])
    board.graph("Resident memory", "Of the process.", "bytes",
                [(gauge("process_resident_memory_bytes", "instance"),
                  "{{instance}}")])
    board.graph("Processor", "Cores in use.", "short",
                [(rate("process_cpu_seconds_total", "instance"),
                  "{{instance}}")])
    board.graph("Open files", "Descriptors, sockets included.", "short",
                [(gauge("process_open_fds", "instance"), "{{instance}}")])
    board.graph("Start", "How long each stage of loading took.", "s",
                [(gauge("cooper_model_load_duration_seconds",
                        "instance, stage"), "{{instance}} {{stage}}")])
    board.graph("What runs", "Replicas by version, model, device and precision.",
                "short",
                [(gauge("cooper_build_info", "version"), "version {{version}}"),
                 (gauge("cooper_model_info", "model, device, dtype"),
                  "{{model}} on {{device}}, {{dtype}}")])


def cards(board):
    board.row("How is the card?")
    legend = "{{pod}} card {{gpu}}"
    board.graph("Card busy", "Share of the time with a kernel on the card, from "
                "NVIDIA's DCGM exporter.", "percent",
                [(card("GPU_UTIL"), legend)], width=6, max=100)
    board.graph("Card memory", "Of the cards of these replicas, from NVIDIA's "
                "DCGM exporter.", "mbytes",
                [(card("FB_USED"), f"{legend} used"),
                 (card("FB_FREE"), f"{legend} free")], width=6)
    board.graph("Card power", "What the cards draw, from NVIDIA's DCGM "
                "exporter.", "watt", [(card("POWER_USAGE"), legend)], width=6)
    board.graph("Card faults", "The last XID error (0: none) and memory errors "
                "that could not be corrected.", "short",
                [(card("XID_ERRORS"), f"{legend} XID"),
                 (card("ECC_DBE_VOL_TOTAL"), f"{legend} memory errors")],
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
    for section in (up, fast, full, fails, time_spent, process, cards):
        section(board)
    return {
        "uid": "cooper-server", "title": "COOPER server",
        "description": "Spatial reasoning over images: is it up, is it fast, "
                       "is it full, what fails, where does the time go, "
                       "how is the card.",
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
