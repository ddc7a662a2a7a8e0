//! The keys that jobs share: the order of those with one order key, the one that waits of those with a unique key.
//!
//! Whether a job may go depends on others with its key, of which other transactions may be writing some. So whoever queues,
//! ends or moves a job with a key locks that key to the end of its transaction; several at once in one order. The locks are
//! the server's own, by a number made of the key: they leave nothing behind. Two keys with one number only wait for each
//! other.

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::{Jobs, is};
use crate::model::error::Result;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyKind {
    Order,
    Unique,
}

const LOCK: &str = "SELECT pg_advisory_xact_lock(number) FROM (
         SELECT DISTINCT hashtextextended(key, 0) AS number FROM unnest($1::text[]) AS keys (key) ORDER BY 1
     ) AS numbers";

/// The first of each key moves up, unless another has its place.
const NEXT_IN_ORDER: &str = "UPDATE system_job SET blocked = false
     WHERE sequence = ANY(ARRAY(
         SELECT first.sequence FROM unnest($1::text[]) AS keys (key), LATERAL (
             SELECT sequence FROM system_job WHERE order_key = keys.key AND state <> 3 ORDER BY sequence LIMIT 1
         ) AS first
     )) AND blocked AND NOT EXISTS (
         SELECT 1 FROM system_job AS head
         WHERE head.order_key = system_job.order_key AND head.state <> 3 AND NOT head.blocked)";

const HAS_HEAD: &str = "SELECT EXISTS (
         SELECT 1 FROM system_job WHERE order_key = $1 AND state <> 3 AND NOT blocked)";

const NEWER: &str = "SELECT id FROM system_job WHERE waiting_key = $1";

/// Keeps others from changing which jobs with these keys may go.
pub(super) async fn lock_keys(cx: Jobs<'_>, keys: impl IntoIterator<Item = (KeyKind, &str)>) -> Result<()> {
    let prefixed = |(kind, key): (KeyKind, &str)| match kind {
        KeyKind::Order => format!("order {key}"),
        KeyKind::Unique => format!("unique {key}"),
    };
    let keys: Vec<String> = keys.into_iter().map(prefixed).collect();
    if keys.is_empty() {
        return Ok(());
    }
    cx.rows(LOCK, &[is(&keys, Type::TEXT_ARRAY)]).await.map(drop)
}

/// Lets the first job of each key move up, after one of them is over. The keys are locked for that, now that it is over: so
/// whoever was queueing one behind it has either done so, and it is found here, or will see that it is over.
pub(super) async fn next_in_order(cx: Jobs<'_>, order_keys: &[String]) -> Result<()> {
    if order_keys.is_empty() {
        return Ok(());
    }
    lock_keys(cx, order_keys.iter().map(|key| (KeyKind::Order, key.as_str()))).await?;
    cx.rows(NEXT_IN_ORDER, &[is(&order_keys, Type::TEXT_ARRAY)]).await.map(drop)
}

/// Whether another job of the key stands where it may run.
pub(super) async fn has_head(cx: Jobs<'_>, order_key: Option<&str>) -> Result<bool> {
    let Some(key) = order_key else { return Ok(false) };
    let rows = cx.rows(HAS_HEAD, &[is(&key, Type::TEXT)]).await?;
    rows.first().map_or(Ok(false), |row| cx.get(row, 0))
}

/// The job that waits with that unique key.
pub(super) async fn superseded_by(cx: Jobs<'_>, unique_key: Option<&str>) -> Result<Option<Uuid>> {
    let Some(key) = unique_key else { return Ok(None) };
    let rows = cx.rows(NEWER, &[is(&key, Type::TEXT)]).await?;
    rows.first().map(|row| cx.get(row, 0)).transpose()
}
