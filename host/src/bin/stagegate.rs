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
    let exit = runtime.block_on(cli::run(std::env::args_os(), &mut surroundings));
    if exit == Exit::Interrupted {
        // What did not end in time may still need the runtime, so it goes with the process and not before.
        std::mem::forget(runtime);
    }
    exit.into()
}
