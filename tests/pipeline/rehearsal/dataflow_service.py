"""A stand-in for the Dataflow service, for Beam's real Dataflow client.

    python -m tests.pipeline.rehearsal.dataflow_service PORT JOB_SERVER WORKER_POOL

It answers the few REST calls that the client makes, reads the graph that the client staged in the bucket, and has a
Beam job server run it with workers from a pool. It tries a failed job four times, as Dataflow tries a bundle (see
https://cloud.google.com/dataflow/docs/pipeline-lifecycle, "Error and exception handling").
"""

import json
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc, beam_runner_api_pb2
from google.cloud import storage
from google.protobuf import struct_pb2

TRIES = 4
ENDED = ("DONE", "FAILED", "CANCELLED")


@dataclass
class DataflowJob:
    """A job as the client sent it, and what became of it."""

    request: dict[str, Any]
    number: int
    project: str
    location: str
    state: str = "RUNNING"
    messages: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the job as the service describes it."""
        asked = {key: self.request[key] for key in ("name", "type", "clientRequestId") if key in self.request}
        place = {"projectId": self.project, "location": self.location}
        return {"id": f"job-{self.number}", "currentState": f"JOB_STATE_{self.state}", **place, **asked}


def find_values(value: Any, key: str) -> Iterator[Any]:
    """Yield what stands under a key anywhere in nested JSON."""
    if isinstance(value, dict):
        if key in value:
            yield value[key]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from find_values(item, key)


def read_staged_graph(job: DataflowJob, pool: str) -> beam_runner_api_pb2.Pipeline:
    """Return the graph of a job from the bucket; its workers come from the pool."""
    address = next(find_values(job.request["environment"], "pipelineUrl"))
    bucket, _, name = address.removeprefix("gs://").partition("/")
    data = storage.Client.create_anonymous_client().bucket(bucket).blob(name).download_as_bytes()
    graph = beam_runner_api_pb2.Pipeline.FromString(data)
    for environment in graph.components.environments.values():
        environment.urn = "beam:env:external:v1"
        environment.payload = beam_runner_api_pb2.ExternalPayload(endpoint={"url": pool}).SerializeToString()
        del environment.dependencies[:]
    return graph


def try_job(job: DataflowJob, graph: beam_runner_api_pb2.Pipeline, server: str) -> str:
    """Have the job server run a graph; return the state in which it ends."""
    options = struct_pb2.Struct()
    options.update({"beam:option:job_name:v1": job.request["name"], "beam:option:experiments:v1": ["beam_fn_api"]})
    with grpc.insecure_channel(server) as channel:
        stub = beam_job_api_pb2_grpc.JobServiceStub(channel)
        asked = beam_job_api_pb2.PrepareJobRequest(
            job_name=job.request["name"], pipeline=graph, pipeline_options=options
        )
        prepared = stub.Prepare(asked)
        run = stub.Run(beam_job_api_pb2.RunJobRequest(preparation_id=prepared.preparation_id))
        for event in stub.GetMessageStream(beam_job_api_pb2.JobMessagesRequest(job_id=run.job_id)):
            if event.HasField("message_response"):
                job.messages.append(event.message_response.message_text)
            state = str(beam_job_api_pb2.JobState.Enum.Name(event.state_response.state))
            if event.HasField("state_response") and state in ENDED:
                return state
    return "FAILED"


def run_job(job: DataflowJob, server: str, pool: str) -> None:
    """Run a job to its end; a failure is tried again."""
    try:
        graph = read_staged_graph(job, pool)
        for number in range(1, TRIES + 1):
            state = try_job(job, graph, server)
            print(f"{job.request['name']} try {number}: {state}", flush=True)
            if state != "FAILED":
                break
        job.state = state
    except Exception:
        job.messages.append(traceback.format_exc())
        traceback.print_exc()
        job.state = "FAILED"


class DataflowService(BaseHTTPRequestHandler):
    """The few calls of Dataflow's REST interface that a Beam client makes."""

    jobs: dict[str, DataflowJob] = {}
    server_address = pool_address = ""

    def send_json(self, value: dict[str, Any]) -> None:
        """Answer with JSON."""
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Write no access log."""

    def do_POST(self) -> None:
        """Take a job and begin to run it."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not re.search(r"/jobs($|\?)", self.path):
            return self.send_json({})
        place = re.search(r"/projects/([^/]+)/locations/([^/]+)/", self.path)
        project, location = place.groups() if place else ("", "")
        job = DataflowJob(json.loads(body), len(self.jobs), project, location)
        self.jobs[f"job-{job.number}"] = job
        arguments = (job, self.server_address, self.pool_address)
        threading.Thread(target=run_job, args=arguments, daemon=True).start()
        self.send_json(job.to_json())

    def do_GET(self) -> None:
        """Describe one job, its messages, its metrics (none are kept), or all jobs."""
        asked = re.search(r"/jobs/(job-\d+)(/messages|/metrics)?", self.path)
        if not asked:
            return self.send_json({"jobs": [job.to_json() for job in self.jobs.values()]})
        job = self.jobs[asked[1]]
        if asked[2] == "/messages":
            facts = {"time": "2026-01-01T00:00:00Z", "messageImportance": "JOB_MESSAGE_BASIC"}
            listed = [{"id": str(n), "messageText": text} | facts for n, text in enumerate(job.messages)]
            return self.send_json({"jobMessages": listed})
        self.send_json({"metrics": []} if asked[2] else job.to_json())


def main(port: str, server: str, pool: str) -> None:
    """Serve on the loopback address until killed."""
    DataflowService.server_address, DataflowService.pool_address = server, pool
    ThreadingHTTPServer(("127.0.0.1", int(port)), DataflowService).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
