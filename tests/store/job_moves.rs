//! What operators, crashes and other jobs do to a job: where it goes, and what always stays true.

use std::collections::BTreeMap;

use stagegate::model::job::{CRASHES_MAX, Control, JobError, Outcome, Suspension};
use stagegate::model::{Job, JobState, JobStatus};
use stagegate::store::{Claim, Exchange};

use super::jobs::*;
use super::support::*;

pub(super) async fn recovery_hands_back_what_dead_hosts_held(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0), job(2, 0), job(3, 0), job(4, 30)]).await;
    let lost = claim(&store, 70, 1, 5).await;
    claim(&store, 71, 1, 5).await;
    assert_eq!(recover(&database, &store, 71, 40).await, 1);
    let back = one(&store, 1).await;
    assert_eq!((back.status, back.worker), (JobStatus::WaitingForResources, None));
    assert_eq!((back.crash_count, back.attempt), (1, 1));
    assert_eq!(one(&store, 2).await.status, JobStatus::InProgress, "the living keep theirs");
    // The dead one was merely slow: its result comes too late.
    assert_eq!(settle(&store, vec![settlement(&lost[0], Outcome::Succeeded)]).await, NONE);
    // A job that may kill its host again is not the first to run.
    let next = claim(&store, 71, 9, 40).await;
    assert_eq!(numbers(&next), [3, 4, 1]);
    assert_eq!(next[2].attempt, 2);
    assert_eq!(recover(&database, &store, 71, 40).await, 0);
}

/// Whoever ran when a host died is suspect, runs one at a time, and is found out if it is the cause.
pub(super) async fn a_job_that_kills_its_hosts_is_found_out(database: Database) {
    let store = database.open();
    enqueue(&store, (1..=3).map(|number| job(number, 0)).collect()).await;
    assert_eq!(numbers(&claim(&store, 70, 9, 0).await), [1, 2, 3]);
    recover(&database, &store, 71, 1).await;
    enqueue(&store, vec![job(4, 5)]).await;
    let unsuspicious = Claim { suspect: false, ..any(9) };
    assert_eq!(numbers(&claim_as(&store, 71, unsuspicious, 5).await), [4]);
    assert_eq!(numbers(&claim(&store, 71, 9, 5).await), [1], "one at a time");
    for crash in 2..=CRASHES_MAX {
        let worker = 80 + u128::from(crash);
        recover(&database, &store, worker, 9).await;
        assert_eq!(one(&store, 1).await.crash_count, crash);
        if crash < CRASHES_MAX {
            // The poisonous one is the most suspicious, so the others come first, each alone, and go.
            loop {
                let [suspect] = claim(&store, worker, 9, 10).await.try_into().expect("one");
                if suspect.id == id(1) {
                    break;
                }
                settle(&store, vec![settlement(&suspect, Outcome::Succeeded)]).await;
            }
        }
    }
    let poison = one(&store, 1).await;
    assert_eq!((poison.status, poison.suspension), (JobStatus::Waiting, Some(Suspension::Crashed)));
    assert!(poison.error.expect("it says why").message.contains("the host died 3 times"));
    assert!(store.is_idle().await.expect("looked"));
    // Somebody has looked.
    assert_eq!(control(&store, &[1], Control::Resume, 20).await, ["waiting for resources"]);
    let again = claim(&store, 90, 9, 20).await;
    assert_eq!((numbers(&again), again[0].crash_count), (vec![1], 0));
}

pub(super) async fn operators_move_jobs_that_wait(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0), job(2, 0), job(3, 0), job(4, 0)]).await;
    assert_eq!(control(&store, &[1, 9], Control::Pause, 5).await, ["waiting", "0x80040217"]);
    assert_eq!(control(&store, &[2], Control::Cancel, 5).await, ["canceled"]);
    assert_eq!(control(&store, &[3], Control::Postpone(at(50)), 5).await, ["waiting"]);
    let canceled = one(&store, 2).await;
    assert_eq!(canceled.completed_on, Some(at(5)));
    assert_eq!(numbers(&claim(&store, 70, 9, 49).await), [4]);
    assert_eq!(numbers(&claim(&store, 70, 9, 50).await), [3], "1 waits for somebody");
    assert_eq!(control(&store, &[1], Control::Resume, 60).await, ["waiting for resources"]);
    assert_eq!(numbers(&claim(&store, 70, 9, 60).await), [1]);
    let mut failed = settlement(&one(&store, 1).await, Outcome::Failed);
    failed.error = Some(JobError { code: 7, message: "refused".into() });
    settle(&store, vec![failed]).await;
    assert_eq!(control(&store, &[1, 2], Control::Retry, 70).await, ["waiting for resources"; 2]);
    let again = one(&store, 1).await;
    assert_eq!((again.completed_on, again.retries, again.run_at), (None, 0, at(70)));
    assert!(again.error.is_some(), "until it has run again");
}

