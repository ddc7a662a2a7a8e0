//! The cache of compiled code: only what was written there is executed, whoever else had a hand in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stagegate::wasm::{Compilation, Engine, Plugin, Settings, Source};
use stagegate_tests::{GUEST_BACKGROUND, GUEST_MISBEHAVING, GUEST_TOUCH};

fn engine_with(cache: &Path, bytes: Option<u64>) -> stagegate::Result<Engine> {
    let mut settings = Settings::default();
    settings.concurrency = 1;
    settings.cache = Some(cache.to_owned());
    settings.cache_bytes = bytes.unwrap_or(settings.cache_bytes);
    Engine::new(settings)
}

async fn load(cache: &Path, component: &str) -> Compilation {
    load_within(cache, None, component).await
}

async fn load_within(cache: &Path, bytes: Option<u64>, component: &str) -> Compilation {
    let plugin: Plugin = engine_with(cache, bytes).unwrap().load(component).await.unwrap();
    plugin.report().admission.compilation.clone().unwrap()
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(cache).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).collect()
}

/// The entry that loading this component makes.
async fn entry_of(cache: &Path, component: &str) -> PathBuf {
    let before = entries(cache);
    assert_eq!(load(cache, component).await.source, Source::Compiled);
    entries(cache).into_iter().find(|path| !before.contains(path)).unwrap()
}

#[tokio::test]
async fn compiled_components_are_cached_and_damaged_entries_compiled_again_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    engine_with(&cache, None).unwrap();
    let entry = entry_of(&cache, GUEST_TOUCH).await;
    let other = entry_of(&cache, GUEST_BACKGROUND).await;
    let whole = fs::read(&entry).unwrap();
    let second = load(&cache, GUEST_TOUCH).await;
    assert_eq!((second.source, second.damaged_entry), (Source::Cached, None));

    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let cases = [
        ("one bit of the code", changed(whole.len() / 2)),
        ("one bit of its hash", changed(0)),
        ("cut short", whole[..1000].to_vec()),
        ("shorter than a hash", whole[..10].to_vec()),
        ("empty", Vec::new()),
        ("longer", [whole.as_slice(), b"x"].concat()),
        ("another component's entry, whole", fs::read(&other).unwrap()),
    ];
    for (what, bytes) in cases {
        fs::write(&entry, bytes).unwrap();
        let again = load(&cache, GUEST_TOUCH).await;
        assert_eq!(again.source, Source::Compiled, "{what}");
        let damage = again.damaged_entry.unwrap_or_else(|| panic!("not reported: {what}"));
        assert!(damage.contains("changed, cut short, or another's"), "{what}: {damage}");
        assert_eq!(fs::read(&entry).unwrap(), whole, "{what}: it is written anew");
        assert_eq!(load(&cache, GUEST_TOUCH).await.source, Source::Cached, "{what}");
    }
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_or_replaced_is_reported_and_done_without() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let entry = {
        engine_with(&cache, None).unwrap();
        entry_of(&cache, GUEST_TOUCH).await
    };
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    let again = load(&cache, GUEST_TOUCH).await;
    assert_eq!(again.source, Source::Compiled);
    assert!(again.damaged_entry.unwrap().contains("it cannot be read"));
    assert!(again.not_kept.is_some());
    let left = fs::read_dir(&cache).unwrap().count();
    assert_eq!(left, 2, "the key and the folder in the entry's place: what was written beside is gone");
}

#[tokio::test]
async fn the_entries_that_were_not_used_for_the_longest_time_make_room() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    engine_with(&cache, None).unwrap();
    let touch = entry_of(&cache, GUEST_TOUCH).await;
    let background = entry_of(&cache, GUEST_BACKGROUND).await;
    let third = entry_of(&cache, GUEST_MISBEHAVING).await;
    let bytes = |path: &Path| fs::metadata(path).unwrap().len();
    // For two of them, whatever their sizes are.
    let room = bytes(&touch) + bytes(&third) + 1000;
    fs::remove_file(&third).unwrap();
    // Used again, it is younger than the other.
    assert_eq!(load_within(&cache, Some(room), GUEST_TOUCH).await.source, Source::Cached);
    assert_eq!(load_within(&cache, Some(room), GUEST_MISBEHAVING).await.source, Source::Compiled);
    assert!(touch.exists() && third.exists() && !background.exists(), "{:?}", entries(&cache));
    assert!(entries(&cache).iter().map(|entry| bytes(entry)).sum::<u64>() <= room);

    let small = load_within(&cache, Some(1000), GUEST_BACKGROUND).await;
    assert!(small.not_kept.unwrap().contains("the whole cache takes 1000"));
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_had_a_hand_in_is_refused() {
    use std::os::unix::fs::{PermissionsExt, chown};

    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let mode = || fs::metadata(&cache).unwrap().permissions().mode() & 0o777;
    engine_with(&cache, None).unwrap();
    assert_eq!(mode(), 0o700);

    let refused = |path: &Path| engine_with(path, None).err().unwrap().message().to_owned();
    for open in [0o750, 0o707, 0o777] {
        fs::set_permissions(&cache, fs::Permissions::from_mode(open)).unwrap();
        let said = refused(&cache);
        assert!(said.contains(&format!("its mode {open:o} lets others in")), "{said}");
    }
    // Nobody can have left anything in one that is empty.
    fs::remove_file(cache.join("key")).unwrap();
    engine_with(&cache, None).unwrap();
    assert_eq!(mode(), 0o700);

    // A folder of somebody else's: one that is given away, or, where that takes a right, the system's.
    let theirs = if chown(&cache, Some(1), None).is_ok() { cache.as_path() } else { Path::new("/usr") };
    let said = refused(theirs);
    assert!(said.contains("it belongs to the user"), "{said}");
}

const FOLDER: &str = "STAGEGATE_CHILD_CACHE";
const TIGHT: &str = "STAGEGATE_CHILD_CACHE_TIGHT";

/// Runs the process below; `shell` before it.
fn child(shell: &str, cache: &Path, tight: bool) -> std::process::Child {
    Command::new("/bin/sh")
        .args(["-c", &format!("{shell} exec \"$0\" --exact sandbox::cache::process --ignored --nocapture")])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, cache)
        .env(TIGHT, tight.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "a process that shares a cache with others"]
async fn process() {
    let Ok(cache) = std::env::var(FOLDER) else { return };
    let is_tight = std::env::var(TIGHT).is_ok_and(|tight| tight == "true");
    for component in [GUEST_TOUCH, GUEST_BACKGROUND] {
        let compilation = load(Path::new(&cache), component).await;
        assert_eq!(compilation.damaged_entry, None);
        assert_eq!(compilation.not_kept.is_some(), is_tight, "{compilation:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn processes_share_a_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let children: Vec<_> = (0..3).map(|_| child("", &cache, false)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    for component in [GUEST_TOUCH, GUEST_BACKGROUND] {
        assert_eq!(load(&cache, component).await.source, Source::Cached);
    }
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 3, "the key and two entries, and nothing half-written");
}

#[cfg(unix)]
#[test]
fn a_disk_without_room_costs_the_cache_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    // Files of so many half KiB at most: an image of a guest's memory fits, and writing its code fails as it does on a
    // full disk.
    assert!(child("trap '' XFSZ; ulimit -f 400;", &cache, true).wait().unwrap().success());
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 1, "the key alone: no half of an entry is left");
}
