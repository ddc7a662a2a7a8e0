//! Measures the hostile guests beside good requests, and writes the table in `docs/hostile-guests.md`:
//!
//! ```text
//! cargo run --release -p stagegate-tests --example hostile-table
//! ```
//!
//! With names of attacks behind it, it measures those alone and prints them.

#![allow(clippy::expect_used, reason = "a measurement that cannot be made has nothing to say")]

mod load;
mod report;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use load::Latencies;
use report::Row;
use stagegate::wasm::{Engine, Program, Settings, compile_child};
use stagegate_tests::hostile::{Attack, FAMILIES, Scene, engine_for, folder};

/// How long the good requests run beside each attack, and before each family.
const WARM_UP: Duration = Duration::from_millis(500);
const BESIDE: Duration = Duration::from_millis(3000);
const BEFORE: Duration = Duration::from_secs(4);
/// How often an attack is measured beside which a neighbour seems to be slow: the machine may have been at something else.
const TIMES: usize = 3;

/// With this alone behind it, it compiles one component for the engine of an attack on the compiler.
const COMPILES: &str = "compile-child";

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted == [COMPILES] {
        return match compile_child(std::io::stdin().lock(), std::io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(2)
            }
        };
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // A task like any other, on the workers that serve the neighbour: `main` would have a thread of its own.
    runtime.block_on(async { tokio::spawn(table(wanted)).await.expect("the table") });
    ExitCode::SUCCESS
}

async fn table(wanted: Vec<String>) {
    let components = folder();
    let mut settings = Settings::default();
    settings.cache = Some(components.path().join("cache"));
    let engine = Engine::new(settings).expect("an engine");
    let compiler =
        Program { path: std::env::current_exe().expect("this program"), arguments: vec![COMPILES.into()] };
    let mut families = Vec::new();
    // Of all quiet times together: the slowest hundredth of a few seconds depends on what the disk was at.
    let mut before = Latencies::default();
    for family in &FAMILIES {
        let is_wanted = |attack: &&Attack| wanted.is_empty() || wanted.iter().any(|name| name == attack.name);
        let attacks: Vec<_> = family.attacks.iter().filter(is_wanted).collect();
        if attacks.is_empty() {
            continue;
        }
        let quiet = Scene::peaceful(&engine).await;
        load::beside(&quiet, WARM_UP, std::future::pending()).await;
        before.add(load::beside(&quiet, BEFORE, std::future::pending()).await);
        let mut rows = Vec::new();
        for attack in attacks {
            let loads = engine_for(attack, &engine, &compiler);
            let mut row = measure(attack, &loads, components.path()).await;
            for _ in 1..TIMES {
                if row.misses(&before) {
                    row.add(measure(attack, &loads, components.path()).await);
                }
            }
            eprintln!("{}", report::line(&row, &before));
            rows.push(row);
        }
        families.push((family.name, rows));
    }
    let quiet = Scene::peaceful(&engine).await;
    let busy = load::beside_computing(&quiet, BEFORE).await;
    eprintln!("beside threads that compute: p99 {:?}", busy.percentile(99));
    if wanted.is_empty() {
        report::write(&families, &before, &busy);
    }
}

/// Attacks again and again while good requests go on.
async fn measure<'a>(attack: &'a Attack, engine: &Engine, components: &Path) -> Row<'a> {
    let mut ends = Vec::new();
    let mut problem = None;
    let component = attack.component(components);
    let during = match engine.load(&component).await {
        Err(_) => {
            let scene = Scene::peaceful(engine).await;
            let attacks = async {
                loop {
                    let began = Instant::now();
                    let loaded = engine.load(&component).await;
                    ends.push(began.elapsed());
                    let judged = loaded.err().map(|error| attack.judge_refusal(&error));
                    note(&mut problem, judged.unwrap_or_else(|| Err("it was loaded".to_owned())));
                }
            };
            load::beside(&scene, BESIDE, attacks).await
        }
        Ok(plugin) => {
            let scene = Scene::new(engine, &plugin, attack).await;
            let attacks = async {
                loop {
                    let began = Instant::now();
                    let outcome = scene.strike().await;
                    ends.push(began.elapsed());
                    note(&mut problem, scene.judge(attack, &outcome));
                }
            };
            load::beside(&scene, BESIDE, attacks).await
        }
    };
    ends.sort();
    Row { attack, ends, during, problem }
}

fn note(problem: &mut Option<String>, judged: Result<(), String>) {
    if let Err(reason) = judged {
        problem.get_or_insert(reason);
    }
}
