//! The corpus of hostile guests, family by family: each row ends as it must, and the host goes on.
//!
//! That an attack ends by itself is told by its error: one that were still on at the request's time would be a timeout.

use std::fmt::Write as _;

use stagegate_tests::hostile::{FAMILIES, folder, run};
use stagegate_tests::{PATIENCE, engine};

use super::compiler::program;

async fn withstands(family: &str) {
    let folder = folder();
    let family = FAMILIES.iter().find(|known| known.name == family).unwrap();
    let mut wrong = String::new();
    for attack in family.attacks {
        let ran = tokio::time::timeout(2 * PATIENCE, run(attack, &engine(), &program(), folder.path())).await;
        if let Err(problem) = ran.unwrap_or_else(|_elapsed| Err("it did not end".to_owned())) {
            writeln!(wrong, "{}: {problem}", attack.name).unwrap();
        }
    }
    assert_eq!(wrong, "");
}

macro_rules! families {
    ($($test:ident: $family:literal,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                withstands($family).await;
            }
        )*

        #[test]
        fn every_family_is_tested() {
            let names: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
            assert_eq!(names, [$($family),*]);
        }
    };
}

families! {
    endless_loops: "Endless loops",
    sleeping: "Sleeping",
    memory_and_tables: "Memory and tables",
    stacks_and_traps: "Stacks and traps",
    handles_and_resources: "Handles and resources",
    floods: "Floods",
    jobs: "Jobs",
    values_that_cross: "Values that cross",
    queries: "Queries",
    secrets: "Secrets",
    the_world_outside: "The world outside",
    outgoing_http: "Outgoing HTTP",
    shapes_of_components: "Shapes of components",
    compiling: "Compiling",
}
