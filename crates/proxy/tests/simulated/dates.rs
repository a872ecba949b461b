//! `Date`: every final answer has one (RFC 9110 §6.6.1).

use crate::world::{Message, Setup, World};
use std::time::{Duration, SystemTime};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const NOON: Duration = Duration::from_secs(1_795_348_800);

async fn ask(world: &World, request: &str, answer: &str) -> Message {
    let (origin, client) = (world.origin(), world.client());
    client.send(request).await;
    if !answer.is_empty() {
        origin.head().await.expect("a request");
        origin.send(answer).await;
    }
    client.message().await.expect("an answer")
}

fn dates(message: &Message) -> Vec<&str> {
    let lines = message.head.lines();
    lines.filter(|line| line.to_ascii_lowercase().starts_with("date:")).collect()
}

#[test]
fn answers_without_a_date_get_one_and_others_keep_theirs() {
    let check = |name: &str, request: &str, answer: &str, expected: &str| {
        Setup::default().run(async |world| {
            world.gateway.set_time_of_day(SystemTime::UNIX_EPOCH + NOON);
            let message = ask(&world, request, answer).await;
            assert_eq!(dates(&message), [expected], "{name}");
        });
    };
    let ours = "Date: Sun, 22 Nov 2026 12:00:00 GMT";
    let theirs = "date: Sun, 06 Nov 1994 08:49:37 GMT";
    let bare = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    check("none", GET, bare, ours);
    check("one", GET, &format!("HTTP/1.1 200 OK\r\n{theirs}\r\nContent-Length: 0\r\n\r\n"), theirs);
    check("a failure", GET, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", ours);
    check("in chunks", GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ours);
    check("a redirect of our own", "GET /moved HTTP/1.1\r\nHost: h\r\n\r\n", "", ours);
    check("a refusal", "GET / HTTP/1.1\r\n\r\n", "", ours);
    check("an invalid answer", GET, "nonsense\r\n\r\n", ours);
}

#[test]
fn interim_answers_get_none_and_time_goes_on() {
    Setup::default().run(async |world| {
        let (origin, client) = (world.origin(), world.client());
        for (second, expected) in [(0, "12:00:00"), (1, "12:00:01"), (59, "12:00:59")] {
            let now = SystemTime::UNIX_EPOCH + NOON + Duration::from_secs(second);
            world.gateway.set_time_of_day(now);
            client.send(GET).await;
            origin.head().await.expect("a request");
            origin.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            let interim = client.message().await.expect("an interim answer");
            assert!(interim.is("103") && dates(&interim).is_empty(), "{interim:?}");
            let answer = client.message().await.expect("an answer");
            assert_eq!(dates(&answer), [format!("Date: Sun, 22 Nov 2026 {expected} GMT")]);
        }
    });
}
