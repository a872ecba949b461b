//! The script on a real server, beside the rule that counts in the process. Where there is no `redis-server` there is nothing to
//! be compared.

use super::super::redis::{Redis, open};
use super::super::{Peer, Question};
use super::SCRIPT;
use irongate_config::RedisStore;
use irongate_traffic::{LimitState, LimitVerdict, Rate, Time};
use redis::aio::MultiplexedConnection;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::UnixStream;

/// A server that keeps nothing and listens on a socket of its own. It ends with the test.
struct Server {
    child: Child,
    folder: PathBuf,
}

impl Server {
    /// `None`: there is no such program here.
    fn start() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("irongate-script-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).ok()?;
        let child = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", "socket", "--save", "", "--appendonly", "no"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Some(Self { child: child.ok()?, folder })
    }

    async fn stream(&self) -> UnixStream {
        let begun = tokio::time::Instant::now();
        loop {
            if let Ok(stream) = UnixStream::connect(self.folder.join("socket")).await {
                return stream;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "the server does not listen");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn redis(&self) -> Redis {
        let config = RedisStore { database: 3, username: None, password: None, prefix: "t:".into() };
        let mut opened = open(&config, Box::new(self.stream().await)).await.expect("it is a server");
        // The connection lives as long as the test.
        tokio::spawn(async move { while opened.driver.join_next().await.is_some() {} });
        match opened.peer {
            Peer::Redis(redis) => redis,
            Peer::Service(_) => panic!("not Redis"),
        }
    }

    async fn plain(&self) -> MultiplexedConnection {
        let stream = self.stream().await;
        let info = redis::RedisConnectionInfo::default().set_db(3);
        // The kind of what it gives borrows the information, though nothing in there does.
        let info: &'static _ = Box::leak(Box::new(info));
        let begun = MultiplexedConnection::new(info, stream).await;
        let (connection, moving) = begun.expect("it is a server");
        tokio::spawn(moving);
        connection
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn count(key: &str, (interval, tolerance): (u64, u64), is_dry_run: bool) -> Question {
    Question::Count { key: key.into(), interval, tolerance, is_dry_run }
}

/// Any times, also backward, and any rates: the same decisions, and the same waits.
#[tokio::test]
async fn the_script_decides_as_the_process_does() {
    let Some(server) = Server::start() else { return };
    let mut connection = server.plain().await;
    // The time is an argument here; all else is what is sent.
    let clock = "redis.call('TIME')";
    assert!(SCRIPT.starts_with(&format!("local time = {clock}\n")));
    let script = SCRIPT.replacen(clock, "{ARGV[#ARGV - 1], ARGV[#ARGV]}", 1);
    // Keys would be forgotten by the server's own clock.
    let lifetime = "string.format('%.0f', math.ceil((ahead + interval) / 1e6))";
    assert!(script.contains(lifetime));
    let script = script.replacen(lifetime, "'100000000'", 1);
    let mut random = fastrand::Rng::with_seed(7);
    for case in 0..120 {
        let requests = random.u32(1..=3000);
        let burst = random.u32(1..=30);
        let per = Duration::from_millis(random.u64(1..=if case % 4 == 0 { 86_400_000 } else { 2000 }));
        let rate = Rate::new(requests, per, burst);
        let (interval, tolerance) = rate.numbers();
        let state = LimitState::new(None);
        // The process counts from the same moment, in microseconds.
        let mut now = 1_767_225_600_000_000 + random.u64(0..1_000_000_000);
        // In steps of which about as many fit as there may be requests.
        let step = (interval / 1000).max(1) * 2;
        for _ in 0..60 {
            now = if random.u8(0..20) == 0 { now - random.u64(0..step) } else { now + random.u64(0..step) };
            let expected = match state.take(&rate, 0, Time(now)) {
                LimitVerdict::Admitted => 0,
                LimitVerdict::Refused(wait) => wait.as_nanos() as i64,
            };
            let said: Vec<i64> = redis::cmd("EVAL")
                .arg(&script)
                .arg(1)
                .arg(format!("case-{case}"))
                .arg(interval)
                .arg(tolerance)
                .arg(0)
                .arg(now / 1_000_000)
                .arg(now % 1_000_000)
                .query_async(&mut connection)
                .await
                .expect("the script runs");
            assert_eq!(said, [expected], "{rate:?} at {now}");
        }
    }
}

#[tokio::test]
async fn limits_are_asked_in_order_up_to_the_first_that_refuses() {
    let Some(server) = Server::start() else { return };
    let redis = server.redis().await;
    let hour = (3_600_000_000_000, 0);
    let ask = |questions: Vec<Question>| {
        let redis = redis.clone();
        async move {
            let answer = redis.ask(&questions).await.expect("it answers");
            let is_admitted = |verdict: &LimitVerdict| *verdict == LimitVerdict::Admitted;
            answer.verdicts.iter().map(is_admitted).collect::<Vec<_>>()
        }
    };
    assert_eq!(ask(vec![count("a", hour, false), count("b", hour, false)]).await, [true, true]);
    // The first refuses, and the last is not counted.
    assert_eq!(ask(vec![count("a", hour, false), count("c", hour, false)]).await, [false]);
    assert_eq!(ask(vec![count("c", hour, false)]).await, [true]);
    // A dry run refuses nothing.
    assert_eq!(ask(vec![count("a", hour, true), count("d", hour, false)]).await, [false, true]);
    // Two names for one key count twice.
    let twice = (3_600_000_000_000, 3_600_000_000_000);
    let same = || count("e", twice, false);
    assert_eq!(ask(vec![same(), same(), same()]).await, [true, true, false]);
}

#[tokio::test]
async fn keys_are_forgotten_and_scripts_are_sent_again() {
    let Some(server) = Server::start() else { return };
    let redis = server.redis().await;
    let mut plain = server.plain().await;
    let minute = (60_000_000_000, 540_000_000_000);
    redis.ask(&[count("k", minute, false)]).await.expect("it answers");
    let left: i64 = redis::cmd("PTTL").arg("k").query_async(&mut plain).await.expect("it is a server");
    assert!((1..=60_000).contains(&left), "{left}");
    // The server forgets its scripts where it is restarted.
    let _: String = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut plain).await.expect("it is a server");
    redis.ask(&[count("k", minute, false)]).await.expect("it answers");
    let left: i64 = redis::cmd("PTTL").arg("k").query_async(&mut plain).await.expect("it is a server");
    assert!((60_001..=120_000).contains(&left), "{left}");
    let loaded: Vec<i64> = redis::cmd("SCRIPT")
        .arg("EXISTS")
        .arg(redis.script())
        .query_async(&mut plain)
        .await
        .expect("it is a server");
    assert_eq!(loaded, [1]);
    // A key that holds something else is a failure, and no panic.
    let _: i64 =
        redis::cmd("LPUSH").arg("list").arg("x").query_async(&mut plain).await.expect("it is a server");
    let why = redis.ask(&[count("list", minute, false)]).await.expect_err("it is no moment");
    assert!(why.contains("WRONGTYPE") || why.contains("wrong kind"), "{why}");
    let _: String =
        redis::cmd("SET").arg("text").arg("x y").query_async(&mut plain).await.expect("it is a server");
    redis.ask(&[count("text", minute, false)]).await.expect("what means nothing counts as nothing");
}
