//! What options take: durations, sizes, numbers with bounds. Each error has the way out.

use std::time::Duration;

use uuid::Uuid;

pub(in crate::cli) fn positive_duration(text: &str) -> Result<Duration, String> {
    if text.trim().parse::<f64>().is_ok() {
        return Err(format!("the unit is missing: write `{0}s` or `{0}ms`", text.trim()));
    }
    let duration = text
        .parse::<jiff::SignedDuration>()
        .map_err(|_| "write a number with a unit, as in `500ms`, `2s` or `1m 30s`".to_owned())?;
    match Duration::try_from(duration) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("it must be longer than zero".to_owned()),
    }
}

pub(super) fn depth(text: &str) -> Result<u32, String> {
    match text.trim().parse::<u32>() {
        Ok(0) => Err("a request from outside is at depth 1, so the least is 1".to_owned()),
        Ok(depth) => Ok(depth),
        Err(_) => Err("write a whole number, such as 8".to_owned()),
    }
}

pub(super) fn user(text: &str) -> Result<Uuid, String> {
    text.trim()
        .parse()
        .map_err(|_| "a user is named by a UUID, such as 0000000a-0000-4000-8000-000000000001".to_owned())
}

pub(super) fn memory_size(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        bytes if (65_536..=1 << 32).contains(&bytes) => Ok(bytes),
        _ => Err("it must be between 64 KiB, one page of WebAssembly, and 4 GiB".to_owned()),
    }
}

/// With less the compiler's threads cannot even start.
const COMPILE_MEMORY_MIN: u64 = 32 << 20;

pub(super) fn compile_memory(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        bytes if bytes >= COMPILE_MEMORY_MIN => Ok(bytes),
        _ => Err("it must be at least 32 MiB, which the compiler takes itself".to_owned()),
    }
}

fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "kib" | "k" => 1 << 10,
        "" | "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        _ => return Err("write whole MiB, or a whole number with KiB, MiB or GiB".to_owned()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    bytes.ok_or_else(|| "write whole MiB, or a whole number with KiB, MiB or GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(positive_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(positive_duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(positive_duration("30"), Err("the unit is missing: write `30s` or `30ms`".into()));
        assert!(positive_duration("0s").is_err());
        assert!(positive_duration("-1s").is_err());
        assert!(positive_duration("soon").is_err());
    }

    #[test]
    fn sizes_are_mebibytes_unless_they_say_otherwise() {
        assert_eq!(memory_size("64"), Ok(64 << 20));
        assert_eq!(memory_size("64MiB"), Ok(64 << 20));
        assert_eq!(memory_size("512 KiB"), Ok(512 << 10));
        assert_eq!(memory_size("1g"), Ok(1 << 30));
        for wrong in ["0", "1KiB", "5GiB", "64MB", "x", "", "99999999999999999999"] {
            assert!(memory_size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(compile_memory("8GiB"), Ok(8 << 30));
        for wrong in ["0", "31", "64MB", "x"] {
            assert!(compile_memory(wrong).is_err(), "{wrong}");
        }
    }
}
