"""What is checked: each Check is a request and what is expected; what does not fit that form is a function below."""

import collections
import dataclasses
import json
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading
import time
import traceback
import urllib.request


@dataclasses.dataclass
class Setup:
    """What runs."""

    port: int
    inner: int
    admin: int
    instances: list
    gateway: subprocess.Popen
    folder: pathlib.Path


@dataclasses.dataclass
class Check:
    """One request by curl. A header of None must be absent; `sent` is what httpbin saw; `seen` the URL's path there."""

    name: str
    host: str
    path: str
    curl: tuple = ()
    status: int = 200
    headers: dict = dataclasses.field(default_factory=dict)
    sent: dict = dataclasses.field(default_factory=dict)
    seen: str = ""


@dataclasses.dataclass
class Answer:
    """What curl got: the final head, the statuses of all heads, the body, and curl's own exit status."""

    status: int
    statuses: list
    headers: dict
    body: bytes
    exit: int

    def json(self):
        return json.loads(self.body)


def rule(name, host, path, expected, *curl):
    return Check(name, host, path, curl, headers={"x-rule": expected})


def redirect(name, path, status, location):
    return Check(name, "redirects.example", path, status=status, headers={"location": location})


def rewrite(name, path, seen, host="rewrites.example:PORT"):
    return Check(name, "rewrites.example", path, seen=seen, sent={"Host": host})