pub(super) async fn operators_are_heard_by_who_runs_a_job(database: Database) {
    let store = database.open();
    enqueue(&store, (1..=4).map(|number| job(number, 0)).collect()).await;
    let claimed = claim(&store, 70, 9, 5).await;
    assert_eq!(control(&store, &[1], Control::Cancel, 6).await, ["canceling"]);
    assert_eq!(control(&store, &[2], Control::Pause, 6).await, ["pausing"]);
    assert_eq!(control(&store, &[3], Control::Postpone(at(2000)), 6).await, ["pausing"]);
    assert_eq!(control(&store, &[4], Control::Pause, 6).await, ["pausing"]);
    assert_eq!(control(&store, &[4], Control::Resume, 6).await, ["in progress"]);
    let stopping = trade(&store, exchange(70, 7)).await.stopping;
    let expected = [(1, JobStatus::Canceling), (2, JobStatus::Pausing), (3, JobStatus::Pausing)];
    assert_eq!(stopping, expected.map(|(number, status)| (id(number), status)));
    assert_eq!(trade(&store, exchange(71, 7)).await.stopping, [], "others need not know");
    let released = claimed.iter().map(|job| settlement(job, Outcome::Released)).collect();
    assert_eq!(settle(&store, released).await.len(), 4);
    let places: Vec<_> =
        all(&store).await.into_iter().map(|job| (job.status, job.suspension, job.postpone_until)).collect();
    assert_eq!(
        places,
        [
            (JobStatus::Canceled, None, None),
            (JobStatus::Waiting, Some(Suspension::Paused), None),
            (JobStatus::Waiting, Some(Suspension::Postponed), Some(at(2000))),
            (JobStatus::WaitingForResources, None, None),
        ]
    );
}

/// As one whose host died meanwhile.
pub(super) async fn recovery_hears_operators_too(database: Database) {
    let store = database.open();
    enqueue(&store, (1..=3).map(|number| job(number, 0)).collect()).await;
    claim(&store, 70, 9, 5).await;
    control(&store, &[1], Control::Cancel, 6).await;
    control(&store, &[2], Control::Pause, 6).await;
    control(&store, &[3], Control::Postpone(at(50)), 6).await;
    recover(&database, &store, 71, 9).await;
    let places: Vec<_> = all(&store).await.into_iter().map(|job| (job.status, job.suspension)).collect();
    let waiting = |suspension| (JobStatus::Waiting, Some(suspension));
    let expected = [(JobStatus::Canceled, None), waiting(Suspension::Paused), waiting(Suspension::Postponed)];
    assert_eq!(places, expected);
    assert_eq!(numbers(&claim(&store, 71, 9, 50).await), [3]);
}

/// A claim was committed, and its answer never arrived: the worker does not know of the jobs.
pub(super) async fn what_a_worker_does_not_know_of_is_handed_back(database: Database) {
    let store = database.open();
    enqueue(&store, (1..=4).map(|number| job(number, 0)).collect()).await;
    let lost = claim(&store, 70, 3, 5).await;
    claim(&store, 71, 1, 5).await;
    control(&store, &[3], Control::Cancel, 6).await;
    let settlements = vec![settlement(&lost[0], Outcome::Succeeded)];
    let again = Exchange { held: Some(vec![id(1)]), settlements, claims: vec![any(9)], ..exchange(70, 7) };
    let exchanged = trade(&store, again).await;
    assert_eq!(exchanged.settled, [id(1)]);
    assert_eq!(numbers(&exchanged.claimed.concat()), [2], "3 is canceled, and 4 is another worker's");
    assert_eq!(one(&store, 3).await.status, JobStatus::Canceled);
    assert_eq!(one(&store, 4).await.worker, Some(id(71)));
}

