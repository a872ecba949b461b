//! Redis and Valkey: the rule is a script there, so that a question is one round trip and no two replicas count over each other.

use super::keep::{Opened, Pulse};
use super::script::SCRIPT;
use super::{Answer, Io, Peer, Question};
use irongate_config::RedisStore;
use irongate_traffic::LimitVerdict;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, RedisConnectionInfo, RedisError, ServerErrorKind, cmd};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// A connection to Redis; clones are of the same.
#[derive(Clone)]
pub(super) struct Redis {
    connection: MultiplexedConnection,
    /// The name that the server gave the script.
    script: Arc<str>,
}

/// Logs in, leaves the script there, and asks it once: a server that may not be written to is of no use.
pub(super) async fn open(config: &RedisStore, stream: Box<dyn Io>) -> Result<Opened, String> {
    let mut info = RedisConnectionInfo::default().set_db(config.database.into()).set_skip_set_lib_name();
    if let Some(username) = &config.username {
        info = info.set_username(username);
    }
    if let Some(password) = &config.password {
        let password =
            std::str::from_utf8(password.expose()).map_err(|_| "the password is no text".to_owned())?;
        info = info.set_password(password);
    }
    // Time is watched by whoever asks.
    let options = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(None)
        .set_pipeline_buffer_size(super::MOST_UNDER_WAY);
    let begun = MultiplexedConnection::new_with_config(&info, stream, options).await;
    let (mut connection, moving) = begun.map_err(told)?;
    let mut driver = JoinSet::new();
    driver.spawn(moving);
    let script: String =
        cmd("SCRIPT").arg("LOAD").arg(SCRIPT).query_async(&mut connection).await.map_err(told)?;
    let redis = Redis { connection, script: script.into() };
    let probe = Question::Count {
        key: [config.prefix.as_bytes(), b"probe"].concat(),
        interval: 1,
        tolerance: 0,
        is_dry_run: true,
    };
    redis.ask(&[probe]).await?;
    Ok(Opened { peer: Peer::Redis(redis.clone()), pulse: Pulse::Redis(redis), driver })
}

impl Redis {
    pub(super) async fn ask(&self, questions: &[Question]) -> Result<Answer, String> {
        let known = self.command("EVALSHA", &self.script, questions);
        let said: Result<Vec<i64>, RedisError> = known.query_async(&mut self.connection.clone()).await;
        let said = match said {
            // It was restarted, or told to forget its scripts. Sent whole, it knows it again.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let whole = self.command("EVAL", SCRIPT, questions);
                whole.query_async(&mut self.connection.clone()).await
            }
            said => said,
        };
        read(&said.map_err(told)?, questions)
    }

    fn command(&self, name: &str, script: &str, questions: &[Question]) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(questions.len());
        for question in questions {
            if let Question::Count { key, .. } = question {
                command.arg(&key[..]);
            }
        }
        for question in questions {
            if let Question::Count { interval, tolerance, is_dry_run, .. } = question {
                command.arg(*interval).arg(*tolerance).arg(u8::from(*is_dry_run));
            }
        }
        command
    }

    /// The name that the server gave the script.
    #[cfg(test)]
    pub(super) fn script(&self) -> &str {
        &self.script
    }

    pub(super) async fn ping(&mut self) -> Result<(), String> {
        cmd("PING").query_async::<String>(&mut self.connection).await.map(drop).map_err(told)
    }
}

/// What the script says: for each limit how long to wait, in nanoseconds, up to the first that refuses.
fn read(said: &[i64], questions: &[Question]) -> Result<Answer, String> {
    let mut answer = Answer::default();
    for nanos in said {
        answer.verdicts.push(match u64::try_from(*nanos) {
            Ok(0) => LimitVerdict::Admitted,
            Ok(nanos) => LimitVerdict::Refused(Duration::from_nanos(nanos)),
            Err(_) => return Err("what it says means nothing".to_owned()),
        });
    }
    let has_refused = matches!(answer.verdicts.last(), Some(LimitVerdict::Refused(_)));
    match said.len().cmp(&questions.len()) {
        std::cmp::Ordering::Equal => Ok(answer),
        std::cmp::Ordering::Less if has_refused => Ok(answer),
        _ => Err("it says too little, or too much".to_owned()),
    }
}

/// An error for people, in one line and of bounded length.
fn told(error: impl std::borrow::Borrow<RedisError>) -> String {
    error.borrow().to_string().chars().filter(|one| !one.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: &[i64], questions: usize, expected: Option<&[u64]>) {
        let question = |_| Question::Count { key: Vec::new(), interval: 1, tolerance: 0, is_dry_run: false };
        let questions: Vec<_> = (0..questions).map(question).collect();
        let answer = read(said, &questions).ok().map(|answer| {
            let nanos = |verdict: &LimitVerdict| match verdict {
                LimitVerdict::Admitted => 0,
                LimitVerdict::Refused(wait) => wait.as_nanos() as u64,
            };
            answer.verdicts.iter().map(nanos).collect::<Vec<_>>()
        });
        assert_eq!(answer.as_deref(), expected, "{said:?} to {}", questions.len());
    }

    #[test]
    fn what_a_server_says_is_read_or_refused() {
        check(&[0, 0], 2, Some(&[0, 0]));
        check(&[0, 7], 3, Some(&[0, 7]));
        check(&[5], 1, Some(&[5]));
        check(&[], 1, None);
        check(&[0], 2, None);
        check(&[0, 0], 1, None);
        check(&[-1], 1, None);
    }
}