CHECKS = [
    rule("match: exact path", "matches.example", "/anything/exact", "exact"),
    rule("match: exact path, not below it", "matches.example", "/anything/exact/more", "rest"),
    rule("match: path prefix", "matches.example", "/anything/prefix/x?y=z", "prefix"),
    rule("match: path prefix by element", "matches.example", "/anything/prefixed", "rest"),
    rule("match: longest prefix", "matches.example", "/anything/prefix/longer/x", "longer prefix"),
    rule("match: regular expression", "matches.example", "/anything/orders/42", "regex"),
    rule("match: regular expression fits the whole path", "matches.example", "/anything/orders/42x", "rest"),
    rule("match: dot segments are resolved before", "matches.example", "/anything/x/%2e%2e/exact", "exact", "--path-as-is"),
    rule("match: header", "matches.example", "/anything", "header", "-H", "X-VERSION: v2"),
    rule("match: header of another value", "matches.example", "/anything", "rest", "-H", "X-Version: v3"),
    rule("match: two headers before one", "matches.example", "/anything", "two headers", "-H", "X-Version: v2",
         "-H", "X-Color: green"),
    rule("match: query parameter", "matches.example", "/anything?a=b&animal=whale", "query"),
    rule("match: query parameter by expression", "matches.example", "/anything?animal=dolphin", "query"),
    rule("match: query parameter of another value", "matches.example", "/anything?animal=cat", "rest"),
    rule("match: method", "matches.example", "/anything", "method", "-X", "DELETE"),
    rule("match: wildcard host", "a.b.wild.example", "/anything", "wildcard"),
    rule("match: exact host before wildcard", "exact.wild.example", "/anything", "exact host"),
    Check("match: wildcard spares the bare domain", "wild.example", "/anything", headers={"x-rule": None}),

    Check("filter: request header", "headers.example", "/anything",
          ("-H", "X-Set: by the client", "-H", "X-Added: by the client", "-H", "X-Removed: by the client"),
          sent={"X-Set": "by the gateway", "X-Added": "by the client,by the gateway", "X-Removed": None}),
    Check("filter: response header", "headers.example",
          "/response-headers?X-Set=by%20httpbin&X-Added=by%20httpbin&X-Removed=by%20httpbin",
          headers={"x-set": "by the gateway", "x-added": "by httpbin, by the gateway", "x-removed": None}),

    redirect("redirect: scheme", "/scheme/x?y=z", 302, "https://redirects.example/scheme/x?y=z"),
    redirect("redirect: host", "/host/x", 302, "http://other.example:PORT/host/x"),
    redirect("redirect: port", "/port/x", 302, "http://redirects.example:8443/port/x"),
    redirect("redirect: default port is left out", "/default-port/x", 302, "http://redirects.example/default-port/x"),
    redirect("redirect: full path, 301", "/full/x?y=z", 301, "http://redirects.example:PORT/new?y=z"),
    redirect("redirect: prefix, 307", "/prefix/x", 307, "http://redirects.example:PORT/new/x"),
    redirect("redirect: prefix cut, 308", "/cut/x", 308, "http://redirects.example:PORT/x"),
    redirect("redirect: all at once, 303", "/all/x", 303, "https://other.example:8443/new"),
    Check("redirect: the body of a POST is not in the way", "redirects.example", "/scheme", ("-d", "a=b"), status=302),

    rewrite("rewrite: host", "/anything/host/x", "/anything/host/x", host="inner.example"),
    rewrite("rewrite: full path", "/full/x?y=z", "/anything/full?y=z"),
    rewrite("rewrite: prefix", "/prefix/x", "/anything/new/x"),
    rewrite("rewrite: bare prefix", "/prefix", "/anything/new"),
    rewrite("rewrite: prefix cut", "/cut/anything/x", "/anything/x"),
    rewrite("rewrite: host and prefix", "/both/x", "/anything/both/x", host="inner.example"),

    Check("failure: no such route's backend", "failures.example", "/missing", status=500),
    Check("failure: no instance", "failures.example", "/empty", status=503),
    Check("failure: no instance that can be reached", "failures.example", "/dead", status=503),
    Check("failure: no route", "failures.example", "/nowhere", status=404),

    Check("timeout: request", "waits.example", "/delay/5", status=504),
    Check("timeout: backend request", "waits.example", "/delay/5", ("-H", "X-Attempt: short"), status=504),
    Check("timeout: in time", "waits.example", "/delay/1"),

    Check("message: HEAD", "all.example", "/get", ("--head",), headers={"content-type": "application/json"}),
    Check("message: OPTIONS", "all.example", "/get", ("-X", "OPTIONS")),
    Check("message: 204", "all.example", "/status/204", status=204, headers={"transfer-encoding": None}),
    Check("message: 304", "all.example", "/cache", ("-H", "If-None-Match: x"), status=304),
    Check("message: status of the origin", "all.example", "/status/418", status=418),
    Check("message: HTTP/1.0 client", "all.example", "/anything", ("--http1.0",), headers={"transfer-encoding": None}),
    Check("message: HTTP/2 client with prior knowledge", "all.example", "/anything", ("--http2-prior-knowledge", "-d", "a=b"),
          headers={"connection": None, "content-type": "application/json"}, sent={"Content-Length": "3"}),
    Check("message: gzip passes", "all.example", "/gzip", ("--compressed",), headers={"content-encoding": "gzip"}),
    Check("message: range", "all.example", "/range/1000", ("-r", "10-19"), status=206,
          headers={"content-range": "bytes 10-19/1000"}),
    Check("message: upgrade that the origin does not take", "all.example", "/anything",
          ("-H", "Connection: Upgrade", "-H", "Upgrade: chat/2"), sent={"Upgrade": "chat/2"}, headers={"upgrade": None}),
    Check("message: hop-by-hop fields end here", "all.example", "/anything",
          ("-H", "Connection: X-Hop", "-H", "X-Hop: here", "-H", "Keep-Alive: timeout=5", "-H", "TE: gzip"),
          sent={"X-Hop": None, "Keep-Alive": None, "Te": None, "Connection": None}),
    Check("message: forwarding fields of strangers are replaced", "all.example", "/anything?show_env=1",
          ("-H", "X-Forwarded-For: 1.2.3.4", "-H", "X-Forwarded-Proto: https", "-H", "X_Forwarded_For: 1.2.3.4"),
          sent={"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http"}),
    Check("message: a cookie", "all.example", "/cookies/set?a=b", status=302, headers={"set-cookie": "a=b; Path=/"}),
    Check("message: half of the instances are dead", "failures.example", "/anything/half-dead"),
]


def run(setup):
    """Runs all checks, prints a line each, and gives the number of those that failed."""
    failed = 0
    for name, check in [(check.name, lambda check=check: carry_out(setup, check)) for check in CHECKS] + [
            (function.__doc__.rstrip("."), lambda function=function: function(setup)) for function in FUNCTIONS]:
        try:
            check()
            print(f"ok      {name}", flush=True)
        except Exception as error:
            failed += 1
            text = str(error) if isinstance(error, AssertionError) else traceback.format_exc().strip()
            print(f"FAILED  {name}: {text}", flush=True)
    print(f"{len(CHECKS) + len(FUNCTIONS) - failed} passed, {failed} failed")
    return failed


