//! Ports that stay a server's while it is down.

use uuid::Uuid;

/// Below those that systems give to outgoing connections: else some client could have the port by the time that the
/// server comes back, or one that tries to reach it could even be connected to itself.
const FIRST: u16 = 12_000;
const COUNT: u128 = 20_000;
/// So many that are taken are no bad luck any more.
const ATTEMPTS: usize = 20;

/// Ports to try, in no order: many test processes may look for one at the same time.
pub(super) fn candidates() -> impl Iterator<Item = u16> {
    (0..ATTEMPTS).map(|_| FIRST + u16::try_from(Uuid::new_v4().as_u128() % COUNT).unwrap_or_default())
}
