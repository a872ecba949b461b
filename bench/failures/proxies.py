"""The proxies, with a configuration that names the origins and little else."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "compare"))
import irongate as manifests  # noqa: E402


def irongate(binary, folder, port, admin, origins):
    """Nothing but Gateway, HTTPRoute, Service and EndpointSlices."""
    configuration = folder / "irongate"
    configuration.mkdir(exist_ok=True)
    (configuration / "all.yaml").write_text(manifests.manifest(port, origins, manifests.one_route()))
    return [binary, "run", "-c", configuration, "--admin", f"127.0.0.1:{admin}", "--threads", "2"]


def haproxy(folder, port, origins):
    """With what it takes to do well: active checks, watching answers, and another server after a failed connect."""
    servers = "\n".join(f"  server s{origin} 127.0.0.1:{origin}" for origin in origins)
    path = folder / "haproxy.cfg"
    path.write_text(f"""\
global
  nbthread 2
  maxconn 7000
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:{port} backlog 4096
  default_backend back
backend back
  balance leastconn
  retries 3
  option redispatch 1
  option httpchk GET /check
  default-server check inter 1s fall 2 rise 2 observe layer7 error-limit 5 on-error mark-down
{servers}
""")
    return ["haproxy", "-f", path]
