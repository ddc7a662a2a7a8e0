//! Good requests at a steady rate, whatever becomes of them: what a service sees of its neighbours.

use std::future::Future;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use stagegate_tests::hostile::Scene;

/// Good requests in a second.
pub(crate) const RATE: u32 = 100;

/// How long requests took, from the moment at which each was due; sorted.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Takes others in.
    pub(crate) fn add(&mut self, others: Self) {
        self.0.extend(others.0);
        self.0.sort();
    }

    /// What that share of them was faster than.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let index = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(index).copied().unwrap_or_default()
    }
}

/// Runs good requests for a while, and `attacks` beside them. A thread of its own says when each is due, so that a runtime
/// that is late has to account for it.
pub(crate) async fn beside(scene: &Scene, time: Duration, attacks: impl Future<Output = ()>) -> Latencies {
    let (sender, receiver) = mpsc::channel();
    let runtime = tokio::runtime::Handle::current();
    let scene_of_requests = scene.neighbour();
    let (ended, over) = tokio::sync::oneshot::channel::<()>();
    let clock = std::thread::spawn(move || {
        let began = Instant::now();
        let mut tasks = Vec::new();
        for number in 0.. {
            let due = began + Duration::from_secs(1) * number / RATE;
            if due - began >= time {
                break;
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let (good, sender) = (scene_of_requests.clone(), sender.clone());
            tasks.push(runtime.spawn(async move {
                good.request().await.expect("a good request succeeds");
                let _ = sender.send(due.elapsed());
            }));
        }
        for task in tasks {
            runtime.block_on(task).expect("a good request succeeds");
        }
        let _ = ended.send(());
    });
    tokio::select! {
        () = attacks => {}
        _ = over => {}
    }
    clock.join().expect("the good requests");
    let mut latencies: Vec<_> = receiver.try_iter().collect();
    latencies.sort();
    Latencies(latencies)
}
