//! What a step costs: against the bare call, by the size of the target, by where memory comes from, by depth.

use std::path::Path;

use stagegate::wasm::{Allocation, Plugin};
use stagegate::{Entity, Host, Request, Value};
use stagegate_tests::GUEST_TOUCH;

use crate::bare::Bare;
use crate::harness::{Alternative, Effort, Goal, Report, Samples, Took, interleave};
use crate::world::{engine, host, one_thread, probe};

/// The most that a step of the host may cost, in bare calls.
const STEP_MAX: f64 = 1.2;
/// The most that a step with the tuned pool may cost of one with wasmtime's defaults, the guest's own work included: a
/// pool that is not tuned any more would be at 1.
const TUNED_MAX: f64 = 0.7;

pub(crate) fn measure(effort: Effort, report: &mut Report) {
    let runtime = one_thread();
    let load = |allocation| runtime.block_on(engine(allocation).load(GUEST_TOUCH)).unwrap();
    let tuned = load(Allocation::Pool);

    for attributes in [1, 10, 100] {
        let took = Steps::new(&tuned, &probe(attributes)).measure(effort);
        let name = |floor: &str| format!("a step, {attributes} attributes / {floor}");
        report.ratio(&name("bare call in a Create"), &took.step, &took.bare_within, Goal::AtMost(STEP_MAX));
        report.ratio(&name("bare calls alone"), &took.step, &took.bare_alone, Goal::None);
    }
    for (allocation, name, goal) in [
        (Allocation::DefaultPool, "a step, tuned pool / wasmtime's default pool", Goal::AtMost(TUNED_MAX)),
        (Allocation::OnDemand, "a step, tuned pool / memory mapped on demand", Goal::None),
    ] {
        let other = load(allocation);
        let [none, ours, theirs] = {
            let (request, none) = (Request::create(probe(10)), runtime.block_on(host(None)));
            let ours = runtime.block_on(host(Some((&tuned, "touch"))));
            let theirs = runtime.block_on(host(Some((&other, "touch"))));
            let runtime = &runtime;
            let request = &request;
            let run = |host: Host| -> Alternative<'_> {
                Box::new(move |count| runtime.block_on(executes(&host, request, count)))
            };
            interleave(effort.rounds(51), [run(none), run(ours), run(theirs)])
        };
        report.ratio(name, &ours.cpu.minus(&none.cpu), &theirs.cpu.minus(&none.cpu), goal);
    }
    nested(&tuned, effort, report);
}

/// A chain of requests, each issued by the step of the one before.
fn nested(plugin: &Plugin, effort: Effort, report: &mut Report) {
    let runtime = one_thread();
    let host = &runtime.block_on(host(Some((plugin, "descend"))));
    let runtime = &runtime;
    let chain = |depth: i32| -> Alternative<'_> {
        let request = Request::create(Entity::new("chain").with("left", Value::Integer(depth - 1)));
        Box::new(move |count| runtime.block_on(executes(host, &request, count)))
    };
    let times = interleave(effort.rounds(51), [chain(1), chain(2), chain(4), chain(8)]);
    for (depth, took) in [2.0, 4.0, 8.0].into_iter().zip(&times[1..]) {
        let name = format!("requests nested {depth} deep / {depth} times one");
        report.ratio(&name, &took.cpu, &times[0].cpu.times(depth), Goal::None);
    }
}

/// Issues a request that often.
pub(crate) async fn executes(host: &Host, request: &Request, count: u32) {
    for _ in 0..count {
        host.execute(request.clone()).await.unwrap();
    }
}

struct Steps {
    none: Host,
    one: Host,
    bare: Bare,
    request: Request,
}

/// The bare call has two floors. One call after another finds the processor's caches and branch predictors as it left
/// them, which no call between other work does; so the one that counts is a bare call after each Create without a step.
struct Measured {
    step: Samples,
    bare_within: Samples,
    bare_alone: Samples,
}

impl Steps {
    fn new(plugin: &Plugin, target: &Entity) -> Self {
        let runtime = one_thread();
        Self {
            none: runtime.block_on(host(None)),
            one: runtime.block_on(host(Some((plugin, "touch")))),
            bare: Bare::new(Path::new(GUEST_TOUCH), target),
            request: Request::create(target.clone()),
        }
    }

    /// The step is what a Create with it takes longer than a Create without.
    fn measure(&self, effort: Effort) -> Measured {
        let runtime = one_thread();
        let [none, one, within, alone] = interleave(
            effort.rounds(101),
            [
                Box::new(|count| runtime.block_on(executes(&self.none, &self.request, count))),
                Box::new(|count| runtime.block_on(executes(&self.one, &self.request, count))),
                Box::new(|count| {
                    runtime.block_on(async {
                        for _ in 0..count {
                            executes(&self.none, &self.request, 1).await;
                            self.bare.call("touch").await;
                        }
                    });
                }),
                Box::new(|count| runtime.block_on(self.bare.calls(count))),
            ],
        );
        let of_a_step = |with: &Took| with.cpu.minus(&none.cpu);
        Measured { step: of_a_step(&one), bare_within: of_a_step(&within), bare_alone: alone.cpu.clone() }
    }
}
