"""A stand-in for Consul, with what its documentation says of /v1/health/service/NAME: blocking queries, tags, tokens.

`consul.py PORT TOKEN`. It is told of instances by `PUT /instances` with a list of `{"address", "port", "tags"}`, which Consul has
other ways for.
"""

import http.server
import json
import sys
import threading
import time
import urllib.parse

CHANGED = threading.Condition()
STATE = {"index": 1, "instances": []}


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, index=None):
        data = json.dumps(body).encode()
        self.send_response(status)
        if index is not None:
            self.send_header("X-Consul-Index", str(index))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        query = urllib.parse.parse_qs(query)
        if path != "/v1/health/service/shop":
            return self.answer(404, "only this service is known")
        if self.headers.get("X-Consul-Token") != TOKEN:
            return self.answer(403, "rpc error: Permission denied")
        index = int(query.get("index", ["0"])[0])
        until = time.monotonic() + float(query.get("wait", ["300s"])[0].rstrip("s"))
        with CHANGED:
            while index and STATE["index"] <= index and time.monotonic() < until:
                CHANGED.wait(until - time.monotonic())
            index, instances = STATE["index"], STATE["instances"]
        wanted = set(query.get("tag", []))
        self.answer(200, [entry(number, one) for number, one in enumerate(instances) if wanted <= set(one["tags"])], index)

    def do_PUT(self):
        with CHANGED:
            STATE["instances"] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            STATE["index"] += 1
            CHANGED.notify_all()
        self.answer(200, True)

    def log_message(self, *_):
        pass


def entry(number, instance):
    return {
        "Node": {"Node": "here", "Address": "192.0.2.1"},
        "Service": {
            "ID": f"shop-{number}", "Service": "shop", "Tags": instance["tags"], "Address": instance["address"],
            "Port": instance["port"], "Weights": {"Passing": 1, "Warning": 1},
        },
        "Checks": [{"CheckID": "serfHealth", "Status": "passing"}],
    }


if __name__ == "__main__":
    TOKEN = sys.argv[2]
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
