//! Idle connections to origins.

use crate::{OK, gateway_to};
use irongate_testkit::{Gate, Origin};

/// What an origin says out of turn on a connection that is idle in the pool, and what it does then.
fn check(name: &'static str, out_of_turn: &'static str, closes: bool) {
    let (may_speak, has_spoken) = (Gate::new(), Gate::new());
    let origin = Origin::start({
        let (may_speak, has_spoken) = (may_speak.clone(), has_spoken.clone());
        move |connection| {
            connection.request()?;
            connection.send(OK)?;
            if connection.number() == 0 {
                may_speak.wait();
                connection.send(out_of_turn)?;
                if closes {
                    connection.finish();
                }
                has_spoken.open();
            } else {
                connection.request()?;
                connection.send(OK)?;
            }
            connection.until_end()
        }
    });
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.get("/first").text(), "ok", "{name}");
    may_speak.open();
    has_spoken.wait();
    // What was said is in the kernel's buffer: the gateway hears of it no later than of the next request.
    for target in ["/second", "/third"] {
        assert_eq!(gateway.get(target).text(), "ok", "{name}: {target}");
    }
    let records = origin.records();
    assert_eq!(records.len(), 2, "{name}: the connection was not used again, and the next one was");
    assert_eq!(records[0].requests.len(), 1, "{name}");
}

#[test]
fn connections_whose_origin_speaks_out_of_turn_are_not_used() {
    check("a whole answer", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake", false);
    check("a part of one", "HTTP/1.1 200 OK\r\nContent-", false);
    check("one byte", "\n", false);
    check("408 and the end", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", true);
    check("the end", "", true);
}
