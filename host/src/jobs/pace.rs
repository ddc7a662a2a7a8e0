//! How often a run may write to its job: a checkpoint and a report of progress are a commit each, and a background step may
//! go on for hours.

use std::future::Future;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// How many times as long as a report took the next one has to wait: the reports of a run take a fifth of the store's time at
/// most, and less where others keep the store busy, since then each takes longer.
const REST: u32 = 4;
/// The longest wait. Authors are told that once a second is enough, so who keeps to that never waits.
const REST_MAX: Duration = Duration::from_secs(1);

/// Lets reports through one at a time, with a rest after each.
#[derive(Default)]
pub(super) struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Makes a report when it is its turn.
    pub(super) async fn keep<T>(&self, report: impl Future<Output = T>) -> T {
        let mut next = self.0.lock().await;
        if let Some(next) = *next {
            sleep_until(next).await;
        }
        let began = Instant::now();
        let reported = report.await;
        *next = Some(Instant::now() + rest(began.elapsed()));
        reported
    }
}

/// After a report that took so long.
fn rest(took: Duration) -> Duration {
    took.saturating_mul(REST).min(REST_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_have_a_fifth_of_the_time_and_wait_for_a_second_at_most() {
        for (took, expected) in [(0, 0), (1, 4), (250, 1000), (60_000, 1000)] {
            assert_eq!(rest(Duration::from_millis(took)), Duration::from_millis(expected));
        }
        assert_eq!(rest(Duration::MAX), REST_MAX);
    }
}