pub(super) async fn jobs_of_a_key_run_in_their_order(database: Database) {
    let store = database.open();
    let keyed = |number, key: &str| {
        let mut job = job(number, 100 - number as i64);
        job.order_key = Some(key.into());
        job
    };
    enqueue(&store, vec![keyed(1, "a"), keyed(2, "a"), keyed(3, "b"), keyed(4, "a"), keyed(5, "a")]).await;
    let [b, first] = claim(&store, 70, 9, 0).await.try_into().expect("one of each key");
    assert_eq!((first.id, b.id), (id(1), id(3)), "in the order of queueing and not of their moments");
    assert!(one(&store, 2).await.blocked);
    assert_eq!(claim(&store, 71, 9, 0).await, []);
    // One that is put off keeps its place: what comes later waits too.
    settle(&store, vec![settlement(&first, Outcome::Retry(at(1500)))]).await;
    assert_eq!(claim(&store, 70, 9, 0).await, []);
    let [first] = claim(&store, 70, 9, 1500).await.try_into().expect("one");
    // A dead letter does not.
    settle(&store, vec![settlement(&first, Outcome::Failed)]).await;
    let [second] = claim(&store, 70, 9, 60).await.try_into().expect("one");
    assert_eq!(second.id, id(2));
    // One that is run again waits for whoever has its place, and then is before the others.
    assert_eq!(control(&store, &[1], Control::Retry, 70).await, ["waiting for resources"]);
    assert!(one(&store, 1).await.blocked);
    settle(&store, vec![settlement(&second, Outcome::Succeeded)]).await;
    assert_eq!(numbers(&claim(&store, 70, 9, 80).await), [1]);
    // Called off, whether it runs or is in the middle, it lets the next one go.
    control(&store, &[4], Control::Cancel, 90).await;
    settle(&store, vec![settlement(&one(&store, 1).await, Outcome::Canceled)]).await;
    assert_eq!(numbers(&claim(&store, 70, 9, 90).await), [5]);
    control(&store, &[5], Control::Cancel, 91).await;
    enqueue(&store, vec![keyed(6, "a")]).await;
    recover(&database, &store, 71, 92).await;
    assert_eq!(numbers(&claim(&store, 71, 9, 92).await), [6, 3]);
}

pub(super) async fn of_a_unique_key_the_newest_waits(database: Database) {
    let store = database.open();
    let unique = |number| {
        let mut job = job(number, number as i64);
        job.unique_key = Some("a".into());
        job
    };
    enqueue(&store, vec![unique(1), job(9, 5)]).await;
    enqueue(&store, vec![unique(10)]).await;
    let old = one(&store, 1).await;
    assert_eq!(old.status, JobStatus::Canceled);
    assert!(old.error.expect("it says why").message.contains(&id(10).to_string()));
    // At the place of the old one.
    let [newest, _] = claim(&store, 70, 9, 0).await.try_into().expect("two");
    assert_eq!((newest.id, newest.run_at), (id(10), at(1)));
    // One that runs may have looked before: the next one waits beside it.
    enqueue(&store, vec![unique(11)]).await;
    assert_eq!(one(&store, 10).await.status, JobStatus::InProgress);
    // Which then cannot go back to waiting.
    settle(&store, vec![settlement(&newest, Outcome::Retry(at(99)))]).await;
    assert_eq!(one(&store, 10).await.status, JobStatus::Canceled);
    assert_eq!(control(&store, &[10], Control::Retry, 99).await, ["0x80044166"]);
    // What an operator has put off stays put off.
    control(&store, &[11], Control::Pause, 99).await;
    enqueue(&store, vec![unique(12)]).await;
    assert_eq!(one(&store, 12).await.suspension, Some(Suspension::Paused));
    control(&store, &[12], Control::Resume, 99).await;
    let [running] = claim(&store, 70, 9, 99).await.try_into().expect("one");
    enqueue(&store, vec![unique(13)]).await;
    recover(&database, &store, 71, 100).await;
    assert_eq!(one(&store, running.id.as_u128()).await.status, JobStatus::Canceled);
    assert_eq!(numbers(&claim(&store, 71, 9, 100).await), [13, 9]);
}

