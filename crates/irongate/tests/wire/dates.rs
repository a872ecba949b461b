//! `Date`: every final answer has one, over both versions of HTTP, and it is the time of day.

use crate::http2::peers::{Client, block_on};
use crate::{gateway, gateway_to};
use irongate_testkit::{Manifest, Origin, eventually};
use std::time::{Duration, SystemTime};

/// Far more than a test takes, and less than any mistake about time zones or the calendar would be.
const NEAR: Duration = Duration::from_secs(600);

#[track_caller]
fn assert_now(date: Option<&str>) {
    let date = date.expect("a date");
    let time = httpdate::parse_http_date(date).expect("an HTTP date");
    let now = SystemTime::now();
    let distance = now.duration_since(time).or_else(|_| time.duration_since(now)).expect("one is later");
    assert!(distance < NEAR, "{date}");
}

#[test]
fn answers_without_a_date_get_the_time_of_day() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let first = gateway.get("/");
    assert_now(first.field("date"));
    assert_eq!(first.head.values("date").count(), 1, "{first:?}");
    eventually("the clock goes on", || gateway.get("/").field("date") != first.field("date"));
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        assert_now(client.ask("GET", "/", &[], None).await.field("date"));
    });
}

#[test]
fn our_own_answers_have_a_date() {
    let gateway = gateway(&Manifest::new());
    let answer = gateway.get("/");
    assert_eq!(answer.status, 404);
    assert_now(answer.field("date"));
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let answer = client.ask("GET", "/", &[], None).await;
        assert_eq!(answer.status, 404);
        assert_now(answer.field("date"));
    });
}

#[test]
fn a_date_of_the_origin_stays() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let origin = Origin::answering(format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 2\r\n\r\nok"));
    let gateway = gateway_to(&origin);
    let answer = gateway.get("/");
    assert_eq!(answer.head.values("date").collect::<Vec<_>>(), [date]);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        assert_eq!(client.ask("GET", "/", &[], None).await.field("date"), Some(date));
    });
}
