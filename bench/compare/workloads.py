"""The workloads. Each gives a report.Table."""

import contextlib
import re
import subprocess
import time

import irongate
import peers
import processes
from report import Row, Table

WARM_UP_SECONDS = 1


@contextlib.contextmanager
def proxy(options, name, origins, core=processes.PROXY_CORE, **setup):
    """A peer that answers: its process, port, and seconds until it answered."""
    port, admin = processes.free_ports(2)
    command, environment = peers.ALL[name](
        peers.Setup(options.folder, options.binary, port, admin, origins, **setup))
    with processes.running(command, core, options.folder / f"{name}.log", environment) as process:
        if setup.get("routes") is irongate.grpc_route:
            processes.wait_for_connection(process, port)
            yield process, port, None
        else:
            yield process, port, processes.wait_for_answer(process, port, secure=bool(setup.get("tls")))


def wrk(port, connections, seconds, core=processes.LOAD_CORE, fields=(), script=None, scheme="http"):
    """Load by wrk: requests answered, 99th percentile, and complaints."""
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--latency"]
    for field in fields:
        command += ["--header", field]
    if script:
        command += ["--script", str(script)]
    command.append(f"{scheme}://127.0.0.1:{port}/")
    output = subprocess.run(processes.pinned(command, core), capture_output=True, text=True).stdout
    requests = re.search(r"(\d+) requests in", output)
    p99 = re.search(r"\n\s+99%\s+(\S+)", output)
    complaints = re.findall(r"(Non-2xx.*|Socket errors.*)", output)
    return int(requests.group(1)) if requests else 0, p99.group(1) if p99 else "-", "; ".join(complaints)


def h2load(port, connections, streams, seconds, core=processes.LOAD_CORE, scheme="http", more=()):
    """Load over HTTP/2 by h2load: requests answered, 99th percentile (not told), and complaints."""
    command = ["h2load", "--threads", "1", "--clients", str(connections), "--max-concurrent-streams", str(streams),
               "--duration", str(seconds), *more, f"{scheme}://127.0.0.1:{port}/"]
    output = subprocess.run(processes.pinned(command, core), capture_output=True, text=True).stdout
    statuses = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output)
    good, *bad = map(int, statuses.groups()) if statuses else (0,)
    return good, "-", f"{sum(bad)} were no 2xx" if sum(bad) else ""


def measure(process, seconds, load):
    """Cost of one load: microseconds of CPU and of user time a request, and more."""
    load(WARM_UP_SECONDS)
    user, system = processes.cpu(process.pid)
    threads = processes.cpu_by_thread(process.pid)
    start = time.monotonic()
    requests, p99, complaints = load(seconds)
    elapsed = time.monotonic() - start
    user_after, system_after = processes.cpu(process.pid)
    threads_after = processes.cpu_by_thread(process.pid)
    if not requests:
        raise RuntimeError(f"no request was answered; {complaints}")
    spent = user_after - user + system_after - system
    return {
        "cpu": 1e6 * spent / requests,
        "user": 1e6 * (user_after - user) / requests,
        "rate": requests / elapsed,
        "busy": spent / elapsed,
        "p99": p99,
        "memory": processes.resident(process.pid) / 1024,
        "threads": sorted((after - threads.get(thread, 0) for thread, after in threads_after.items()), reverse=True),
        "complaints": complaints,
    }


def rounds(options, variants, once):
    """Runs `once(variant)` in turn, A B C A B C …; a Row a variant with every round's figures."""
    rows = {variant: Row(variant) for variant in variants}
    for _ in range(options.rounds):
        for variant, row in rows.items():
            try:
                row.add(once(variant))
            except (RuntimeError, OSError) as error:
                row.failures.append(str(error))
    return list(rows.values())


def load_workload(options, connections, body=1024, fields=(), without=(), bounds=(), load=wrk, **setup):
    names = [name for name in options.peers if name not in without]

    def once(name):
        with processes.origins(options.folder, 2, body) as origins, proxy(options, name, origins, **setup) as (process, port, _):
            return measure(process, options.seconds, lambda s: load(port, connections, s, fields=fields))

    return Table("CPU", rounds(options, names, once), bounds)


def keepalive(options):
    """64 connections that stay, 1 KiB answers."""
    return load_workload(options, 64, bounds=[("haproxy", 0.82), ("floor", 1.15)])


def keepalive256(options):
    """256 connections that stay, 1 KiB answers."""
    return load_workload(options, 256)


def close(options):
    """A new connection for every request."""
    # The floor would keep its connections: it does not read what is asked.
    return load_workload(options, 32, fields=["Connection: close"], without=["floor"], bounds=[("haproxy", 0.95)])


