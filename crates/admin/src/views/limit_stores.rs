//! `/api/limit-stores`.

use super::{Page, seconds};
use irongate_proxy::LimitStoreReport;
use serde_json::{Value, json};

/// The stores that count rate limits for all replicas.
pub(crate) fn limit_stores(reports: &[LimitStoreReport], page: Page) -> Value {
    page.of("stores", reports.iter().map(one))
}

fn one(report: &LimitStoreReport) -> Value {
    json!({
        "store": &*report.store,
        "address": report.address,
        "up": report.is_up,
        "sinceSeconds": report.since.map(seconds),
        "connections": report.connections,
        "lastFailure": report.failure.as_ref().map(|(ago, why)| json!({
            "agoSeconds": seconds(*ago),
            "message": why,
        })),
    })
}
