//! Finds a function that is too large while the file that it is in is read: the few bytes that say its size come before it,
//! so the rest of the file, 64 MiB at most, need not be read to refuse it.

use super::NESTING_MAX;
use super::bounds::FUNCTION_BYTES_MAX;

/// The longest of what is looked at at once: the header of a module or a component. The number and the size of a section
/// have 6 bytes at most.
const LONGEST: usize = 8;
/// Of a module, the section with the functions.
const CODE: u8 = 10;
/// Of a component, the sections with a module and with a component.
const MODULE: u8 = 1;
const COMPONENT: u8 = 4;

/// Goes from size to size, as far as the bytes are there. What is not of that form is left to those who read all of it.
pub(super) struct Scan {
    /// Where the next size is.
    at: usize,
    /// What that is in, the innermost last. Empty when there is nothing more to look for.
    open: Vec<Open>,
}

struct Open {
    what: What,
    end: usize,
}

#[derive(Clone, Copy)]
enum What {
    /// A module or a component, before its first section.
    Header,
    Sections {
        of_component: bool,
    },
    /// Functions, before their number.
    Count,
    Functions,
}

impl Scan {
    pub(super) fn new() -> Self {
        Self { at: 0, open: vec![Open { what: What::Header, end: usize::MAX }] }
    }

    /// Goes on with all bytes that there are by now. Answers the size of a function that is too large.
    pub(super) fn go_on(&mut self, bytes: &[u8]) -> Option<u64> {
        loop {
            while self.open.last().is_some_and(|open| self.at >= open.end) {
                self.open.pop();
            }
            let what = self.open.last()?.what;
            let rest = bytes.get(self.at..).filter(|rest| rest.len() >= LONGEST)?;
            if let Some(size) = self.step(what, rest) {
                return Some(size);
            }
        }
    }

    fn step(&mut self, what: What, rest: &[u8]) -> Option<u64> {
        match what {
            What::Header => {
                let of_component = rest.get(6) == Some(&1);
                self.at += LONGEST;
                self.becomes(What::Sections { of_component });
            }
            What::Sections { of_component } => {
                match rest.split_first().map(|(id, rest)| (id, number(rest))) {
                    Some((id, Some((size, length)))) => self.section(of_component, *id, size, 1 + length),
                    _ => self.open.clear(),
                }
            }
            What::Count => match number(rest) {
                Some((_, length)) => {
                    self.at += length;
                    self.becomes(What::Functions);
                }
                None => self.open.clear(),
            },
            What::Functions => match number(rest) {
                Some((size, _)) if size as u64 > FUNCTION_BYTES_MAX => return Some(size as u64),
                Some((size, length)) => self.at = self.at.saturating_add(length).saturating_add(size),
                None => self.open.clear(),
            },
        }
        None
    }

    fn section(&mut self, of_component: bool, id: u8, size: usize, head: usize) {
        let begin = self.at.saturating_add(head);
        let end = begin.saturating_add(size);
        let what = match (of_component, id) {
            (true, MODULE | COMPONENT) if self.open.len() <= NESTING_MAX => Some(What::Header),
            (false, CODE) => Some(What::Count),
            _ => None,
        };
        match what {
            Some(what) => {
                self.at = begin;
                self.open.push(Open { what, end });
            }
            None => self.at = end,
        }
    }

    fn becomes(&mut self, what: What) {
        if let Some(open) = self.open.last_mut() {
            open.what = what;
        }
    }
}

/// A number of 32 bits as WebAssembly writes it, and how many bytes it has.
fn number(bytes: &[u8]) -> Option<(usize, usize)> {
    let length = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)? + 1;
    let number =
        bytes.get(..length)?.iter().rev().fold(0_u64, |sum, byte| (sum << 7) | u64::from(byte & 0x7f));
    Some((usize::try_from(number).ok()?, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![id];
        size(&mut bytes, content.len());
        [bytes, content.to_vec()].concat()
    }

    fn size(bytes: &mut Vec<u8>, mut size: usize) {
        while size > 0x7f {
            bytes.push(0x80 | (size & 0x7f) as u8);
            size >>= 7;
        }
        bytes.push(size as u8);
    }

    /// A component with a module in a component, whose functions have these sizes.
    fn component(functions: &[usize]) -> Vec<u8> {
        let mut code = Vec::new();
        size(&mut code, functions.len());
        for function in functions {
            size(&mut code, *function);
            code.resize(code.len() + function, 0);
        }
        // Another section, in which the same bytes mean nothing.
        let module = [b"\0asm\x01\0\0\0".to_vec(), section(11, &code), section(CODE, &code)].concat();
        let inner = [b"\0asm\x0d\0\x01\0".to_vec(), section(MODULE, &module)].concat();
        [
            b"\0asm\x0d\0\x01\0".to_vec(),
            section(0, b"\x01xabc"),
            section(COMPONENT, &inner),
            section(0, &[0; 20]),
        ]
        .concat()
    }

    /// What is found, and after how many bytes, if they come in pieces.
    fn found(bytes: &[u8], piece: usize) -> Option<(u64, usize)> {
        let mut scan = Scan::new();
        let ends = (piece..bytes.len() + piece).step_by(piece).map(|end| end.min(bytes.len()));
        ends.into_iter().find_map(|end| Some((scan.go_on(&bytes[..end])?, end)))
    }

    #[test]
    fn a_function_that_is_too_large_is_found_before_it_is_there() {
        let most = usize::try_from(FUNCTION_BYTES_MAX).unwrap();
        let (fits, too_large) = (component(&[3, most, 70]), component(&[3, most + 1, 70]));
        for piece in [1, 7, 1000, most] {
            assert_eq!(found(&fits, piece), None, "{piece}");
        }
        for piece in [1, 7] {
            // Behind the section before it, which is as large.
            let (size, read) = found(&too_large, piece).unwrap();
            assert_eq!(size, FUNCTION_BYTES_MAX + 1);
            assert!(read < most + 300, "{read}");
        }
    }

    #[test]
    fn whatever_is_no_component_has_none() {
        let too_large = component(&[2 << 20]);
        for length in 0..200 {
            assert_eq!(found(&too_large[..length], 1), None);
        }
        for bytes in
            [vec![0xff; 5000], vec![0; 5000], b"\0asm\x0d\0\x01\0\x01\xff\xff\xff\xff\xff\xff".to_vec()]
        {
            assert_eq!(found(&bytes, 100), None);
        }
    }
}
