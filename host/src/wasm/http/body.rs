//! The bodies of requests and responses, within their bounds.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use super::busy::{Busy, Waiting};

/// The bytes that the bodies of a run may still have.
pub(super) struct Budget(AtomicU64);

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
    }

    /// Takes bytes; false if there are not so many.
    fn take(&self, bytes: u64) -> bool {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.is_ok()
    }
}

/// How much a body may have.
pub(super) struct Bound {
    /// Of this body, for the error.
    most: u64,
    left: u64,
    budget: Arc<Budget>,
}

impl Bound {
    pub(super) fn new(most: u64, budget: Arc<Budget>) -> Self {
        Self { most, left: most, budget }
    }

    fn take(&mut self, frame: &Frame<Bytes>) -> Result<(), u64> {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        match self.left.checked_sub(bytes).filter(|_| self.budget.take(bytes)) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.most),
        }
    }
}

/// A request's body, as the guest writes it.
pub(super) struct Sent {
    body: WasiBody,
    bound: Bound,
    /// What it must not have more of: hyper only says that the body failed.
    exceeded: Arc<OnceLock<u64>>,
}

impl Sent {
    /// A body of at most `most` bytes, or of as many as the request's head has declared.
    pub(super) fn new(
        body: WasiBody,
        declared: Option<u64>,
        most: u64,
        budget: Arc<Budget>,
        exceeded: Arc<OnceLock<u64>>,
    ) -> Self {
        let most = declared.map_or(most, |declared| declared.min(most));
        Self { body, bound: Bound::new(most, budget), exceeded }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let Poll::Ready(Some(Ok(frame))) = polled else { return polled };
        Poll::Ready(Some(match self.bound.take(&frame) {
            Ok(()) => Ok(frame),
            Err(most) => {
                let _ = self.exceeded.set(most);
                Err(Error::HttpRequestBodySize(Some(most)))
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response's body, as the guest reads it.
pub(super) struct Received {
    body: hyper::body::Incoming,
    bound: Bound,
    /// The longest time between two pieces of it.
    between: Duration,
    silence: Pin<Box<Sleep>>,
    busy: Arc<Busy>,
    waiting: Option<Waiting>,
    ended: bool,
}

impl Received {
    pub(super) fn new(body: hyper::body::Incoming, bound: Bound, between: Duration, busy: Arc<Busy>) -> Self {
        let silence = Box::pin(tokio::time::sleep(between));
        Self { body, bound, between, silence, busy, waiting: None, ended: false }
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.waiting.is_none() {
            self.waiting = Some(self.busy.enter());
            // The guest's own time between two reads is not the server's.
            let until = Instant::now() + self.between;
            self.silence.as_mut().reset(until);
        }
        match self.silence.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => self.end(Error::ConnectionReadTimeout),
        }
    }

    fn end(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.ended = true;
        self.waiting = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Pending => this.wait(cx),
            Poll::Ready(None) => {
                this.ended = true;
                this.waiting = None;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "the response to a call by HTTP broke off");
                this.end(Error::HttpResponseIncomplete)
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = None;
                match this.bound.take(&frame) {
                    Ok(()) => Poll::Ready(Some(Ok(frame))),
                    Err(most) => this.end(Error::HttpResponseBodySize(Some(most))),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
