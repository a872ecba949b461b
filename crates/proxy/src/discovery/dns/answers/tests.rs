use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn ips(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|text| text.parse().expect("an address")).collect()
}

fn found(list: &[&str], ttl: Duration) -> Option<Answer<IpAddr>> {
    Some(Answer::Found(ips(list), ttl))
}

fn failed() -> Option<Answer<IpAddr>> {
    Some(Answer::Failed("SERVFAIL".into()))
}

const ABSENT: Option<Answer<IpAddr>> = Some(Answer::Absent);

/// The answers of both families, and what they come to.
type Round = (Option<Answer<IpAddr>>, Option<Answer<IpAddr>>, Answer<IpAddr>);

/// One host asked again and again.
fn check(rounds: Vec<Round>) {
    let (mut memory, host) = (Memory::default(), Arc::from("web"));
    for (round, (v4, v6, expected)) in rounds.into_iter().enumerate() {
        assert_eq!(memory.host(&host, HostAnswers { v4, v6 }), expected, "round {round}");
    }
}

#[test]
fn both_families_are_used_for_as_long_as_both_are_good() {
    check(vec![
        (
            found(&["10.0.0.1"], MINUTE),
            found(&["::1"], HOUR),
            Answer::Found(ips(&["10.0.0.1", "::1"]), MINUTE),
        ),
        (found(&["10.0.0.2"], HOUR), ABSENT, Answer::Found(ips(&["10.0.0.2"]), HOUR)),
        (ABSENT, found(&["::2"], HOUR), Answer::Found(ips(&["::2"]), HOUR)),
        (ABSENT, ABSENT, Answer::Absent),
    ]);
    check(vec![
        (found(&["10.0.0.1"], MINUTE), None, Answer::Found(ips(&["10.0.0.1"]), MINUTE)),
        (ABSENT, None, Answer::Absent),
        (failed(), None, Answer::Failed("SERVFAIL".into())),
    ]);
}

#[test]
fn what_cannot_be_asked_for_stays_as_it_was() {
    check(vec![
        // A server that answers for one family alone: the other one is used.
        (found(&["10.0.0.1"], MINUTE), failed(), Answer::Found(ips(&["10.0.0.1"]), MINUTE)),
        (
            found(&["10.0.0.1"], MINUTE),
            found(&["::1"], MINUTE),
            Answer::Found(ips(&["10.0.0.1", "::1"]), MINUTE),
        ),
        (found(&["10.0.0.2"], HOUR), failed(), Answer::Found(ips(&["10.0.0.2", "::1"]), HOUR)),
        (failed(), failed(), Answer::Failed("SERVFAIL".into())),
        // Half of it denied, half of it unknown: nobody knows.
        (ABSENT, failed(), Answer::Failed("SERVFAIL".into())),
        (failed(), ABSENT, Answer::Failed("SERVFAIL".into())),
        (failed(), found(&["::3"], HOUR), Answer::Found(ips(&["10.0.0.2", "::3"]), HOUR)),
    ]);
}

#[test]
fn hosts_that_are_named_no_more_are_forgotten() {
    let (mut memory, one, other) = (Memory::default(), Arc::<str>::from("one"), Arc::<str>::from("other"));
    for host in [&one, &other] {
        memory.host(host, HostAnswers { v4: found(&["10.0.0.1"], MINUTE), v6: None });
    }
    memory.keep_only(std::slice::from_ref(&other));
    assert_eq!((memory.known("one"), memory.known("other")), (vec![], ips(&["10.0.0.1"])));
}

fn service(priority: u16, weight: u16, port: u16, host: &str) -> Service {
    Service { priority, weight, port, host: host.into() }
}

