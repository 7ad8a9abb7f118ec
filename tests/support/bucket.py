"""A bucket on this machine: moto's server, and one before it that hands requests on or answers wrongly."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import boto3
from moto.server import ThreadedMotoServer

from standin.web import Exchange, Fault, Reply, Request, WebServer

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDVISIBLE",
    "AWS_SECRET_ACCESS_KEY": "SECRETVISIBLE",
    "AWS_SESSION_TOKEN": "TOKENVISIBLE",
}
URL = "s3://bucket/pre/fix"


@contextmanager
def moto() -> Iterator[str]:
    """Start moto's server with a bucket; yield its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def new_bucket(address: str) -> None:
    """Make the bucket anew, empty."""
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
    http_post(address, "/moto-api/reset")
    client.create_bucket(Bucket="bucket")


def http_post(address: str, path: str) -> None:
    """Send an empty request to moto."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"))
    connection.request("POST", path)
    connection.getresponse().read()
    connection.close()


def front(address: str) -> WebServer:
    """Start a server that hands requests on to moto, unless it has faults."""

    def hand_on(request: Request) -> Reply:
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
        query = f"?{request.query}" if request.query else ""
        headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        path = request.path.replace(" ", "%20")
        connection.request(request.method, f"{path}{query}", request.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        kept = ("content-length", "transfer-encoding", "connection", "date", "server")
        sent = tuple((name, value) for name, value in answer.getheaders() if name.lower() not in kept)
        connection.close()
        return Reply(answer.status, body, sent)

    return WebServer(hand_on)


def refusal(status: int, code: str) -> Fault:
    """Answer with an error as S3 writes it, which names the key."""
    body = f"<Error><Code>{code}</Code><Message>no</Message><AWSAccessKeyId>AKIDVISIBLE</AWSAccessKeyId></Error>"
    return lambda exchange: Reply(status, body.encode(), (("Content-Type", "application/xml"),))


def only(chosen: Callable[[Request], bool], fault: Fault, times: int = 10**9) -> Fault:
    """Answer so many of the chosen requests wrongly, all others rightly."""
    left = [times]

    def answer(exchange: Exchange) -> Reply:
        if chosen(exchange.request) and left[0] > 0:
            left[0] -= 1
            return fault(exchange)
        return exchange.answer()

    return answer
