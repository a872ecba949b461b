"""httpbin, whose mood is in a file: `good`, `slow` (half a second more), `failing` (503) or `unfit` (503 at /check alone)."""

import os
import pathlib
import time

import httpbin

MOOD = pathlib.Path(os.environ["MOOD"])


def app(environment, start):
    mood = MOOD.read_text().strip()
    is_check = environment["PATH_INFO"] == "/check"

    def begin(status, fields, *more):
        return start(status, [*fields, ("X-Instance", MOOD.name)], *more)

    if mood == "slow" and not is_check:
        time.sleep(0.5)
    if mood == "failing" or mood == "unfit" and is_check:
        begin("503 Service Unavailable", [("Content-Length", "0")])
        return [b""]
    if is_check:
        begin("200 OK", [("Content-Length", "0")])
        return [b""]
    return httpbin.app(environment, begin)
