//! The macros of `stagegate-sdk`.
