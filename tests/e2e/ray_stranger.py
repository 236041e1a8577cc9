"""What a pod gets from a Ray head of somebody else's: a program for the trainer image; prints JSON, door by door.

Each door is tried without a token, with a wrong one, and with the right one, which shows that there is a door.
"""

import json
import os
import subprocess
import urllib.error
import urllib.request

import grpc
from ray.core.generated import ray_client_pb2, ray_client_pb2_grpc

HEAD = os.environ["HEAD"]
TOKENS = {"none": "", "wrong": "wrong", "right": os.environ["RIGHT_TOKEN"]}


def submission(token: str) -> int:
    """Submit a job by HTTP; the answer's status."""
    body = json.dumps({"entrypoint": "true"}).encode()
    request = urllib.request.Request(f"http://{HEAD}:8265/api/jobs/", body, {"Content-Type": "application/json"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def ray_client(token: str) -> str:
    """Greet the server of the Ray client; the status of gRPC."""
    stub = ray_client_pb2_grpc.RayletDriverStub(grpc.insecure_channel(f"{HEAD}:10001"))
    ping = ray_client_pb2.ClusterInfoRequest(type=ray_client_pb2.ClusterInfoType.PING)
    shown = [("authorization", f"Bearer {token}")] if token else []
    try:
        stub.ClusterInfo(ping, timeout=60, metadata=[("client_id", "stranger"), *shown])
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def cluster_state(token: str) -> str:
    """Ask for the cluster's state, as a node does that joins."""
    shown = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {"RAY_AUTH_MODE": "disabled"}
    command = ["ray", "status", "--address", f"{HEAD}:6379"]
    done = subprocess.run(command, env={**os.environ, **shown}, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    return "OK" if done.returncode == 0 else "InvalidAuthToken" if "InvalidAuthToken" in said else said[-500:]


if __name__ == "__main__":
    doors = (submission, ray_client, cluster_state)
    print(json.dumps({door.__name__: {name: door(token) for name, token in TOKENS.items()} for door in doors}))
