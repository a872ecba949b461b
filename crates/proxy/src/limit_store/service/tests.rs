use super::*;

fn describe(entries: &[(&str, &str)]) -> Question {
    Question::Describe(entries.iter().map(|(key, value)| ((*key).into(), (*value).to_owned())).collect())
}

fn status(code: i32, seconds: Option<i64>, limit: Option<(u32, i32)>) -> DescriptorStatus {
    DescriptorStatus {
        code,
        current_limit: limit.map(|(requests_per_unit, unit)| CurrentLimit { requests_per_unit, unit }),
        limit_remaining: 0,
        duration_until_reset: seconds.map(|seconds| super::super::messages::Duration { seconds, nanos: 0 }),
    }
}

/// For each question the seconds to wait, -1 where it is admitted; then the fields.
fn check(message: &RateLimitResponse, questions: &[Question], verdicts: &[i64], fields: &[(&str, &str)]) {
    let answer = answer(message, questions);
    let said: Vec<i64> = answer
        .verdicts
        .iter()
        .map(|verdict| match verdict {
            LimitVerdict::Admitted => -1,
            LimitVerdict::Refused(wait) => wait.as_secs() as i64,
        })
        .collect();
    assert_eq!(said, verdicts);
    let told: Vec<_> = answer
        .fields
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    let expected: Vec<_> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(told, expected);
}

#[test]
fn each_limit_has_the_status_of_its_descriptor() {
    let questions = [describe(&[("a", "1")]), describe(&[]), describe(&[("b", "2")])];
    let both = |first, second| RateLimitResponse {
        overall_code: OVER_LIMIT,
        statuses: vec![first, second],
        response_headers_to_add: Vec::new(),
    };
    check(&both(status(OK, None, None), status(OVER_LIMIT, Some(7), None)), &questions, &[-1, -1, 7], &[]);
    let told =
        [("x-ratelimit-limit", "5, 5;w=60"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9")];
    let over = status(OVER_LIMIT, Some(9), Some((5, 2)));
    check(&both(over, status(OK, None, Some((1, 1)))), &questions, &[9, -1, -1], &told);
    // One that says the whole alone, and a time that nobody can wait for.
    let whole = RateLimitResponse { overall_code: OVER_LIMIT, ..Default::default() };
    check(&whole, &questions, &[1, -1, 1], &[]);
    check(&RateLimitResponse { overall_code: 77, ..whole }, &questions, &[-1, -1, -1], &[]);
    check(&both(status(OVER_LIMIT, Some(-3), None), status(OK, None, None)), &questions, &[0, -1, -1], &[]);
}

#[test]
fn fields_of_a_service_are_bounded() {
    let field =
        |key: &str, value: &str| HeaderValue { key: key.into(), value: value.into(), raw_value: Vec::new() };
    let raw = HeaderValue { key: "x-raw".into(), value: String::new(), raw_value: b"r".to_vec() };
    let mut headers = vec![
        field("X-Plan", "gold"),
        field("content-length", "0"),
        field("Transfer-Encoding", "chunked"),
        field("x bad", "1"),
        field("x-split", "a\r\nset-cookie: b"),
        field("x-long", &"l".repeat(LONGEST_VALUE + 1)),
        field(":status", "200"),
        raw,
    ];
    let message = |headers: &[HeaderValue]| RateLimitResponse {
        overall_code: OK,
        statuses: Vec::new(),
        response_headers_to_add: headers.to_vec(),
    };
    check(&message(&headers), &[describe(&[("a", "1")])], &[-1], &[("x-plan", "gold"), ("x-raw", "r")]);
    headers.extend((0..100).map(|number| field(&format!("x-{number}"), "v")));
    assert_eq!(added(&headers).len(), MOST_FIELDS);
}

#[test]
fn messages_are_as_the_protocol_has_them() {
    let question = describe(&[("k", "v")]);
    let request = RateLimitRequest {
        domain: "d".into(),
        descriptors: descriptor(&question).into_iter().collect(),
        hits_addend: 1,
    };
    // domain = 1: "d"; descriptors = 2: {entries = 1: {key = 1: "k", value = 2: "v"}}; hits_addend = 3: 1.
    let expected = b"\0\0\0\0\x0f\x0a\x01d\x12\x08\x0a\x06\x0a\x01k\x12\x01v\x18\x01";
    assert_eq!(framed(&request)[..], expected[..]);
    // overall_code = 1: 2; statuses = 2: {code = 1: 2, current_limit = 2: {1: 5, 2: 2}, limit_remaining = 3: 0,
    // duration_until_reset = 4: {1: 30}}; a field that nobody knows = 5: "x".
    let bytes = b"\x08\x02\x12\x0c\x08\x02\x12\x04\x08\x05\x10\x02\x22\x02\x08\x1e\x2a\x01x";
    let response = RateLimitResponse::decode(&bytes[..]).expect("it is a message");
    assert_eq!(response.overall_code, OVER_LIMIT);
    assert_eq!(response.statuses, [status(OVER_LIMIT, Some(30), Some((5, 2)))]);
}
