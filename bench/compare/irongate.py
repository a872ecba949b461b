"""Irongate's manifests for the comparison."""

import base64

ROUTE = """\
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: gateway}}]{hosts}
  rules:
  - matches: [{{path: {{type: PathPrefix, value: {prefix}}}}}]
    backendRefs: [{{name: origin, port: 80}}]
"""


def route(name, prefix="/", host=None):
    return ROUTE.format(name=name, prefix=prefix, hosts=f"\n  hostnames: [{host}]" if host else "")


def three_routes():
    return route("all") + route("first", "/app0/v1") + route("second", "/app1/v1")


def one_route():
    return route("all")


def many_routes(count):
    """Half by host, half by prefix on every host."""
    half = count // 2
    return "".join(route(f"host-{i}", host=f"host-{i}.example") for i in range(half)) + "".join(
        route(f"prefix-{i}", prefix=f"/prefix-{i}/v1") for i in range(count - half))


def slices(name, ports):
    return "".join(f"""\
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-{port}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {port}, protocol: TCP}}]
endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]
""" for port in ports)


def secret(tls):
    """The Secret with the certificate that the listener shows."""
    if not tls:
        return ""
    encoded = [base64.b64encode(file.read_bytes()).decode() for file in (tls.certificate, tls.key)]
    return f"""\
---
apiVersion: v1
kind: Secret
metadata: {{name: certificate}}
type: kubernetes.io/tls
data: {{tls.crt: {encoded[0]}, tls.key: {encoded[1]}}}
"""


def grpc_route():
    return route("all").replace("HTTPRoute", "GRPCRoute").replace("  - matches: [{path: {type: PathPrefix, value: /}}]\n    ", "  - ")


def tcp_route():
    return grpc_route().replace("GRPCRoute", "TCPRoute")


def datagrams(port, origins):
    """A manifest that passes datagrams on."""
    text = manifest(port, origins, tcp_route().replace("TCPRoute", "UDPRoute"), tcp=True)
    return text.replace("protocol: TCP", "protocol: UDP").replace("targetPort: 80", "targetPort: 80, protocol: UDP")


def manifest(port, origins, routes, tls=None, http2=False, tcp=False):
    speaks = ", appProtocol: kubernetes.io/h2c" if http2 else ""
    protocol = "HTTPS, tls: {certificateRefs: [{name: certificate}]}" if tls else "TCP" if tcp else "HTTP"
    return f"""\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gateway}}
spec:
  gatewayClassName: irongate
  addresses: [{{type: IPAddress, value: 127.0.0.1}}]
  listeners:
  - {{name: http, port: {port}, protocol: {protocol}}}
---
apiVersion: v1
kind: Service
metadata: {{name: origin}}
spec: {{ports: [{{name: http, port: 80, targetPort: 80{speaks}}}]}}
{slices("origin", origins)}{secret(tls)}{routes}"""
