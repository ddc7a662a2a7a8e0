//! What PostgreSQL there is for the tests. The build script reads this file too, to know which tests it has to ignore.

use std::cmp::Reverse;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The environment variable that says what to test on: the URL of a server that is there, whose user may create
/// databases, or a folder with PostgreSQL's programs.
pub const VARIABLE: &str = "STAGEGATE_TEST_POSTGRES";

/// The programs that a server of our own takes.
const PROGRAMS: [&str; 2] = ["initdb", "postgres"];

/// Where distributions put the programs, which they often keep out of `PATH`: a folder, how the names in it begin that
/// belong to a version each, and the folder in those.
const PLACES: [(&str, &str, &str); 6] = [
    // Debian, Ubuntu
    ("/usr/lib/postgresql", "", "bin"),
    // Fedora, RHEL and SUSE with the PostgreSQL project's packages
    ("/usr", "pgsql-", "bin"),
    // Alpine
    ("/usr/libexec", "postgresql", ""),
    // Homebrew, on Arm and on Intel
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    // Postgres.app
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// What the tests can run on.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// A server that somebody else started.
    pub url: Option<String>,
    /// The folder with the programs. A test that kills its server needs them, whatever the URL.
    pub programs: Option<PathBuf>,
}

/// Looks for PgBouncer: in `PATH`, and where distributions put what only an administrator starts.
#[must_use]
pub fn find_pooler() -> Option<PathBuf> {
    if !cfg!(unix) {
        return None;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let places = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"].map(PathBuf::from);
    env::split_paths(&path).chain(places).map(|folder| folder.join("pgbouncer")).find(|file| file.is_file())
}

/// Looks for PostgreSQL: in the environment variable, in `PATH`, in the distributions' places.
///
/// # Errors
///
/// If the variable is set and names nothing to test on.
pub fn find() -> Result<Found, String> {
    let Some(set) = env::var(VARIABLE).ok().filter(|value| !value.is_empty()) else {
        return Ok(Found { url: None, programs: search() });
    };
    if set.starts_with("postgres://") || set.starts_with("postgresql://") {
        return Ok(Found { url: Some(set), programs: search() });
    }
    match complete(Path::new(&set)) {
        Some(folder) => Ok(Found { url: None, programs: Some(folder) }),
        None => Err(format!(
            "{VARIABLE} is `{set}`, which is neither a URL (postgres://...) nor a folder with `initdb` and \
             `postgres`: correct it, or unset it"
        )),
    }
}

fn search() -> Option<PathBuf> {
    // A server of our own takes process groups, signals and sockets that only Unix has.
    if !cfg!(unix) {
        return None;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let places = PLACES.iter().flat_map(|(folder, prefix, inner)| versions(folder, prefix, inner));
    env::split_paths(&path).chain(places).find_map(|folder| complete(&folder))
}

/// The folders of the versions in a place, newest first.
fn versions(folder: &str, prefix: &str, inner: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.trim_start_matches(|c: char| !c.is_ascii_digit());
            let major = version.split(|c: char| !c.is_ascii_digit()).next()?.parse().unwrap_or(0);
            Some((major, entry.path().join(inner)))
        })
        .collect();
    found.sort_by_key(|(major, _)| Reverse(*major));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The folder that really holds the programs, if they are in this one. Links are followed, since `initdb` looks for
/// what it needs beside itself.
fn complete(folder: &Path) -> Option<PathBuf> {
    let holds = |folder: &Path| PROGRAMS.iter().all(|program| folder.join(program).is_file());
    if !holds(folder) {
        return None;
    }
    let real = folder.join("initdb").canonicalize().ok()?;
    real.parent().filter(|real| holds(real)).or(Some(folder)).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_newest_first() {
        for (prefix, inner, names) in [
            ("", "bin", ["9", "15", "8.4", "latest"]),
            ("postgresql", "", ["postgresql@9", "postgresql@17", "postgresql@8", "postgresql"]),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            for name in names {
                fs::create_dir_all(folder.path().join(name).join(inner)).expect("a folder");
            }
            let found = versions(&folder.path().display().to_string(), prefix, inner);
            let newest = [1, 0, 2, 3].map(|at| folder.path().join(names[at]).join(inner));
            assert_eq!(found, newest);
        }
    }

    #[test]
    fn a_folder_counts_with_all_programs_and_as_what_it_links_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let real = folder.path().join("real");
        fs::create_dir(&real).expect("a folder");
        fs::write(real.join("initdb"), "").expect("a file");
        assert_eq!(complete(&real), None);
        fs::write(real.join("postgres"), "").expect("a file");
        let real = real.canonicalize().expect("it is there");
        assert_eq!(complete(&real), Some(real.clone()));
        #[cfg(unix)]
        {
            let links = folder.path().join("links");
            fs::create_dir(&links).expect("a folder");
            for program in PROGRAMS {
                std::os::unix::fs::symlink(real.join(program), links.join(program)).expect("a link");
            }
            assert_eq!(complete(&links), Some(real));
        }
    }
}
