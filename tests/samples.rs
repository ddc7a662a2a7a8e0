//! Every sample plugin in a real host. A sample without a test here does not compile.
