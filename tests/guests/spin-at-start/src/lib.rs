//! Computes for ever while it is instantiated, before anything of it was called.
#![allow(unsafe_code, reason = "a constructor has no safe form")]

use stagegate_sdk::prelude::*;

extern "C" fn spin() {
    loop {
        std::hint::black_box(());
    }
}

// SAFETY: the section holds pointers to functions without arguments, which is what this is.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = spin;

/// Is never reached.
#[step(PreOperation, entity = "probe")]
fn pass(_ctx: &mut Create<Record>) -> Result {
    Ok(())
}

plugin!(pass);
