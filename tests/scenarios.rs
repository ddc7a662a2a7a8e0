//! The project's own scenarios, in the folder `scenarios`: the rules of the pipeline, a file for each part of them. They hold
//! on every store.

use std::path::Path;

use stagegate::cli::Exit;
use stagegate_tests::postgres::Server;

use crate::cli::program::Program;

/// Runs all of them with these options.
fn hold(options: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let args = ["test".as_ref(), folder.as_path()];
    let ran = Program::new().run(args.into_iter().chain(options.iter().map(Path::new)));
    assert_eq!(ran.exit, Exit::Done, "{}\n{}", ran.output, ran.errors);
}

#[test]
fn every_case_of_every_file_holds() {
    hold(&[]);
}

#[test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
fn every_case_of_every_file_holds_on_postgresql() {
    let database = Server::shared().database();
    hold(&["--database", &database.url()]);
}
