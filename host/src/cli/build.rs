//! Builds a plugin crate: finds Cargo, adds the target if it is missing, and takes the component from Cargo's messages.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output as Finished, Stdio};

use serde::Deserialize;

use super::failure::Failure;
use super::surroundings::Surroundings;

/// What plugins are built for.
const TARGET: &str = "wasm32-wasip2";

/// The component at `path`, or that of the plugin crate in the folder `path`, which is built first. Blocks: nothing else
/// is going on yet, and an interrupt from the keyboard reaches Cargo as well.
pub(super) fn component(path: &Path, surroundings: &mut Surroundings) -> Result<PathBuf, Failure> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let package = find_package(path, surroundings)?;
    add_target(path, surroundings)?;
    compile(path, &package, surroundings)
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

impl Package {
    fn is_plugin(&self) -> bool {
        self.targets.iter().any(Target::is_component)
    }
}

impl Target {
    fn is_component(&self) -> bool {
        self.crate_types.iter().any(|crate_type| crate_type == "cdylib")
    }
}

/// The crate in the folder, if it can become a component.
fn find_package(folder: &Path, surroundings: &Surroundings) -> Result<Package, Failure> {
    let shown = folder.display();
    let manifest = folder.join("Cargo.toml");
    let Ok(manifest) = manifest.canonicalize() else {
        return Err(Failure::new(format!(
            "`{shown}` is no plugin crate: it has no Cargo.toml; name a `.wasm` component or the folder of a plugin crate"
        )));
    };
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    let finished = tool(&surroundings.tools.cargo, &arguments, folder)?;
    if !finished.status.success() {
        return Err(Failure::new(format!(
            "Cargo cannot read the crate in `{shown}`; correct what it says above"
        ))
        .with_output(String::from_utf8_lossy(&finished.stderr).into_owned()));
    }
    let metadata: Metadata = serde_json::from_slice(&finished.stdout).map_err(|error| {
        Failure::new(format!("what `cargo metadata` says of `{shown}` is not understood: {error}"))
    })?;
    let plugins: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| package.is_plugin())
        .map(|package| package.name.clone())
        .collect();
    let here = |package: &Package| package.manifest_path.canonicalize().is_ok_and(|path| path == manifest);
    match metadata.packages.into_iter().find(here) {
        Some(package) if package.is_plugin() => Ok(package),
        Some(package) => Err(Failure::new(format!(
            "the crate `{}` in `{shown}` builds no component: add `crate-type = [\"cdylib\"]` to the `[lib]` of its \
             Cargo.toml",
            package.name
        ))),
        None if plugins.is_empty() => Err(Failure::new(format!(
            "`{shown}` is a workspace without plugin crates; name the folder of a crate whose `[lib]` has \
             `crate-type = [\"cdylib\"]`"
        ))),
        None => Err(Failure::new(format!(
            "`{shown}` is a workspace; name the folder of one of its plugin crates: {}",
            plugins.join(", ")
        ))),
    }
}

