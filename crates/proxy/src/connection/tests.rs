use super::*;
use std::net::Ipv4Addr;

/// What an idle connection costs in futures, and what one costs while it is served.
#[test]
fn futures_stay_small() {
    fn idle<F>(_: impl Fn(Client, Arc<PortFacts>, Rc<Transport>) -> F) -> usize {
        size_of::<F>()
    }
    fn served<'a, F>(
        _: impl Fn(&'a Client, &'a mut Arc<PortFacts>, &'a Rc<Transport>, &'a Timer, &'a mut Pace) -> F,
    ) -> usize {
        size_of::<F>()
    }
    let (idle, served) = (idle(serve), served(burst));
    assert!(idle <= 512, "an idle connection's future has {idle} bytes");
    assert!(served <= 8 << 10, "the future of a burst has {served} bytes");
}

#[test]
fn addresses_are_written_as_the_standard_library_does() {
    for octet in 0..=255 {
        let address = IpAddr::from(Ipv4Addr::new(octet, 0, 9, 255 - octet));
        assert_eq!(&*text_of(address), address.to_string());
    }
    let long = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
    assert_eq!(&*text_of(long), "2001:db8::1");
}
