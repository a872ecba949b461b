use super::*;
use irongate_config::RateLimitKey;
use irongate_message::{HeadLimits, HeadParser, Parsed};

fn request(target: &str, fields: &str) -> RequestHead {
    let mut head = RequestHead::new();
    let text = format!("GET {target} HTTP/1.1\r\nHost: shop\r\n{fields}\r\n");
    let parsed = HeadParser::new().request(text.as_bytes(), &HeadLimits::default(), &mut head);
    assert!(matches!(parsed, Ok(Parsed::Head { .. })), "{parsed:?}");
    head
}

fn using(key: &[RateLimitKey], wording: Wording) -> SharedLimitUse {
    SharedLimitUse {
        key: LimitKey::new(key, 1),
        wording,
        local: None,
        on_failure: StoreFailure::Allow,
        is_dry_run: false,
        metrics: super::super::series(&irongate_telemetry::Registry::new(1), &"s".into(), "l"),
        words: Arc::new(LimitWords::nameless()),
    }
}

fn redis_key(key: &[RateLimitKey], limit: &str, target: &str, fields: &str, client: &str) -> String {
    let wording =
        Wording::Redis { prefix: (*b"irongate:").into(), limit: limit.into(), interval: 1, tolerance: 0 };
    let client = client.parse().expect("an address");
    match using(key, wording).question(&request(target, fields), client) {
        Question::Count { key, .. } => String::from_utf8(key).expect("text"),
        Question::Describe(_) => panic!("not a question for Redis"),
    }
}

#[test]
fn keys_are_short_and_hold_no_secret() {
    let whole = [RateLimitKey::Client { ipv4_bits: 32, ipv6_bits: 64 }, RateLimitKey::Method];
    assert_eq!(redis_key(&whole, "p/l", "/", "", "192.0.2.7"), "irongate:p/l|9:192.0.2.7|3:GET");
    assert_eq!(redis_key(&whole, "p/l", "/", "", "2001:db8::7"), "irongate:p/l|13:2001:db8::/64|3:GET");
    assert_eq!(redis_key(&[], "p/l", "/", "", "::1"), "irongate:p/l");
    let secret = [RateLimitKey::Header("authorization".into())];
    let key = redis_key(&secret, "p/l", "/", "Authorization: Bearer abc\r\n", "::1");
    assert!(key.starts_with("irongate:#") && key.len() == "irongate:#".len() + 40, "{key}");
    let other = redis_key(&secret, "p/l", "/", "Authorization: Bearer abd\r\n", "::1");
    let none = redis_key(&secret, "p/l", "/", "", "::1");
    let empty = redis_key(&secret, "p/l", "/", "Authorization:\r\n", "::1");
    let elsewhere = redis_key(&secret, "p/m", "/", "Authorization: Bearer abc\r\n", "::1");
    let all = std::collections::BTreeSet::from([&key, &other, &none, &empty, &elsewhere]);
    assert_eq!(all.len(), 5);
    let long = redis_key(&[RateLimitKey::Method], &"x".repeat(900), "/", "", "::1");
    assert_eq!(long.len(), key.len());
}

#[test]
fn descriptors_say_what_the_request_is() {
    let check = |key: &[RateLimitKey], target: &str, fields: &str, expected: &[(&str, &str)]| {
        let names = ["first", "second"].iter().take(key.len()).map(|name| (*name).into());
        let wording = Wording::Service { entries: names.collect(), name: "limit".into() };
        let client = IpAddr::from([192, 0, 2, 7]);
        let question = using(key, wording).question(&request(target, fields), client);
        let expected = expected.iter().map(|(name, value)| ((*name).into(), (*value).to_owned())).collect();
        assert_eq!(question, Question::Describe(expected), "{target} {fields}");
    };
    check(&[], "/", "", &[("generic_key", "limit")]);
    let client = RateLimitKey::Client { ipv4_bits: 24, ipv6_bits: 128 };
    let header = RateLimitKey::Header("x-plan".into());
    let both = [client, header];
    check(&both, "/", "X-Plan: gold\r\n", &[("first", "192.0.2.0/24"), ("second", "gold")]);
    check(
        &both,
        "/",
        "X-Plan: gold\r\nx-plan: red\r\n",
        &[("first", "192.0.2.0/24"), ("second", "gold, red")],
    );
    // A part is missing: nobody is asked.
    check(&both, "/", "", &[]);
    check(&both, "/", "X-Plan:\r\n", &[]);
    let query = [RateLimitKey::Query("q".into()), RateLimitKey::Constant("web".into())];
    check(&query, "/?q=a%20b", "", &[("first", "a b"), ("second", "web")]);
    let long = format!("/?q={}", "v".repeat(201));
    let value = hashed("v".repeat(201).as_bytes());
    check(&query, &long, "", &[("first", &value), ("second", "web")]);
}