/// Adds the target's libraries, if the crate's toolchain lacks them.
fn add_target(folder: &Path, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let tools = surroundings.tools.clone();
    let arguments = ["--print", "target-libdir", "--target", TARGET];
    let finished = tool(&tools.rustc, &arguments, folder)?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&finished.stdout).trim());
    if finished.status.success() && libraries.is_dir() {
        return Ok(());
    }
    let add = format!("rustup target add {TARGET}");
    surroundings.errors.line(format_args!("the target {TARGET} is missing; adding it with `{add}`"));
    let by_hand = format!("add it by hand with `{add}`, or with your distribution's package of it");
    let finished = tool(&tools.rustup, &["target", "add", TARGET], folder).map_err(|failure| {
        Failure::new(format!("the target {TARGET} is missing and cannot be added: {failure}; {by_hand}"))
    })?;
    if finished.status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{add}` failed; {by_hand}"))
        .with_output(String::from_utf8_lossy(&finished.stderr).into_owned()))
}

/// One of Cargo's messages; those of other kinds read as an artifact of nothing.
#[derive(Deserialize)]
struct CargoMessage {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

fn compile(folder: &Path, package: &Package, surroundings: &mut Surroundings) -> Result<PathBuf, Failure> {
    let name = &package.name;
    let colour = if surroundings.errors.colour() { "always" } else { "never" };
    let cargo = surroundings.tools.cargo.clone();
    let mut command = Command::new(&cargo);
    command
        .args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"])
        .args(["--color", colour, "--package", name])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let progress = surroundings.errors.progress(&format!("building {name} for {TARGET}"));
    let mut child = command.spawn().map_err(|error| not_started(&cargo, &error))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());

    // Both pipes are read at once, or Cargo would wait for the one that is full.
    let messages = std::thread::spawn(move || {
        let mut text = Vec::new();
        stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut text)).map(|_| text)
    });
    let mut said = String::new();
    for line in
        stderr.into_iter().flat_map(|stderr| BufReader::new(stderr).split(b'\n')).map_while(Result::ok)
    {
        let line = String::from_utf8_lossy(&line);
        progress.detail(&anstream::adapter::strip_str(line.trim()).to_string());
        said.push_str(&line);
        said.push('\n');
    }
    let status =
        child.wait().map_err(|error| Failure::new(format!("the end of Cargo cannot be awaited: {error}")))?;
    let messages = messages.join().ok().and_then(Result::ok).ok_or_else(|| {
        Failure::new("what Cargo says cannot be read; build the crate by hand and name the `.wasm` file")
    })?;
    if !status.success() {
        drop(progress);
        return Err(Failure::new(format!(
            "the plugin crate `{name}` does not build; correct what the compiler says above"
        ))
        .with_output(said));
    }
    progress.done(&mut surroundings.errors, &format!("built {name}"));
    component_of(&messages, package).ok_or_else(|| {
        Failure::new(format!(
            "Cargo built `{name}` but names no `.wasm` file of it; build it by hand and name the file"
        ))
    })
}

/// The component of `package` among the files that Cargo's messages name.
fn component_of(messages: &[u8], package: &Package) -> Option<PathBuf> {
    let mut found = None;
    for line in messages.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<CargoMessage>(line) else { continue };
        let ours = message.reason == "compiler-artifact"
            && message.manifest_path == package.manifest_path
            && message.target.is_some_and(|target| target.is_component());
        if ours {
            found = message
                .filenames
                .into_iter()
                .find(|file| file.extension() == Some(OsStr::new("wasm")))
                .or(found);
        }
    }
    found
}

fn tool(program: &OsStr, arguments: &[&str], folder: &Path) -> Result<Finished, Failure> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.output().map_err(|error| not_started(program, &error))
}

fn not_started(program: &OsStr, error: &std::io::Error) -> Failure {
    let program = program.to_string_lossy();
    if error.kind() == ErrorKind::NotFound {
        return Failure::new(format!(
            "`{program}` is not installed or not on the path; install Rust from https://rustup.rs, or name a `.wasm` \
             component that is built already"
        ));
    }
    Failure::new(format!("`{program}` cannot be started: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_the_cdylib_of_the_package_itself() {
        let package =
            Package { name: "b".into(), manifest_path: "/b/Cargo.toml".into(), targets: Vec::new() };
        let messages = concat!(
            r#"{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","target":{"crate_types":["cdylib"]},"filenames":["/t/a.wasm"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/b/Cargo.toml","target":{"crate_types":["cdylib","rlib"]},"filenames":["/t/b.rlib","/t/b.wasm"]}"#,
            "\nnot json\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(component_of(messages.as_bytes(), &package), Some("/t/b.wasm".into()));
        assert_eq!(component_of(b"{\"reason\":\"build-finished\"}", &package), None);
    }
}