def large(options):
    """1 MiB answers over 8 connections."""
    return load_workload(options, 8, body=1 << 20, bounds=[(("haproxy", "envoy"), 0.70)])


def http2(options):
    """HTTP/2 in cleartext, 8 connections of 32 streams, to HTTP/1.1 origins, 1 KiB answers."""
    # The others do not take it on a plain port, or not as they are configured here.
    names = [name for name in options.peers if name in ("irongate", "haproxy")]

    def once(name):
        with processes.origins(options.folder, 2, 1024) as origins, proxy(options, name, origins) as (process, port, _):
            return measure(process, options.seconds, lambda s: h2load(port, 8, 32, s))

    return Table("CPU", rounds(options, names, once), [("haproxy", 0.87)])


def http2_tls(options):
    """The same over TLS."""
    return http2_workload(options, tls=certificate(options))


def http2_both(options):
    """The same over TLS, to origins of HTTP/2 in cleartext."""
    return http2_workload(options, tls=certificate(options), http2=True)


def grpc(options):
    """Unary calls of gRPC over TLS, 8 connections of 32 streams: messages of 100 bytes, answers of 1 KiB, and a status in trailers."""
    message = options.folder / "message"
    message.write_bytes(b"\0" + (100).to_bytes(4) + b"x" * 100)
    call = ["--data", message, "--header", "content-type: application/grpc", "--header", "te: trailers"]
    return http2_workload(options, more=call, tls=certificate(options), http2=True, routes=irongate.grpc_route)


def http2_workload(options, more=(), **setup):
    names = [name for name in options.peers if name in ("irongate", "haproxy", "envoy")]

    def once(name):
        with processes.origins(options.folder, 2, 1024, http2=setup.get("http2", False)) as origins, \
                proxy(options, name, origins, **setup) as (process, port, _):
            return measure(process, options.seconds, lambda s: h2load(port, 8, 32, s, scheme="https", more=more))

    return Table("CPU", rounds(options, names, once), [])


def tcp(options):
    """64 connections that stay, passed on as bytes, 1 KiB answers."""
    return load_workload(options, 64, without=["nginx", "traefik"], tcp=True, routes=irongate.tcp_route)


def udp(options):
    """64 clients that send datagrams of 100 bytes and wait for each to come back."""
    program = options.folder / "datagrams"

    def load(port, seconds):
        command = processes.pinned([program, "load", port, 64, seconds], processes.LOAD_CORE)
        return int(subprocess.run(command, capture_output=True, text=True).stdout or 0), "-", ""

    def once(name):
        with contextlib.ExitStack() as stack:
            port, admin, *origins = processes.free_ports(4)
            for origin in origins:
                stack.enter_context(processes.running([program, "origin", origin], processes.LOAD_CORE, options.folder / "origin.log"))
            command, environment = peers.datagrams(peers.Setup(options.folder, options.binary, port, admin, origins), name)
            process = stack.enter_context(processes.running(command, processes.PROXY_CORE, options.folder / f"{name}.log", environment))
            processes.wait_for_datagram(process, port)
            return measure(process, options.seconds, lambda seconds: load(port, seconds))

    return Table("CPU", rounds(options, [name for name in options.peers if name in ("irongate", "floor")], once), [])


def certificate(options):
    """A certificate that signs itself, made anew."""
    files = [options.folder / f"certificate.{kind}" for kind in ("crt", "key", "pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", files[1], "-out", files[0]],
        check=True, capture_output=True)
    files[2].write_text(files[0].read_text() + files[1].read_text())
    return peers.Tls(*files)


def https_wrk(*arguments, **options):
    return wrk(*arguments, **options, scheme="https")


def https(options):
    """64 connections over TLS 1.3 that stay, 1 KiB answers."""
    return load_workload(options, 64, without=["floor"], load=https_wrk, tls=certificate(options),
                         bounds=[("haproxy", 0.72)])


def handshakes(options):
    """A full handshake of TLS 1.3 with ECDSA P-256 for every request."""
    return load_workload(options, 32, fields=["Connection: close"], without=["floor"], load=https_wrk,
                         tls=certificate(options), bounds=[("haproxy", 0.55), ("envoy", 0.67)])


def resumed(options):
    """A session of TLS 1.3 that is resumed for every request."""
    return resumed_workload(options, "1.3")


def resumed_12(options):
    """A session of TLS 1.2 that is resumed for every request."""
    return resumed_workload(options, "1.2")


