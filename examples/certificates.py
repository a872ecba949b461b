"""Certificates that openssl makes for the examples, and the objects that hold them."""

import base64
import pathlib
import subprocess


class Authority:
    """An authority, and what it issues, as files in a folder."""

    def __init__(self, folder, name):
        self.folder, self.name = pathlib.Path(folder), name
        self.certificate, self.key = self.file("crt"), self.file("key")
        openssl("req", "-x509", *KEY, "-keyout", self.key, "-out", self.certificate, "-days", "2",
                "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign")

    def file(self, kind, name=None):
        return self.folder / f"{name or self.name}.{kind}"

    def issue(self, name, *hosts):
        """A certificate for hosts, or for a client: its file and its key's."""
        certificate, key, request = (self.file(kind, name) for kind in ("crt", "key", "csr"))
        alternatives = "subjectAltName=" + ",".join(f"DNS:{host}" for host in hosts)
        openssl("req", *KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}",
                "-addext", alternatives if hosts else "extendedKeyUsage=clientAuth")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-days", "1",
                "-copy_extensions", "copy", "-out", certificate)
        return certificate, key


KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"openssl {arguments[0]}: {done.stderr}")


def secret(name, certificate, key):
    """A Secret with a certificate and its key."""
    encoded = [base64.b64encode(pathlib.Path(file).read_bytes()).decode() for file in (certificate, key)]
    return f"""\
apiVersion: v1
kind: Secret
metadata: {{name: {name}}}
type: kubernetes.io/tls
data:
  tls.crt: {encoded[0]}
  tls.key: {encoded[1]}
"""


def authorities(name, *certificates):
    """A ConfigMap with the certificates of authorities."""
    lines = "".join(pathlib.Path(file).read_text() for file in certificates).splitlines()
    text = "\n    ".join(lines)
    return f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data:
  ca.crt: |
    {text}
"""


class Checks:
    """What was checked, and how often it did not hold."""

    def __init__(self):
        self.failed = 0

    def check(self, what, holds, seen=""):
        print("ok    " if holds else "FAILED", what, "" if holds else f"– {str(seen).strip()[-600:]}")
        self.failed += not holds


def curl(port, host, *arguments, authority=None, path="/"):
    """What curl says to a host on a port of ours: its status, or 0, and what it wrote."""
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20",
               "--connect-to", f"{host}:443:127.0.0.1:{port}", "--write-out", "\n%{http_code} %{http_version}"]
    if authority:
        command += ["--cacert", str(authority)]
    done = subprocess.run([*command, *map(str, arguments), f"https://{host}{path}"], capture_output=True, text=True)
    body, _, last = done.stdout.rpartition("\n")
    status, _, version = last.partition(" ")
    return int(status or 0), version, body + done.stderr
