use super::*;

/// Three failures, no more than 10 s apart; a pause of 1 s, doubled, 4 s at most.
fn settings() -> BreakerSettings {
    let seconds = Duration::from_secs;
    BreakerSettings::default().failures(3).window(seconds(10)).pause(seconds(1), 2, seconds(4))
}

fn goes(breaker: &mut Breaker, now: i64) -> Pass {
    match breaker.enter(DateTime(now)) {
        Entry::Goes(pass) => pass,
        disabled @ Entry::Disabled { .. } => panic!("at {now}: {disabled:?}"),
    }
}

fn run(breaker: &mut Breaker, now: i64, end: End) -> Turn {
    let pass = goes(breaker, now);
    breaker.end(&settings(), pass, end, DateTime(now), DateTime(now))
}

fn opened_at_zero() -> Breaker {
    let mut breaker = Breaker::default();
    for _ in 0..2 {
        assert_eq!(run(&mut breaker, 0, End::Broke), Turn::Stays);
    }
    assert_eq!(run(&mut breaker, 0, End::Broke), Turn::Opened(Duration::from_secs(1)));
    breaker
}

#[test]
fn only_failures_in_a_row_open_it() {
    use End::{Broke, Unknown, Worked};

    let seconds = |seconds: i64| seconds * 1000;
    for (runs, opens) in [
        (vec![(0, Broke), (0, Broke), (0, Broke)], true),
        (vec![(0, Broke), (0, Broke)], false),
        (vec![(0, Broke), (0, Broke), (0, Worked), (0, Broke), (0, Broke)], false),
        (vec![(0, Broke), (0, Broke), (0, Unknown), (0, Broke)], true),
        (vec![(0, Broke), (10, Broke), (20, Broke)], true),
        (vec![(0, Broke), (10, Broke), (21, Broke)], false),
        (vec![(0, Broke), (11, Broke), (12, Broke), (13, Broke)], true),
    ] {
        let mut breaker = Breaker::default();
        let last = runs.iter().map(|(at, end)| run(&mut breaker, seconds(*at), *end)).last();
        assert_eq!(last.unwrap() != Turn::Stays, opens, "{runs:?}");
    }
}

#[test]
fn the_time_that_a_run_takes_is_no_gap() {
    let mut breaker = Breaker::default();
    let mut last = Turn::Stays;
    for round in 0..3 {
        // Each takes two minutes, one right after the other.
        let (began, ended) = (DateTime(round * 120_000), DateTime((round + 1) * 120_000));
        let pass = goes(&mut breaker, began.0);
        last = breaker.end(&settings(), pass, End::Broke, began, ended);
    }
    assert_eq!(last, Turn::Opened(Duration::from_secs(1)));
}

#[test]
fn after_the_pause_one_run_is_tried() {
    let mut breaker = opened_at_zero();
    assert_eq!(breaker.enter(DateTime(999)), Entry::Disabled { until: Some(DateTime(1000)) });
    assert_eq!((breaker.room(DateTime(999)), breaker.room(DateTime(1000))), (Some(0), Some(1)));
    let trial = goes(&mut breaker, 1000);
    assert_eq!(breaker.enter(DateTime(1000)), Entry::Disabled { until: None });
    assert_eq!(breaker.room(DateTime(1000)), Some(0));
    assert_eq!(breaker.opened(), Some((DateTime(0), None, 3)));
    let turn = breaker.end(&settings(), trial, End::Worked, DateTime(1000), DateTime(1001));
    assert_eq!((turn, breaker.is_idle(), breaker.room(DateTime(1001))), (Turn::Closed, true, None));
}

#[test]
fn the_pause_grows_with_each_trial_that_fails_and_begins_anew_after_one_that_works() {
    let mut breaker = opened_at_zero();
    let mut now = 1000;
    for pause in [2, 4, 4] {
        let pause = Duration::from_secs(pause);
        assert_eq!(run(&mut breaker, now, End::Broke), Turn::Opened(pause));
        assert_eq!(breaker.opened().unwrap().0, DateTime(0), "it is the same opening");
        now += i64::try_from(pause.as_millis()).unwrap();
    }
    assert_eq!(run(&mut breaker, now, End::Worked), Turn::Closed);
    let last = (0..3).map(|_| run(&mut breaker, now, End::Broke)).last();
    assert_eq!(last, Some(Turn::Opened(Duration::from_secs(1))));
}

#[test]
fn a_trial_of_which_nothing_comes_leaves_the_next_one_to_others() {
    let mut breaker = opened_at_zero();
    assert_eq!(run(&mut breaker, 1000, End::Unknown), Turn::Stays);
    assert_eq!(run(&mut breaker, 1000, End::Worked), Turn::Closed);
}

#[test]
fn what_was_let_in_before_says_nothing_about_what_comes_after() {
    let mut breaker = Breaker::default();
    let early = [goes(&mut breaker, 0), goes(&mut breaker, 0)];
    for _ in 0..3 {
        run(&mut breaker, 0, End::Broke);
    }
    let trial = goes(&mut breaker, 1000);
    for (pass, end) in early.into_iter().zip([End::Worked, End::Broke]) {
        assert_eq!(breaker.end(&settings(), pass, end, DateTime(0), DateTime(1000)), Turn::Stays);
    }
    // Closed by hand meanwhile: the trial counts no more.
    assert_eq!(breaker.close(), Turn::Closed);
    assert_eq!(breaker.end(&settings(), trial, End::Broke, DateTime(1000), DateTime(1000)), Turn::Stays);
    assert!(breaker.is_idle());
    assert_eq!(breaker.close(), Turn::Stays);
}

#[test]
fn a_clock_that_is_set_back_disables_nobody_for_ever() {
    let mut breaker = opened_at_zero();
    assert!(matches!(breaker.enter(DateTime(-1)), Entry::Goes(_)));
}

#[test]
fn a_pause_has_an_end_however_many_trials_fail() {
    let settings = BreakerSettings::default();
    assert_eq!(settings.pause_after(0), Duration::from_secs(10));
    assert_eq!(settings.pause_after(3), Duration::from_secs(80));
    assert_eq!(settings.pause_after(u32::MAX), Duration::from_secs(600));
}
