//! Opening connections to instances: TCP, a PROXY header where one is wanted, TLS where that is configured.

use crate::backend::{CoreBackend, Permit};
use crate::core::Core;
use crate::failure::Failure;
use crate::proxy_header;
use crate::transport::Transport;
use irongate_traffic::EndpointIndex;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;

/// Opens a connection to an endpoint of a backend, which begins with `header` and holds `permit`. The caller bounds the wait.
///
/// # Errors
/// Connecting failed, or TLS did.
pub(crate) async fn open(
    core: &Rc<Core>,
    backend: &CoreBackend,
    index: EndpointIndex,
    address: SocketAddr,
    header: &[u8],
    permit: Option<Permit>,
) -> Result<Transport, Failure> {
    #[cfg(feature = "memory")]
    let fresh = core.fresh.borrow_mut().pop_front();
    #[cfg(not(feature = "memory"))]
    let fresh = None;
    let mut transport = match fresh {
        Some(transport) => transport,
        None => Transport::connect(address).await.map_err(|_| Failure::ConnectFailed)?,
    };
    let mut left = header;
    let sent = poll_fn(|cx| proxy_header::poll_send(&transport, cx, &mut left));
    sent.await.map_err(|_| Failure::ConnectFailed)?;
    let Some((plan, endpoint)) = backend.tls(index) else {
        transport.hold(permit);
        return Ok(transport);
    };
    let mut begun = Box::pin(plan.begin(core, endpoint, transport)).await;
    backend.live.note_tls(begun.as_ref().err().copied());
    if let Ok(transport) = &mut begun {
        transport.hold(permit);
    }
    begun
}
