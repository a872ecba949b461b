"""Starting programs on their core, and what the kernel knows of them."""

import contextlib
import os
import pathlib
import random
import re
import resource
import socket
import ssl
import subprocess
import time

PROXY_CORE = "0"
LOAD_CORE = "1"
BOTH_CORES = "0,1"
TICKS = os.sysconf("SC_CLK_TCK")
# Made once: thousands of connections use it.
ANYBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ANYBODY.check_hostname, ANYBODY.verify_mode = False, ssl.CERT_NONE


def machine():
    """The processor's name."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*:\s*(.*)", text)
    return f"{name.group(1) if name else 'unknown processor'}, {os.cpu_count()} cores"


def raise_file_limit(wanted=65_536):
    """Ten thousand idle connections need as many descriptors on both sides. Only root can raise the hard limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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


def pinned(command, core):
    """A command that runs on a core. Those that share the core of the load do not interrupt each other when they are woken: each
    works through all that waits for it. Else they would spend most of that core on taking turns, and the proxy would wait."""
    policy = ["chrt", "--batch", "0"] if core == LOAD_CORE else []
    return [*policy, "taskset", "-c", core, *map(str, command)]


@contextlib.contextmanager
def running(command, core, log, environment=None):
    """A program on a core, until the end of the block."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            pinned(command, core),
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **(environment or {})})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def origins(folder, count, body, core=LOAD_CORE, http2=False):
    """Origins that answer with so many bytes, over HTTP/1.1 or HTTP/2; gives their ports."""
    ports = free_ports(count)
    with contextlib.ExitStack() as stack:
        for port in ports:
            program = folder / ("http2-origin" if http2 else "origin")
            process = stack.enter_context(running([program, port, body], core, folder / "origin.log"))
            if http2:
                wait_for_connection(process, port)
            else:
                wait_for_answer(process, port, body=body)
        yield ports


@contextlib.contextmanager
def connected(port, host="localhost", timeout=5.0, secure=False):
    """A new connection, over TLS if it is to be secure; whose certificate is shown does not matter."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        if not secure:
            yield connection
            return
        with ANYBODY.wrap_socket(connection, server_hostname=host) as over:
            yield over


def request(port, host="localhost", path="/", timeout=5.0, secure=False):
    """One GET on a new connection: status and length of what followed the head. Raises OSError."""
    with connected(port, host, timeout, secure) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return read_answer(connection)


def read_answer(connection):
    """Reads one answer that has a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    expected, have = int(length.group(1)) if length else 0, len(body)
    while have < expected:
        have += len(receive(connection))
    return status, have


def receive(connection):
    data = connection.recv(262_144)
    if not data:
        raise ConnectionError("the connection closed before the end of the answer")
    return data


def wait_for_connection(process, port, limit=30.0):
    """Connects until the port takes it."""
    start = time.monotonic()
    while process.poll() is None and time.monotonic() - start < limit:
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.002)
    raise RuntimeError(f"{process.args[0]} takes no connections")


def wait_for_datagram(process, port, limit=30.0):
    """Sends datagrams until one comes back."""
    start = time.monotonic()
    while process.poll() is None and time.monotonic() - start < limit:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, contextlib.suppress(OSError):
            client.settimeout(0.05)
            client.connect(("127.0.0.1", port))
            client.send(b"x")
            client.recv(10)
            return
        time.sleep(0.002)
    raise RuntimeError(f"{process.args[0]} passes no datagram on")


def wait_for_answer(process, port, body=None, limit=30.0, secure=False):
    """Asks until 200 comes, with the whole body; returns the seconds that it took."""
    start = time.monotonic()
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[3]} ended with status {process.returncode} before it answered")
        try:
            status, length = request(port, timeout=1.0, secure=secure)
            if status == 200 and body in (None, length):
                return time.monotonic() - start
        except OSError:
            pass
        if time.monotonic() - start > limit:
            raise RuntimeError(f"{process.args[3]} did not answer within {limit:.0f} s")
        time.sleep(0.002)


def cpu(pid):
    """Seconds of user and of system time so far, all threads."""
    return ticks(pathlib.Path(f"/proc/{pid}/stat").read_text())


def cpu_by_thread(pid):
    """Seconds of user and system time so far, by thread id."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return {task.name: sum(ticks((task / "stat").read_text())) for task in tasks}


def ticks(stat):
    fields = stat.rsplit(")", 1)[1].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def resident(pid):
    """Resident memory in KiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))
