//! Good requests at a steady rate, whatever becomes of them: what a service sees of its neighbours.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
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

/// Runs good requests for a while beside as many threads that only compute as there are processors: what the operating system
/// alone makes of a machine that is busy.
pub(crate) async fn beside_computing(scene: &Scene, time: Duration) -> Latencies {
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..std::thread::available_parallelism().map_or(1, usize::from))
        .map(|_| Arc::clone(&stop))
        .map(|stop| std::thread::spawn(move || while !stop.load(Ordering::Relaxed) {}))
        .collect();
    let latencies = beside(scene, time, std::future::pending()).await;
    stop.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().expect("it computes"));
    latencies
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
