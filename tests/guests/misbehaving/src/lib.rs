//! Steps that each misbehave in one way. Tests register the ones that they need, where they need them.
#![allow(clippy::panic, reason = "to panic is what some of these are for")]

use std::time::Duration;

use stagegate_sdk::prelude::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Computes for ever.
#[step(PreOperation, entity = "probe")]
fn spin(_ctx: &mut Create<Record>) -> Result {
    // A function of its own, to be found in profiles and core dumps.
    #[inline(never)]
    fn turn_for_ever() -> ! {
        loop {
            std::hint::black_box(());
        }
    }
    turn_for_ever()
}

/// Sleeps in WASI.
#[step(PreOperation, entity = "probe")]
fn sleep(_ctx: &mut Create<Record>) -> Result {
    std::thread::sleep(HOUR);
    Ok(())
}

/// Issues one request: what it runs into is up to the steps there.
#[step(PreOperation, entity = "probe")]
fn nest(ctx: &mut Create<Record>) -> Result {
    ctx.org().create(Record::new("inner").with("name", "nested"))?;
    Ok(())
}

/// Issues one request and carries on when it fails.
#[step(PreOperation, entity = "probe")]
fn nest_and_catch(ctx: &mut Create<Record>) -> Result {
    if let Err(fault) = ctx.org().create(Record::new("inner").with("name", "nested")) {
        ctx.trace(format_args!("caught: {fault}"));
    }
    Ok(())
}

/// Issues one request and fails with words of its own when it fails.
#[step(PreOperation, entity = "probe")]
fn nest_and_refuse(ctx: &mut Create<Record>) -> Result {
    if ctx.org().create(Record::new("inner").with("name", "nested")).is_err() {
        bail!("no inner, no probe");
    }
    Ok(())
}

/// Issues one request, and counts its runs in the target and in a shared variable: a message runs it once.
#[step(PreOperation, entity = "probe")]
fn nest_and_count(ctx: &mut Create<Record>) -> Result {
    ctx.org().create(Record::new("inner").with("name", "nested"))?;
    let amount: i32 = ctx.target.value("amount").unwrap_or_default();
    ctx.target.set("amount", amount + 1);
    let runs: i32 = ctx.shared_variable("runs").unwrap_or_default();
    ctx.set_shared_variable("runs", runs + 1)
}

/// Creates a record of its own kind, and so triggers itself.
#[step(PreOperation, entity = "probe")]
fn recurse_through_the_host(ctx: &mut Create<Record>) -> Result {
    ctx.org().create(Record::new("probe").with("name", "again"))?;
    Ok(())
}

