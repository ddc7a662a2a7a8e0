//! The command line. `stagegate::cli` is all of it.

use std::process::ExitCode;

use stagegate::cli::{self, Exit, Surroundings};

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the program cannot start its threads: {error}");
            return Exit::Unusable.into();
        }
    };
    let mut surroundings = Surroundings::of_process();
    runtime.block_on(async {
        tokio::select! {
            // In this order, an interrupt keeps its usual effect until the program first waits: while it reads standard
            // input, or while Cargo builds.
            biased;
            exit = cli::run(std::env::args_os(), &mut surroundings) => exit.into(),
            _ = tokio::signal::ctrl_c() => {
                eprintln!("interrupted: the request that ran is rolled back");
                Exit::Interrupted.into()
            }
        }
    })
}
