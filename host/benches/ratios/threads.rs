//! Whether a second thread makes steps faster, and how much of what it could.
//!
//! Creates with one step on a host without a database, so that no write transaction puts them in a row; many tasks on a
//! runtime with one worker and on one with two. The bare call does the same: it says what the machine has to give.

use std::path::Path;
use std::sync::Arc;

use stagegate::Request;
use stagegate::wasm::Allocation;
use stagegate_tests::GUEST_TOUCH;
use tokio::runtime::Runtime;

use crate::bare::Bare;
use crate::harness::{Effort, Goal, Report, Samples, Took, interleave};
use crate::steps::executes;
use crate::world::{engine, host, probe, threads};

/// The least that two threads must do, in what one does.
const SCALING_MIN: f64 = 1.6;
/// Tasks at once: enough that no worker runs dry while another is at its last one.
const TASKS: u32 = 8;
/// Operations of a task in a batch, at least.
const OPERATIONS: u32 = 50;

pub(crate) fn measure(effort: Effort, report: &mut Report) {
    let (one, two) = (threads(1), threads(2));
    let plugin = one.block_on(engine(Allocation::Pool).load(GUEST_TOUCH)).unwrap();
    let host = one.block_on(host(Some((&plugin, "touch"))));
    let request = Request::create(probe(10));
    let bare = Bare::new(Path::new(GUEST_TOUCH), &probe(10));

    let ours = |runtime: &Arc<Runtime>, count: u32| {
        spread(runtime, || {
            let (host, request) = (host.clone(), request.clone());
            async move { executes(&host, &request, count * OPERATIONS).await }
        });
    };
    let theirs = |runtime: &Arc<Runtime>, count: u32| {
        spread(runtime, || {
            let bare = bare.clone();
            async move { bare.calls(count * OPERATIONS).await }
        });
    };
    let [ours_one, ours_two, bare_one, bare_two] = interleave(
        effort.rounds(41),
        [
            Box::new(|count| ours(&one, count)),
            Box::new(|count| ours(&two, count)),
            Box::new(|count| theirs(&one, count)),
            Box::new(|count| theirs(&two, count)),
        ],
    );
    for (name, one, two, goal) in [
        ("Creates with one step", ours_one, ours_two, Goal::AtLeast(SCALING_MIN)),
        ("bare calls", bare_one, bare_two, Goal::None),
    ] {
        let scaling = one.wall.over(&two.wall);
        report.row(&format!("{name}, two threads / one"), &rate(&two.wall), &rate(&one.wall), &scaling, goal);
        let each = |took: &Took| took.cpu.times(1.0 / f64::from(TASKS * OPERATIONS));
        report.ratio(&format!("{name}, processor time of one"), &each(&two), &each(&one), Goal::None);
    }
}

/// Runs the task several times at once.
fn spread<T: Future<Output = ()> + Send + 'static>(runtime: &Runtime, task: impl Fn() -> T) {
    runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(task())).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

fn rate(samples: &Samples) -> String {
    let seconds = samples.median() / 1e9 / f64::from(TASKS * OPERATIONS);
    format!("{:.1} k/s", 1e-3 / seconds)
}