/// Allocates without end.
#[step(PreOperation, entity = "probe")]
fn allocate(_ctx: &mut Create<Record>) -> Result {
    let mut kept = Vec::new();
    loop {
        kept.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

/// Recurses without end.
#[step(PreOperation, entity = "probe")]
fn overflow(_ctx: &mut Create<Record>) -> Result {
    #[expect(unconditional_recursion, reason = "that is the point")]
    fn deeper(depth: u64) -> u64 {
        std::hint::black_box(deeper(std::hint::black_box(depth) + 1)) + 1
    }
    ensure!(deeper(0) == 0, "unreachable");
    Ok(())
}

/// Panics with a message.
#[step(PreOperation, entity = "probe")]
fn panic(ctx: &mut Create<Record>) -> Result {
    ctx.trace("about to panic");
    panic!("the answer is not {}", 41 + 1);
}

/// Aborts without a message.
#[step(PreOperation, entity = "probe")]
fn abort(_ctx: &mut Create<Record>) -> Result {
    std::process::abort();
}

/// Panics with a message that nobody keeps to its beginning.
#[step(PreOperation, entity = "probe")]
fn panic_at_length(_ctx: &mut Create<Record>) -> Result {
    panic!("{}", "and so on, ".repeat(10_000));
}

/// Writes what is no text, in more bytes than are kept, and panics.
#[step(PreOperation, entity = "probe")]
fn garble(_ctx: &mut Create<Record>) -> Result {
    use std::io::Write as _;

    // Two bytes each, so that the cut falls into one of them for one of two lengths.
    let umlauts = "\u{fc}".repeat(10_000);
    let _ = std::io::stderr().write_all(umlauts.as_bytes());
    let _ = std::io::stderr().write_all(b"\n\xff\xfe is no text\n");
    panic!("garbled");
}

/// Reads where its memory ends.
#[step(PreOperation, entity = "probe")]
fn read_beyond(_ctx: &mut Create<Record>) -> Result {
    let beyond = std::hint::black_box(usize::MAX - 15) as *const u8;
    #[expect(unsafe_code, reason = "the sandbox is to stop it")]
    // SAFETY: none; the sandbox traps.
    let byte = unsafe { beyond.read_volatile() };
    ensure!(byte == 0, "unreachable");
    Ok(())
}

/// Calls a function that there is not.
#[step(PreOperation, entity = "probe")]
fn call_beyond(_ctx: &mut Create<Record>) -> Result {
    #[expect(unsafe_code, reason = "the sandbox is to stop it")]
    // SAFETY: none; the sandbox traps.
    let function: fn() = unsafe { std::mem::transmute(std::hint::black_box(usize::MAX - 15)) };
    function();
    Ok(())
}

/// Traces more at once than may cross in one call.
#[step(PreOperation, entity = "probe")]
fn trace_at_length(ctx: &mut Create<Record>) -> Result {
    ctx.trace("x".repeat(9 << 20));
    Ok(())
}

/// Ends its process.
#[step(PreOperation, entity = "probe")]
fn exit(_ctx: &mut Create<Record>) -> Result {
    std::process::exit(3);
}

/// Refuses, with a code and a detail of its own.
#[step(PreOperation, entity = "probe")]
fn refuse(ctx: &mut Create<Record>) -> Result {
    ctx.trace("looked at it");
    Err(Fault::new("not today"))
}

/// Writes more output than anybody keeps.
#[step(PreOperation, entity = "probe")]
fn chatter(ctx: &mut Create<Record>) -> Result {
    for line in 0..10_000 {
        println!("line {line} of standard output");
        eprintln!("line {line} of standard error");
        ctx.trace(format_args!("trace line {line}"));
    }
    Ok(())
}

/// Sets an attribute that does not exist.
#[step(PreOperation, entity = "probe")]
fn set_unknown(ctx: &mut Create<Record>) -> Result {
    ctx.target.set("nmae", "a typo");
    Ok(())
}

/// Deletes the `link` that the note names, with whatever hangs on it.
#[step(PreOperation, entity = "probe")]
fn delete_link(ctx: &mut Create<Record>) -> Result {
    let Some(note) = ctx.target.value::<String>("note") else { return Ok(()) };
    let id: UniqueIdentifier = note.parse()?;
    ctx.org().delete(EntityReference { entity: "link".to_owned(), id })
}

/// Issues requests without end.
#[step(PreOperation, entity = "probe")]
fn flood(ctx: &mut Create<Record>) -> Result {
    loop {
        ctx.org().create(Record::new("inner").with("name", "one more"))?;
    }
}

/// Does as the record's name says.
#[step(PreOperation, entity = "probe")]
fn obey(ctx: &mut Create<Record>) -> Result {
    match ctx.target.value::<String>("name").unwrap_or_default().as_str() {
        "panic" => panic!("as it was told"),
        "spin" => loop {
            std::hint::black_box(());
        },
        "refuse" => bail!("as it was told"),
        _ => Ok(()),
    }
}

/// Does nothing.
#[step(PreOperation, entity = "probe")]
fn pass(_ctx: &mut Create<Record>) -> Result {
    Ok(())
}

plugin!(
    spin,
    sleep,
    nest,
    nest_and_catch,
    nest_and_refuse,
    nest_and_count,
    recurse_through_the_host,
    allocate,
    overflow,
    panic,
    panic_at_length,
    garble,
    read_beyond,
    call_beyond,
    trace_at_length,
    abort,
    exit,
    refuse,
    chatter,
    set_unknown,
    delete_link,
    flood,
    obey,
    pass
);
