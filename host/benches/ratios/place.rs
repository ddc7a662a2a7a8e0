//! Which processor what is measured runs on.

/// What has a processor of its own.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Client,
    Server,
}

/// Runs `make` so that it, and all threads and processes that it starts, stay in a place; where the machine has no two
/// processors, or another system, wherever they are put.
pub(crate) fn on<T>(place: Place, make: impl FnOnce() -> T) -> T {
    #[cfg(target_os = "linux")]
    {
        use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
        use nix::unistd::Pid;

        let this = Pid::from_raw(0);
        let all = sched_getaffinity(this).unwrap();
        let allowed: Vec<usize> =
            (0..CpuSet::count()).filter(|cpu| all.is_set(*cpu).unwrap_or_default()).collect();
        if let [client, server, ..] = allowed[..] {
            let mut own = CpuSet::new();
            own.set(match place {
                Place::Client => client,
                Place::Server => server,
            })
            .unwrap();
            sched_setaffinity(this, &own).unwrap();
            let made = make();
            sched_setaffinity(this, &all).unwrap();
            return made;
        }
    }
    let _ = place;
    make()
}
