//! A stand-in for Redis: RESP2, and of the commands those that rate limits are counted by. A script is not run: what it is
//! meant to do is done here, by the rule as it is published (GCRA), so that the gateway's own is held against another.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// A server with one database. Dropped, it is gone.
pub struct RedisStandIn {
    address: SocketAddr,
    shared: Arc<Mutex<State>>,
}

/// How it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedisMood {
    /// It answers.
    #[default]
    Well,
    /// It reads, and answers nothing.
    Silent,
    /// It answers each command with an error.
    Failing,
    /// It answers what is no answer.
    Garbled,
    /// It closes every connection.
    Closing,
}

#[derive(Default)]
struct State {
    mood: RedisMood,
    /// It knows no script.
    is_forgetful: bool,
    password: Option<String>,
    /// The moments of the keys, in nanoseconds since 1970.
    moments: HashMap<String, i128>,
    commands: Vec<Vec<String>>,
    streams: Vec<TcpStream>,
    accepted: usize,
    is_over: bool,
}

const SCRIPT_NAME: &str = "0123456789abcdef0123456789abcdef01234567";

impl RedisStandIn {
    /// Starts one.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::<Mutex<State>>::default();
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut state = lock(&of_thread);
                if state.is_over {
                    return;
                }
                state.accepted += 1;
                state.streams.extend(stream.try_clone());
                drop(state);
                let shared = of_thread.clone();
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, shared }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// It is like that from now on.
    pub fn be(&self, mood: RedisMood) {
        let mut state = lock(&self.shared);
        state.mood = mood;
        if mood == RedisMood::Closing {
            for stream in state.streams.drain(..) {
                let _is_gone = stream.shutdown(Shutdown::Both);
            }
        }
    }

    /// It has forgotten its scripts, and its keys.
    pub fn forget(&self) {
        let mut state = lock(&self.shared);
        state.is_forgetful = true;
        state.moments.clear();
    }

    /// Who does not know this is not served.
    pub fn require(&self, password: &str) {
        lock(&self.shared).password = Some(password.to_owned());
    }

    /// All commands so far, each with its arguments; those that were answered with an error, too.
    #[must_use]
    pub fn commands(&self) -> Vec<Vec<String>> {
        lock(&self.shared).commands.clone()
    }

    /// The connections that it has accepted.
    #[must_use]
    pub fn accepted(&self) -> usize {
        lock(&self.shared).accepted
    }
}

impl Drop for RedisStandIn {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.is_over = true;
        for stream in state.streams.drain(..) {
            let _is_gone = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        // It looks around when somebody comes.
        let _is_gone = TcpStream::connect(self.address);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: TcpStream, shared: &Mutex<State>) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    let mut is_known = false;
    while let Some(command) = read(&mut reader) {
        let answer = answer(&mut lock(shared), &command, &mut is_known);
        let Some(answer) = answer else { continue };
        if answer.is_empty() || writer.write_all(answer.as_bytes()).is_err() {
            let _is_gone = writer.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// One command: an array of texts with their lengths.
fn read(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let number = |reader: &mut dyn BufRead, kind: char| -> Option<usize> {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        line.trim_end().strip_prefix(kind)?.parse().ok()
    };
    let count = number(reader, '*')?;
    let mut command = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let mut text = vec![0; number(reader, '$')? + 2];
        reader.read_exact(&mut text).ok()?;
        text.truncate(text.len() - 2);
        command.push(String::from_utf8_lossy(&text).into_owned());
    }
    Some(command)
}

/// `None`: nothing is said. An empty answer ends the connection.
fn answer(state: &mut State, command: &[String], is_known: &mut bool) -> Option<String> {
    state.commands.push(command.to_vec());
    let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
    match state.mood {
        RedisMood::Silent => return None,
        RedisMood::Closing => return Some(String::new()),
        RedisMood::Failing => return Some("-ERR it is not its day\r\n".to_owned()),
        RedisMood::Garbled => return Some("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()),
        RedisMood::Well => {}
    }
    let is_allowed = *is_known || state.password.is_none();
    Some(match arguments.as_slice() {
        ["AUTH", rest @ ..] => {
            *is_known = rest.last().copied() == state.password.as_deref();
            if *is_known { "+OK\r\n".to_owned() } else { "-WRONGPASS it is another\r\n".to_owned() }
        }
        _ if !is_allowed => "-NOAUTH Authentication required.\r\n".to_owned(),
        ["PING"] => "+PONG\r\n".to_owned(),
        ["SELECT" | "CLIENT", ..] => "+OK\r\n".to_owned(),
        ["SCRIPT", "LOAD", _] => format!("${}\r\n{SCRIPT_NAME}\r\n", SCRIPT_NAME.len()),
        ["EVALSHA", SCRIPT_NAME, ..] if state.is_forgetful => {
            "-NOSCRIPT No matching script. Please use EVAL.\r\n".to_owned()
        }
        ["EVALSHA", SCRIPT_NAME, rest @ ..] => count(state, rest),
        ["EVAL", _, rest @ ..] => {
            state.is_forgetful = false;
            count(state, rest)
        }
        _ => "-ERR unknown command\r\n".to_owned(),
    })
}

/// What the script is meant to do: for each key its interval, its tolerance, and whether it refuses at all.
fn count(state: &mut State, arguments: &[&str]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i128 * 1000;
    let Some(keys) = arguments.first().and_then(|count| count.parse::<usize>().ok()) else {
        return "-ERR how many keys?\r\n".to_owned();
    };
    if arguments.len() != 1 + 4 * keys {
        return "-ERR three numbers a key\r\n".to_owned();
    }
    let (keys, numbers) = arguments[1..].split_at(keys);
    let mut said = Vec::new();
    for (key, numbers) in keys.iter().zip(numbers.chunks(3)) {
        let number = |place: usize| numbers[place].parse::<i128>().unwrap_or_default();
        let (interval, tolerance, is_dry_run) = (number(0), number(1), number(2) == 1);
        let moment = state.moments.get(*key).copied().unwrap_or_default().max(now);
        if moment - now > tolerance {
            said.push(moment - now - tolerance);
            if !is_dry_run {
                break;
            }
        } else {
            state.moments.insert((*key).to_owned(), moment + interval);
            said.push(0);
        }
    }
    said.iter().fold(format!("*{}\r\n", said.len()), |text, one| format!("{text}:{one}\r\n"))
}
