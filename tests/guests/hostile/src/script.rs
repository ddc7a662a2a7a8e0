//! A step that does what the record's note says, letter by letter, so that a test can have any tree of requests.

use std::hint::black_box;
use std::time::Duration;

use stagegate_sdk::prelude::*;

/// Follows the record's note. What is in parentheses is the note of a record that it creates; what is in brackets too, and
/// it goes on when that fails.
#[step(PreOperation, entity = "probe")]
pub(crate) fn follow(ctx: &mut Create<Record>) -> Result {
    let script: String = ctx.target.value("note").unwrap_or_default();
    let mut kept = Vec::new();
    let mut rest = script.as_str();
    while let Some(letter) = rest.chars().next() {
        rest = &rest[1..];
        match letter {
            '(' | '[' => {
                let (inner, after) = split(rest)?;
                let result =
                    ctx.org().create(Record::new("probe").with("name", "nested").with("note", inner));
                if letter == '(' {
                    result?;
                }
                rest = after;
            }
            'm' => kept.push(black_box(vec![1_u8; 1 << 20])),
            'h' => std::mem::forget(wasip2::cli::stdout::get_stdout()),
            'w' => std::thread::sleep(Duration::from_millis(1)),
            's' => std::thread::sleep(Duration::from_secs(3600)),
            'l' => loop {
                black_box(());
            },
            'f' => bail!("as the script says"),
            'e' => std::process::exit(1),
            't' => std::process::abort(),
            _ => panic!("the script has {letter:?}"),
        }
    }
    ensure!(kept.len() < 100, "never so many");
    Ok(())
}

/// Up to the parenthesis or bracket that closes, and what follows it.
fn split(text: &str) -> Result<(&str, &str)> {
    let mut depth = 0;
    for (index, letter) in text.char_indices() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' if depth == 0 => return Ok((&text[..index], &text[index + 1..])),
            ')' | ']' => depth -= 1,
            _ => {}
        }
    }
    bail!("the script does not close: {text}")
}
