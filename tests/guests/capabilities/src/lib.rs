//! Steps that reach for what may be granted, and note in the record what came of it.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

use stagegate_sdk::http::{HttpRequest, HttpResponse};
use stagegate_sdk::prelude::*;

/// Bytes of a body that fit into a note.
const SHOWN_BYTES: usize = 600;

/// Gets what the note says: `secret key`.
#[step(PreOperation, entity = "probe")]
fn reach(ctx: &mut Create<Record>) -> Result {
    let note: String = ctx.target.value("note").unwrap_or_default();
    let (kind, name) = note.split_once(' ').unwrap_or((&note, ""));
    let granted = ctx.capabilities();
    let found = match kind {
        "environment" => granted.environment(name).map(|value| value.unwrap_or_else(|| "not set".into())),
        "secret" => granted.secret(name),
        "configuration" => granted.configuration(name),
        "number" => granted.configuration_as::<u32>(name).map(|number| number.to_string()),
        other => bail!("there is no {other}"),
    };
    tell(&mut ctx.target, found);
    Ok(())
}

/// Passes on what it is told when it gets nothing.
#[step(PreOperation, entity = "probe")]
fn need(ctx: &mut Create<Record>) -> Result {
    ctx.capabilities().secret("key").map(drop)
}

/// Traces a random number: that of a hash map.
#[step(PreOperation, entity = "probe")]
fn lucky(ctx: &mut Create<Record>) -> Result {
    ctx.trace(RandomState::new().hash_one("lucky"));
    Ok(())
}

/// Tells the wall clock, and whether a wait of a millisecond and a half was whole milliseconds.
#[step(PreOperation, entity = "probe")]
fn timed(ctx: &mut Create<Record>) -> Result {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let start = Instant::now();
    let mut coarse = true;
    // A fine clock is on a whole millisecond now and then, and not a hundred times in a row.
    for _ in 0..100 {
        std::hint::black_box(vec![0_u8; 1 << 16]);
        coarse &= start.elapsed().subsec_nanos().is_multiple_of(1_000_000);
    }
    ctx.target.set("note", format!("{} {coarse}", since.as_nanos()));
    Ok(())
}

/// Takes as many MiB as the amount says.
#[step(PreOperation, entity = "probe")]
fn large(ctx: &mut Create<Record>) -> Result {
    let mebibytes: i32 = ctx.target.value("amount").unwrap_or_default();
    let taken = std::hint::black_box(vec![1_u8; usize::try_from(mebibytes)? << 20]);
    ctx.target.set("note", format!("{} MiB", taken.len() >> 20));
    Ok(())
}

/// Traces how much time it has.
#[step(PostOperation, async, background, entity = "probe")]
fn long(ctx: &mut Create<Record>) -> Result {
    ctx.trace(format_args!("{} minutes", ctx.remaining().as_secs().div_ceil(60)));
    Ok(())
}

/// Makes the call of the note.
#[step(PreOperation, entity = "probe")]
fn call(ctx: &mut Create<Record>) -> Result {
    let answered = call_of(&ctx.target)?.send();
    tell(&mut ctx.target, answered.map(|answer| shown(&answer)));
    Ok(())
}

/// Makes the call of the note and fails if it does.
#[step(PreOperation, entity = "probe")]
fn call_or_fail(ctx: &mut Create<Record>) -> Result {
    let answer = call_of(&ctx.target)?.send()?;
    ctx.org().create(Record::new("inner").with("name", shown(&answer)))?;
    Ok(())
}

/// Makes the call of the note, and those that it is redirected to.
#[step(PreOperation, entity = "probe")]
fn follow(ctx: &mut Create<Record>) -> Result {
    let mut answered = call_of(&ctx.target)?.send();
    for _ in 0..3 {
        let next = answered.as_ref().ok().and_then(|answer| answer.header("location")).map(str::to_owned);
        let Some(next) = next else { break };
        answered = HttpRequest::get(next).send();
    }
    tell(&mut ctx.target, answered.map(|answer| shown(&answer)));
    Ok(())
}

/// Makes the call of the note until something else comes of it than at first, and tells how often it was the same.
#[step(PreOperation, entity = "probe")]
fn call_again(ctx: &mut Create<Record>) -> Result {
    let call = call_of(&ctx.target)?;
    let outcome = || call.clone().send().map_or_else(|fault| fault.to_string(), |answer| shown(&answer));
    let first = outcome();
    for count in 1..100 {
        let next = outcome();
        if next != first {
            ctx.target.set("note", format!("{count}, then {next}"));
            return Ok(());
        }
    }
    bail!("a hundred calls")
}

/// `METHOD URL`, lines with headers, an empty line and the body. The header `timeout-ms` is the call's own time, and a body
/// of `@1000` is so many bytes.
fn call_of(record: &Record) -> Result<HttpRequest> {
    let note: String = record.value("note").unwrap_or_default();
    let (head, body) = note.split_once("\n\n").unwrap_or((&note, ""));
    let mut lines = head.lines();
    let (method, url) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
    let mut call = HttpRequest::new(method, url);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        call = match name {
            "timeout-ms" => call.timeout(Duration::from_millis(value.parse()?)),
            _ => call.header(name, value),
        };
    }
    match body.strip_prefix('@') {
        Some(bytes) => Ok(call.body(vec![b'x'; bytes.parse()?])),
        None => Ok(call.body(body)),
    }
}

fn shown(answer: &HttpResponse) -> String {
    let text = String::from_utf8_lossy(answer.bytes());
    let text: String = text.chars().take(SHOWN_BYTES).collect();
    format!("{} {text}", answer.status())
}

fn tell(target: &mut Record, found: Result<String>) {
    let note = match found {
        Ok(text) => text,
        Err(fault) if fault.code() == code::CAPABILITY_DENIED => format!("denied: {fault}"),
        Err(fault) => format!("{:?}: {fault}", fault.status()),
    };
    target.set("note", note);
}

plugin!(
    reach,
    need,
    lucky,
    timed,
    large,
    long,
    call,
    call_or_fail,
    follow,
    call_again,
    asks(
        http(GET, POST, "http://*.stagegate.test:18080"),
        http(GET, "https://secure.stagegate.test:18443"),
        http(GET, "http://127.0.0.1:18080"),
        environment("PATH", "STAGEGATE_IS_NOT_SET"),
        secrets("key", "theirs"),
        configuration("region", "rounds"),
        random,
        clocks,
        memory(64),
        background("2h"),
    )
);