def resumed_workload(options, version):
    tls = certificate(options)

    def load(port, connections, seconds, fields=()):
        command = [options.folder / "tls-resume", port, tls.certificate, connections, seconds, version]
        done = subprocess.run(processes.pinned(command, processes.LOAD_CORE), capture_output=True, text=True)
        counts = re.search(r"(\d+) connections, (\d+) resumed", done.stdout)
        if not counts:
            return 0, "-", done.stderr.strip()
        made, resumed = map(int, counts.groups())
        # The first of each client begins a session.
        return made, "-", f"{made - resumed} were not resumed" if made > resumed + connections else ""

    return load_workload(options, 16, without=["floor"], load=load, tls=tls)


def idle(options):
    """Memory of a connection that has had one answer and stays open."""
    return idle_workload(options, 2.0)


def https_idle(options):
    """The same over TLS."""
    return idle_workload(options, 16.0, tls=certificate(options))


def idle_workload(options, most, **setup):
    secure = bool(setup.get("tls"))

    def once(name):
        with processes.origins(options.folder, 2, 1024) as origins, proxy(options, name, origins, **setup) as (process, port, _):
            (https_wrk if secure else wrk)(port, 16, WARM_UP_SECONDS)
            time.sleep(0.5)
            before = processes.resident(process.pid)
            count = min(options.idle, peers.HAPROXY_CONNECTIONS - 100) if name == "haproxy" else options.idle
            with contextlib.ExitStack() as stack:
                for _ in range(count):
                    connection = stack.enter_context(processes.connected(port, timeout=10, secure=secure))
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    processes.read_answer(connection)
                time.sleep(1)
                grown = processes.resident(process.pid) - before
            return {"idle": grown / count, "base": before / 1024}

    # One round each: what memory grows by hardly depends on the machine's mood.
    once_each = type(options)(**{**vars(options), "rounds": 1})
    names = [name for name in options.peers if name != "floor"]
    return Table("idle", rounds(once_each, names, once), [(None, most)])


def spread_script(options):
    """A wrk script that asks every route in turn."""
    half = options.routes // 2
    file = options.folder / "spread.lua"
    file.write_text(f"""\
local requests = {{}}
function init()
  for i = 0, {half} - 1 do
    requests[#requests + 1] = wrk.format("GET", "/", {{Host = "host-" .. i .. ".example"}})
    requests[#requests + 1] = wrk.format("GET", "/prefix-" .. i .. "/v1/x", {{Host = "localhost"}})
  end
end
local turn = 0
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
""")
    return file


def routes(options):
    """Many routes, requests spread over all, beside the same requests with one route."""
    script = spread_script(options)
    many = f"{options.routes} routes"
    variants = {
        "one route": irongate.one_route,
        many: lambda: irongate.many_routes(options.routes) + irongate.route("all", "/"),
    }

    def once(variant):
        with processes.origins(options.folder, 2, 1024) as origins, \
                proxy(options, "irongate", origins, routes=variants[variant]) as (process, port, started):
            result = measure(process, options.seconds, lambda s: wrk(port, 64, s, script=script))
            return {**result, "start": started * 1000}

    rows = rounds(options, variants, once)
    bounds = [("one route", 1.05)]
    return Table("routes", rows, bounds, subject=many, limits={"start": 1000.0, "memory": 60.0})


def threads(options):
    """Two worker threads beside one; everything runs on both cores, so only the two rows compare."""

    def once(variant):
        count = {"one thread": 1, "two threads": 2}[variant]
        both = processes.BOTH_CORES
        with processes.origins(options.folder, 2, 1024, core=both) as origins, \
                proxy(options, "irongate", origins, core=both, threads=count) as (process, port, _):
            result = measure(process, options.seconds, lambda s: wrk(port, 64, s, core=both))
        workers = result["threads"][:count]
        return {**result, "share": max(workers) * count / sum(workers)}

    rows = rounds(options, ["one thread", "two threads"], once)
    return Table("threads", rows, [("one thread", 1.05)], subject="two threads", limits={"share": 1.2})


def start(options):
    """From the start of the program to its first answer, and its memory then."""

    def once(name):
        with processes.origins(options.folder, 2, 1024) as origins, proxy(options, name, origins) as (process, _, started):
            return {"start": started * 1000, "memory": processes.resident(process.pid) / 1024}

    return Table("start", rounds(options, options.peers, once), [])


ALL = {function.__name__: function for function in
       [keepalive, keepalive256, close, http2, http2_tls, http2_both, grpc, large, https, handshakes, resumed, resumed_12, tcp, udp, idle, https_idle, routes, threads, start]}
