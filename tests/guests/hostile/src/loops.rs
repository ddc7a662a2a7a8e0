//! Loops without end, where the standard library or the language calls the plugin back.

use std::cmp::Ordering;
use std::hint::black_box;

use stagegate_sdk::prelude::*;

fn for_ever() -> ! {
    loop {
        black_box(());
    }
}

/// Computes for ever.
#[step(PreOperation, entity = "probe")]
pub(crate) fn spin(_: &mut Create<Record>) -> Result {
    for_ever()
}

struct Endless;

impl Drop for Endless {
    fn drop(&mut self) {
        for_ever()
    }
}

/// Returns, and has a value to drop that never ends.
#[step(PreOperation, entity = "probe")]
pub(crate) fn spin_in_destructor(_: &mut Create<Record>) -> Result {
    let _held = Endless;
    Ok(())
}

#[derive(PartialEq, Eq)]
struct Incomparable(u32);

impl PartialOrd for Incomparable {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Incomparable {
    fn cmp(&self, _: &Self) -> Ordering {
        for_ever()
    }
}

/// Sorts what cannot be compared in finite time.
#[step(PreOperation, entity = "probe")]
pub(crate) fn spin_in_comparison(_: &mut Create<Record>) -> Result {
    let mut values = black_box(vec![Incomparable(2), Incomparable(1)]);
    values.sort();
    ensure!(values.len() == 2, "unreachable");
    Ok(())
}

/// Panics, and never ends in the hook.
#[step(PreOperation, entity = "probe")]
pub(crate) fn spin_in_panic(_: &mut Create<Record>) -> Result {
    std::panic::set_hook(Box::new(|_| for_ever()));
    panic!("never said");
}

/// Fills a large piece of memory again and again: one instruction each, which nothing interrupts.
#[step(PreOperation, entity = "probe")]
pub(crate) fn spin_in_bulk_instructions(_: &mut Create<Record>) -> Result {
    let mut piece = vec![0_u8; 16 << 20];
    for byte in (0..=u8::MAX).cycle() {
        piece.fill(black_box(byte));
        black_box(&piece);
    }
    Ok(())
}
