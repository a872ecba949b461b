//! The rules of the CRDs of Gateway API v1.6 (experimental channel), one by one: what the API server refuses is refused
//! here, at the field that it stands in.
//!
//! A rule is a line: the kind of a base object, where a value is put into it, the value as JSON, and the field of the error.
//! The bases themselves are without fault. Not enforced, on purpose: two listeners of one port, protocol and hostname (both
//! are conflicted, so that the others of their Gateway are served). How long lists may be is in `lists`.

#[path = "crd_rules/lists.rs"]
mod lists;

use irongate_config::{Problem, Severity};
use irongate_translate::{Source, read};
use serde_json::{Value, json};

/// One rule.
type Rule = (&'static str, &'static str, &'static str, &'static str);

/// `GatewayClass`, `Gateway`, `ListenerSet` and `ReferenceGrant`.
const OF_GATEWAYS: &[Rule] = &[
    ("GatewayClass", "/spec/controllerName", r#""example.com""#, "spec.controllerName"),
    ("GatewayClass", "/spec/controllerName", r#""Example.com/a""#, "spec.controllerName"),
    ("GatewayClass", "/spec/controllerName", r#""example.com/a b""#, "spec.controllerName"),
    (
        "GatewayClass",
        "/spec/description",
        r#""a sentence that is longer than the sixty-four bytes that it may have""#,
        "spec.description",
    ),
    ("GatewayClass", "/spec/parametersRef/group", r#""A/b""#, "spec.parametersRef.group"),
    ("GatewayClass", "/spec/parametersRef/kind", r#""a/b""#, "spec.parametersRef.kind"),
    ("GatewayClass", "/spec/parametersRef/name", r#""""#, "spec.parametersRef.name"),
    ("GatewayClass", "/spec/parametersRef/namespace", r#""a.b""#, "spec.parametersRef.namespace"),
    ("Gateway", "/spec/gatewayClassName", r#""""#, "spec.gatewayClassName"),
    ("Gateway", "/spec/addresses/0/type", r#""an address""#, "spec.addresses[0].type"),
    ("Gateway", "/spec/addresses/0/value", r#""localhost""#, "spec.addresses[0].value"),
    ("Gateway", "/spec/addresses/0", r#"{"type": "Hostname", "value": "A_b"}"#, "spec.addresses[0].value"),
    ("Gateway", "/spec/addresses/1", r#"{"value": "127.0.0.1"}"#, "spec.addresses[1].value"),
    ("Gateway", "/spec/listeners/0/name", r#""A_b""#, "spec.listeners[0].name"),
    ("Gateway", "/spec/listeners/1/name", r#""http""#, "spec.listeners[1].name"),
    ("Gateway", "/spec/listeners/0/hostname", r#""""#, "spec.listeners[0].hostname"),
    ("Gateway", "/spec/listeners/0/hostname", r#""A.example.com""#, "spec.listeners[0].hostname"),
    ("Gateway", "/spec/listeners/0/hostname", r#""a.*.com""#, "spec.listeners[0].hostname"),
    ("Gateway", "/spec/listeners/0/hostname", r#""*""#, "spec.listeners[0].hostname"),
    ("Gateway", "/spec/listeners/0/port", "0", "spec.listeners[0].port"),
    ("Gateway", "/spec/listeners/0/port", "65536", "spec.listeners[0].port"),
    ("Gateway", "/spec/listeners/0/protocol", r#""-HTTP""#, "spec.listeners[0].protocol"),
    ("Gateway", "/spec/listeners/0/protocol", r#""example.com""#, "spec.listeners[0].protocol"),
    ("Gateway", "/spec/listeners/0/protocol", r#""""#, "spec.listeners[0].protocol"),
    ("Gateway", "/spec/listeners/0/tls", "{}", "spec.listeners[0].tls"),
    ("Gateway", "/spec/listeners/1/tls/mode", r#""Passthrough""#, "spec.listeners[1].tls.mode"),
    ("Gateway", "/spec/listeners/1/tls/mode", r#""None""#, "spec.listeners[1].tls.mode"),
    ("Gateway", "/spec/listeners/1/tls/certificateRefs", "[]", "spec.listeners[1].tls.certificateRefs"),
    (
        "Gateway",
        "/spec/listeners/1/tls/certificateRefs/0/name",
        r#""""#,
        "spec.listeners[1].tls.certificateRefs[0].name",
    ),
    (
        "Gateway",
        "/spec/listeners/1/tls/certificateRefs/0/namespace",
        r#""A""#,
        "spec.listeners[1].tls.certificateRefs[0].namespace",
    ),
    (
        "Gateway",
        "/spec/listeners/1/tls/certificateRefs/0/group",
        r#""a_b""#,
        "spec.listeners[1].tls.certificateRefs[0].group",
    ),
    (
        "Gateway",
        "/spec/listeners/1/tls/certificateRefs/0/kind",
        r#""1""#,
        "spec.listeners[1].tls.certificateRefs[0].kind",
    ),
    (
        "Gateway",
        "/spec/listeners/2",
        r#"{"name": "t", "port": 9, "protocol": "TLS"}"#,
        "spec.listeners[2].tls",
    ),
    (
        "Gateway",
        "/spec/listeners/2",
        r#"{"name": "t", "port": 9, "protocol": "tcp", "hostname": "a.example.com"}"#,
        "spec.listeners[2].hostname",
    ),
    (
        "Gateway",
        "/spec/listeners/0/allowedRoutes/namespaces/from",
        r#""None""#,
        "spec.listeners[0].allowedRoutes.namespaces.from",
    ),
    (
        "Gateway",
        "/spec/listeners/0/allowedRoutes/kinds",
        r#"[{"kind": "a b"}]"#,
        "spec.listeners[0].allowedRoutes.kinds[0].kind",
    ),
    (
        "Gateway",
        "/spec/listeners/0/allowedRoutes/kinds",
        r#"[{"kind": "HTTPRoute", "group": "A"}]"#,
        "spec.listeners[0].allowedRoutes.kinds[0].group",
    ),
    (
        "Gateway",
        "/spec/allowedListeners/namespaces/from",
        r#""Some""#,
        "spec.allowedListeners.namespaces.from",
    ),
    ("Gateway", "/spec/infrastructure/labels", r#"{"a b": "c"}"#, r#"spec.infrastructure.labels["a b"]"#),
    ("Gateway", "/spec/infrastructure/labels", r#"{"a": "b c"}"#, "spec.infrastructure.labels.a"),
    (
        "Gateway",
        "/spec/infrastructure/labels",
        r#"{"a": "", "b": "", "c": "", "d": "", "e": "", "f": "", "g": "", "h": "", "i": ""}"#,
        "spec.infrastructure.labels",
    ),
    (
        "Gateway",
        "/spec/infrastructure/annotations",
        r#"{"/a": "b"}"#,
        r#"spec.infrastructure.annotations["/a"]"#,
    ),
    ("Gateway", "/spec/infrastructure/parametersRef/name", r#""""#, "spec.infrastructure.parametersRef.name"),
    ("Gateway", "/spec/infrastructure/parametersRef/kind", r#""""#, "spec.infrastructure.parametersRef.kind"),
    (
        "Gateway",
        "/spec/tls/backend/clientCertificateRef",
        r#"{"name": ""}"#,
        "spec.tls.backend.clientCertificateRef.name",
    ),
    ("Gateway", "/spec/tls/frontend", r#"{"perPort": []}"#, "spec.tls.frontend.default"),
    (
        "Gateway",
        "/spec/tls/frontend",
        r#"{"default": {}, "perPort": [{"port": 443, "tls": {}}, {"port": 443, "tls": {}}]}"#,
        "spec.tls.frontend.perPort[1].port",
    ),
    (
        "Gateway",
        "/spec/tls/frontend",
        r#"{"default": {"validation": {"caCertificateRefs": []}}}"#,
        "spec.tls.frontend.default.validation.caCertificateRefs",
    ),
    (
        "Gateway",
        "/spec/tls/frontend",
        r#"{"default": {"validation": {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "a", "namespace": "B"}]}}}"#,
        "spec.tls.frontend.default.validation.caCertificateRefs[0].namespace",
    ),
    ("ListenerSet", "/spec/parentRef/name", r#""""#, "spec.parentRef.name"),
    ("ListenerSet", "/spec/parentRef/namespace", r#""a.b""#, "spec.parentRef.namespace"),
    ("ListenerSet", "/spec/parentRef/group", r#""A""#, "spec.parentRef.group"),
    ("ListenerSet", "/spec/parentRef/kind", r#""a_b""#, "spec.parentRef.kind"),
    ("ListenerSet", "/spec/listeners", "[]", "spec.listeners"),
    ("ListenerSet", "/spec/listeners/0/port", "0", "spec.listeners[0].port"),
    ("ListenerSet", "/spec/listeners/0/tls", "{}", "spec.listeners[0].tls"),
    ("ReferenceGrant", "/spec/from", "[]", "spec.from"),
    ("ReferenceGrant", "/spec/to", "[]", "spec.to"),
    ("ReferenceGrant", "/spec/from/0/group", r#""A""#, "spec.from[0].group"),
    ("ReferenceGrant", "/spec/from/0/kind", r#""""#, "spec.from[0].kind"),
    ("ReferenceGrant", "/spec/from/0/namespace", r#""""#, "spec.from[0].namespace"),
    ("ReferenceGrant", "/spec/to/0/group", r#""A""#, "spec.to[0].group"),
    ("ReferenceGrant", "/spec/to/0/kind", r#""a/b""#, "spec.to[0].kind"),
    ("ReferenceGrant", "/spec/to/0/name", r#""""#, "spec.to[0].name"),
];

/// Parents, hostnames, rules, matches and backends of an `HTTPRoute`.
const OF_ROUTES: &[Rule] = &[
    ("HTTPRoute", "/spec/parentRefs/0/name", r#""""#, "spec.parentRefs[0].name"),
    ("HTTPRoute", "/spec/parentRefs/0/group", r#""A""#, "spec.parentRefs[0].group"),
    ("HTTPRoute", "/spec/parentRefs/0/kind", r#""a/b""#, "spec.parentRefs[0].kind"),
    ("HTTPRoute", "/spec/parentRefs/0/namespace", r#""a.b""#, "spec.parentRefs[0].namespace"),
    ("HTTPRoute", "/spec/parentRefs/0/sectionName", r#""A""#, "spec.parentRefs[0].sectionName"),
    ("HTTPRoute", "/spec/parentRefs/0/port", "0", "spec.parentRefs[0].port"),
    ("HTTPRoute", "/spec/parentRefs/1", r#"{"name": "gw"}"#, "spec.parentRefs[1]"),
    ("HTTPRoute", "/spec/parentRefs/1", r#"{"name": "gw", "port": 80}"#, "spec.parentRefs[1]"),
    ("HTTPRoute", "/spec/hostnames", r#"["A.example.com"]"#, "spec.hostnames[0]"),
    ("HTTPRoute", "/spec/hostnames", r#"["*"]"#, "spec.hostnames[0]"),
    ("HTTPRoute", "/spec/hostnames", r#"["10.0.0.1"]"#, "spec.hostnames[0]"),
    ("HTTPRoute", "/spec/rules", "[]", "spec.rules"),
    ("HTTPRoute", "/spec/rules", r#"[{"name": "a"}, {"name": "a"}]"#, "spec.rules[1].name"),
    ("HTTPRoute", "/spec/rules/0/name", r#""A""#, "spec.rules[0].name"),
    ("HTTPRoute", "/spec/rules/0/matches/0/path/type", r#""Prefix""#, "spec.rules[0].matches[0].path.type"),
    ("HTTPRoute", "/spec/rules/0/matches/0/path/value", r#""a""#, "spec.rules[0].matches[0].path.value"),
    ("HTTPRoute", "/spec/rules/0/matches/0/path/value", r#""//""#, "spec.rules[0].matches[0].path.value"),
    ("HTTPRoute", "/spec/rules/0/matches/0/path/value", r#""/./a""#, "spec.rules[0].matches[0].path.value"),
    ("HTTPRoute", "/spec/rules/0/matches/0/path/value", r#""/../a""#, "spec.rules[0].matches[0].path.value"),
    ("HTTPRoute", "/spec/rules/0/matches/0/path/value", r#""/a%2fb""#, "spec.rules[0].matches[0].path.value"),
    ("HTTPRoute", "/spec/rules/0/matches/0/path/value", r#""/a%2Fb""#, "spec.rules[0].matches[0].path.value"),
    ("HTTPRoute", "/spec/rules/0/matches/0/path/value", r##""/a#b""##, "spec.rules[0].matches[0].path.value"),
    ("HTTPRoute", "/spec/rules/0/matches/0/path/value", r#""/a/..""#, "spec.rules[0].matches[0].path.value"),
    ("HTTPRoute", "/spec/rules/0/matches/0/path/value", r#""/a/.""#, "spec.rules[0].matches[0].path.value"),
    ("HTTPRoute", "/spec/rules/0/matches/0/path/value", r#""/a b""#, "spec.rules[0].matches[0].path.value"),
    ("HTTPRoute", "/spec/rules/0/matches/0/path/value", r#""/a%4""#, "spec.rules[0].matches[0].path.value"),
    ("HTTPRoute", "/spec/rules/0/matches/0/method", r#""get""#, "spec.rules[0].matches[0].method"),
    (
        "HTTPRoute",
        "/spec/rules/0/matches/0/headers/0/name",
        r#""a:""#,
        "spec.rules[0].matches[0].headers[0].name",
    ),
    (
        "HTTPRoute",
        "/spec/rules/0/matches/0/headers/0/value",
        r#""""#,
        "spec.rules[0].matches[0].headers[0].value",
    ),
    (
        "HTTPRoute",
        "/spec/rules/0/matches/0/headers/0/value",
        r#""a  b""#,
        "spec.rules[0].matches[0].headers[0].value",
    ),
    (
        "HTTPRoute",
        "/spec/rules/0/matches/0/headers/1",
        r#"{"name": "version", "value": "2"}"#,
        "spec.rules[0].matches[0].headers[1].name",
    ),
    (
        "HTTPRoute",
        "/spec/rules/0/matches/0/queryParams",
        r#"[{"name": "a b", "value": "1"}]"#,
        "spec.rules[0].matches[0].queryParams[0].name",
    ),
    (
        "HTTPRoute",
        "/spec/rules/0/matches/0/queryParams",
        r#"[{"name": "a", "value": ""}]"#,
        "spec.rules[0].matches[0].queryParams[0].value",
    ),
    (
        "HTTPRoute",
        "/spec/rules/0/matches/0/queryParams",
        r#"[{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]"#,
        "spec.rules[0].matches[0].queryParams[1].name",
    ),
    ("HTTPRoute", "/spec/rules/0/backendRefs/0/name", r#""""#, "spec.rules[0].backendRefs[0].name"),
    ("HTTPRoute", "/spec/rules/0/backendRefs/0/group", r#""A""#, "spec.rules[0].backendRefs[0].group"),
    ("HTTPRoute", "/spec/rules/0/backendRefs/0/kind", r#""a/b""#, "spec.rules[0].backendRefs[0].kind"),
    (
        "HTTPRoute",
        "/spec/rules/0/backendRefs/0/namespace",
        r#""A""#,
        "spec.rules[0].backendRefs[0].namespace",
    ),
    ("HTTPRoute", "/spec/rules/0/backendRefs/0/port", "0", "spec.rules[0].backendRefs[0].port"),
    ("HTTPRoute", "/spec/rules/0/backendRefs/0", r#"{"name": "app"}"#, "spec.rules[0].backendRefs[0].port"),
    ("HTTPRoute", "/spec/rules/0/backendRefs/0/weight", "-1", "spec.rules[0].backendRefs[0].weight"),
    ("HTTPRoute", "/spec/rules/0/backendRefs/0/weight", "1000001", "spec.rules[0].backendRefs[0].weight"),
    ("HTTPRoute", "/spec/rules/0/timeouts/request", r#""1d""#, "spec.rules[0].timeouts.request"),
    (
        "HTTPRoute",
        "/spec/rules/0/timeouts",
        r#"{"request": "1s", "backendRequest": "2s"}"#,
        "spec.rules[0].timeouts.backendRequest",
    ),
    ("HTTPRoute", "/spec/rules/0/retry/codes", "[399]", "spec.rules[0].retry.codes[0]"),
    ("HTTPRoute", "/spec/rules/0/retry/codes", "[600]", "spec.rules[0].retry.codes[0]"),
    ("HTTPRoute", "/spec/rules/0/retry/codes", "[500, 500]", "spec.rules[0].retry.codes[1]"),
    ("HTTPRoute", "/spec/rules/0/retry/backoff", r#""1.5s""#, "spec.rules[0].retry.backoff"),
    (
        "HTTPRoute",
        "/spec/rules/0/sessionPersistence",
        r#"{"cookieConfig": {"lifetimeType": "Permanent"}}"#,
        "spec.rules[0].sessionPersistence.absoluteTimeout",
    ),
    (
        "HTTPRoute",
        "/spec/rules/0/sessionPersistence",
        r#"{"type": "Header", "cookieConfig": {}}"#,
        "spec.rules[0].sessionPersistence.cookieConfig",
    ),
    (
        "HTTPRoute",
        "/spec/rules/0/sessionPersistence",
        r#"{"type": "Query"}"#,
        "spec.rules[0].sessionPersistence.type",
    ),
];

/// What a filter may not be; each stands as the only filter of a rule, and as that of a backend.
const OF_FILTERS: &[(&str, &str)] = &[
    (r#"{"type": "Unknown"}"#, "type"),
    (r#"{"type": "CORS"}"#, "cors"),
    (r#"{"type": "RequestHeaderModifier"}"#, "requestHeaderModifier"),
    (r#"{"type": "ResponseHeaderModifier"}"#, "responseHeaderModifier"),
    (r#"{"type": "RequestMirror"}"#, "requestMirror"),
    (r#"{"type": "URLRewrite"}"#, "urlRewrite"),
    (r#"{"type": "ExternalAuth"}"#, "externalAuth"),
    (r#"{"type": "ExtensionRef"}"#, "extensionRef"),
    (r#"{"type": "URLRewrite", "urlRewrite": {}, "cors": {}}"#, "cors"),
    (r#"{"type": "CORS", "cors": {}, "requestHeaderModifier": {}}"#, "requestHeaderModifier"),
    (r#"{"type": "CORS", "cors": {}, "responseHeaderModifier": {}}"#, "responseHeaderModifier"),
    (
        r#"{"type": "CORS", "cors": {}, "requestMirror": {"backendRef": {"name": "app", "port": 80}}}"#,
        "requestMirror",
    ),
    (r#"{"type": "CORS", "cors": {}, "requestRedirect": {}}"#, "requestRedirect"),
    (r#"{"type": "CORS", "cors": {}, "urlRewrite": {}}"#, "urlRewrite"),
    (
        r#"{"type": "CORS", "cors": {}, "externalAuth": {"protocol": "HTTP", "backendRef": {"name": "app", "port": 80}, "http": {}}}"#,
        "externalAuth",
    ),
    (
        r#"{"type": "ExternalAuth", "externalAuth": {"protocol": "TCP", "backendRef": {"name": "app", "port": 80}}}"#,
        "externalAuth.protocol",
    ),
    (
        r#"{"type": "ExternalAuth", "externalAuth": {"protocol": "HTTP", "backendRef": {"name": "app", "port": 80}}}"#,
        "externalAuth.http",
    ),
    (
        r#"{"type": "ExternalAuth", "externalAuth": {"protocol": "GRPC", "backendRef": {"name": "app", "port": 80}, "http": {}}}"#,
        "externalAuth.http",
    ),
    (
        r#"{"type": "ExternalAuth", "externalAuth": {"protocol": "GRPC", "backendRef": {"name": "app", "port": 80}}}"#,
        "externalAuth.grpc",
    ),
    (
        r#"{"type": "ExternalAuth", "externalAuth": {"protocol": "HTTP", "backendRef": {"name": "app"}, "http": {}}}"#,
        "externalAuth.backendRef.port",
    ),
    (
        r#"{"type": "ExternalAuth", "externalAuth": {"protocol": "HTTP", "backendRef": {"name": "app", "port": 80}, "http": {"path": "/a b"}}}"#,
        "externalAuth.http.path",
    ),
    (
        r#"{"type": "ExternalAuth", "externalAuth": {"protocol": "HTTP", "backendRef": {"name": "app", "port": 80}, "http": {"path": "/%4"}}}"#,
        "externalAuth.http.path",
    ),
    (
        r#"{"type": "ExternalAuth", "externalAuth": {"protocol": "HTTP", "backendRef": {"name": "app", "port": 80}, "http": {"allowedHeaders": ["a", "a"]}}}"#,
        "externalAuth.http.allowedHeaders[1]",
    ),
    (
        r#"{"type": "ExternalAuth", "externalAuth": {"protocol": "HTTP", "backendRef": {"name": "app", "port": 80}, "http": {}, "forwardBody": {"maxSize": -1}}}"#,
        "externalAuth.forwardBody.maxSize",
    ),
    (
        r#"{"type": "CORS", "cors": {}, "extensionRef": {"group": "a.b", "kind": "C", "name": "d"}}"#,
        "extensionRef",
    ),
    (
        r#"{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a b", "value": "c"}]}}"#,
        "requestHeaderModifier.set[0].name",
    ),
    (
        r#"{"type": "RequestHeaderModifier", "requestHeaderModifier": {"add": [{"name": "a", "value": ""}]}}"#,
        "requestHeaderModifier.add[0].value",
    ),
    (
        r#"{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "a", "value": " b"}]}}"#,
        "responseHeaderModifier.set[0].value",
    ),
    (
        r#"{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}, {"name": "a", "value": "c"}]}}"#,
        "requestHeaderModifier.set[1].name",
    ),
    (
        r#"{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["a", "a"]}}"#,
        "requestHeaderModifier.remove[1]",
    ),
    (
        r#"{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "app"}}}"#,
        "requestMirror.backendRef.port",
    ),
    (
        r#"{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "", "port": 80}}}"#,
        "requestMirror.backendRef.name",
    ),
    (
        r#"{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "app", "port": 80}, "percent": 101}}"#,
        "requestMirror.percent",
    ),
    (
        r#"{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "app", "port": 80}, "percent": 1, "fraction": {"numerator": 1}}}"#,
        "requestMirror.fraction",
    ),
    (
        r#"{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "app", "port": 80}, "fraction": {"numerator": -1}}}"#,
        "requestMirror.fraction.numerator",
    ),
    (
        r#"{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "app", "port": 80}, "fraction": {"numerator": 101}}}"#,
        "requestMirror.fraction.numerator",
    ),
    (
        r#"{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "app", "port": 80}, "fraction": {"numerator": 0, "denominator": 0}}}"#,
        "requestMirror.fraction.denominator",
    ),
    (r#"{"type": "URLRewrite", "urlRewrite": {"hostname": "*.example.com"}}"#, "urlRewrite.hostname"),
    (r#"{"type": "URLRewrite", "urlRewrite": {"hostname": "A"}}"#, "urlRewrite.hostname"),
    (
        r#"{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath"}}}"#,
        "urlRewrite.path.replaceFullPath",
    ),
    (
        r#"{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/", "replacePrefixMatch": "/"}}}"#,
        "urlRewrite.path.replacePrefixMatch",
    ),
    (
        r#"{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch"}}}"#,
        "urlRewrite.path.replacePrefixMatch",
    ),
    (
        r#"{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/", "replaceFullPath": "/"}}}"#,
        "urlRewrite.path.replaceFullPath",
    ),
    (r#"{"type": "CORS", "cors": {"allowOrigins": ["*", "https://a.b"]}}"#, "cors.allowOrigins"),
    (r#"{"type": "CORS", "cors": {"allowOrigins": ["ftp://a.b"]}}"#, "cors.allowOrigins[0]"),
    (r#"{"type": "CORS", "cors": {"allowOrigins": ["https://a.b", "https://a.b"]}}"#, "cors.allowOrigins[1]"),
    (r#"{"type": "CORS", "cors": {"allowMethods": ["*", "GET"]}}"#, "cors.allowMethods"),
    (r#"{"type": "CORS", "cors": {"allowMethods": ["get"]}}"#, "cors.allowMethods[0]"),
    (r#"{"type": "CORS", "cors": {"allowHeaders": ["*", "a"]}}"#, "cors.allowHeaders"),
    (r#"{"type": "CORS", "cors": {"allowHeaders": ["a:"]}}"#, "cors.allowHeaders[0]"),
    (r#"{"type": "CORS", "cors": {"exposeHeaders": ["a:"]}}"#, "cors.exposeHeaders[0]"),
    (r#"{"type": "CORS", "cors": {"maxAge": 0}}"#, "cors.maxAge"),
    (
        r#"{"type": "ExtensionRef", "extensionRef": {"group": "A", "kind": "C", "name": "d"}}"#,
        "extensionRef.group",
    ),
    (
        r#"{"type": "ExtensionRef", "extensionRef": {"group": "a", "kind": "c/d", "name": "d"}}"#,
        "extensionRef.kind",
    ),
    (
        r#"{"type": "ExtensionRef", "extensionRef": {"group": "a", "kind": "C", "name": ""}}"#,
        "extensionRef.name",
    ),
];

/// What of a redirect and of several filters may not be, in a rule without backends: the filters, and the field of the error.
const OF_ANSWERS: &[(&str, &str)] = &[
    (r#"[{"type": "RequestRedirect"}]"#, "filters[0].requestRedirect"),
    (
        r#"[{"type": "RequestRedirect", "requestRedirect": {"scheme": "ftp"}}]"#,
        "filters[0].requestRedirect.scheme",
    ),
    (r#"[{"type": "RequestRedirect", "requestRedirect": {"port": 0}}]"#, "filters[0].requestRedirect.port"),
    (
        r#"[{"type": "RequestRedirect", "requestRedirect": {"statusCode": 300}}]"#,
        "filters[0].requestRedirect.statusCode",
    ),
    (
        r#"[{"type": "RequestRedirect", "requestRedirect": {}}, {"type": "URLRewrite", "urlRewrite": {}}]"#,
        "filters[1]",
    ),
    (
        r#"[{"type": "RequestRedirect", "requestRedirect": {}}, {"type": "RequestRedirect", "requestRedirect": {}}]"#,
        "filters[1].type",
    ),
    (r#"[{"type": "CORS", "cors": {}}, {"type": "CORS", "cors": {}}]"#, "filters[1].type"),
    (
        r#"[{"type": "URLRewrite", "urlRewrite": {}}, {"type": "URLRewrite", "urlRewrite": {}}]"#,
        "filters[1].type",
    ),
    (
        r#"[{"type": "RequestHeaderModifier", "requestHeaderModifier": {}}, {"type": "RequestHeaderModifier", "requestHeaderModifier": {}}]"#,
        "filters[1].type",
    ),
    (
        r#"[{"type": "ResponseHeaderModifier", "responseHeaderModifier": {}}, {"type": "ResponseHeaderModifier", "responseHeaderModifier": {}}]"#,
        "filters[1].type",
    ),
];

/// An object of a kind, in which nothing is wrong.
fn base(kind: &str) -> Value {
    let reference = json!({ "group": "irongate.dev", "kind": "GatewayParameters", "name": "p" });
    let spec = match kind {
        "GatewayClass" => json!({ "controllerName": "irongate.dev/gateway", "parametersRef": reference }),
        "Gateway" => json!({
            "gatewayClassName": "irongate",
            "addresses": [{ "value": "127.0.0.1" }],
            "listeners": [
                { "name": "http", "port": 80, "protocol": "HTTP" },
                { "name": "https", "port": 443, "protocol": "HTTPS", "tls": { "certificateRefs": [{ "name": "c" }] } },
            ],
            "infrastructure": { "parametersRef": reference },
            "tls": { "frontend": { "default": {} } },
        }),
        "ListenerSet" => json!({
            "parentRef": { "name": "gw" },
            "listeners": [{ "name": "http", "port": 80, "protocol": "HTTP" }],
        }),
        "ReferenceGrant" => json!({
            "from": [{ "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "a" }],
            "to": [{ "group": "", "kind": "Service" }],
        }),
        "TLSRoute" | "TCPRoute" | "UDPRoute" => {
            json!({ "parentRefs": [{ "name": "gw" }], "rules": [{ "backendRefs": [{ "name": "app", "port": 80 }] }] })
        }
        "BackendTLSPolicy" => json!({
            "targetRefs": [{ "group": "", "kind": "Service", "name": "app" }],
            "validation": {
                "hostname": "app.example.com",
                "caCertificateRefs": [{ "group": "", "kind": "ConfigMap", "name": "c" }],
            },
        }),
        "GRPCRoute" => json!({
            "parentRefs": [{ "name": "gw" }],
            "rules": [{
                "matches": [{ "method": { "service": "a.B" } }],
                "backendRefs": [{ "name": "app", "port": 80 }],
            }],
        }),
        _ => json!({
            "parentRefs": [{ "name": "gw" }],
            "rules": [{
                "matches": [{
                    "path": { "value": "/a" },
                    "headers": [{ "name": "version", "value": "1" }],
                }],
                "filters": [
                    { "type": "RequestHeaderModifier", "requestHeaderModifier": {} },
                    { "type": "CORS", "cors": {} },
                    {
                        "type": "ExternalAuth",
                        "externalAuth": {
                            "protocol": "HTTP", "backendRef": { "name": "app", "port": 80 }, "http": {},
                        },
                    },
                ],
                "backendRefs": [{ "name": "app", "port": 80 }],
            }],
        }),
    };
    let version = "gateway.networking.k8s.io/v1";
    let mut object =
        json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "a" }, "spec": spec });
    if kind == "TLSRoute" {
        put(&mut object, "/spec/hostnames", json!(["a.example.com"]));
    }
    if kind == "GatewayClass" {
        put(&mut object, "/spec/parametersRef/namespace", json!("default"));
    }
    object
}

/// Puts a value where a pointer leads (RFC 6901), making what is missing on the way.
fn put(object: &mut Value, pointer: &str, value: Value) {
    let mut place = object;
    for key in pointer.split('/').skip(1) {
        place = match place {
            Value::Array(items) => {
                let index: usize = key.parse().expect("an index");
                if items.len() <= index {
                    items.resize(index + 1, json!({}));
                }
                &mut items[index]
            }
            other => {
                if other.is_null() {
                    *other = json!({});
                }
                &mut other[key]
            }
        };
    }
    *place = value;
}

fn errors(object: &Value) -> Vec<Problem> {
    let (_, problems) = read(&[Source::new("one.yaml", object.to_string())]);
    problems.into_iter().filter(|problem| problem.severity == Severity::Error).collect()
}

/// What is wrong with how an object is judged; `field`: that of the error that is wanted.
fn complaint(object: &Value, field: &str) -> Option<String> {
    let found = errors(object);
    let is_told = found.iter().any(|problem| problem.field == field);
    let fields: Vec<String> =
        found.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect();
    (!is_told).then(|| format!("{field} of {object}: {fields:?}\n"))
}

#[test]
fn the_bases_are_without_fault() {
    for kind in [
        "GatewayClass",
        "Gateway",
        "ListenerSet",
        "ReferenceGrant",
        "HTTPRoute",
        "GRPCRoute",
        "TLSRoute",
        "TCPRoute",
        "UDPRoute",
        "BackendTLSPolicy",
    ] {
        assert_eq!(errors(&base(kind)), [], "{kind}");
    }
}

#[test]
fn what_the_api_server_refuses_is_refused() {
    let mut complaints = String::new();
    for (kind, pointer, value, field) in OF_GATEWAYS.iter().chain(OF_ROUTES) {
        let mut object = base(kind);
        put(&mut object, pointer, serde_json::from_str(value).expect("JSON"));
        complaints.extend(complaint(&object, field));
    }
    for (filter, field) in OF_FILTERS {
        let filter: Value = serde_json::from_str(filter).expect("JSON");
        for (pointer, place) in [
            ("/spec/rules/0/filters", "spec.rules[0].filters[0]"),
            ("/spec/rules/0/backendRefs/0/filters", "spec.rules[0].backendRefs[0].filters[0]"),
        ] {
            let mut object = base("HTTPRoute");
            put(&mut object, pointer, json!([filter]));
            complaints.extend(complaint(&object, &format!("{place}.{field}")));
        }
    }
    for (filters, field) in OF_ANSWERS {
        let filters: Value = serde_json::from_str(filters).expect("JSON");
        let mut object = base("HTTPRoute");
        put(&mut object, "/spec/rules/0", json!({ "filters": filters }));
        complaints.extend(complaint(&object, &format!("spec.rules[0].{field}")));
    }
    assert!(complaints.is_empty(), "not refused:\n{complaints}");
}

#[test]
fn what_needs_one_prefix_is_refused_with_another_match() {
    let path = json!({ "type": "ReplacePrefixMatch", "replacePrefixMatch": "/" });
    let rewrite = json!([{ "type": "URLRewrite", "urlRewrite": { "path": path } }]);
    let redirect = json!([{ "type": "RequestRedirect", "requestRedirect": { "path": path } }]);
    let exact = json!([{ "path": { "type": "Exact", "value": "/a" } }]);
    let two = json!([{ "path": { "value": "/a" } }, { "path": { "value": "/b" } }]);
    let backend = |filters: &Value| json!([{ "name": "app", "port": 80, "filters": filters }]);
    for matches in [&exact, &two] {
        for rule in [
            json!({ "matches": matches, "filters": rewrite }),
            json!({ "matches": matches, "filters": redirect }),
            json!({ "matches": matches, "backendRefs": backend(&rewrite) }),
            json!({ "matches": matches, "backendRefs": backend(&redirect) }),
        ] {
            let mut object = base("HTTPRoute");
            put(&mut object, "/spec/rules/0", rule);
            assert_eq!(complaint(&object, "spec.rules[0].matches"), None);
        }
    }
    let mut object = base("HTTPRoute");
    put(&mut object, "/spec/rules/0/filters", redirect);
    assert_eq!(complaint(&object, "spec.rules[0].backendRefs"), None, "a redirect beside backends");
}
