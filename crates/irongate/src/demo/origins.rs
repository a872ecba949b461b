//! Three origins with characters of their own.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{self, Instant};

/// The origins' names, in the order of the addresses that [`start`] gives.
pub(crate) const NAMES: [&str; 3] = ["steady", "slow", "flaky"];

/// Flaky fails for [`FAILING`] at the end of each such time.
const PERIOD: Duration = Duration::from_secs(20);
const FAILING: Duration = Duration::from_secs(5);

/// Starts the origins, each on a free port of 127.0.0.1, on the runtime that this is called on. They serve
/// until the runtime ends.
///
/// # Errors
/// When no port could be had.
pub(crate) async fn start() -> io::Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    for character in [Character::Steady, Character::Slow, Character::Flaky] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        addresses.push(listener.local_addr()?);
        let origin = Origin { character, since: Instant::now() };
        let router = Router::new().fallback(answer).with_state(origin);
        // It accepts for ever; what goes wrong with one connection ends only that one.
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
    Ok(addresses)
}

#[derive(Clone, Copy, Debug)]
struct Origin {
    character: Character,
    since: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Character {
    Steady,
    Slow,
    Flaky,
}

/// What an origin does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Behaviour {
    delay: Duration,
    fails: bool,
}

async fn answer(State(origin): State<Origin>, request: Request) -> (StatusCode, String) {
    let behaviour = origin.character.behaviour(origin.since.elapsed(), fastrand::f64());
    time::sleep(behaviour.delay).await;
    let name = NAMES[origin.character as usize];
    if behaviour.fails {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{name} fails just now\n"));
    }
    (StatusCode::OK, format!("{name} answers {} {}\n", request.method(), request.uri()))
}

impl Character {
    /// What it does so long after its start; `dice` is even in 0 to 1.
    fn behaviour(self, after: Duration, dice: f64) -> Behaviour {
        let (least, spread) = match self {
            Self::Steady => (4.0, 2.0),
            // Mostly around 50 ms, now and then far more.
            Self::Slow => (40.0 + 120.0 * dice.powi(8), 20.0),
            Self::Flaky => (6.0, 4.0),
        };
        let phase = Duration::from_millis((after.as_millis() % PERIOD.as_millis()) as u64);
        if matches!(self, Self::Flaky) && phase >= PERIOD - FAILING {
            // Failing is quick, which draws traffic where only latency is looked at.
            return Behaviour { delay: Duration::from_millis(1), fails: true };
        }
        Behaviour { delay: Duration::from_secs_f64((least + spread * dice) / 1e3), fails: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_behave_as_they_are_called() {
        let millis = |character: Character, dice: f64| {
            let behaviour = character.behaviour(Duration::from_secs(3), dice);
            assert!(!behaviour.fails);
            behaviour.delay.as_secs_f64() * 1e3
        };
        for dice in [0.0, 0.5, 0.999] {
            assert!((4.0..=6.0).contains(&millis(Character::Steady, dice)));
            assert!((6.0..=10.0).contains(&millis(Character::Flaky, dice)));
            assert!((40.0..=180.0).contains(&millis(Character::Slow, dice)));
        }
        assert!((45.0..55.0).contains(&millis(Character::Slow, 0.5)));
    }

    #[test]
    fn flaky_fails_at_the_end_of_each_period() {
        for (seconds, fails) in
            [(0, false), (14, false), (15, true), (19, true), (20, false), (35, true), (40, false)]
        {
            let after = Duration::from_secs(seconds);
            assert_eq!(Character::Flaky.behaviour(after, 0.5).fails, fails, "{seconds} s");
            assert!(!Character::Steady.behaviour(after, 0.5).fails);
        }
    }
}
