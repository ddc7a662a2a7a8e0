//! The side that asks: starts the child, waits as long as it may take, and says what went wrong.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{CODE_BYTES_MAX, Compiler, Order, Program, compatibility, invalid, problem};
use crate::wasm::admission::Problem;
use crate::wasm::engine::{Settings, has_places};

/// Bytes of what the child says on its error stream that are kept.
const WORDS_BYTES_MAX: u64 = 16 << 10;
/// The time that a child has to end once it has answered or was killed. It has nothing left to do then.
const END_TIME: Duration = Duration::from_secs(5);
/// How often it is looked whether it has ended, meanwhile.
const END_PACE: Duration = Duration::from_millis(1);

/// Has a child compile the component.
pub(super) fn compile(
    engine: &wasmtime::Engine,
    settings: &Settings,
    program: &Program,
    component: &[u8],
) -> Result<Vec<u8>, Problem> {
    let compiler = &settings.compiler;
    let threads = compiler.threads.max(1);
    // All threads may compute all of the time, and what is left of a second counts as one.
    let seconds = compiler.time.saturating_mul(threads).as_secs().saturating_add(1);
    let order = Order {
        compatibility: compatibility(engine),
        has_places: has_places(settings),
        seconds,
        memory_bytes: compiler.memory_bytes,
    };
    let order = serde_json::to_string(&order).map_err(|error| invalid(&error.to_string()))? + "\n";
    let mut child = Command::new(&program.path)
        .args(&program.arguments)
        // Whatever is secret in it is nothing to a compiler.
        .env_clear()
        .env("RAYON_NUM_THREADS", threads.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            let path = program.path.display();
            problem(
                &format!("cannot be compiled: the program that compiles, {path}, cannot be started: {error}"),
                "name one that can be, or none (`Settings::compiler.program`)",
            )
        })?;
    let answer = converse(&mut child, &order, component, compiler.time);
    if answer.is_none() {
        // It may have ended by itself just now.
        let _ = child.kill();
    }
    let status = end(&mut child);
    let Some(Answer { code, words }) = answer else { return Err(too_long(compiler)) };
    match status {
        Some(status) if status.success() => Ok(code),
        status => Err(failure(compiler, status, words.trim())),
    }
}

struct Answer {
    code: Vec<u8>,
    words: String,
}

/// Gives the child its order and hears its answer; none if it takes too long.
fn converse(child: &mut Child, order: &str, component: &[u8], time: Duration) -> Option<Answer> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let until = Instant::now() + time;
    thread::scope(|scope| {
        scope.spawn(move || {
            // A child that ends before it has read everything says why.
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(order.as_bytes()).and_then(|()| stdin.write_all(component));
            }
        });
        let (sender, heard) = channel();
        for (stream, most) in [
            (stdout.map(|stream| Box::new(stream) as Box<dyn Read + Send>), CODE_BYTES_MAX),
            (stderr.map(|stream| Box::new(stream) as Box<dyn Read + Send>), WORDS_BYTES_MAX),
        ] {
            let sender = sender.clone();
            let is_code = most == CODE_BYTES_MAX;
            scope.spawn(move || {
                let mut bytes = Vec::new();
                if let Some(stream) = stream {
                    // Cut short, it does not load.
                    let _ = stream.take(most).read_to_end(&mut bytes);
                }
                let _ = sender.send((is_code, bytes));
            });
        }
        drop(sender);
        let mut answer = Answer { code: Vec::new(), words: String::new() };
        loop {
            match heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((true, code)) => answer.code = code,
                Ok((false, words)) => answer.words = String::from_utf8_lossy(&words).into_owned(),
                Err(RecvTimeoutError::Disconnected) => return Some(answer),
                Err(RecvTimeoutError::Timeout) => {
                    // Closes its streams, so that those who listen to them end.
                    let _ = child.kill();
                    return None;
                }
            }
        }
    })
}

/// Waits for the end of a child that has closed its streams.
fn end(child: &mut Child) -> Option<ExitStatus> {
    let until = Instant::now() + END_TIME;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < until => thread::sleep(END_PACE),
            Ok(None) => {
                let _ = child.kill();
                return child.wait().ok();
            }
            Ok(status) => return status,
            Err(_) => return None,
        }
    }
}

fn failure(compiler: &Compiler, status: Option<ExitStatus>, words: &str) -> Problem {
    // What the standard library, the operating system and the allocator say where there is no memory left.
    let is_memory = ["memory allocation of", "Cannot allocate memory", "out of memory"]
        .into_iter()
        .any(|sign| words.contains(sign));
    #[cfg(unix)]
    let signal = status.and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status));
    #[cfg(not(unix))]
    let signal: Option<i32> = None;
    #[cfg(unix)]
    if signal == Some(rustix::process::Signal::XCPU.as_raw()) {
        return too_long(compiler);
    }
    if is_memory {
        let most = compiler.memory_bytes >> 20;
        return problem(
            &format!("needs more than {most} MiB of memory to be compiled"),
            "make it smaller, or give the compiler more (`--compile-memory`, `Settings::compiler.memory_bytes`)",
        );
    }
    match (signal, status.and_then(|status| status.code())) {
        (Some(signal), _) => problem(
            &format!("cannot be compiled: the compiler was ended by signal {signal}"),
            "load it again; if that is no help, report it",
        ),
        // Its own words; a panic has another code.
        (None, Some(1 | 2)) if !words.is_empty() => invalid(words),
        (None, code) => {
            let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
            problem(
                &format!("cannot be compiled: the compiler broke down with the exit code {code}: {words}"),
                "report it; a component should not do that",
            )
        }
    }
}

fn too_long(compiler: &Compiler) -> Problem {
    let time = compiler.time;
    problem(
        &format!("takes longer than {time:?} to be compiled"),
        "split its large functions, or give the compiler more time (`--compile-timeout`, `Settings::compiler.time`)",
    )
}