def carry_out(setup, check):
    answer = curl(setup, check.host, check.path, *check.curl)
    expect("status", answer.status, check.status)
    for name, value in check.headers.items():
        value = value and value.replace("PORT", str(setup.port))
        expect(f"field {name}", answer.headers.get(name), value)
    if check.sent or check.seen:
        got = answer.json()
        for name, value in check.sent.items():
            value = value and value.replace("PORT", str(setup.port))
            expect(f"field {name} at httpbin", got["headers"].get(name), value)
        if check.seen:
            expect("path at httpbin", re.sub(r"^https?://[^/]*", "", got["url"]), check.seen)


def expect(what, got, wanted):
    assert got == wanted, f"{what} is {got!r}, not {wanted!r}"


def curl(setup, host, path, *arguments, port=None, stdin=None):
    """One request by curl to the gateway, with the host in the URL."""
    port = port or setup.port
    head, body = setup.folder / "head", setup.folder / "body"
    for file in (head, body):
        file.write_bytes(b"")
    process = subprocess.run(
        ["curl", "--silent", "--show-error", "--http1.1", "--max-time", "20", "--noproxy", "*", "--dump-header", head,
         "--output", body, "--connect-to", f"::127.0.0.1:{port}", *arguments, f"http://{host}:{port}{path}"],
        input=stdin, capture_output=True)
    heads = [part for part in head.read_text("latin-1").replace("\r\n", "\n").split("\n\n") if part.strip()]
    if not heads:
        raise AssertionError(f"curl got no answer: {process.stderr.decode().strip()}")
    statuses = [int(part.split(None, 2)[1]) for part in heads]
    fields = collections.defaultdict(list)
    for line in heads[-1].splitlines()[1:]:
        name, _, value = line.partition(":")
        fields[name.lower()].append(value.strip())
    joined = {name: ", ".join(values) for name, values in fields.items()}
    return Answer(statuses[-1], statuses, joined, body.read_bytes(), process.returncode)


def free_ports(count):
    """Ports that are free, below those that the system gives to outgoing connections: these may take one any moment."""
    ports = []
    for port in random.sample(range(20_000, 32_000), 1_000):
        if is_free(port):
            ports.append(port)
        if len(ports) == count:
            return ports
    raise RuntimeError("hardly any port is free")


def is_free(port):
    with socket.socket() as candidate:
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def raw(setup, request, wait=5):
    """Sends bytes and gives what comes until the gateway closes."""
    with socket.create_connection(("127.0.0.1", setup.port), timeout=wait) as connection:
        connection.sendall(request)
        got = b""
        while data := connection.recv(65536):
            got += data
        return got


def lines_at_origins(setup, text):
    """How many requests with the text each instance has logged."""
    return [instance.requests(text) for instance in setup.instances]


def metrics(setup):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(f"http://127.0.0.1:{setup.admin}/metrics", timeout=5).read().decode()


def weights_are_kept(setup):
    """Weights: three to one, nothing to weight 0; each backend's own filters."""
    drawn = collections.Counter()
    for _ in range(200):
        answer = curl(setup, "weights.example", "/anything")
        expect("status", answer.status, 200)
        backend = answer.headers["x-backend"]
        expect("x-backend at httpbin", answer.json()["headers"].get("X-Backend"), "heavy" if backend == "heavy" else None)
        drawn[backend] += 1
    # Six standard deviations: a fair draw fails once in some hundred million runs.
    assert 113 <= drawn["heavy"] <= 187, drawn


def every_instance_has_a_share(setup):
    """Balancing: every instance gets some requests, one that was slow before after a while."""
    number, deadline = 0, time.monotonic() + 120
    while number < 60 or not all(lines_at_origins(setup, "share=")):
        # An instance that took seconds for one of the checks above is passed over until that is forgotten.
        assert time.monotonic() < deadline, lines_at_origins(setup, "share=")
        expect("status", curl(setup, "all.example", f"/get?share={number}").status, 200)
        number += 1
    expect("requests in all", sum(lines_at_origins(setup, "share=")), number)


