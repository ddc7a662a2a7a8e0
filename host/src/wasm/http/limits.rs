//! How much a run may call others.

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The bounds of the calls by HTTP of one run of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpLimits {
    /// Calls. 32: a step that needs more belongs into several, or into a job.
    pub calls: u32,
    /// Bytes of one request's body.
    pub request_bytes: u64,
    /// Bytes of one response's body.
    pub response_bytes: u64,
    /// Bytes of all bodies together, in both directions.
    pub total_bytes: u64,
    /// Bytes of a response's head.
    pub head_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            calls: 32,
            request_bytes: MIB,
            response_bytes: 8 * MIB,
            total_bytes: 32 * MIB,
            head_bytes: usize::try_from(64 * KIB).unwrap_or(usize::MAX),
        }
    }
}
