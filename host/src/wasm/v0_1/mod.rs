//! The contract's 0.1 line: generated bindings, the conversions, and the host's side of its interfaces.

mod capabilities;
pub(super) mod convert;
mod interfaces;
mod system_job;

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated from the WIT, which has the documentation"
)]
pub(super) mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/v0.1",
        world: "plugin",
        imports: {
            // A sync function in WIT, an async one on the host: the guest sees a blocking call. A WIT `async func` that
            // runs another store's call in the same task panics in wasmtime 48.0.8.
            "stagegate:plugin/organization-service": async | trappable,
            "stagegate:plugin/system-job.save-checkpoint": async | trappable,
            "stagegate:plugin/system-job.report-progress": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        include_component_type: true,
    });
}

/// The contract in binary form, to compare that of a component with.
pub(super) use bindings::COMPONENT_TYPE as CONTRACT;
pub(super) use bindings::{Plugin as World, PluginPre as WorldPre};
