//! stub
use crate::exchange::{HeadFailure, Upstream};
use irongate_message::*;
use std::task::*;
#[derive(Default)]
pub(crate) struct Connections;
impl Connections {
    pub(crate) fn sender(&self) -> Option<()> {
        None
    }
    pub(crate) async fn open(
        &self,
        _core: &crate::core::Core,
        _b: &crate::backend::CoreBackend,
        _t: std::rc::Rc<crate::transport::Transport>,
    ) -> Result<(), ()> {
        Err(())
    }
}
pub(crate) struct Http2Upstream(crate::http1::Reader, crate::http1::Writer);
impl Http2Upstream {
    pub(crate) fn begin(_s: (), _h: &RequestHead, _l: HeadLimits) -> Result<Self, HeadFailure> {
        Err(HeadFailure::Closed)
    }
}
impl Upstream for Http2Upstream {
    type Source = crate::http1::Reader;
    type Sink = crate::http1::Writer;
    fn source(&mut self) -> &mut Self::Source {
        &mut self.0
    }
    fn sink(&mut self) -> &mut Self::Sink {
        &mut self.1
    }
    fn poll_head(&mut self, _cx: &mut Context<'_>, _h: &mut ResponseHead) -> Poll<Result<(), HeadFailure>> {
        Poll::Pending
    }
    fn has_sent(&self) -> bool {
        false
    }
    fn begin_tunnel(&mut self) {}
}
