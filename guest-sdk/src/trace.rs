//! Notes for the plugin's author and the operator.

/// Keeps a formatted line with the step's run. It survives a rollback.
#[macro_export]
macro_rules! trace {
    ($($line:tt)+) => {
        $crate::trace::line(&::std::format!($($line)+))
    };
}

/// Keeps a line with the step's run: what [`trace!`](crate::trace!) calls. Outside of a step, in a native test, it goes
/// to stderr.
pub fn line(text: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::wit::trace(text);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::trace(text);
}

/// Reports a mistake in the step's source that the step goes on with: a line in a host, a panic in a native test.
#[cfg_attr(not(target_arch = "wasm32"), track_caller)]
pub(crate) fn mistake(text: &str) {
    #[cfg(target_arch = "wasm32")]
    line(text);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::fail(text);
}
