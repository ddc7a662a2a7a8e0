//! Compiles the sample plugins and the guests to components and tells the tests where they are; and tells them whether
//! there is PostgreSQL, since a test can be ignored only when it is compiled.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "postgres_server/binaries.rs"]
#[expect(unreachable_pub, reason = "the library exports it")]
mod postgres;

const TARGET: &str = "wasm32-wasip2";

/// What changes when a package is installed: of Debian, Fedora, older RHEL, Alpine and Arch.
const PACKAGES: [&str; 5] = [
    "/var/lib/dpkg/status",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/var/lib/rpm/rpmdb.sqlite",
    "/lib/apk/db/installed",
    "/var/lib/pacman/local",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    for watched in ["wit", "guest-sdk", "sample-plugins", "tests/guests", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    find_postgres()?;
    let samples = crates(&root.join("sample-plugins"))?;
    let guests = crates(&root.join("tests/guests"))?;
    add_target()?;
    let components = build(
        &root,
        samples.iter().map(|name| (name, "")).chain(guests.iter().map(|name| (name, "guest-"))),
    )?;

    let mut code = String::new();
    for (prefix, names) in [("", &samples), ("guest-", &guests)] {
        for name in names {
            let constant = format!("{prefix}{name}").replace('-', "_");
            let path = components.join(format!("{constant}.wasm"));
            let upper = constant.to_uppercase();
            writeln!(code, "/// The component `{prefix}{name}`.\npub const {upper}: &str = {path:?};")?;
        }
    }
    let list: Vec<String> = samples.iter().map(|name| name.replace('-', "_")).collect();
    let list = list.join(" ");
    writeln!(
        code,
        "/// Calls a macro with each sample plugin's name, so that one without a test does not compile.\n\
         #[macro_export]\nmacro_rules! for_each_sample {{ ($with:ident) => {{ $with!({list}); }} }}"
    )?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("guests.rs"), code)?;
    Ok(())
}

/// Sets `cfg(postgres)` where there is a server or the programs to start one, `cfg(postgres_programs)` where there
/// are those, `cfg(pgbouncer)` where there is PgBouncer too.
fn find_postgres() -> Result<(), Box<dyn Error>> {
    println!("cargo::rustc-check-cfg=cfg(postgres, postgres_programs, pgbouncer)");
    println!("cargo::rerun-if-env-changed={}", postgres::VARIABLE);
    let found = postgres::find()?;
    if let Some(programs) = &found.programs {
        println!("cargo::rustc-cfg=postgres_programs");
        println!("cargo::rerun-if-changed={}", programs.join("initdb").display());
    } else {
        watch_for_packages();
    }
    let is_here = found.programs.is_some() || found.url.is_some();
    match postgres::find_pooler() {
        Some(pooler) => {
            println!("cargo::rerun-if-changed={}", pooler.display());
            if is_here {
                println!("cargo::rustc-cfg=pgbouncer");
            }
        }
        None => {
            watch_for_packages();
            println!(
                "cargo::warning=PgBouncer is not here, so its tests are ignored: install it (Debian: apt-get install \
                 pgbouncer)"
            );
        }
    }
    if is_here {
        println!("cargo::rustc-cfg=postgres");
    } else {
        println!(
            "cargo::warning=PostgreSQL is not here, so its tests are ignored: install it (Debian: apt-get install \
             postgresql) or set {}",
            postgres::VARIABLE
        );
    }
    Ok(())
}

/// To watch for a file that is not there would build the tests anew each time.
fn watch_for_packages() {
    println!("cargo::rerun-if-env-changed=PATH");
    for packages in PACKAGES.iter().filter(|path| Path::new(path).exists()) {
        println!("cargo::rerun-if-changed={packages}");
    }
}

/// The names of the crates in a folder.
fn crates(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Adds the target where rustup knows that it is missing. Without rustup the build says what is missing.
fn add_target() -> Result<(), Box<dyn Error>> {
    let Ok(installed) = Command::new("rustup").args(["target", "list", "--installed"]).output() else {
        return Ok(());
    };
    if String::from_utf8_lossy(&installed.stdout).lines().any(|line| line.trim() == TARGET) {
        return Ok(());
    }
    println!("cargo::warning=adding the target {TARGET} with rustup");
    let added = Command::new("rustup").args(["target", "add", TARGET]).status()?;
    if added.success() { Ok(()) } else { Err(format!("`rustup target add {TARGET}` failed").into()) }
}

/// Builds the crates and returns the folder with the components.
fn build<'a>(
    root: &Path,
    crates: impl Iterator<Item = (&'a String, &'static str)>,
) -> Result<PathBuf, Box<dyn Error>> {
    // A target folder of its own beside ours: the cargo that runs this script holds the lock on ours.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let target = out.ancestors().nth(4).ok_or("OUT_DIR is not inside a target folder")?.join("guests");
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo
        .current_dir(root)
        .args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"])
        .arg(&target);
    for (name, prefix) in crates {
        cargo.arg("-p").arg(format!("{prefix}{name}"));
    }
    // What clippy or a coverage run wants of this workspace is not meant for the guests.
    for inherited in
        ["RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"]
    {
        cargo.env_remove(inherited);
    }
    let status = cargo.status()?;
    if !status.success() {
        let line =
            cargo.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
        return Err(format!("building the guests failed; see above, or run: cargo {line}").into());
    }
    Ok(target.join(TARGET).join("release"))
}
