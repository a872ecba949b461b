"""The proxies, each with what its documents advise against failing origins: active checks where it has them, and leaving out
those that answer badly. Irongate has nothing but Gateway, HTTPRoute, Service and EndpointSlices.

`retries`: the route asks for answers of 503 to be tried again.
"""

import pathlib
import shutil
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "compare"))
import irongate as manifests  # noqa: E402

RETRY = """\
    retry: {codes: [503], attempts: 3}
"""


def irongate(setup):
    configuration = setup.folder / "irongate"
    configuration.mkdir(exist_ok=True)
    route = manifests.one_route() + (RETRY if setup.retries else "")
    (configuration / "all.yaml").write_text(manifests.manifest(setup.port, setup.origins, route))
    return [setup.binary, "run", "-c", configuration, "--admin", f"127.0.0.1:{setup.admin}", "--threads", "2"]


def haproxy(setup):
    """Active checks, watching answers, and another server after a failed connect or an empty answer."""
    servers = "\n".join(f"  server s{origin} 127.0.0.1:{origin}" for origin in setup.origins)
    conditions = "conn-failure empty-response" + (" 503" if setup.retries else "")
    path = setup.folder / "haproxy.cfg"
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
  bind 127.0.0.1:{setup.port} backlog 4096
  default_backend back
backend back
  balance leastconn
  retries 3
  option redispatch 1
  retry-on {conditions}
  option httpchk GET /check
  default-server check inter 1s fall 2 rise 2 observe layer7 error-limit 5 on-error mark-down
{servers}
""")
    return ["haproxy", "-f", path]


def envoy(setup):
    """Least request, active checks, outlier detection by failures in a row, and another host after a failed connect or reset."""
    endpoints = ", ".join(
        f"{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}" for port in setup.origins)
    conditions = "connect-failure,refused-stream,reset-before-request,reset" + (",5xx" if setup.retries else "")
    path = setup.folder / "envoy.yaml"
    path.write_text(f"""\
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {setup.port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: /}}
                route:
                  cluster: back
                  timeout: 60s
                  retry_policy:
                    retry_on: {conditions}
                    num_retries: 3
                    host_selection_retry_max_attempts: 5
                    retry_host_predicate:
                    - name: envoy.retry_host_predicates.previous_hosts
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate
          http_filters:
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: back
    connect_timeout: 1s
    type: STATIC
    lb_policy: LEAST_REQUEST
    circuit_breakers: {{thresholds: [{{retry_budget: {{budget_percent: {{value: 20}}, min_retry_concurrency: 10}}}}]}}
    outlier_detection:
      consecutive_5xx: 5
      consecutive_gateway_failure: 5
      enforcing_consecutive_gateway_failure: 100
      interval: 1s
      base_ejection_time: 5s
      max_ejection_percent: 50
    health_checks:
    - timeout: 1s
      interval: 1s
      unhealthy_threshold: 2
      healthy_threshold: 2
      http_health_check: {{path: /check}}
    load_assignment:
      cluster_name: back
      endpoints: [{{lb_endpoints: [{endpoints}]}}]
""")
    return [program("envoy"), "-c", path, "--concurrency", "2", "--log-level", "error", "--use-dynamic-base-id"]


def traefik(setup):
    """Power of two choices, active and passive checks, and its retry middleware."""
    servers = ", ".join(f'{{url: "http://127.0.0.1:{port}"}}' for port in setup.origins)
    statuses = ", status: [503]" if setup.retries else ""
    home = setup.folder / "traefik"
    home.mkdir(exist_ok=True)
    (home / "routes.yaml").write_text(f"""\
http:
  routers: {{all: {{rule: "PathPrefix(`/`)", service: origins, entryPoints: [web], middlewares: [retry]}}}}
  middlewares: {{retry: {{retry: {{attempts: 3, initialInterval: 5ms{statuses}}}}}}}
  services:
    origins:
      loadBalancer:
        strategy: p2c
        serversTransport: quick
        healthCheck: {{path: /check, interval: 1s, timeout: 1s}}
        passiveHealthCheck: {{failureWindow: 5s, maxFailedAttempts: 5}}
        servers: [{servers}]
  serversTransports: {{quick: {{forwardingTimeouts: {{dialTimeout: 1s}}}}}}
""")
    file = home / "traefik.yaml"
    file.write_text(f"""\
entryPoints: {{web: {{address: "127.0.0.1:{setup.port}"}}}}
providers: {{file: {{filename: {home}/routes.yaml}}}}
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
log: {{level: ERROR}}
""")
    return ["env", "GOMAXPROCS=2", program("traefik"), f"--configfile={file}"]


def program(name):
    """Where it is: on the path, or where the comparison installs it."""
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is neither on the path nor in target/bench/python/bin, where bench/run installs it")
    return found


ALL = {"irongate": irongate, "haproxy": haproxy, "envoy": envoy, "traefik": traefik}
