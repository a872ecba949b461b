//! stub
pub(crate) mod client;
pub(crate) async fn serve(_c: crate::connection::Client, _t: std::rc::Rc<crate::transport::Transport>, _s: Vec<u8>) {}
