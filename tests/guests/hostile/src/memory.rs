//! Memory: too much of it, and what others left in it.

use std::alloc::{Layout, alloc};
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use stagegate_sdk::prelude::*;

/// Allocates without end.
#[step(PreOperation, entity = "probe")]
pub(crate) fn allocate(_: &mut Create<Record>) -> Result {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Is refused four gigabytes, and goes on.
#[step(PreOperation, entity = "probe")]
pub(crate) fn allocate_and_go_on(_: &mut Create<Record>) -> Result {
    let mut bytes: Vec<u8> = Vec::new();
    ensure!(bytes.try_reserve_exact(i32::MAX as usize - 64).is_err(), "two gigabytes were granted");
    Ok(())
}

/// Takes most of its memory at once and fills it.
#[step(PreOperation, entity = "probe")]
pub(crate) fn fill(_: &mut Create<Record>) -> Result {
    black_box(vec![7_u8; 24 << 20]);
    Ok(())
}

/// Keeps a little more with each call to the host, of ever other sizes.
#[step(PreOperation, entity = "probe")]
pub(crate) fn fragment(ctx: &mut Create<Record>) -> Result {
    let mut kept = Vec::new();
    for size in (1..).step_by(97) {
        ctx.trace("x".repeat(size % 5000));
        kept.push(black_box(vec![1_u8; size]));
        if size % 2 == 0 {
            kept.swap_remove(kept.len() / 2);
        }
    }
    Ok(())
}

const STAIN: [u8; 8] = *b"\xA5stain\x5A\xC3";
const LARGE: usize = 20 << 20;

/// Writes a pattern over as much memory as it gets, with room on the stack too.
#[step(PreOperation, entity = "probe")]
pub(crate) fn stain(ctx: &mut Create<Record>) -> Result {
    let mut large = vec![0_u8; LARGE];
    for piece in large.chunks_exact_mut(STAIN.len()) {
        piece.copy_from_slice(&black_box(STAIN));
    }
    let small: Vec<String> = (0..1000).map(|_| "stained".repeat(20)).collect();
    black_box((&large, &small));
    FOUND.store(1, Ordering::Relaxed);
    ctx.trace("stained");
    Ok(())
}

/// Looks for the pattern in memory that nobody has written to in this run.
#[step(PreOperation, entity = "probe")]
#[expect(unsafe_code, reason = "to read what was not written has no safe form")]
pub(crate) fn look_for_stains(_: &mut Create<Record>) -> Result {
    let layout = Layout::from_size_align(LARGE, 8)?;
    // SAFETY: the layout has a size.
    let start = unsafe { alloc(layout) };
    ensure!(!start.is_null(), "there is no memory to look at");
    for offset in 0..LARGE {
        // SAFETY: inside of the allocation. WebAssembly's memory has a value everywhere; volatile, so that the compiler
        // does not make use of nobody having written it.
        let byte = unsafe { start.add(offset).read_volatile() };
        ensure!(byte != STAIN[0], "byte {offset} was left by another run");
    }
    Ok(())
}

static FOUND: AtomicU32 = AtomicU32::new(0);

/// Looks whether a global of an earlier run has kept its value.
#[step(PreOperation, entity = "probe")]
pub(crate) fn look_for_globals(_: &mut Create<Record>) -> Result {
    let before = FOUND.swap(1, Ordering::Relaxed);
    ensure!(before == 0, "a global was set by another run");
    Ok(())
}