/// A long series of everything at once, by chance but the same each time: after each step, what must always be true is.
pub(super) async fn jobs_keep_their_rules_whatever_happens(database: Database) {
    let store = database.open();
    let mut chance = Chance(0x5eed);
    let mut queued: u128 = 0;
    for turn in 0..600_i64 {
        let worker = 70 + u128::from(chance.below(2));
        let known = 1 + u128::from(chance.below(u32::try_from(queued).unwrap_or(0) + 1));
        match chance.below(8) {
            0 | 1 => {
                queued += 1;
                let mut job = job_of(["a", "b"][chance.below(2) as usize], queued, turn);
                job.priority = i32::try_from(chance.below(2)).unwrap_or(0);
                job.order_key = [None, Some("x"), Some("y")][chance.below(3) as usize].map(Into::into);
                job.unique_key = [None, None, Some("z")][chance.below(3) as usize].map(Into::into);
                enqueue(&store, vec![job]).await;
            }
            2 => drop(claim(&store, worker, 1 + chance.below(3), turn).await),
            3 | 4 => {
                let running = all(&store).await.into_iter().filter(|job| job.worker == Some(id(worker)));
                let ends = running.filter(|_| chance.below(2) == 0).collect::<Vec<_>>();
                let settlements = ends.iter().map(|job| {
                    let outcome = match chance.below(7) {
                        6 => Outcome::Unclaimed,
                        0 => Outcome::Failed,
                        1 => Outcome::Retry(at(turn + 20)),
                        2 => Outcome::Postponed(at(turn + 40)),
                        3 => Outcome::Released,
                        4 => Outcome::Canceled,
                        _ => Outcome::Succeeded,
                    };
                    settlement(job, outcome)
                });
                let settlements: Vec<_> = settlements.collect();
                assert_eq!(settle(&store, settlements.clone()).await.len(), settlements.len());
            }
            5 => drop(recover(&database, &store, worker, turn).await),
            _ => {
                let controls = [
                    Control::Pause,
                    Control::Resume,
                    Control::Cancel,
                    Control::Postpone(at(turn + 9)),
                    Control::Retry,
                ];
                let one = controls[chance.below(5) as usize];
                control(&store, &[known], one, turn).await;
            }
        }
        check_rules(&all(&store).await, queued, turn);
    }
}

fn check_rules(jobs: &[Job], queued: u128, turn: i64) {
    assert_eq!(jobs.len() as u128, queued, "no job is lost, at {turn}");
    let mut orders: BTreeMap<&str, (Vec<bool>, u32)> = BTreeMap::new();
    let mut unique: BTreeMap<&str, u32> = BTreeMap::new();
    for job in jobs {
        let state = job.status.state();
        assert_eq!(state == JobState::Locked, job.worker.is_some(), "{job:?} at {turn}");
        assert_eq!(state == JobState::Suspended, job.suspension.is_some(), "{job:?} at {turn}");
        assert_eq!(state == JobState::Completed, job.completed_on.is_some(), "{job:?} at {turn}");
        assert!(!job.blocked || job.order_key.is_some(), "{job:?} at {turn}");
        if let Some(key) = job.order_key.as_deref().filter(|_| state != JobState::Completed) {
            let (blocked, locked) = orders.entry(key).or_default();
            blocked.push(job.blocked);
            *locked += u32::from(state == JobState::Locked);
        }
        if let Some(key) = job.unique_key.as_deref().filter(|_| state.number() < 2) {
            *unique.entry(key).or_default() += 1;
        }
    }
    for (key, (blocked, locked)) in orders {
        assert_eq!(blocked.iter().filter(|blocked| !**blocked).count(), 1, "{key} goes on, at {turn}");
        assert!(locked <= 1, "{key} never runs two at once, at {turn}");
    }
    assert!(unique.values().all(|waiting| *waiting == 1), "{unique:?} at {turn}");
}

/// Numbers by chance, the same each time (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) % u64::from(bound)).unwrap_or(0)
    }
}
