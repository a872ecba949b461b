//! stub
pub(crate) mod client;
pub(crate) async fn serve(
    _c: crate::connection::Client,
    _f: std::sync::Arc<crate::snapshot::PortFacts>,
    _t: std::rc::Rc<crate::transport::Transport>,
    _s: Vec<u8>,
) {
}