#[test]
fn records_that_name_no_instance_are_left_out() {
    let (found, remark) = usable(vec![
        service(20, 0, 80, "spare."),
        service(10, 1, 80, "b."),
        service(10, 3, 80, "a."),
        service(10, 3, 80, "a."),
        service(5, 0, 80, "."),
        service(5, 0, 0, "no-port."),
    ]);
    let expected = vec![service(10, 3, 80, "a."), service(10, 1, 80, "b."), service(20, 0, 80, "spare.")];
    assert_eq!((found, remark), (expected, None));
    let (found, remark) = usable((1..=600).map(|port| service(1, 1, port, "a.")).collect());
    assert_eq!((found.len(), remark.is_some()), (MOST_HOSTS, true));
    assert_eq!(usable(vec![service(0, 0, 0, ".")]), (vec![], None));
}

/// Endpoints as `address weight`, and their priority where it is not 1.
fn merged(
    services: &[Service],
    hosts: &[(&str, Answer<IpAddr>)],
) -> (String, Option<Duration>, Option<String>) {
    let hosts: Vec<_> = hosts.iter().map(|(host, answer)| (Arc::from(*host), answer.clone())).collect();
    let Merged { endpoints, good_for, failure } = endpoints(services, &hosts);
    let priority =
        |one: &Endpoint| if one.priority == 1 { String::new() } else { format!("/{}", one.priority) };
    let text = |one: &Endpoint| format!("{} {}{}", one.address, one.weight, priority(one));
    let texts: Vec<_> = endpoints.iter().map(text).collect();
    (texts.join(", "), good_for, failure)
}

#[test]
fn addresses_share_the_weight_of_their_host() {
    let one = |ip: &str, ttl| Answer::Found(ips(&[ip]), ttl);
    let (a, b) = (("a.", one("10.0.0.1", HOUR)), ("b.", one("10.0.0.2", MINUTE)));
    let services = [service(1, 30, 80, "a."), service(1, 10, 81, "b.")];
    let both = merged(&services, &[a.clone(), b.clone()]);
    assert_eq!(both, ("10.0.0.1:80 3, 10.0.0.2:81 1".into(), Some(MINUTE), None));
    // Two addresses have half of the weight each.
    let two = ("a.", Answer::Found(ips(&["10.0.0.1", "10.0.0.3"]), HOUR));
    let shared = merged(&services, &[two, b.clone()]).0;
    assert_eq!(shared, "10.0.0.1:80 3, 10.0.0.2:81 2, 10.0.0.3:80 3");
    // 0 is a little, and where all have it, the same for all.
    let zero = [service(1, 0, 80, "a."), service(1, 2, 80, "b.")];
    assert_eq!(merged(&zero, &[a.clone(), b.clone()]).0, "10.0.0.1:80 1, 10.0.0.2:80 200");
    let zeros = [service(1, 0, 80, "a."), service(1, 0, 80, "b.")];
    assert_eq!(merged(&zeros, &[a.clone(), b.clone()]).0, "10.0.0.1:80 1, 10.0.0.2:80 1");
    // Each has the priority of the record that names it.
    let spare = [service(1, 1, 80, "a."), service(2, 1, 80, "b.")];
    assert_eq!(merged(&spare, &[a.clone(), b.clone()]).0, "10.0.0.1:80 1, 10.0.0.2:80 1/2");
    // One host on two ports.
    let ports = [service(1, 1, 80, "a."), service(1, 2, 81, "a.")];
    assert_eq!(merged(&ports, std::slice::from_ref(&a)).0, "10.0.0.1:80 1, 10.0.0.1:81 2");
}

#[test]
fn hosts_that_cannot_be_looked_up_are_left_out_and_told() {
    let services = [service(1, 1, 80, "a."), service(1, 1, 80, "b."), service(1, 1, 80, "c.")];
    let a = ("a.", Answer::Found(ips(&["10.0.0.1"]), HOUR));
    let failure = ("b.", Answer::Failed("timed out".into()));
    let absent = ("c.", Answer::Absent);
    let some = merged(&services, &[a, failure.clone(), absent.clone()]);
    assert_eq!(some, ("10.0.0.1:80 1".into(), Some(HOUR), Some("timed out".into())));
    assert_eq!(
        merged(&services, &[failure, absent.clone()]),
        (String::new(), None, Some("timed out".into()))
    );
    assert_eq!(merged(&services, &[absent]), (String::new(), None, None));
}
