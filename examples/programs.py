"""What the examples' scripts share: environments, free ports, programs that are stopped again, the gateway."""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent


def python_environment(name, requirements):
    """The python of a virtual environment in target/, made once for each form of the requirements."""
    folder = ROOT / "target" / name
    made = folder / "requirements.txt"
    if not made.exists() or made.read_text() != requirements.read_text():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
        pip = [folder / "python/bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", requirements], check=True)
        shutil.copy(requirements, made)
    return folder / "python/bin/python"


def node_environment(name, package):
    """The folder in target/ with what a package.json wants, made once for each form of it; None without node and npm."""
    if not shutil.which("node") or not shutil.which("npm"):
        return None
    folder = ROOT / "target" / name / "node"
    made = folder / "package.json"
    if not made.exists() or made.read_text() != package.read_text():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(package, folder / "wanted.json")
        (folder / "wanted.json").rename(made)
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        if subprocess.run(npm, cwd=folder).returncode:
            made.unlink()
            raise SystemExit("npm install failed")
    return folder / "node_modules"


def release_build():
    subprocess.run(["cargo", "build", "--release", "--locked", "-p", "irongate"], cwd=ROOT, check=True)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/irongate"


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_until(what, seconds, condition, process=None):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process and process.poll() is not None:
            raise SystemExit(f"{what}: the process ended with status {process.returncode}")
        if condition():
            return
        time.sleep(0.05)
    raise SystemExit(f"{what}: not within {seconds} s")


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def answers(url):
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


class Programs:
    """What was started, stopped by the handle in the reverse order."""

    def __init__(self, folder):
        self.folder, self.started = pathlib.Path(folder), []

    def start(self, name, command, **options):
        log = open(self.folder / f"{name}.log", "ab")
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options)
        self.started.append(process)
        return process

    def serve(self, name, port, command, **options):
        """Starts a server and waits until its port takes connections."""
        process = self.start(name, command, **options)
        wait_until(name, 30, lambda: listens(port), process)
        return process

    def gateway(self, binary, manifests, ports, admin, objects=None, name="gateway"):
        """Starts the gateway on manifests whose ports are replaced and on further objects, and waits until it is ready."""
        folder = self.folder / ("manifests" if name == "gateway" else f"{name}-manifests")
        folder.mkdir()
        for file in manifests.glob("*.yaml"):
            port = lambda found: f"{found[1]}{ports.get(int(found[2]), int(found[2]))}"
            (folder / file.name).write_text(re.sub(r"(\bport: |\b127\.0\.0\.1:)(\d+)", port, file.read_text()))
        for name, text in (objects or {}).items():
            (folder / f"{name}.yaml").write_text(text)
        process = self.start(name, [binary, "run", "-c", folder, "--admin", f"127.0.0.1:{admin}", "--threads", "2"])
        wait_until("the gateway", 10, lambda: answers(f"http://127.0.0.1:{admin}/readyz"), process)
        return process

    def stop(self):
        for process in reversed(self.started):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def main(description, run):
    """Runs an example: `run` gets what starts programs and the binary, and returns how many checks failed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--binary", type=pathlib.Path, help="irongate (default: a release build)")
    parser.add_argument("--verbose", action="store_true", help="show the programs' logs at the end")
    options = parser.parse_args()
    for signals in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signals, lambda number, _: sys.exit(128 + number))
    binary = options.binary.resolve() if options.binary else release_build()
    with tempfile.TemporaryDirectory(prefix="irongate-") as folder:
        programs = Programs(folder)
        try:
            failed = run(programs, binary)
        except SystemExit as error:
            print(error)
            failed = 1
        finally:
            programs.stop()
        if failed or options.verbose:
            for log in sorted(programs.folder.glob("*.log")):
                print(f"-- {log.name}", *log.read_text(errors="replace").splitlines()[-20:], sep="\n   ")
    sys.exit(1 if failed else 0)
