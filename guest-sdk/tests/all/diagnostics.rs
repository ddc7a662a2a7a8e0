//! Mistakes in a plugin's source give errors that say what to write.
//!
//! After a change of the words: `TRYBUILD=overwrite cargo test -p stagegate-sdk diagnostics`

#[test]
fn mistakes_say_what_to_write() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
