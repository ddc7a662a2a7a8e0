//! Cleans up behind a server, whatever its test dies of.
//!
//! A static is never dropped, and what is killed drops nothing at all. So another process waits for the end of a pipe
//! that only this one holds: the system closes it when this process ends. Then the watchdog ends the server, if it is
//! still there, and removes its folder. It does so for a server that is dropped too; there is no other way out.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Runs in the server's folder, as the user that the server runs as: it can signal nobody else's process, should the number
/// in the file be out of date. Its arguments are the folder, the file with the process's number, which that one removes when
/// it ends, and the signal that ends it at once.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
cat >/dev/null
if [ -f "$2" ] && read -r pid <"$2" && kill -"$3" "$pid" 2>/dev/null; then
    tries=0
    while [ -f "$2" ] && kill -0 "$pid" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -le 500 ] || { kill -KILL "$pid"; break; }
        sleep 0.02
    done
fi
cd /
tries=0
until rm -rf "$1" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -le 50 ] || { echo "stagegate-tests: $1 cannot be removed" >&2; exit 1; }
    sleep 0.1
done
"#;

/// Waits for the end of this process, or of this value, and cleans up.
pub(super) struct Watchdog(Child);

impl Watchdog {
    /// Starts it with a shell, which `shell` prepares to run as the right user in the right folder.
    ///
    /// Its errors go to the standard error of the tests. Whoever reads that to its end, as a CI does, has so waited
    /// until all is clean.
    pub(super) fn start(mut shell: Command, folder: &Path, pid_file: &str, signal: &str) -> Self {
        shell.args(["-c", SCRIPT, "stagegate-tests-watchdog"]).arg(folder).args([pid_file, signal]);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit());
        Self(shell.spawn().expect("a shell to clean up behind the server"))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
