//! The guest's standard output and error: the last of it is kept, for the error message of a run that fails.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// A stream that never blocks and never fails, so that a chatty guest runs on, and that keeps its newest bytes.
#[derive(Clone)]
pub(super) struct Tail(Arc<Mutex<Kept>>);

struct Kept {
    bytes: Vec<u8>,
    bytes_max: usize,
    /// Whether there was more before.
    cut: bool,
}

impl Tail {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Mutex::new(Kept { bytes: Vec::new(), bytes_max, cut: false })))
    }

    /// What was kept, as text: from the first whole character on, with what is no UTF-8 replaced.
    pub(super) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut skip = kept.bytes.len().saturating_sub(kept.bytes_max);
        // The rest of a character that was cut is three bytes at most.
        let is_rest = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
        let rest = kept.bytes.get(skip..).unwrap_or_default().iter().take(3).take_while(|byte| is_rest(byte));
        if skip > 0 || kept.cut {
            skip += rest.count();
        }
        String::from_utf8_lossy(kept.bytes.get(skip..).unwrap_or_default()).into_owned()
    }

    fn append(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = bytes.get(bytes.len().saturating_sub(kept.bytes_max)..).unwrap_or_default();
        kept.cut |= newest.len() < bytes.len();
        // Cut at twice the size, so that many small writes do not each move the whole buffer.
        if kept.bytes.len() + newest.len() > 2 * kept.bytes_max {
            let surplus = kept.bytes.len().saturating_sub(kept.bytes_max.saturating_sub(newest.len()));
            kept.bytes.drain(..surplus);
            kept.cut = true;
        }
        kept.bytes.extend_from_slice(newest);
    }
}

impl IsTerminal for Tail {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Tail {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Tail {
    async fn ready(&mut self) {}
}

impl OutputStream for Tail {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for Tail {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(bytes_max: usize, writes: &[&[u8]]) -> String {
        let tail = Tail::new(bytes_max);
        writes.iter().for_each(|bytes| tail.append(bytes));
        tail.text()
    }

    #[test]
    fn the_newest_bytes_are_kept_from_a_whole_character_on() {
        for (bytes_max, writes, expected) in [
            (4, vec![b"abc".as_slice()], "abc"),
            (4, vec![b"abcdef".as_slice()], "cdef"),
            (4, vec![b"abc".as_slice(), b"def"], "cdef"),
            (4, vec![b"ab".as_slice(), b"cd", b"ef", b"gh", b"ij"], "ghij"),
            (4, vec!["aüüü".as_bytes()], "üü"),
            (3, vec!["aüü".as_bytes()], "ü"),
            (5, vec!["€€".as_bytes()], "€"),
            (3, vec!["ü".as_bytes(), "ü".as_bytes(), "ü".as_bytes()], "ü"),
            // What no cut has made is shown as what it is.
            (4, vec![b"\x80a".as_slice()], "\u{fffd}a"),
            (4, vec![b"a\xffb".as_slice()], "a\u{fffd}b"),
            (0, vec![b"a".as_slice()], ""),
        ] {
            assert_eq!(tail(bytes_max, &writes), expected, "{bytes_max} of {writes:?}");
        }
    }
}
