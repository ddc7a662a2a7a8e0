//! Write Stagegate plugins in Rust.
