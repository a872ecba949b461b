use super::*;
use irongate_message::{HeadLimits, HeadParser, Parsed};

const NOW: u32 = 1_800_000_000;
const TAG: u64 = 0x1234_5678_9ABC_DEF0;

fn plan(carrier: SessionCarrier, absolute: Option<u64>, idle: Option<u64>) -> SessionPlan {
    SessionPlan::new(&Arc::new(SessionPersistence {
        name: "sid".into(),
        carrier,
        absolute_timeout: absolute.map(Duration::from_secs),
        idle_timeout: idle.map(Duration::from_secs),
    }))
}

fn in_cookie() -> SessionCarrier {
    SessionCarrier::Cookie { path: Some("/shop".into()), is_permanent: false }
}

fn request(field: &str) -> RequestHead {
    let mut head = RequestHead::new();
    let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
    let parsed = HeadParser::new().request(text.as_bytes(), &HeadLimits::default(), &mut head);
    assert!(matches!(parsed, Ok(Parsed::Head { .. })), "{text}: {parsed:?}");
    head
}

/// What an answer says of a session that a request brought, or did not.
fn answered(plan: &SessionPlan, found: Option<SessionNote>, endpoint: u64, now: u32) -> Option<String> {
    let mut response = ResponseHead::new();
    plan.answer(&mut response, found, (TAG, endpoint), now, false);
    let fields = response.fields.iter().map(|(name, value)| [name, b": ", value].concat());
    fields.map(|line| String::from_utf8(line).expect("text")).next()
}

/// The value in a field of an answer.
fn value(line: &str) -> &str {
    let rest = line.split_once("sid").expect("its name").1;
    rest.trim_start_matches(['=', ':', ' ']).split(';').next().expect("a value")
}

#[test]
fn a_session_is_found_again() {
    for (carrier, field) in [(in_cookie(), "Cookie: a=b; sid="), (SessionCarrier::Header, "SID: ")] {
        let plan = plan(carrier, None, None);
        assert_eq!(None, plan.find(&request("X: y"), NOW));
        let line = answered(&plan, None, 77, NOW).expect("a note");
        let note = plan.find(&request(&format!("{field}{}", value(&line))), NOW + 1_000_000).expect("found");
        assert_eq!(Some(77), note.endpoint(TAG));
        assert_eq!(None, note.endpoint(TAG + 1), "it is no session of another backend");
        assert_eq!(None, answered(&plan, Some(note), 77, NOW + 1), "nothing new to say");
        assert!(answered(&plan, Some(note), 78, NOW + 1).is_some(), "it went elsewhere");
    }
}

#[test]
fn a_cookie_is_bound_to_its_path_and_hidden_from_scripts() {
    let line = answered(&plan(in_cookie(), Some(60), None), None, 77, NOW).expect("a note");
    let note = value(&line).to_owned();
    assert_eq!(line, format!("set-cookie: sid={note}; HttpOnly; SameSite=Lax; Path=/shop"));
    let carrier = SessionCarrier::Cookie { path: None, is_permanent: true };
    let mut response = ResponseHead::new();
    plan(carrier, Some(60), None).answer(&mut response, None, (TAG, 77), NOW, true);
    let cookie = response.fields.get(Known::SetCookie).expect("a cookie").escape_ascii().to_string();
    assert_eq!(cookie, format!("sid={note}; HttpOnly; SameSite=Lax; Max-Age=60; Secure"));
}

#[test]
fn sessions_end() {
    let plan = plan(in_cookie(), Some(100), Some(16));
    let line = answered(&plan, None, 77, NOW).expect("a note");
    let asked = request(&format!("Cookie: sid={}", value(&line)));
    assert!(plan.find(&asked, NOW + 16).is_some());
    assert_eq!(None, plan.find(&asked, NOW + 17), "idle for too long");
    // Noted anew, it goes on, up to its absolute end.
    let mut line = line;
    for now in (NOW + 10..=NOW + 100).step_by(10) {
        let note = plan.find(&request(&format!("Cookie: sid={}", value(&line))), now).expect("goes on");
        line = answered(&plan, Some(note), 77, now).expect("noted anew");
    }
    assert_eq!(None, plan.find(&request(&format!("Cookie: sid={}", value(&line))), NOW + 101));
    // Asked again at once, nothing is noted.
    let note = plan.find(&asked, NOW + 1);
    assert_eq!(None, answered(&plan, note, 77, NOW + 1));
}

#[test]
fn what_is_no_note_is_none() {
    let plan = plan(in_cookie(), None, None);
    let good = SessionNote::new(TAG, 77, NOW).text();
    for value in [
        "",
        "x",
        &good[1..],
        &format!("{good}0"),
        &good.replace('0', "+"),
        &good.replace('7', "é"),
        "10.0.0.1:80",
    ] {
        assert_eq!(None, plan.find(&request(&format!("Cookie: sid={value}")), NOW), "{value}");
    }
    // From the future, beyond what clocks differ.
    assert_eq!(None, plan.find(&request(&format!("Cookie: sid={good}")), NOW - 61));
    assert!(plan.find(&request(&format!("Cookie: sid={good}")), NOW - 60).is_some());
}

#[test]
fn cookies_are_told_apart() {
    let check = |line: &str, expected: Option<&str>| {
        let asked = request(line);
        assert_eq!(expected.map(str::as_bytes), cookie(&asked, b"sid"), "{line}");
    };
    check("Cookie: sid=1", Some("1"));
    check("Cookie: xsid=1; sid=2; sid=3", Some("2"));
    check("Cookie: sidx=1;sid=\"2\"", Some("2"));
    check("Cookie: a=sid=1", None);
    check("Cookie: sid", None);
    check("Cookie: a=b\r\nCookie: sid=4", Some("4"));
    check("Cookie: SID=1", None);
}
