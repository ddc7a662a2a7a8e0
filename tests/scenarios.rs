//! The project's own scenarios, in the folder `scenarios`: the rules of the pipeline, a file for each part of them.

use std::path::Path;

use stagegate::cli::Exit;

use crate::cli::program::Program;

#[test]
fn every_case_of_every_file_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let ran = Program::new().run(["test".as_ref(), folder.as_path()]);
    assert_eq!(ran.exit, Exit::Done, "{}\n{}", ran.output, ran.errors);
}
