//! The corpus of the fuzzers, as it is and a little changed. docs/security.md says how to look further.

use std::path::Path;

use stagegate_tests::fuzz::TARGETS;

/// Bytes that are changed in a copy at most.
const CHANGES_MAX: usize = 8;

/// Runs each input of a target's corpus, and so many changed copies of it.
fn tries(name: &str, copies: u64) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let folder = Path::new("fuzz/corpus").join(name);
    let mut inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    for path in inputs {
        let input = std::fs::read(&path).unwrap();
        println!("{}", path.display());
        (target.run)(&input);
        for seed in 0..copies {
            let copy = changed(&input, seed);
            println!("{} changed by {seed}", path.display());
            (target.run)(&copy);
        }
    }
}

/// The same copy for the same seed.
fn changed(input: &[u8], seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut copy = input.to_vec();
    for _ in 0..random.usize(1..=CHANGES_MAX) {
        let at = random.usize(..=copy.len());
        match random.u8(..4) {
            0 => copy.insert(at, random.u8(..)),
            1 if at < copy.len() => drop(copy.remove(at)),
            2 => copy.truncate(at.max(1)),
            _ if at < copy.len() => copy[at] = random.u8(..),
            _ => copy.push(random.u8(..)),
        }
    }
    copy
}

#[test]
fn component() {
    tries("component", 10);
}

#[test]
fn queries() {
    tries("queries", 1000);
}

#[test]
fn requests() {
    tries("requests", 400);
}

#[test]
fn scenarios() {
    tries("scenarios", 400);
}

#[test]
fn values() {
    tries("values", 400);
}

/// Each target is tried by a test above, and has a fuzzer.
#[test]
fn every_target_is_run() {
    let source = std::fs::read_to_string("fuzzed.rs").unwrap();
    for target in TARGETS {
        assert!(source.contains(&format!("tries(\"{}\", ", target.name)), "{}", target.name);
        assert!(
            Path::new("fuzz/libfuzzer/targets").join(format!("{}.rs", target.name)).exists(),
            "{}",
            target.name
        );
    }
}
