//! The decisions: routing, filters, balancing, health, retries. No IO, no clock, no dice.

mod balance;
pub mod bandwidth;
pub mod choice;
pub mod compression;
pub mod concurrency;
mod deadline;
pub mod filter;
pub mod health;
pub mod limit;
pub mod retry;
pub mod route;
pub mod session;
pub mod stable;
mod time;

pub use balance::{
    Affinity, BalancePlan, Balancer, Begin, EndpointIndex, EndpointLoad, Member, Outcome, PickRequest,
    Picked, Ticket, Verdict, hash_key,
};
pub use bandwidth::{ByteBucket, ByteRate};
pub use choice::WeightedChoice;
pub use compression::{AskedCoding, CompressionPlan};
pub use concurrency::{ConcurrencyReading, ConcurrencyState};
pub use deadline::{Bound, Deadlines, connect_timeout};
pub use filter::{CorsPolicy, FilterContext, Filters, Redirection};
pub use health::{
    BackendState, Cause, Change, CheckFault, EndpointState, Health, HealthReport, Limited, LimitsState,
    eject_slow,
};
pub use limit::{LimitKey, LimitState, LimitVerdict, Rate, RateLimiter, StoreHealth};
pub use retry::{AttemptFailure, Decision, RequestFacts, RetryBudgetState, decide};
pub use route::{CompileError, HostTable, RouteMatch, RouteTable};
pub use session::{SessionNote, SessionPlan};
pub use time::Time;
