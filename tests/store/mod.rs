//! The stores' conformance suite, and each store that calls it.