def round_robin_is_even(setup):
    """Balancing: in turn, as a BackendPolicy says."""
    for number in range(60):
        expect("status", curl(setup, "all.example", f"/get?turn={number}", port=setup.inner).status, 200)
    shares = lines_at_origins(setup, "turn=")
    # Each of the two threads takes turns of its own.
    assert sum(shares) == 60 and max(shares) - min(shares) <= 2, shares


def parameters_of_a_gateway_hold(setup):
    """GatewayParameters: a trusted client's fields are extended, it is told why a request failed; a bound of its own."""
    answer = curl(setup, "all.example", "/anything?show_env=1", "-H", "X-Forwarded-For: 192.0.2.1", port=setup.inner)
    expect("X-Forwarded-For at httpbin", answer.json()["headers"]["X-Forwarded-For"].replace(" ", ""), "192.0.2.1,127.0.0.1")
    dead = curl(setup, "all.example", "/dead", port=setup.inner)
    assert dead.status == 503 and dead.headers.get("x-irongate-reason"), dead
    long = ("-H", f"X-Long: {'x' * 5000}")
    expect("status of a long head", curl(setup, "all.example", "/get", *long, port=setup.inner).status, 431)
    expect("status of a long head elsewhere", curl(setup, "all.example", "/get", *long).status, 200)


def dead_instance_is_not_noticed(setup):
    """Retries: a dead instance is not noticed by 30 callers."""
    for number in range(30):
        expect("status", curl(setup, "failures.example", f"/anything/half-dead/{number}").status, 200)


def killed_instance_is_not_noticed(setup):
    """Retries: an instance killed with -9 is not noticed by 100 callers; started again, it has its share within 5 s."""
    victim = setup.instances[2]
    for number in range(100):
        if number == 30:
            victim.kill()
        expect("status", curl(setup, "all.example", f"/get?killed={number}").status, 200)
    victim.restart()
    back = time.monotonic()
    while not victim.requests("back="):
        assert time.monotonic() < back + 5, "it got no request for 5 s"
        expect("status", curl(setup, "all.example", "/get?back=").status, 200)


def listed_codes_are_tried_again(setup):
    """Retries: a listed status is tried twice more, another one is not."""
    expect("status", curl(setup, "waits.example", "/status/503?again").status, 503)
    expect("tries", sum(lines_at_origins(setup, "/status/503?again")), 3)
    expect("status", curl(setup, "waits.example", "/status/502?again").status, 502)
    expect("tries", sum(lines_at_origins(setup, "/status/502?again")), 1)


def bodies_come_back_whole(setup):
    """Bodies: 3 MB up and down again, with a length."""
    text = "".join(f"{number:07}" for number in range(430_000))
    file = setup.folder / "upload"
    file.write_text(text)
    answer = curl(setup, "all.example", "/anything", "-H", "Content-Type: text/plain", "--data-binary", f"@{file}")
    expect("status", answer.status, 200)
    assert answer.json()["data"] == text, "the body changed on its way"


def chunked_bodies_come_back_whole(setup):
    """Bodies: 3 MB up in chunks."""
    text = "".join(f"{number:07}" for number in range(430_000))
    answer = curl(setup, "all.example", "/anything", "-X", "POST", "-H", "Content-Type: text/plain",
                  "-H", "Transfer-Encoding: chunked", "--data-binary", "@-", stdin=text.encode())
    expect("status", answer.status, 200)
    assert answer.json()["data"] == text, "the body changed on its way"


def chunked_answers_pass(setup):
    """Bodies: an answer in chunks, and to HTTP/1.0 until the connection closes."""
    answer = curl(setup, "all.example", "/stream/20")
    expect("transfer-encoding", answer.headers.get("transfer-encoding"), "chunked")
    expect("lines", len(answer.body.splitlines()), 20)
    old = curl(setup, "all.example", "/stream/20", "--http1.0")
    expect("transfer-encoding", old.headers.get("transfer-encoding"), None)
    expect("lines", len(old.body.splitlines()), 20)


