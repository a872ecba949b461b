//! The conformance tests of `HTTPRoute`.

use crate::Conformance;
use crate::cases::get;

#[test]
fn simple_same_namespace() {
    let conformance = Conformance::start("HTTPRouteSimpleSameNamespace");
    conformance.at("same-namespace", 80).check([get("/").to("infra-backend-v1")]);
}