def downloads_are_whole(setup):
    """Bodies: 100 KB of bytes down, the same bytes by two ways."""
    length = curl(setup, "all.example", "/bytes/100000?seed=1")
    chunks = curl(setup, "all.example", "/stream-bytes/100000?seed=1")
    expect("lengths", (len(length.body), len(chunks.body)), (100_000, 100_000))
    again = curl(setup, "all.example", "/bytes/100000?seed=1")
    assert length.body == again.body, "the same seed gave other bytes"


def expect_is_answered(setup):
    """Expect: 100-continue is answered once, then the request."""
    answer = curl(setup, "all.example", "/anything", "-H", "Expect: 100-continue", "-d", "a=b")
    expect("statuses", answer.statuses, [100, 200])
    expect("form at httpbin", answer.json()["form"], {"a": "b"})


def connections_are_kept(setup):
    """Keep-alive: three requests at once on one connection are answered in order."""
    one = "GET /anything/{} HTTP/1.1\r\nHost: all.example\r\n{}\r\n"
    got = raw(setup, (one.format(1, "") + one.format(2, "") + one.format(3, "Connection: close\r\n")).encode())
    expect("answers", re.findall(rb"anything/(\d)\"", got), [b"1", b"2", b"3"])


def ambiguous_requests_end_here(setup):
    """Refusals: ambiguous requests get 400 and never reach httpbin."""
    for name, request in {
        "two framings": b"POST /anything/refused HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two lengths": b"POST /anything/refused HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "two hosts": b"GET /anything/refused HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "no host": b"GET /anything/refused HTTP/1.1\r\n\r\n",
        "bare line feed": b"GET /anything/refused HTTP/1.1\nHost: a\n\n",
        "space before the colon": b"GET /anything/refused HTTP/1.1\r\nHost : a\r\n\r\n",
    }.items():
        got = raw(setup, request)
        assert got.startswith(b"HTTP/1.1 400 "), f"{name}: {got[:80]!r}"
    expect("requests at httpbin", sum(lines_at_origins(setup, "refused")), 0)


def metrics_have_what_happened(setup):
    """Metrics: requests and connections are counted."""
    text = metrics(setup)
    for name in ["irongate_requests", "irongate_request_duration_seconds_bucket", "matches"]:
        assert name in text, f"{name} is not in /metrics"


def reload_follows_the_files(setup):
    """Reload: SIGHUP brings a new route; a file that cannot be read changes nothing."""
    file = setup.folder / "manifests/reload.yaml"
    file.write_text((setup.folder / "manifests/matches.yaml").read_text().replace(".example", ".reload").replace(
        "metadata: {name: ", "metadata: {name: reload-"))

    def rule():
        return curl(setup, "matches.reload", "/anything/exact").headers.get("x-rule")

    setup.gateway.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 5
    while rule() != "exact":
        assert time.monotonic() < deadline, "the new route is not served after 5 s"
        time.sleep(0.1)
    file.write_text("kind: [")
    setup.gateway.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    expect("x-rule after a file broke", rule(), "exact")


def drain_finishes_what_runs(setup):
    """Drain: SIGTERM in the middle of a request; its answer comes, new clients don't get in, the exit status is 0."""
    answers = []
    request = threading.Thread(target=lambda: answers.append(curl(setup, "all.example", "/delay/3")))
    request.start()
    deadline = time.monotonic() + 20
    while not re.search(r"^irongate_requests_in_flight\{.*\} [1-9]", metrics(setup), re.MULTILINE):
        assert time.monotonic() < deadline, "the request is not under way after 20 s"
        time.sleep(0.05)
    setup.gateway.terminate()
    request.join()
    expect("status", answers[0].status, 200)
    expect("exit status", setup.gateway.wait(20), 0)
    with socket.socket() as connection:
        assert connection.connect_ex(("127.0.0.1", setup.port)), "the port is still open"


# The last one ends the gateway.
FUNCTIONS = [
    weights_are_kept, every_instance_has_a_share, round_robin_is_even, parameters_of_a_gateway_hold,
    dead_instance_is_not_noticed, killed_instance_is_not_noticed,
    listed_codes_are_tried_again, bodies_come_back_whole, chunked_bodies_come_back_whole, chunked_answers_pass,
    downloads_are_whole, expect_is_answered, connections_are_kept, ambiguous_requests_end_here,
    metrics_have_what_happened, reload_follows_the_files, drain_finishes_what_runs,
]
